# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Runs a feed, has its log kept, and says how both are; `service` puts it together for `tt stream`.

It runs for weeks. The feed replaces lost links by itself. While the disk refuses, rows wait where their number is
bounded: in memory the latest values of each symbol, and sales up to the feed's limit. Sales beyond it are lost,
counted, and recorded as a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.quote_recorder.log_keeper import LogHealth, LogKeeper
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.streaming.background import beside, within
from ttapi_pipeline.streaming.feed import QuoteFeed, quote_feed
from ttapi_pipeline.streaming.feed_health import FeedHealth
from ttapi_pipeline.streaming.feed_options import FeedOptions
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.streaming.quote_board import QuoteBoard

FLUSH_SECONDS: Final = 2.0
HEALTH_SECONDS: Final = 60.0
"""From one log record about the health to the next, at level INFO."""

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecorderHealth:
    """A recorder at an instant: its feed, and its log if it keeps one."""

    feed: FeedHealth
    log: LogHealth | None

    @property
    def is_complete(self) -> bool:
        """Whether every symbol has answered, nothing was missed, unreadable or lost, and everything is on disk."""
        feed = self.feed
        is_received = feed.answered == feed.symbols and not (feed.gaps or feed.drops or feed.lost)
        return is_received and (self.log is None or not (self.log.lost or self.log.error))

    def to_document(self) -> dict[str, Any]:
        """Plain values for JSON. Times are ISO 8601, durations are seconds."""
        document: dict[str, Any] = _plain(asdict(self.feed))
        return (
            {"is_live": self.feed.is_live} | document | {"log": None if self.log is None else _plain(asdict(self.log))}
        )


class QuoteRecorder:
    """A running feed and its log; `recording` makes it."""

    def __init__(
        self, feed: QuoteFeed, keeper: LogKeeper | None, *, flush_seconds: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._feed = feed
        self._keeper = keeper
        self._flush_seconds = flush_seconds
        self._clock = clock

    @property
    def board(self) -> QuoteBoard:
        """The latest values of the feed."""
        return self._feed.board

    def health(self) -> RecorderHealth:
        """The state of feed and log now."""
        return RecorderHealth(self._feed.health(), None if self._keeper is None else self._keeper.health())

    async def run(self, stop: asyncio.Event) -> None:
        """Flush every few seconds until `stop` is set, and once more then.

        Raises:
            ConfigError: The log of the session that has begun has another origin.
        """
        async with beside(self._log_health()):
            if self._keeper is None:
                await stop.wait()
            else:
                await self._keep_log(self._keeper, stop)

    async def _keep_log(self, keeper: LogKeeper, stop: asyncio.Event) -> None:
        async with beside(keeper.compact_for_ever()):
            try:
                while not stop.is_set():
                    await within(self._flush_seconds, stop.wait(), self._clock)
                    await keeper.flush(self._feed)
            finally:
                # Also when the feed has failed for good: the rows that came before are kept.
                await keeper.flush(self._feed, is_last=True)

    async def _log_health(self) -> None:
        while True:
            await self._clock.sleep(HEALTH_SECONDS)
            health = self.health()
            feed, oldest = health.feed, health.feed.oldest_quote_seconds
            _LOGGER.info(
                "%d of %d symbols, %.0f events/s, lag %.3f s, %d reconnects, %d gaps, %d drops, %d values that "
                "could not be read, oldest quote %s",
                feed.answered,
                feed.symbols,
                feed.events_per_second,
                feed.lag_seconds,
                feed.reconnects,
                feed.gaps,
                feed.drops,
                sum(feed.lost.values()),
                "none" if oldest is None else f"{oldest:.0f} s",
                extra={"health": health.to_document()},
            )


@asynccontextmanager
async def recording(
    open_connection: OpenConnection,
    symbols: Mapping[str, str],
    *,
    log: LogWriter | None,
    data: Path | None = None,
    flush_seconds: float = FLUSH_SECONDS,
    options: FeedOptions | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[QuoteRecorder]:
    """Subscribe symbols while the block runs; `QuoteRecorder.run` writes the log.

    Args:
        open_connection: Fetches a token and opens a link with it; called once per link.
        symbols: Symbol by streamer symbol.
        log: The log's writer; None to keep nothing.
        data: The data folder of the log.
        flush_seconds: From one flush to the next.
        options: Of the feed.
        clock: For delays and timestamps.

    Raises:
        TTError: No new link can mend it, see `streaming.feed.quote_feed`.
    """
    async with AsyncExitStack() as stack:
        keeper = None
        if log is not None and data is not None:
            keeper = LogKeeper(log, data, list(symbols.values()), clock=clock)
            # The stack unwinds in reverse: the feed ends, then the threads, and the caller closes the log last.
            stack.callback(keeper.close)
        feed = await stack.enter_async_context(
            quote_feed(
                open_connection,
                symbols,
                options=options,
                clock=clock,
                on_gap=None if keeper is None else keeper.note_gap,
            )
        )
        if keeper is not None:
            keeper.quotes = await stack.enter_async_context(feed.quotes())
            keeper.sales = await stack.enter_async_context(feed.sales())
        yield QuoteRecorder(feed, keeper, flush_seconds=flush_seconds, clock=clock)


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
