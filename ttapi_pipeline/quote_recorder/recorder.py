# SPDX-License-Identifier: MIT
"""The service behind `tt stream`: takes from the feed, writes the quote log, compacts what has ended, says how it is.

It runs for weeks. A lost link is the feed's to replace. While the disk refuses, rows wait where they are bounded: in
memory the latest of each symbol, and sales up to the feed's limit; sales beyond it are lost, counted, and a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import polars as pl

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import StorageError, TTError
from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.quote_recorder.history import compact_session, remove_old_logs
from ttapi_pipeline.quote_recorder.log import Gap, QuoteLog, session_at
from ttapi_pipeline.quote_recorder.rows import quote_rows, trade_rows
from ttapi_pipeline.quote_recorder.tables import TableName
from ttapi_pipeline.streaming import feed_health
from ttapi_pipeline.streaming.background import beside, within
from ttapi_pipeline.streaming.consumers import QuoteConsumer, SaleConsumer
from ttapi_pipeline.streaming.feed import FeedOptions, QuoteFeed, quote_feed
from ttapi_pipeline.streaming.feed_health import FeedHealth
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.streaming.quote_board import QuoteBoard

FLUSH_SECONDS: Final = 2.0
RETRY_COMPACTION_SECONDS: Final = 600.0
HEALTH_SECONDS: Final = 60.0
"""How often health is logged, at level INFO."""

T = TypeVar("T")

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogHealth:
    """The quote log at an instant; counts are since the start.

    Attributes:
        session: The one that is being written.
        quotes, trades: Rows on disk.
        pending: Rows that are not, because the disk refuses.
        flushes: Flushes that succeeded.
        errors: Flushes and compactions that failed.
        error: Why the last flush did; None when it did not.
        lost: Sales that could not wait any longer.
        flushed_at: When the last flush succeeded.
    """

    session: date
    quotes: int
    trades: int
    pending: int
    flushes: int
    errors: int
    error: str | None
    lost: int
    flushed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """The service at an instant: its feed, and its log if it keeps one."""

    feed: FeedHealth
    log: LogHealth | None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing: every symbol has answered, no gap, no loss, everything on disk."""
        is_received = self.feed.answered == self.feed.symbols and not self.feed.gaps and not self.feed.drops
        return is_received and (self.log is None or not (self.log.lost or self.log.error))

    def to_document(self) -> dict[str, Any]:
        """Plain values for JSON; times are ISO 8601, durations seconds."""
        document: dict[str, Any] = _plain(asdict(self.feed))
        return (
            {"is_live": self.feed.is_live} | document | {"log": None if self.log is None else _plain(asdict(self.log))}
        )


