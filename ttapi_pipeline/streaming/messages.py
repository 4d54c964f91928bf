# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""DXLink frames as typed values, in and out. Order of messages: see `protocol`. Reading of columns: see `values`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from ttapi_pipeline.core.errors import ProtocolError

MAX_ENTRIES: Final = 200
"""The most entries in one FEED_SUBSCRIPTION. Servers drop the link at about 2,000."""

MAX_FRAME_BYTES: Final = 16_384
"""The most bytes in one FEED_SUBSCRIPTION. Servers close the link with code 1009 at 65,536."""


class Contract(StrEnum):
    """The content of a channel.

    TICKER: the latest event of each symbol, conflated.
    STREAM: every event.
    HISTORY: a snapshot of the past, and then updates.
    """

    TICKER = "TICKER"
    STREAM = "STREAM"
    HISTORY = "HISTORY"


class Incoming(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Any frame of a server. Fields that a message type does not use have their defaults."""

    type: str
    channel: int
    keepalive_timeout: float | None = None
    state: str | None = None
    error: str | None = None
    message: str | None = None
    service: str | None = None
    event_fields: dict[str, list[str]] | None = None
    data: Any = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One entry of a FEED_SUBSCRIPTION. `from_time` is in epoch milliseconds, for time series only."""

    event_type: str
    symbol: str
    from_time: int | None = None

    def to_wire(self) -> dict[str, str | int]:
        """The entry as the feed spells it."""
        entry: dict[str, str | int] = {"type": self.event_type, "symbol": self.symbol}
        if self.from_time is not None:
            entry["fromTime"] = self.from_time
        return entry


_DECODER: Final = msgspec.json.Decoder(Incoming)


def decode(frame: str | bytes) -> Incoming:
    """Read one frame.

    Special floats stay the strings that the feed writes (``"NaN"``, ``"Infinity"``) until `values` reads a column.

    Raises:
        ProtocolError: The frame is not JSON, or a field is not of its type. The message does not quote the frame.
    """
    try:
        return _DECODER.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        try:
            # Python reads a number beyond 64-bit floats, and a bare NaN, so one such value does not cost the link.
            return msgspec.convert(json.loads(frame), Incoming)
        except (ValueError, RecursionError):
            raise ProtocolError(f"a frame is not a DXLink message: {error}") from error


def encode(message: Mapping[str, Any]) -> str:
    """Write one frame."""
    return msgspec.json.encode(message).decode()


def subscription_frames(
    channel: int,
    *,
    add: Sequence[Subscription] = (),
    remove: Sequence[Subscription] = (),
    reset: bool = False,
) -> Iterator[str]:
    """FEED_SUBSCRIPTION frames within MAX_ENTRIES and MAX_FRAME_BYTES, in the order reset, remove, add.

    There is no frame without entries or `reset`. A single entry above MAX_FRAME_BYTES gets a frame of its own.
    """
    head: dict[str, Any] = {"type": "FEED_SUBSCRIPTION", "channel": channel}
    if reset:
        head["reset"] = True
    frame: dict[str, Any] = dict(head)
    entries, size = 0, len(encode(head))
    for key, subscriptions in (("remove", remove), ("add", add)):
        for subscription in subscriptions:
            entry = subscription.to_wire()
            # Each entry has a comma. The 32 bytes below are the keys, colons and brackets of both lists.
            entry_size = len(msgspec.json.encode(entry)) + 1
            if entries and (entries == MAX_ENTRIES or size + entry_size + 32 > MAX_FRAME_BYTES):
                yield encode(frame)
                head.pop("reset", None)
                frame, entries, size = dict(head), 0, len(encode(head))
            frame.setdefault(key, []).append(entry)
            entries += 1
            size += entry_size
    if entries or "reset" in frame:
        yield encode(frame)
