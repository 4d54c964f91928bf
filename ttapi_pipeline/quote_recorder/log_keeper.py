# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Keeps the log of a running feed: takes new rows from the feed, has them written, and compacts ended sessions.

`recorder` decides when. Files are written by `log_writer` and `compaction`, in threads.
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
        session: The session that is being written.
        quotes, trades: Rows on disk.
        pending: Rows that are not on disk because it refuses them.
        flushes: Flushes that succeeded.
        errors: Flushes and compactions that failed.
        error: Why the last flush failed; None when it succeeded.
        lost: Sales that were dropped because they had to wait too long.
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
    """Stands between a feed and its log.

    Attributes:
        quotes, sales: The consumers that it takes rows from; set them before the first flush.
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
        # One thread each: the log is used by one thread at a time, and a compaction does not make flushes wait.
        self._threads = {name: ThreadPoolExecutor(1, f"quote-{name}") for name in ("log", "history")}

    def close(self) -> None:
        """Wait for the threads to end their work."""
        for threads in self._threads.values():
            threads.shutdown()

    def health(self) -> LogHealth:
        """The state of the log now."""
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
        """Take a gap of the feed that has ended."""
        self._gaps.append(LogGap(gap.since, gap.until or self._clock.now(), gap.reason, len(gap.symbols)))

    async def flush(self, feed: QuoteFeed, *, is_last: bool = False) -> None:
        """Write the rows that have come since the last flush. If the disk refuses, log it and try again next time.

        Raises:
            ConfigError: The log of the session that has begun has another origin.
        """
        now = self._clock.now()
        if feed.health().is_live:
            self._note_connecting(now)
            self._connecting_since = None
        if is_last or session_at(now) > self._log.session:
            # Open gaps are recorded with this session now, up to its end: after the next session's first rows, gaps
            # go to that one.
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
                # A recorder that started within the session has recorded it to the end.
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
        """Record the time until every connection was live for the first time. The feed does not count it as a gap."""
        if self._connecting_since is not None:
            self._gaps.append(LogGap(self._connecting_since, until, "connecting"))
            self._connecting_since = until

    async def _write(self, now: datetime, feed: QuoteFeed | None = None) -> None:
        """Write pending rows, and those of the feed if it is given."""
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
        # A cancelled caller must not leave rows behind half written, so the work goes on without it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads[name], work))
