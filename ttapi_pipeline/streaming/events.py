# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The events that `protocol` makes of a server's frames, and the columns of data events.

The meaning of the columns is in `candles` and `market_data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Authorized:
    """The link may open channels."""


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The token was refused, or is not accepted any more. The link is useless now."""


@dataclass(frozen=True, slots=True)
class FeedReady:
    """A channel is open and configured, so its subscriptions are sent."""

    channel: int


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """The server closed a channel; `is_requested` says whether we asked it to."""

    channel: int
    is_requested: bool


@dataclass(frozen=True, slots=True)
class ErrorReceived:
    """The server complained. By specification this closes nothing. Channel 0 stands for the link itself."""

    channel: int
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class FeedData:
    """Events of one type, as columns of equal length in the order in which they came.

    Attributes:
        channel: Number of the channel.
        event_type: ``Candle``, ``Quote``, ...
        count: Number of events.
        columns: Values per field, as JSON has them; None where an event left the field out.
    """

    channel: int
    event_type: str
    count: int
    columns: Mapping[str, Sequence[Any]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Parts of a FEED_DATA message that are no events: pairs of a type and its values, or objects.

    Attributes:
        channel: Number of the channel.
        count: How many parts; a message that is no list of them counts as one.
        reason: What is wrong with the first of them, in words.
    """

    channel: int
    count: int
    reason: str


UNREADABLE_PART: Final = "part of a message"
"""The name under which such parts are counted as lost."""


class CompactColumns(Mapping[str, Sequence[Any]]):
    """Columns of events that are laid end to end; a column is cut out when it is read.

    Attributes:
        layout: The place of each field in an event.
        flat: The values of all events, end to end.
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


def joined(events: Sequence[FeedData]) -> FeedData:
    """Several data events as one, in order. `may_join` holds for each of them and the first."""
    first = events[0]
    if len(events) == 1 or not isinstance(first.columns, CompactColumns):
        return first
    flat = list(chain.from_iterable(each.columns.flat for each in events if isinstance(each.columns, CompactColumns)))
    columns = CompactColumns(first.columns.layout, flat)
    return FeedData(first.channel, first.event_type, len(flat) // len(columns), columns)


def may_join(one: FeedData, other: FeedData) -> bool:
    """Whether both have the same type and compact layout, so that `joined` takes them."""
    return (
        one.event_type == other.event_type
        and isinstance(one.columns, CompactColumns)
        and isinstance(other.columns, CompactColumns)
        and one.columns.layout is other.columns.layout
    )


Event = Authorized | TokenRefused | FeedReady | ChannelClosed | ErrorReceived | FeedData | Unreadable
