# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The messages of a DXLink client, typed, and the encoding of the answers. Market data is encoded in `feed_data`."""

from __future__ import annotations

from typing import Final

import msgspec
import orjson

_NAME_LIMIT: Final = 256


class _Message(msgspec.Struct, tag_field="type", rename="camel"):
    channel: int


class Setup(_Message, tag="SETUP"):
    """Opens the connection, or changes its timeouts (seconds) later."""

    version: str
    keepalive_timeout: float | None = None
    accept_keepalive_timeout: float | None = None


class Auth(_Message, tag="AUTH"):
    """Brings the token, which stays out of the representation."""

    token: str

    def __repr__(self) -> str:
        return "Auth(token=...)"


class KeepAlive(_Message, tag="KEEPALIVE"):
    """Says that the client is there."""


class Parameters(msgspec.Struct, frozen=True):
    """Of a FEED channel."""

    contract: str = "AUTO"


class ChannelRequest(_Message, tag="CHANNEL_REQUEST"):
    """Asks for a service on a channel; the client chooses the number."""

    service: str
    parameters: Parameters = Parameters()


class ChannelCancel(_Message, tag="CHANNEL_CANCEL"):
    """Gives a channel back."""


class FeedSetup(_Message, tag="FEED_SETUP"):
    """Wishes for one channel; a wish that is left out stays as it was. The period is in seconds."""

    accept_aggregation_period: float | None = None
    accept_data_format: str | None = None
    accept_event_fields: dict[str, list[str]] = msgspec.field(default_factory=dict)


class Entry(msgspec.Struct, rename="camel"):
    """One subscription; `from_time` in epoch milliseconds."""

    type: str
    symbol: str
    from_time: float | int | None = None


class FeedSubscription(_Message, tag="FEED_SUBSCRIPTION"):
    """`reset` comes first, then `remove`, then `add`."""

    reset: bool = False
    remove: list[Entry] = []
    add: list[Entry] = []


class ClientError(_Message, tag="ERROR"):
    """The client complains; by specification that needs no answer."""

    error: str = "UNKNOWN"
    message: str = ""


ChannelMessage = ChannelRequest | ChannelCancel | FeedSetup | FeedSubscription
ClientMessage = Setup | Auth | KeepAlive | ChannelMessage | ClientError

_DECODER: Final[msgspec.json.Decoder[ClientMessage]] = msgspec.json.Decoder(ClientMessage)


def decode(text: str | bytes) -> ClientMessage:
    """Read one client message; unknown fields are skipped.

    Raises:
        ValueError: It is not JSON, or not a message of a client. The text says why and repeats no value.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"Invalid message: {error}"[:_NAME_LIMIT]) from None


def encode(kind: str, channel: int, **content: object) -> bytes:
    """One server message as UTF-8 JSON."""
    return orjson.dumps({"type": kind, "channel": channel, **content})


def plain_seconds(seconds: float) -> float:
    """A whole number of seconds as an integer, as production writes it."""
    return int(seconds) if seconds == int(seconds) else seconds
