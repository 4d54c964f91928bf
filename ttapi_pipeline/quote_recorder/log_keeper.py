# SPDX-License-Identifier: MIT
"""Keeps the log of a running feed: takes what the feed has, has it written, and compacts the sessions that have ended.

When it is asked to, see `recorder`; how the log is written, see `log_writer` and `compaction`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import polars as pl

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import StorageError, TTError
from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.quote_recorder.compaction import compact_session, remove_old_logs
from ttapi_pipeline.quote_recorder.layout import session_at
from ttapi_pipeline.quote_recorder.log import LogGap
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.quote_recorder.rows import quote_rows, trade_rows
from ttapi_pipeline.quote_recorder.schemas import TableName
from ttapi_pipeline.streaming.consumers import QuoteConsumer, SaleConsumer
from ttapi_pipeline.streaming.feed import QuoteFeed
from ttapi_pipeline.streaming.feed_health import FeedGap

RETRY_COMPACTION_SECONDS: Final = 600.0

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


class LogKeeper:
    """Takes what the feed has for the log, and has it written in threads of its own.

    Attributes:
        quotes, sales: The consumers that it takes from.
    """

    quotes: QuoteConsumer
    sales: SaleConsumer

    def __init__(self, log: LogWriter, data: Path, symbols: Sequence[str], *, clock: Clock) -> None:
        self._log = log
        self._data = data
        self._symbols = pl.Series(symbols, dtype=pl.String)
        self._clock = clock
        self._started_at = clock.now()
        self._connecting_since: datetime | None = self._started_at
        self._gaps: list[LogGap] = []
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

    def note_gap(self, gap: FeedGap) -> None:
        """A gap of the feed has ended."""
        self._gaps.append(LogGap(gap.since, gap.until or self._clock.now(), gap.reason, len(gap.symbols)))

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
            self._gaps.append(LogGap(self._connecting_since, until, "connecting"))
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

    def _commit(self, rows: Mapping[TableName, pl.DataFrame], gaps: Sequence[LogGap]) -> None:
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
            self._gaps.append(LogGap(since, now, f"{lost} sales could not be kept while the log was not written"))

    async def _in_thread(self, name: str, work: Callable[[], T]) -> T:
        # What has begun is not given up when the one who waits for it is.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads[name], work))
