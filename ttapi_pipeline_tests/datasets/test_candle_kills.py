# SPDX-License-Identifier: MIT
"""The candle history of a whole universe, killed in the middle: the next run asks for what is missing, and no more."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.process import SimulatorProcess

ROOT = Path(__file__).resolve().parents[2]
SATURDAY = datetime(2026, 11, 21, 15, tzinfo=UTC)
DIES_AFTER = 300

# Without a number of symbols to die after, it ends as a run does: with the bars in a file.
PROGRAM = """
import asyncio, os, signal, sys, time
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.sessions import last_settled_session
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles
from ttapi_pipeline.datasets.trading_calendar.build import build_trading_calendar
from ttapi_pipeline.streaming.connection import connect
import polars as pl

url, folder, dies_after = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

class Clock:
    def now(self):
        return datetime(2026, 11, 21, 15, tzinfo=UTC)
    def monotonic(self):
        return time.monotonic()
    async def sleep(self, seconds):
        await asyncio.sleep(seconds)

def client():
    return TastytradeClient(Settings(api_url=url), base_url=url, clock=Clock())

@asynccontextmanager
async def open_link():
    async with client() as api:
        token = await api.quote_token()
    async with connect(token.url, token.token, clock=Clock()) as link:
        yield link

def progress(done, total):
    if done == dies_after:
        os.kill(os.getpid(), signal.SIGKILL)

async def build():
    now = Clock().now()
    async with client() as api:
        calendar = (await build_trading_calendar(api, now=now)).frame.lazy().collect()
    symbols = [each.symbol for each in sp500()]
    built = await build_daily_candles(
        open_link, pl.DataFrame({"symbol": symbols, "streamer_symbol": symbols}), calendar, previous=None,
        history_start=date(2026, 10, 1), now=now, clock=Clock(), min_coverage=1.0, progress=progress,
        spool=CandleSpool(folder / "spool", origin="simulator", session=last_settled_session(now).session),
    )
    built.frame.write_parquet(folder / "bars.parquet")
    built.after_publication()

asyncio.run(build())
"""


class Feed:
    """The simulator process, and runs against it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def run(self, folder: Path, *, dies_after: int = -1) -> int:
        """The exit code of a run in a process of its own."""
        command = [sys.executable, "-c", PROGRAM, self._url, str(folder), str(dies_after)]
        return subprocess.run(command, cwd=ROOT, check=False, timeout=120).returncode

    def take_snapshots(self) -> int:
        """How many histories were sent since the last time."""
        with urllib.request.urlopen(f"{self._url}/simulator/counters", timeout=10) as response:
            counts = json.load(response)["data"]
        reset = urllib.request.Request(f"{self._url}/simulator/counters/reset", method="POST")
        urllib.request.urlopen(reset, timeout=10).close()
        return int(counts["events"]["dxlink.snapshots"])


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    with SimulatorProcess(arguments=["--now", SATURDAY.isoformat()]) as process:
        yield Feed(process.url)


def test_a_run_killed_after_300_symbols_goes_on_with_the_301st(feed: Feed, tmp_path: Path) -> None:
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    killed.mkdir()
    undisturbed.mkdir()
    assert feed.run(killed, dies_after=DIES_AFTER) == -signal.SIGKILL
    assert not (killed / "bars.parquet").exists()
    feed.take_snapshots()

    assert feed.run(killed) == 0
    assert feed.take_snapshots() == len(sp500()) - DIES_AFTER
    assert feed.run(undisturbed) == 0
    assert feed.take_snapshots() == len(sp500())
    bars = pl.read_parquet(killed / "bars.parquet")
    assert bars.equals(pl.read_parquet(undisturbed / "bars.parquet"))
    assert bars["symbol"].n_unique() == len(sp500())
    # What is published is no longer kept.
    assert not list(killed.rglob("*.npz"))
