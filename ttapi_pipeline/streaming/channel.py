# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One FEED channel of a link: its states, the layouts that the server announces, and its data as columns.

`protocol` owns the channels, gives them the messages of the server, and sends their answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.events import ChannelClosed, CompactColumns, FeedData, Unreadable
from ttapi_pipeline.streaming.messages import Contract

Message = Mapping[str, Any]

_SERIES: Final = frozenset({"Candle", "TimeAndSale"})
"""Types whose events have a time, which together with the symbol tells them apart."""

MOST_TYPES: Final = 64
MOST_FIELDS: Final = 256
MOST_CHARS: Final = 100
"""A feed has some twenty types with some twenty fields, and names of some twenty characters. Announcements without end
would fill the memory."""

_ALWAYS_KEPT: Final = ("eventType", "eventSymbol", "index")
"""Fields of a full-format event that are kept although they were not asked for."""


class ChannelState(StrEnum):
    """The life of a channel.

    WANTED: the link is not ready to open it.
    REQUESTED: CHANNEL_REQUEST was sent.
    OPENED: the server opened it, and FEED_SETUP was sent.
    READY: the server configured it, so subscriptions may be sent.
    CANCELLED: we closed it, and the server has not confirmed that.
    CLOSED: it does not exist any more.
    """

    WANTED = "wanted"
    REQUESTED = "requested"
    OPENED = "opened"
    READY = "ready"
    CANCELLED = "cancelled"
    CLOSED = "closed"


_ON_THE_SERVER = frozenset({ChannelState.REQUESTED, ChannelState.OPENED, ChannelState.READY})
_OVER = frozenset({ChannelState.CANCELLED, ChannelState.CLOSED})


