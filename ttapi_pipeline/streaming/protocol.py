# SPDX-License-Identifier: MIT
"""The DXLink protocol without I/O, clock or task: frames in, events out, and what to send next.

The socket, keepalive timing and the watchdog are in `connection`; what the events' columns mean is in `candles` and
`market_data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Any, Final

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.messages import Contract, Incoming, Subscription, decode, encode, subscription_frames

CLIENT_VERSION: Final = "0.1-ttapi-pipeline/0.1"
DEFAULT_KEEPALIVE_SECONDS: Final = 60.0


class Phase(StrEnum):
    """How far the session is."""

    NEW = "new"
    SETUP = "setup"
    AUTH = "auth"
    READY = "ready"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Authorized:
    """The session may open channels."""


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The token was refused, or is no longer accepted; the session is over."""


@dataclass(frozen=True, slots=True)
class FeedReady:
    """A channel is open and configured; subscriptions go out from here on."""

    channel: int


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """The server closed a channel; `is_requested` when we asked for it."""

    channel: int
    is_requested: bool


@dataclass(frozen=True, slots=True)
class ErrorReceived:
    """The server complained; by specification this closes nothing. Channel 0 is the session itself."""

    channel: int
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class FeedData:
    """Events of one type, as columns of equal length in the order in which they came.

    Attributes:
        channel: Where they came.
        event_type: ``Candle``, ``Quote``, ...
        count: How many events.
        columns: Values per field, as JSON has them; None where an event left the field out.
    """

    channel: int
    event_type: str
    count: int
    columns: Mapping[str, Sequence[Any]] = field(repr=False)


class CompactColumns(Mapping[str, Sequence[Any]]):
    """Columns that are cut out of the events laid end to end when somebody asks for them.

    Attributes:
        layout: The place of each field in an event.
        flat: The events' values, end to end.
    """

    __slots__ = ("flat", "layout")

    def __init__(self, layout: Mapping[str, int], flat: Sequence[Any]) -> None:
        self.layout = layout
        self.flat = flat

    def __getitem__(self, name: str) -> Sequence[Any]:
        return self.flat[self.layout[name] :: len(self.layout)]

    def __contains__(self, name: object) -> bool:
        return name in self.layout

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout)

    def __len__(self) -> int:
        return len(self.layout)


