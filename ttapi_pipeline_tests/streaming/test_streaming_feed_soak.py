# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A feed for half an hour, with its links cut every minute: every gap is recorded, and nothing grows."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.simulator.server import OffsetClock
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import SILENCE_SECONDS, DxLinkConnection, connect
from ttapi_pipeline.streaming.feed import QuoteFeed, quote_feed
from ttapi_pipeline.streaming.feed_health import FeedGap
from ttapi_pipeline.streaming.feed_options import FeedOptions, recovery_seconds
from ttapi_pipeline.streaming.market_data import Sales

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
SYMBOLS = [member.symbol.replace(".", "/") for member in sp500()[:60]]
OPTIONS = FeedOptions(symbols_per_connection=30, has_sales=True, backoff=Backoff(0.2, 5.0))

# Each symbol of the simulator is traded every second; a busy machine delays that.
QUIET_SECONDS = 4.0
GROWTH_MB = 12.0


class Watch:
    """Times of a symbol's sales that are far apart, and the memory, by the time they were seen."""

    def __init__(self, symbols: int) -> None:
        self.silences: list[tuple[int, datetime, datetime]] = []
        self.sales = 0
        self._latest = np.zeros(symbols, dtype=np.int64)

    def see(self, sales: Sales) -> None:
        """Further sales, in order."""
        self.sales += len(sales)
        for position, time_ms in zip(sales.position.tolist(), sales.time_ms.tolist(), strict=True):
            before = int(self._latest[position])
            if before and time_ms - before > QUIET_SECONDS * 1000:
                self.silences.append((position, moment(before), moment(time_ms)))
            self._latest[position] = max(before, time_ms)


def moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def unexplained(feed: QuoteFeed, gaps: list[FeedGap], silence: tuple[int, datetime, datetime]) -> float:
    """Seconds of a silence that no gap of the symbol covers."""
    position, since, until = silence
    symbol = feed.board.symbols[position]
    covered = timedelta()
    for gap in gaps:
        if symbol in gap.symbols and gap.until is not None:
            covered += max(min(gap.until, until) - max(gap.since, since), timedelta())
    return (until - since - covered).total_seconds()


@pytest.mark.soak
@pytest.mark.timeout(int(MINUTES * 60) + 300)
async def test_half_an_hour_of_disconnects_leaves_no_gap_unrecorded_and_no_growth() -> None:
    start = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    arguments = ("--now", start.isoformat(), "--fault", "dx-lifetime:seconds=60,route=dxlink")
    gaps: list[FeedGap] = []
    with SimulatorProcess(arguments=arguments) as simulator:
        # The simulator's clock started when its process did; seconds do not matter here.
        clock = OffsetClock(start)
        async with TastytradeClient(Settings(), base_url=simulator.url) as client:

            @asynccontextmanager
            async def open_connection() -> AsyncIterator[DxLinkConnection]:
                token = await client.quote_token()
                async with connect(token.url, token.token, clock=clock) as link:
                    yield link

            async with (
                quote_feed(open_connection, SYMBOLS, options=OPTIONS, clock=clock, on_gap=gaps.append) as feed,
                feed.quotes() as quotes,
                feed.sales() as sales,
            ):
                watch = Watch(len(SYMBOLS))
                early, tasks = 0.0, 0
                ends_at = clock.monotonic() + MINUTES * 60
                while (left := ends_at - clock.monotonic()) > 0:
                    await asyncio.sleep(1.0)
                    quotes.take()
                    watch.see(sales.take())
                    # What is allocated once, for the first links, is there after a third of the time.
                    if not early and left < MINUTES * 40:
                        early, tasks = resident_mb(), len(asyncio.all_tasks())
                late = resident_mb()
                async with asyncio.timeout(60):
                    while not feed.health().is_live:  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.1)
                health = feed.health()
                assert len(asyncio.all_tasks()) <= tasks + 2
    assert late - early < GROWTH_MB
    assert health.reconnects >= int(MINUTES) * 2 - 2
    assert health.gaps == len(gaps) == health.reconnects
    assert health.drops == 0
    bound = recovery_seconds(OPTIONS, silence_seconds=SILENCE_SECONDS, symbols=30)
    assert max((gap.until - gap.since).total_seconds() for gap in gaps if gap.until) < bound
    assert watch.sales == health.sales > MINUTES * 60 * len(SYMBOLS) / 2
    assert max((unexplained(feed, gaps, silence) for silence in watch.silences), default=0.0) < QUIET_SECONDS
