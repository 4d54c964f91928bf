# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The DXLink protocol without I/O, clock or task: it takes frames, gives events, and says which frames to send.

The socket, the timing of keepalives and the watchdog are in `connection`, the states of one channel in `channel`, the
meaning of columns in `candles` and `market_data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.core.lines import shortened
from ttapi_pipeline.core.privacy import STRUCK_OUT, without_tokens
from ttapi_pipeline.streaming.channel import ChannelState, FeedChannel, Message
from ttapi_pipeline.streaming.events import Authorized, ErrorReceived, Event, FeedReady, TokenRefused
from ttapi_pipeline.streaming.messages import Contract, Incoming, Subscription, decode, encode, subscription_frames

CLIENT_VERSION: Final = "0.1-ttapi-pipeline/0.1"
DEFAULT_KEEPALIVE_SECONDS: Final = 60.0

LEAST_KEEPALIVE_SECONDS: Final = 0.2
"""A server that asks for less would have us do nothing else."""

MAX_MESSAGE_CHARS: Final = 300
"""The most that is repeated of a server's text."""


class Handshake(StrEnum):
    """The steps to an authorised link; only a READY link may open channels.

    NEW: nothing was sent.
    SETUP: our SETUP was sent.
    AUTH: the server wanted a token, and the token was sent.
    READY: the server accepted the token.
    REFUSED: the server refused the token, or does not accept it any more.
    """

    NEW = "new"
    SETUP = "setup"
    AUTH = "auth"
    READY = "ready"
    REFUSED = "refused"


class DxLinkProtocol:
    """The protocol of one link.

    Channels and subscriptions may be asked for at any time. They go out in the order that the server wants: AUTH after
    UNAUTHORIZED, CHANNEL_REQUEST after AUTHORIZED, FEED_SETUP after CHANNEL_OPENED, subscriptions after FEED_CONFIG.
    Without waiting for each answer, production replies "Session not found".

    After each call, the frames of `outgoing()` have to be sent.

    Attributes:
        handshake: How far the link is.
    """

    def __init__(self, token: str, *, keepalive_seconds: float = DEFAULT_KEEPALIVE_SECONDS) -> None:
        """The protocol of a link that was just opened; `start` sends the first message.

        Args:
            token: The quote token. It leaves in the AUTH frame and appears nowhere else.
            keepalive_seconds: The longest silence that we accept, and that we ask the server to accept.
        """
        self.handshake = Handshake.NEW
        self._token = token
        self._keepalive_seconds = keepalive_seconds
        self._server_keepalive_seconds = keepalive_seconds
        self._channels: dict[int, FeedChannel] = {}
        self._outgoing: list[str] = []

    def __repr__(self) -> str:
        return f"<DxLinkProtocol {self.handshake}, {len(self._channels)} channels>"

    @property
    def keepalive_interval(self) -> float:
        """Seconds between two KEEPALIVE frames: half of our timeout, or of the server's if that is shorter."""
        return min(self._keepalive_seconds, self._server_keepalive_seconds) / 2

    def start(self) -> None:
        """Send SETUP."""
        self.handshake = Handshake.SETUP
        self._send(
            {
                "type": "SETUP",
                "channel": 0,
                "version": CLIENT_VERSION,
                "keepaliveTimeout": self._keepalive_seconds,
                "acceptKeepaliveTimeout": self._keepalive_seconds,
            }
        )

    def keepalive(self) -> None:
        """Send KEEPALIVE."""
        self._send({"type": "KEEPALIVE", "channel": 0})

    def open_feed(
        self,
        contract: Contract,
        fields: Mapping[str, Sequence[str]],
        *,
        aggregation_seconds: float | None = None,
    ) -> int:
        """Ask for a FEED channel.

        Args:
            contract: The content of the channel.
            fields: The fields wanted of each event type. The server may announce fewer, or in another order.
            aggregation_seconds: Wanted aggregation period; None leaves it to the server.

        Returns:
            The channel's number, which its events and `subscribe` carry. The server demands odd numbers.
        """
        number = 2 * len(self._channels) + 1
        channel = FeedChannel(number, contract, fields, aggregation_seconds, quote=self._quote)
        self._channels[number] = channel
        if self.handshake is Handshake.READY:
            self._send(channel.request())
        return number

    def reopen_feed(self, channel: int) -> None:
        """Ask again for a channel that the server closed; a channel in another state stays as it is.

        The event `FeedReady` says when it can be used. Its subscriptions and the announced layouts are gone.
        """
        if self._channels[channel].state is ChannelState.CLOSED:
            renewed = self._channels[channel] = self._channels[channel].renewed()
            if self.handshake is Handshake.READY:
                self._send(renewed.request())

    def complain(self, error: str, message: str) -> None:
        """Send ERROR with one of the specification's words, such as ``TIMEOUT``. No answer is expected."""
        self._send({"type": "ERROR", "channel": 0, "error": error, "message": message})

    def close_channel(self, channel: int) -> None:
        """Close a channel. Data that still come on it are dropped."""
        cancel = self._channels[channel].cancel()
        if cancel is not None:
            self._send(cancel)

    def subscribe(
        self,
        channel: int,
        *,
        add: Iterable[Subscription] = (),
        remove: Iterable[Subscription] = (),
        reset: bool = False,
    ) -> None:
        """Change the subscriptions of a channel: first `reset` drops all, then `remove`, then `add`.

        Adding a subscribed series again with another `from_time` replaces it and starts a new snapshot.
        """
        frames = subscription_frames(channel, add=tuple(add), remove=tuple(remove), reset=reset)
        self._outgoing.extend(self._channels[channel].subscribe(frames))

    @property
    def has_outgoing(self) -> bool:
        """Whether frames wait to be sent."""
        return bool(self._outgoing)

    def outgoing(self) -> list[str]:
        """Take the frames that have to be sent now, in order. One of all frames holds the token, so do not log them."""
        frames, self._outgoing = self._outgoing, []
        return frames

    def receive(self, frame: str | bytes) -> list[Event]:
        """Take one frame of the server.

        Returns:
            The events of the frame; often none. Unknown message types are ignored.

        Raises:
            ProtocolError: The frame is malformed, or not allowed at this point.
        """
        message = decode(frame)
        match message.type:
            case "FEED_DATA":
                return [*self._channel(message).received(message.data)]
            case "SETUP":
                if message.keepalive_timeout is not None and message.keepalive_timeout > 0:
                    self._server_keepalive_seconds = max(message.keepalive_timeout, LEAST_KEEPALIVE_SECONDS)
                return []
            case "AUTH_STATE":
                return self._auth_state(message)
            case "CHANNEL_OPENED":
                return self._channel_opened(message)
            case "CHANNEL_CLOSED":
                return self._channel_closed(message)
            case "FEED_CONFIG":
                return self._feed_config(message)
            case "ERROR":
                return self._error(message)
            case _:
                return []

    def redact(self, text: str) -> str:
        """A text of the server with the token struck out, in case the server echoes it, and whatever looks like one."""
        return without_tokens(text.replace(self._token, STRUCK_OUT) if self._token else text)

    def _send(self, message: Message) -> None:
        self._outgoing.append(encode(message))

    def _auth_state(self, message: Incoming) -> list[Event]:
        if message.state == "AUTHORIZED" and self.handshake in {Handshake.SETUP, Handshake.AUTH, Handshake.READY}:
            is_first = self.handshake is not Handshake.READY
            self.handshake = Handshake.READY
            if not is_first:
                return []
            for channel in self._channels.values():
                if channel.state is ChannelState.WANTED:
                    self._send(channel.request())
            return [Authorized()]
        if message.state == "UNAUTHORIZED" and self.handshake is Handshake.SETUP:
            # The first UNAUTHORIZED only says that a token is needed.
            self.handshake = Handshake.AUTH
            self._send({"type": "AUTH", "channel": 0, "token": self._token})
            return []
        if message.state == "UNAUTHORIZED" and self.handshake in {Handshake.AUTH, Handshake.READY}:
            # Sending the token again would be refused again, in a loop as fast as the link allows.
            self.handshake = Handshake.REFUSED
            return [TokenRefused()]
        raise ProtocolError(f"AUTH_STATE is {self._quote(message.state)} in phase {self.handshake}")

    def _channel_opened(self, message: Incoming) -> list[Event]:
        setup = self._channel(message).opened()
        if setup is not None:
            self._send(setup)
        return []

    def _channel_closed(self, message: Incoming) -> list[Event]:
        closed = self._channel(message).closed()
        return [] if closed is None else [closed]

    def _feed_config(self, message: Incoming) -> list[Event]:
        waiting = self._channel(message).configured(message.event_fields or {})
        if waiting is None:
            return []
        self._outgoing.extend(waiting)
        return [FeedReady(message.channel)]

    def _error(self, message: Incoming) -> list[Event]:
        error = shortened(self.redact(message.error or "UNKNOWN"))
        text = shortened(self.redact(message.message or ""), MAX_MESSAGE_CHARS)
        if error == "UNSUPPORTED_PROTOCOL":
            raise ProtocolError(f"the server does not speak {CLIENT_VERSION}: {text}")
        return [ErrorReceived(message.channel, error, text)]

    def _channel(self, message: Incoming) -> FeedChannel:
        channel = self._channels.get(message.channel)
        if channel is None or channel.state is ChannelState.WANTED:
            number = shortened(str(message.channel), 20)
            raise ProtocolError(f"{message.type} for channel {number}, which was not requested")
        return channel

    def _quote(self, text: str | None) -> str:
        return repr(self.redact(text or "")[:40])