def joined(parts: Sequence[FeedData]) -> FeedData:
    """Events of one type as one, in order; all parts but a single one have the same layout."""
    first = parts[0]
    if len(parts) == 1 or not isinstance(first.columns, CompactColumns):
        return first
    flat = list(chain.from_iterable(part.columns.flat for part in parts if isinstance(part.columns, CompactColumns)))
    columns = CompactColumns(first.columns.layout, flat)
    return FeedData(first.channel, first.event_type, len(flat) // len(columns), columns)


def may_join(one: FeedData, other: FeedData) -> bool:
    """Whether both have the same type and layout, so that `joined` takes them."""
    return (
        one.event_type == other.event_type
        and isinstance(one.columns, CompactColumns)
        and isinstance(other.columns, CompactColumns)
        and one.columns.layout is other.columns.layout
    )


Event = Authorized | TokenRefused | FeedReady | ChannelClosed | ErrorReceived | FeedData


class _ChannelState(StrEnum):
    WANTED = "wanted"
    REQUESTED = "requested"
    OPENED = "opened"
    READY = "ready"
    CANCELLED = "cancelled"
    CLOSED = "closed"


@dataclass(slots=True)
class _Channel:
    """One FEED channel: what was asked for, what the server announced, what waits for it to be ready."""

    contract: Contract
    fields: Mapping[str, Sequence[str]]
    aggregation_seconds: float | None
    state: _ChannelState = _ChannelState.WANTED
    layouts: dict[str, Mapping[str, int]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)


class DxLinkProtocol:
    """One DXLink session.

    Anything may be asked for at any time; it goes out in the order that the server wants: AUTH after UNAUTHORIZED,
    CHANNEL_REQUEST after AUTHORIZED, FEED_SETUP after CHANNEL_OPENED, subscriptions after FEED_CONFIG. Racing these
    makes production answer "Session not found".

    After each call, the frames of `outgoing()` have to be sent.
    """

    def __init__(self, token: str, *, keepalive_seconds: float = DEFAULT_KEEPALIVE_SECONDS) -> None:
        """Start a session.

        Args:
            token: The quote token; it leaves in the AUTH frame and appears nowhere else.
            keepalive_seconds: How long the server may stay silent, and we as well; it is told so.
        """
        self.phase = Phase.NEW
        self._token = token
        self._keepalive_seconds = keepalive_seconds
        self._server_keepalive_seconds = keepalive_seconds
        self._channels: dict[int, _Channel] = {}
        self._outgoing: list[str] = []

    def __repr__(self) -> str:
        return f"<DxLinkProtocol {self.phase}, {len(self._channels)} channels>"

    @property
    def keepalive_interval(self) -> float:
        """Seconds between two KEEPALIVE frames: half of what the server tolerates, as far as it has said so."""
        return min(self._keepalive_seconds, self._server_keepalive_seconds) / 2

    def start(self) -> None:
        """Open the session."""
        self.phase = Phase.SETUP
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
        """Say that we are alive."""
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
            contract: What it delivers.
            fields: The fields wanted of each event type. The server may announce fewer, or another order.
            aggregation_seconds: Wanted aggregation period; up to the server when None.

        Returns:
            Its number, which its events and `subscribe` carry. Odd, as the server demands.
        """
        channel = 2 * len(self._channels) + 1
        self._channels[channel] = _Channel(contract, fields, aggregation_seconds)
        if self.phase is Phase.READY:
            self._request(channel)
        return channel

    def reopen_feed(self, channel: int) -> None:
        """Ask again for a channel that the server closed; `FeedReady` says when it is there. Others are left alone.

        Its subscriptions are gone, and so are the layouts that were announced.
        """
        state = self._channels[channel]
        if state.state is _ChannelState.CLOSED:
            self._channels[channel] = _Channel(state.contract, state.fields, state.aggregation_seconds)
            if self.phase is Phase.READY:
                self._request(channel)

    def complain(self, error: str, message: str) -> None:
        """Tell the server what is wrong with it, such as ``TIMEOUT``; by specification that needs no answer."""
        self._send({"type": "ERROR", "channel": 0, "error": error, "message": message})

    def close_channel(self, channel: int) -> None:
        """Close a channel; what still comes on it is dropped."""
        state = self._channels[channel]
        if state.state in {_ChannelState.REQUESTED, _ChannelState.OPENED, _ChannelState.READY}:
            self._send({"type": "CHANNEL_CANCEL", "channel": channel})
            state.state = _ChannelState.CANCELLED
        elif state.state is _ChannelState.WANTED:
            state.state = _ChannelState.CLOSED
        state.waiting.clear()

    def subscribe(
        self,
        channel: int,
        *,
        add: Iterable[Subscription] = (),
        remove: Iterable[Subscription] = (),
        reset: bool = False,
    ) -> None:
        """Change what a channel delivers: first `reset` drops everything, then `remove`, then `add`.

        Adding what is subscribed already, with another `from_time`, replaces it and starts a new snapshot.
        """
        state = self._channels[channel]
        frames = subscription_frames(channel, add=tuple(add), remove=tuple(remove), reset=reset)
        if state.state is _ChannelState.READY:
            self._outgoing.extend(frames)
        elif state.state not in {_ChannelState.CANCELLED, _ChannelState.CLOSED}:
            state.waiting.extend(frames)

    @property
    def has_outgoing(self) -> bool:
        """Whether frames wait to be sent."""
        return bool(self._outgoing)

    def outgoing(self) -> list[str]:
        """Take the frames that have to be sent now, in order. One of them holds the token."""
        frames, self._outgoing = self._outgoing, []
        return frames

    def receive(self, frame: str | bytes) -> list[Event]:
        """Take one frame of the server.

        Returns:
            What it tells a consumer; often nothing. Message types that are not known are ignored.

        Raises:
            ProtocolError: The frame is malformed, or not allowed at this point.
        """
        message = decode(frame)
        match message.type:
            case "FEED_DATA":
                return self._feed_data(message)
            case "SETUP":
                if message.keepalive_timeout is not None and message.keepalive_timeout > 0:
                    self._server_keepalive_seconds = message.keepalive_timeout
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
        """A text of the server without the token, should it echo it."""
        return text.replace(self._token, "***") if self._token else text

    def _send(self, message: Mapping[str, Any]) -> None:
        self._outgoing.append(encode(message))

    def _auth_state(self, message: Incoming) -> list[Event]:
        if message.state == "AUTHORIZED" and self.phase in {Phase.SETUP, Phase.AUTH, Phase.READY}:
            is_first = self.phase is not Phase.READY
            self.phase = Phase.READY
            if not is_first:
                return []
            for channel, state in self._channels.items():
                if state.state is _ChannelState.WANTED:
                    self._request(channel)
            return [Authorized()]
        if message.state == "UNAUTHORIZED" and self.phase is Phase.SETUP:
            # The first one only says that a token is needed.
            self.phase = Phase.AUTH
            self._send({"type": "AUTH", "channel": 0, "token": self._token})
            return []
        if message.state == "UNAUTHORIZED" and self.phase in {Phase.AUTH, Phase.READY}:
            # Sending the token again would loop as fast as the link allows.
            self.phase = Phase.REFUSED
            return [TokenRefused()]
        raise ProtocolError(f"AUTH_STATE is {self._quote(message.state)} in phase {self.phase}")

    def _request(self, channel: int) -> None:
        state = self._channels[channel]
        state.state = _ChannelState.REQUESTED
        self._send(
            {
                "type": "CHANNEL_REQUEST",
                "channel": channel,
                "service": "FEED",
                "parameters": {"contract": state.contract},
            }
        )

    def _channel_opened(self, message: Incoming) -> list[Event]:
        channel = self._channel(message)
        if channel.state is _ChannelState.CANCELLED:
            return []
        if channel.state is not _ChannelState.REQUESTED:
            raise ProtocolError(f"CHANNEL_OPENED for channel {message.channel}, which is {channel.state}")
        channel.state = _ChannelState.OPENED
        setup: dict[str, Any] = {
            "type": "FEED_SETUP",
            "channel": message.channel,
            "acceptDataFormat": "COMPACT",
            "acceptEventFields": {event_type: list(names) for event_type, names in channel.fields.items()},
        }
        if channel.aggregation_seconds is not None:
            setup["acceptAggregationPeriod"] = channel.aggregation_seconds
        self._send(setup)
        return []

    def _channel_closed(self, message: Incoming) -> list[Event]:
        channel = self._channel(message)
        if channel.state is _ChannelState.CLOSED:
            return []
        is_requested = channel.state is _ChannelState.CANCELLED
        channel.state = _ChannelState.CLOSED
        channel.waiting.clear()
        return [ChannelClosed(message.channel, is_requested)]

    def _feed_config(self, message: Incoming) -> list[Event]:
        channel = self._channel(message)
        # The announced fields are the layout from here on, for the types that they name.
        for event_type, names in (message.event_fields or {}).items():
            if not names or len(set(names)) != len(names):
                raise ProtocolError(f"FEED_CONFIG: the fields of {self._quote(event_type)} are empty or repeated")
            channel.layouts[event_type] = {name: place for place, name in enumerate(names)}
        if channel.state is not _ChannelState.OPENED:
            return []
        channel.state = _ChannelState.READY
        self._outgoing.extend(channel.waiting)
        channel.waiting.clear()
        return [FeedReady(message.channel)]

    def _feed_data(self, message: Incoming) -> list[Event]:
        channel = self._channel(message)
        if channel.state in {_ChannelState.CANCELLED, _ChannelState.CLOSED} or not message.data:
            return []
        # The format can change at any time, announced or not, so the shape of each message decides.
        if isinstance(message.data[0], str):
            return self._compact(message.channel, channel, message.data)
        return self._full(message.channel, message.data)

    def _compact(self, number: int, channel: _Channel, data: Sequence[Any]) -> list[Event]:
        if len(data) % 2:
            raise ProtocolError("FEED_DATA: a type without its values")
        events: list[Event] = []
        for event_type, values in zip(data[::2], data[1::2], strict=True):
            if not isinstance(event_type, str) or not isinstance(values, list):
                raise ProtocolError("FEED_DATA: compact data is not pairs of a type and its values")
            if not values:
                continue
            layout = channel.layouts.get(event_type)
            if layout is None:
                raise ProtocolError(f"FEED_DATA: {self._quote(event_type)} before its fields were announced")
            width = len(layout)
            if len(values) % width:
                raise ProtocolError(f"FEED_DATA: {len(values)} values are not events of {width} fields")
            events.append(FeedData(number, event_type, len(values) // width, CompactColumns(layout, values)))
        return events

    def _full(self, number: int, data: Sequence[Any]) -> list[Event]:
        events: list[Event] = []
        run: list[Mapping[str, Any]] = []
        for row in data:
            if not isinstance(row, dict) or not isinstance(row.get("eventType"), str):
                raise ProtocolError("FEED_DATA: full data is not objects with their eventType")
            if run and row["eventType"] != run[0]["eventType"]:
                events.append(_columns(number, run))
                run = []
            run.append(row)
        events.append(_columns(number, run))
        return events

    def _error(self, message: Incoming) -> list[Event]:
        error = self.redact(message.error or "UNKNOWN")
        text = self.redact(message.message or "")
        if error == "UNSUPPORTED_PROTOCOL":
            raise ProtocolError(f"the server does not speak {CLIENT_VERSION}: {text}")
        return [ErrorReceived(message.channel, error, text)]

    def _channel(self, message: Incoming) -> _Channel:
        channel = self._channels.get(message.channel)
        if channel is None or channel.state is _ChannelState.WANTED:
            raise ProtocolError(f"{message.type} for channel {message.channel}, which was not requested")
        return channel

    def _quote(self, text: str | None) -> str:
        return repr(self.redact(text or "")[:40])


def _columns(channel: int, rows: Sequence[Mapping[str, Any]]) -> FeedData:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return FeedData(channel, str(rows[0]["eventType"]), len(rows), columns)