class FeedChannel:
    """A channel from the wish for it to its end. Its methods return the messages or frames to send.

    Attributes:
        number: Names the channel on the link; an odd number.
        state: Where it is in its life.
    """

    def __init__(
        self,
        number: int,
        contract: Contract,
        fields: Mapping[str, Sequence[str]],
        aggregation_seconds: float | None,
        *,
        quote: Callable[[str | None], str],
    ) -> None:
        """A channel that was not asked for yet.

        Args:
            number: Its number.
            contract: The content of the channel.
            fields: The fields wanted of each event type.
            aggregation_seconds: Wanted aggregation period; None leaves it to the server.
            quote: Makes a text of the server fit for an error message: short, and without the token.
        """
        self.number = number
        self.state = ChannelState.WANTED
        self._contract = contract
        self._fields = fields
        self._aggregation_seconds = aggregation_seconds
        self._quote = quote
        self._layouts: dict[str, Mapping[str, int]] = {}
        self._waiting: list[str] = []

    def renewed(self) -> FeedChannel:
        """A channel with the same number and wishes, to be asked for again, without layouts and subscriptions."""
        return FeedChannel(self.number, self._contract, self._fields, self._aggregation_seconds, quote=self._quote)

    def request(self) -> Message:
        """The message that asks for the channel."""
        self.state = ChannelState.REQUESTED
        return {
            "type": "CHANNEL_REQUEST",
            "channel": self.number,
            "service": "FEED",
            "parameters": {"contract": self._contract},
        }

    def subscribe(self, frames: Iterable[str]) -> Iterable[str]:
        """The frames that may be sent now. They wait until the channel is ready, and are dropped after its end."""
        if self.state is ChannelState.READY:
            return frames
        if self.state not in _OVER:
            self._waiting.extend(frames)
        return ()

    def cancel(self) -> Message | None:
        """The message that closes the channel; None when the server does not know of it."""
        self._waiting.clear()
        if self.state in _ON_THE_SERVER:
            self.state = ChannelState.CANCELLED
            return {"type": "CHANNEL_CANCEL", "channel": self.number}
        if self.state is ChannelState.WANTED:
            self.state = ChannelState.CLOSED
        return None

    # Messages of the server

    def opened(self) -> Message | None:
        """Answer CHANNEL_OPENED by a FEED_SETUP; None when the channel was cancelled meanwhile.

        Raises:
            ProtocolError: The channel was not asked for.
        """
        if self.state is ChannelState.CANCELLED:
            return None
        if self.state is not ChannelState.REQUESTED:
            raise ProtocolError(f"CHANNEL_OPENED for channel {self.number}, which is {self.state}")
        self.state = ChannelState.OPENED
        setup: dict[str, Any] = {
            "type": "FEED_SETUP",
            "channel": self.number,
            "acceptDataFormat": "COMPACT",
            "acceptEventFields": {event_type: list(names) for event_type, names in self._fields.items()},
        }
        if self._aggregation_seconds is not None:
            setup["acceptAggregationPeriod"] = self._aggregation_seconds
        return setup

    def configured(self, event_fields: Mapping[str, Sequence[str]]) -> Sequence[str] | None:
        """Take FEED_CONFIG. The announced fields are the layout from here on, for the types that it names.

        Returns:
            The frames that waited, when this makes the channel ready; None when it was ready before, or is closed.

        Raises:
            ProtocolError: A type has no fields, or a field twice, or there are more types or fields than a feed has.
        """
        for event_type, names in event_fields.items():
            if not names or len(set(names)) != len(names):
                raise ProtocolError(f"FEED_CONFIG: the fields of {self._quote(event_type)} are empty or repeated")
            self._layouts[event_type] = {name: place for place, name in enumerate(names)}
            if len(self._layouts) > MOST_TYPES or len(names) > MOST_FIELDS:
                raise ProtocolError(f"FEED_CONFIG: more than {MOST_TYPES} types, or {MOST_FIELDS} fields of one")
            if max(map(len, (event_type, *names))) > MOST_CHARS:
                raise ProtocolError(f"FEED_CONFIG: a name of more than {MOST_CHARS} characters")
        if self.state is not ChannelState.OPENED:
            return None
        self.state = ChannelState.READY
        waiting, self._waiting = self._waiting, []
        return waiting

    def closed(self) -> ChannelClosed | None:
        """Take CHANNEL_CLOSED; None when the channel was closed already."""
        if self.state is ChannelState.CLOSED:
            return None
        is_requested = self.state is ChannelState.CANCELLED
        self.state = ChannelState.CLOSED
        self._waiting.clear()
        return ChannelClosed(self.number, is_requested)

    def received(self, data: object) -> list[FeedData | Unreadable]:
        """The events of FEED_DATA, and what of it is none; nothing after the end of the channel.

        A part that cannot be read costs itself, and neither the other parts nor the link.
        """
        if self.state in _OVER or data is None or data == []:
            return []
        if not isinstance(data, list):
            return [Unreadable(self.number, 1, "its data are no list")]
        # The format can change at any time, announced or not, so the shape of each message decides.
        events, faults = self._compact(data) if isinstance(data[0], str) else self._full(data)
        return [*events, Unreadable(self.number, len(faults), faults[0])] if faults else [*events]

    def _compact(self, data: Sequence[Any]) -> tuple[list[FeedData], list[str]]:
        events: list[FeedData] = []
        faults: list[str] = []
        for at in range(0, len(data), 2):
            event_type, values = data[at], data[at + 1] if at + 1 < len(data) else None
            if not isinstance(event_type, str) or not isinstance(values, list):
                faults.append("compact data are no pairs of a type and its values")
                continue
            if not values:
                continue
            layout = self._layouts.get(event_type)
            if layout is None:
                faults.append(f"{self._quote(event_type)} came before its fields were announced")
            elif len(values) % len(layout):
                name = self._quote(event_type)
                faults.append(f"{len(values)} values of {name} are no events of {len(layout)} fields")
            else:
                count = len(values) // len(layout)
                events.append(FeedData(self.number, event_type, count, CompactColumns(layout, values)))
        return events, faults

    def _full(self, data: Sequence[Any]) -> tuple[list[FeedData], list[str]]:
        rows = [row for row in data if isinstance(row, dict) and isinstance(row.get("eventType"), str)]
        faults = ["full data are no objects with their eventType"] * (len(data) - len(rows))
        # Nobody asked for the other types.
        wanted = (row for row in rows if row["eventType"] in self._fields)
        runs = (list(run) for _, run in groupby(wanted, key=itemgetter("eventType")))
        return [self._columns(run) for run in runs], faults

    def _columns(self, rows: Sequence[Mapping[str, Any]]) -> FeedData:
        """The fields that were asked for, as far as they came: all that a server may think of would take rows times
        fields."""
        event_type = str(rows[0]["eventType"])
        wanted = dict.fromkeys((*_ALWAYS_KEPT, *self._fields[event_type]))
        names = dict.fromkeys(name for name in wanted if any(name in row for row in rows))
        # An object without these is an event that says nothing, and no reason to doubt the others of its link.
        names.setdefault("eventSymbol")
        if event_type in _SERIES and "index" not in names:
            names.setdefault("time")
        return FeedData(self.number, event_type, len(rows), {name: [row.get(name) for row in rows] for name in names})