class QuoteStream:
    """A running service; `quote_stream` makes it."""

    def __init__(
        self, feed: QuoteFeed, writer: LogWriter | None, *, flush_seconds: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._feed = feed
        self._writer = writer
        self._flush_seconds = flush_seconds
        self._clock = clock

    @property
    def board(self) -> QuoteBoard:
        """The latest values."""
        return self._feed.board

    def health(self) -> StreamHealth:
        """How it is, now."""
        return StreamHealth(self._feed.health(), None if self._writer is None else self._writer.health())

    async def run(self, stop: asyncio.Event) -> None:
        """Flush every few seconds until `stop` is set, and once more then.

        Raises:
            ConfigError: The log of the session that has begun comes from somewhere else.
        """
        async with beside(self._log_health()):
            if self._writer is None:
                await stop.wait()
            else:
                await self._keep_log(self._writer, stop)

    async def _keep_log(self, writer: LogWriter, stop: asyncio.Event) -> None:
        async with beside(writer.compact_for_ever()):
            try:
                while not stop.is_set():
                    await within(self._flush_seconds, stop.wait(), self._clock)
                    await writer.flush(self._feed)
            finally:
                # Also when the feed has failed for good: what came before is kept.
                await writer.flush(self._feed, is_last=True)

    async def _log_health(self) -> None:
        while True:
            await self._clock.sleep(HEALTH_SECONDS)
            health = self.health()
            feed, oldest = health.feed, health.feed.oldest_quote_seconds
            _LOGGER.info(
                "%d of %d symbols, %.0f events/s, lag %.3f s, %d reconnects, %d gaps, %d drops, oldest quote %s",
                feed.answered,
                feed.symbols,
                feed.events_per_second,
                feed.lag_seconds,
                feed.reconnects,
                feed.gaps,
                feed.drops,
                "none" if oldest is None else f"{oldest:.0f} s",
                extra={"health": health.to_document()},
            )


@asynccontextmanager
async def quote_stream(
    open_connection: OpenConnection,
    symbols: Mapping[str, str],
    *,
    log: QuoteLog | None,
    data: Path | None = None,
    flush_seconds: float = FLUSH_SECONDS,
    options: FeedOptions | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[QuoteStream]:
    """Subscribe symbols for as long as the block runs; `QuoteStream.run` writes the log.

    Args:
        open_connection: Fetches a token and opens a link with it; called once per link.
        symbols: Symbol by streamer symbol.
        log: Where to; None to keep nothing.
        data: The data folder of the log.
        flush_seconds: From one flush to the next.
        options: Of the feed.
        clock: For all of it.

    Raises:
        TTError: What no new link can mend, see `streaming.feed.quote_feed`.
    """
    async with AsyncExitStack() as stack:
        writer = None
        if log is not None and data is not None:
            writer = LogWriter(log, data, list(symbols.values()), clock=clock)
            # Threads are waited for before the feed ends and before the caller closes the log.
            stack.callback(writer.close)
        feed = await stack.enter_async_context(
            quote_feed(
                open_connection,
                symbols,
                options=options,
                clock=clock,
                on_gap=None if writer is None else writer.note_gap,
            )
        )
        if writer is not None:
            writer.quotes = await stack.enter_async_context(feed.quotes())
            writer.sales = await stack.enter_async_context(feed.sales())
        yield QuoteStream(feed, writer, flush_seconds=flush_seconds, clock=clock)


class LogWriter:
    """Takes what the feed has for the log, and has it written in threads of its own.

    Attributes:
        quotes, sales: The consumers that it takes from.
    """

    quotes: QuoteConsumer
    sales: SaleConsumer

    def __init__(self, log: QuoteLog, data: Path, symbols: Sequence[str], *, clock: Clock) -> None:
        self._log = log
        self._data = data
        self._symbols = pl.Series(symbols, dtype=pl.String)
        self._clock = clock
        self._started_at = clock.now()
        self._connecting_since: datetime | None = self._started_at
        self._gaps: list[Gap] = []
        self._written: dict[TableName, int] = {"quotes": 0, "trades": 0}
        self._waiting: dict[TableName, int] = {"quotes": 0, "trades": 0}
        self._flushes = self._errors = self._lost = 0
        self._error: str | None = None
        self._refused_since: datetime | None = None
        self._flushed_at: datetime | None = None
        self._ended = asyncio.Event()
        self._due: Sequence[date] = ()
        # The log is used by one thread at a time, and compacting does not make it wait.
        self._threads = {name: ThreadPoolExecutor(1, f"quote-{name}") for name in ("log", "history")}

    def close(self) -> None:
        """Wait for what is being written."""
        for threads in self._threads.values():
            threads.shutdown()

    def health(self) -> LogHealth:
        """How it is, now."""
        return LogHealth(
            session=self._log.session,
            quotes=self._written["quotes"],
            trades=self._written["trades"],
            pending=sum(self._waiting.values()),
            flushes=self._flushes,
            errors=self._errors,
            error=self._error,
            lost=self._lost,
            flushed_at=self._flushed_at,
        )

    def note_gap(self, gap: feed_health.Gap) -> None:
        """A gap of the feed has ended."""
        self._gaps.append(Gap(gap.since, gap.until or self._clock.now(), gap.reason, len(gap.symbols)))

    async def flush(self, feed: QuoteFeed, *, is_last: bool = False) -> None:
        """Write what has come since the last flush. A disk that refuses is logged and asked again next time.

        Raises:
            ConfigError: The log of the session that has begun comes from somewhere else.
        """
        now = self._clock.now()
        if feed.health().is_live:
            self._note_connecting(now)
            self._connecting_since = None
        if is_last or session_at(now) > self._log.session:
            # Nobody will come back to this session when these have ended; they go before the next one's first rows.
            ended_at = now if is_last else session_hours(self._log.session).settles_at
            self._note_connecting(ended_at)
            for gap in feed.gaps:
                if gap.until is None and gap.since < ended_at:
                    self.note_gap(replace(gap, until=ended_at))
            await self._write(now)
        if self._refused_since is not None:
            await self._write(now)
        if self._refused_since is None:
            await self._write(now, feed)
        if self._refused_since is None and not is_last:
            self._due = await self._in_thread("log", lambda: self._log.roll(now))
            if self._due:
                self._ended.set()

    async def compact_for_ever(self) -> None:
        """Make the history of each session that has ended, until cancelled."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            for session in self._due:
                # Who started in that session was there until its end.
                compact = partial(
                    compact_session,
                    self._data,
                    session,
                    is_recorded_to_the_end=session >= session_at(self._started_at),
                )
                try:
                    history = await self._in_thread("history", compact)
                    await self._in_thread("history", partial(remove_old_logs, self._data))
                except TTError as error:
                    self._errors += 1
                    _LOGGER.error("session %s is not compacted: %s", session, error)  # noqa: TRY400 - not our fault
                    await self._clock.sleep(RETRY_COMPACTION_SECONDS)
                else:
                    rows = {name: facts.rows for name, facts in history.tables.items()}
                    _LOGGER.info("session %s is compacted: %s", session, rows)

    def _note_connecting(self, until: datetime) -> None:
        """Before every connection is live for the first time, something is missing that is no gap to the feed."""
        if self._connecting_since is not None:
            self._gaps.append(Gap(self._connecting_since, until, "connecting"))
            self._connecting_since = until

    async def _write(self, now: datetime, feed: QuoteFeed | None = None) -> None:
        """Hand over what the feed has, if it is given, and write what is pending."""
        rows: dict[TableName, pl.DataFrame] = {}
        if feed is not None:
            rows["quotes"] = quote_rows(feed.board, self.quotes.take(), self._symbols)
            rows["trades"] = trade_rows(self.sales.take(), self._symbols)
            self._note_losses(now)
        gaps, self._gaps = self._gaps, []
        for name, frame in rows.items():
            self._waiting[name] = frame.height
        try:
            await self._in_thread("log", partial(self._commit, rows, gaps))
        except StorageError as error:
            self._errors += 1
            if self._error is None:
                _LOGGER.error("the quote log cannot be written: %s", error)  # noqa: TRY400 - it names the trouble
            self._error = str(error)
            if self._log.pending_rows:
                self._refused_since = self._refused_since or now
                return
        else:
            if self._error is not None:
                _LOGGER.warning("the quote log is written again")
            self._error = None
            self._flushes += 1
            self._flushed_at = now
        self._refused_since = None
        for waiting, count in self._waiting.items():
            self._written[waiting] += count
            self._waiting[waiting] = 0

    def _commit(self, rows: Mapping[TableName, pl.DataFrame], gaps: Sequence[Gap]) -> None:
        for name, frame in rows.items():
            self._log.add(name, frame)
        for gap in gaps:
            self._log.add_gap(gap)
        self._log.write()

    def _note_losses(self, now: datetime) -> None:
        lost = self.sales.dropped - self._lost
        if lost:
            self._lost += lost
            since = self._flushed_at or self._started_at
            self._gaps.append(Gap(since, now, f"{lost} sales could not be kept while the log was not written"))

    async def _in_thread(self, name: str, work: Callable[[], T]) -> T:
        # What has begun is not given up when the one who waits for it is.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads[name], work))


def _plain(value: Any) -> Any:
    match value:
        case datetime() | date():
            return value.isoformat()
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case float():
            return round(value, 6)
        case _:
            return value
