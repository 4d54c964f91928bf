# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A program that collects the candle history of a universe, and kills itself when so many symbols are there.

`test_candle_kills` runs it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.collection import ProgressCallback
from ttapi_pipeline.core.sessions import last_settled_session
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.rows import calendar_rows

FIRST = date(2026, 10, 1)
SATURDAY = datetime(2026, 11, 21, 15, tzinfo=UTC)


def collect(url: str, folder: Path, symbols: Sequence[str], progress: ProgressCallback) -> None:
    """Collect what is not spooled yet; end as a run does, with the bars in a file."""
    asyncio.run(_collect(url, folder, symbols, progress))


async def _collect(url: str, folder: Path, symbols: Sequence[str], progress: ProgressCallback) -> None:
    clock = StoppedClock(SATURDAY)

    def client() -> TastytradeClient:
        return TastytradeClient(Settings(api_url=url), base_url=url, clock=clock)

    @asynccontextmanager
    async def open_link() -> AsyncIterator[DxLinkConnection]:
        async with client() as api:
            token = await api.quote_token()
        async with connect(token.url, token.token, clock=clock) as link:
            yield link

    built = await build_daily_candles(
        open_link,
        pl.DataFrame({"symbol": symbols, "streamer_symbol": symbols, "is_active": True}),
        calendar_rows(FIRST, SATURDAY.date(), fetched_at=SATURDAY),
        previous=None,
        history_start=FIRST,
        now=SATURDAY,
        clock=clock,
        min_coverage=1.0,
        progress=progress,
        spool=CandleSpool(folder / "spool", origin="simulator", session=last_settled_session(SATURDAY).session),
    )
    built.frame.lazy().collect().write_parquet(folder / "bars.parquet")
    assert built.after_publication is not None
    built.after_publication()


def main() -> None:
    url, folder, dies_after, *symbols = sys.argv[1:]

    def progress(done: int, _: int) -> None:
        if done == int(dies_after):
            os.kill(os.getpid(), signal.SIGKILL)

    collect(url, Path(folder), symbols, progress)


if __name__ == "__main__":
    main()
