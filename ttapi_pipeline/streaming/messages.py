# SPDX-License-Identifier: MIT
"""DXLink frames as typed values, in and out, and the reading of columns. The order of messages is in `protocol`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

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
    data: list[Any] | None = None


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

    Special floats stay the strings that the feed writes (``"NaN"``, ``"Infinity"``) until `floats` reads a column.

    Raises:
        ProtocolError: The frame is not JSON, or a field is not of its type. The message does not quote the frame.
    """
    try:
        return _DECODER.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
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


def floats(column: Sequence[Any]) -> NDArray[np.float64]:
    """Read a column of numbers: ``"NaN"`` and null become NaN, ``"Infinity"`` and ``"-Infinity"`` the infinities.

    Raises:
        ProtocolError: A value is something else.
    """
    try:
        numbers = np.array(column, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"a column of numbers holds something else: {error}") from error
    return _flat(numbers)


def integers(column: Sequence[Any]) -> NDArray[np.int64]:
    """Read a column of whole numbers, such as times and flags; they may be written as ``5.0``.

    Raises:
        ProtocolError: A value is something else.
    """
    if set(map(type, column)) <= {int}:
        try:
            return np.array(column, dtype=np.int64)
        except OverflowError as error:
            raise ProtocolError(f"a column of whole numbers holds one that is too large: {error}") from error
    numbers = floats(column)
    # From 2^53 on, a float does not tell neighbouring whole numbers apart.
    if not bool((np.abs(numbers) < 2.0**53).all()) or not bool((numbers == np.trunc(numbers)).all()):
        raise ProtocolError("a column of whole numbers holds something else")
    return numbers.astype(np.int64)


def strings(column: Sequence[Any]) -> Sequence[str]:
    """Read a column of texts.

    Raises:
        ProtocolError: A value is something else.
    """
    if set(map(type, column)) <= {str}:
        return column
    raise ProtocolError("a column of texts holds something else")


def _flat(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    if numbers.ndim != 1:
        raise ProtocolError("a column of numbers holds a list")
    return numbers
