# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A running subscription to quotes and sales of many symbols, which replaces lost links and records the gaps.

One connection of a feed is in `feed_connection`, the latest values are in `quote_board`, the buffers of its readers in
`consumers`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.streaming.background import beside, ungrouped
from ttapi_pipeline.streaming.consumers import MOST_ROWS, QuoteConsumer, SaleConsumer
from ttapi_pipeline.streaming.events import UNREADABLE_PART, FeedData
from ttapi_pipeline.streaming.feed_connection import FeedConnection
from ttapi_pipeline.streaming.feed_health import FeedGap, FeedHealth, Window
from ttapi_pipeline.streaming.feed_options import FeedOptions
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.streaming.market_data import sales
from ttapi_pipeline.streaming.quote_board import QuoteBoard
from ttapi_pipeline.streaming.seen_sales import SeenSales

GAPS_KEPT: Final = 1_000


class QuoteFeed:
    """The running subscription of a list of symbols; `quote_feed` makes and runs it.

    Attributes:
        board: The latest values. Every symbol that was ever subscribed keeps its position.
    """

    def __init__(
        self,
        open_connection: OpenConnection,
        symbols: Iterable[str],
        *,
        options: FeedOptions | None = None,
        clock: Clock = SYSTEM_CLOCK,
        on_gap: Callable[[FeedGap], None] | None = None,
    ) -> None:
        """A feed that does not run yet, see `quote_feed`."""
        self.board = QuoteBoard()
        self._open_connection = open_connection
        self._options = FeedOptions() if options is None else options
        self._clock = clock
        self._on_gap = on_gap
        self._connections: list[FeedConnection] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._quote_consumers: list[QuoteConsumer] = []
        self._sale_consumers: list[SaleConsumer] = []
        self._gaps: deque[FeedGap] = deque(maxlen=GAPS_KEPT)
        self._window = Window()
        self._sales = 0
        self._duplicates = 0
        self._dropped_by_closed = 0
        self._newest_event_us = 0
        self._event_lag: float | None = None
        self.add(symbols)

    def __repr__(self) -> str:
        return f"<QuoteFeed of {len(self.symbols)} symbols on {len(self._connections)} connections>"

    @property
    def symbols(self) -> Sequence[str]:
        """The streamer symbols that are subscribed."""
        return [symbol for connection in self._connections for symbol in connection.wanted]

    @property
    def gaps(self) -> Sequence[FeedGap]:
        """The latest GAPS_KEPT gaps that have ended, by their end, and then all open ones."""
        return [*self._gaps, *(connection.gap for connection in self._connections if connection.gap is not None)]

    def add(self, symbols: Iterable[str]) -> None:
        """Subscribe further symbols. The existing subscriptions stay as they are."""
        known = {symbol for connection in self._connections for symbol in connection.wanted}
        new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in known]
        self.board.extend(new)
        most = self._options.symbols_per_connection
        for connection in self._connections:
            room = most - len(connection.wanted)
            if room > 0 and new:
                connection.want(new[:room])
                new = new[room:]
        # New connections get equal shares: the last one would otherwise have the few symbols that are left over.
        count = -(-len(new) // most)
        for share in range(count):
            connection = FeedConnection(
                len(self._connections) + 1,
                self._open_connection,
                options=self._options,
                clock=self._clock,
                window=self._window,
                on_data=self._receive,
                on_unreadable=self._note_unreadable,
                on_gap=self._close_gap,
            )
            connection.want(new[share * len(new) // count : (share + 1) * len(new) // count])
            self._connections.append(connection)
            if self._tasks is not None:
                self._tasks.create_task(connection.run())

    def remove(self, symbols: Iterable[str]) -> None:
        """End the subscription of these symbols. Their last values stay on the board."""
        removed = set(symbols)
        for connection in self._connections:
            connection.unwant(removed)

    @asynccontextmanager
    async def quotes(self) -> AsyncIterator[QuoteConsumer]:
        """A consumer of quotes, trades and summaries while the block runs. At first, no position has changed."""
        consumer = QuoteConsumer()
        self._quote_consumers.append(consumer)
        try:
            yield consumer
        finally:
            self._quote_consumers.remove(consumer)

    @asynccontextmanager
    async def sales(self, most_rows: int = MOST_ROWS) -> AsyncIterator[SaleConsumer]:
        """A consumer of sales while the block runs; at most `most_rows` wait for it."""
        consumer = SaleConsumer(most_rows)
        self._sale_consumers.append(consumer)
        try:
            yield consumer
        finally:
            self._sale_consumers.remove(consumer)
            self._dropped_by_closed += consumer.dropped

    def health(self) -> FeedHealth:
        """The state of the feed now."""
        at, monotonic = self._clock.now(), self._clock.monotonic()
        quoted = self.board.quote_received_at[self.board.has_answered("Quote")]
        symbols = self.symbols
        position_of = self.board.positions
        subscribed = [position_of[symbol] for symbol in symbols]
        connections = [connection.health() for connection in self._connections]
        return FeedHealth(
            at=at,
            symbols=len(symbols),
            answered=int(np.count_nonzero(self.board.received_at[subscribed])) if symbols else 0,
            events=sum(connection.events for connection in self._connections),
            events_per_second=self._window.per_second(monotonic),
            frames=sum(connection.frames for connection in self._connections),
            bytes=sum(connection.bytes for connection in self._connections),
            sales=self._sales,
            duplicates=self._duplicates,
            drops=self._dropped_by_closed + sum(consumer.dropped for consumer in self._sale_consumers),
            unknown=self.board.unknown,
            lost=dict(self.board.lost),
            errors=sum(connection.errors for connection in self._connections),
            reconnects=sum(connection.reconnects for connection in connections),
            gaps=sum(connection.gaps for connection in self._connections),
            open_gaps=sum(connection.gap is not None for connection in self._connections),
            oldest_quote_seconds=at.timestamp() - int(quoted.min()) / 1e6 if len(quoted) else None,
            lag_seconds=self._window.largest(monotonic),
            event_lag_seconds=self._event_lag,
            connections=connections,
        )

    async def run(self) -> None:
        """Keep every connection up until cancelled; `quote_feed` calls it.

        Raises:
            TTError: No new link can mend it, such as refused credentials.
        """
        try:
            with ungrouped(TTError):
                async with asyncio.TaskGroup() as tasks:
                    self._tasks = tasks
                    for connection in self._connections:
                        tasks.create_task(connection.run())
                    # A feed without symbols has no connection yet, and waits for some.
                    tasks.create_task(asyncio.Event().wait())
        finally:
            self._tasks = None

    def _receive(self, data: FeedData, times_us: NDArray[np.int64], seen: SeenSales) -> None:
        newest_us, at_us = 0, int(times_us[-1])
        if data.event_type == "TimeAndSale":
            lost: Counter[str] = Counter()
            rows = sales(data, self.board.positions, times_us, lost)
            fresh = seen.fresh(rows)
            left_out = sum(lost[f"TimeAndSale.{name}"] for name in ("time", "type"))
            self.board.unknown += data.count - len(rows) - left_out
            self.board.lost.update(lost)
            self._duplicates += len(rows) - len(fresh)
            self._sales += len(fresh)
            if len(fresh):
                newest_us = int(fresh.time_ms.max()) * 1_000
                for sale_consumer in self._sale_consumers:
                    sale_consumer.put(fresh)
        else:
            touched = self.board.receive(data, at_us)
            if data.event_type == "Trade" and len(touched):
                newest_us = int(self.board.last_trade_at[touched].max())
            for consumer in self._quote_consumers:
                consumer.mark(touched)
        # Only the newest event measures the lag: an older one, such as a value sent on subscription, is old by itself.
        if newest_us > self._newest_event_us:
            self._newest_event_us = newest_us
            self._event_lag = (at_us - newest_us) / 1e6

    def _note_unreadable(self, count: int) -> None:
        self.board.lost[UNREADABLE_PART] += count

    def _close_gap(self, gap: FeedGap) -> None:
        self._gaps.append(gap)
        if self._on_gap is not None:
            self._on_gap(gap)


@asynccontextmanager
async def quote_feed(
    open_connection: OpenConnection,
    symbols: Iterable[str],
    *,
    options: FeedOptions | None = None,
    clock: Clock = SYSTEM_CLOCK,
    on_gap: Callable[[FeedGap], None] | None = None,
) -> AsyncIterator[QuoteFeed]:
    """Subscribe streamer symbols while the block runs.

    A link that is closed, refused, silent, or that delivers nothing although it should, is replaced after a delay,
    with a new token from `open_connection`, and subscribed again; `feed_options.recovery_seconds` is the longest time
    that takes. The failure of one connection does not disturb the others. The block starts at once: `QuoteFeed.health`
    says how far the feed is.

    Args:
        open_connection: Fetches a token and opens a link with it; called once per link.
        symbols: Streamer symbols; `QuoteFeed.add` and `remove` change them later.
        options: Deadlines, sizes and delays.
        clock: For all of these, except the deadline of opening a link, which runs on the event loop's clock.
        on_gap: Told each gap when it has ended. It must neither block nor raise.

    Raises:
        AuthError: `open_connection` raised it without a time at which to try again: only new credentials help.
        TTError: `open_connection` raised an error other than ApiError and StreamError.
    """
    feed = QuoteFeed(open_connection, symbols, options=options, clock=clock, on_gap=on_gap)
    with ungrouped(TTError):
        async with beside(feed.run()):
            yield feed
