# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The state of a feed in numbers, for people and programs, and the gaps in what it received."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

RATE_SECONDS: Final = 10


class LinkState(StrEnum):
    """What a connection does now.

    CONNECTING: it opens a link.
    SUBSCRIBING: it sends subscriptions, or waits for the first event after them.
    LIVE: all subscriptions hold, and events come.
    WAITING: a link was lost, and the delay before the next one has not passed.
    """

    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    LIVE = "live"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class FeedGap:
    """A time in which events of some symbols may have been missed.

    Attributes:
        connection: Number of the connection, from 1.
        since: When the last event came before it, or when the server said that it does not deliver something.
        until: When every subscription had been sent again and an event came; None while the gap is open.
        reason: Why, in words.
        symbols: Streamer symbols whose events may be missing.
    """

    connection: int
    since: datetime
    until: datetime | None
    reason: str
    symbols: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnectionHealth:
    """One connection of a feed.

    Attributes:
        connection: Its number, from 1.
        state: What it does now.
        since: When it entered that state.
        symbols: Number of symbols that it subscribes.
        reconnects: Links that were lost, or could not be opened.
        failures: The latest of these in a row, without a healthy link in between.
        reason: Why the last link was lost; empty when none was.
    """

    connection: int
    state: LinkState
    since: datetime
    symbols: int
    reconnects: int
    failures: int
    reason: str


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """A feed at an instant; counts are since its start.

    Attributes:
        at: The instant, UTC.
        symbols: Number of symbols that are subscribed.
        answered: Number of subscribed symbols that had an event since the start.
        events: Events received, of all types.
        events_per_second: Mean over the last RATE_SECONDS.
        frames, bytes: Received on all connections.
        sales: Sales delivered to consumers.
        duplicates: Sales that had come before.
        drops: Sales that a consumer did not take in time.
        unknown: Events of symbols that are not subscribed.
        lost: Values that cannot be, by event type and field, such as ``Quote.bidPrice``; they are null.
        errors: ERROR messages of servers.
        reconnects: Links that were lost, or could not be opened.
        gaps: Gaps that have begun.
        open_gaps: Gaps that have not ended.
        oldest_quote_seconds: Age of the oldest quote among the symbols that have a quote; None when no symbol has one.
        lag_seconds: The longest time from the socket to the board, over the last RATE_SECONDS.
        event_lag_seconds: From the time of the newest sale or trade to its arrival; None before the first.
        connections: By number.
    """

    at: datetime
    symbols: int
    answered: int
    events: int
    events_per_second: float
    frames: int
    bytes: int
    sales: int
    duplicates: int
    drops: int
    unknown: int
    lost: Mapping[str, int]
    errors: int
    reconnects: int
    gaps: int
    open_gaps: int
    oldest_quote_seconds: float | None
    lag_seconds: float
    event_lag_seconds: float | None
    connections: Sequence[ConnectionHealth]

    @property
    def is_live(self) -> bool:
        """Whether every connection delivers."""
        return all(connection.state is LinkState.LIVE for connection in self.connections)


class Window:
    """Counts and measures of the last RATE_SECONDS, kept per whole second of a monotonic clock."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int, float]] = deque(maxlen=RATE_SECONDS + 1)

    def add(self, monotonic: float, count: int, largest: float) -> None:
        """Add to the count of this second, and keep the largest measure."""
        second = int(monotonic)
        if self._seconds and self._seconds[-1][0] == second:
            _, before, most = self._seconds[-1]
            self._seconds[-1] = (second, before + count, max(most, largest))
        else:
            self._seconds.append((second, count, largest))

    def per_second(self, monotonic: float) -> float:
        """The mean rate over the last RATE_SECONDS whole seconds."""
        now = int(monotonic)
        return sum(count for second, count, _ in self._seconds if now - RATE_SECONDS <= second < now) / RATE_SECONDS

    def largest(self, monotonic: float) -> float:
        """The largest measure of the last RATE_SECONDS; 0 when there was none."""
        now = int(monotonic)
        return max((largest for second, _, largest in self._seconds if second >= now - RATE_SECONDS), default=0.0)
