# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Daily candles of the S&P 500 from the simulator into Parquet, against the PyPI `tastytrade` streamer, in one run.

`python benchmarks/bench_candles.py [--symbols 503] [--sample 20] [--seed 7]`

Ours is what the asset does: REST token, link, histories, spool, final flags, checks, sorted Parquet, synced. The peer
follows its documentation: subscribe to a symbol, take one Candle after the other until the snapshot ends, go on with
the next symbol; six fields of its candles are written as Parquet too. It runs on a sample, and counts per candle. The
server is a process of its own and shares the machine's cores with the client. Every history is asked for once
beforehand, so that nobody waits while the market is drawn. Seconds depend on the machine: the ratio is what to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.collection import no_progress
from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.sessions import last_settled_session
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.trading_calendar.build import build_trading_calendar
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect

FIRST = date(2010, 1, 4)
ROUNDS = 2

Result = dict[str, float]


async def ours(url: str, symbols: Sequence[str], folder: Path) -> Result:
    """The whole way of the asset `daily_candles`; the CSV is written in the background, and counted apart."""
    settings, now = Settings(api_url=url), datetime.now(UTC)

    @asynccontextmanager
    async def open_link() -> AsyncIterator[DxLinkConnection]:
        async with TastytradeClient(settings, base_url=url) as client:
            token = await client.quote_token()
        async with connect(token.url, token.token) as link:
            yield link

    async with TastytradeClient(settings, base_url=url) as client:
        calendar = (await build_trading_calendar(client, now=now)).frame.lazy().collect()
    universe = pl.DataFrame({"symbol": symbols, "streamer_symbol": symbols, "is_active": True})
    started = time.perf_counter()
    build = await build_daily_candles(
        open_link,
        universe,
        calendar,
        previous=None,
        history_start=FIRST,
        now=now,
        clock=SYSTEM_CLOCK,
        min_coverage=1.0,
        progress=no_progress,
        spool=CandleSpool(folder / "spool", origin=url, session=last_settled_session(now).session),
    )
    collected = time.perf_counter()
    provenance = Provenance(dataset="daily_candles", code_version="1", fetched_at=now)
    with ThreadPoolExecutor(max_workers=1) as executor:
        published = publish(build.frame, DAILY_CANDLES, folder, provenance, executor=executor)
        stored = time.perf_counter()
        rows = published.wait().rows
    return {
        "seconds": stored - started,
        "collecting": collected - started,
        "csv": time.perf_counter() - stored,
        "candles": rows,
    }


async def peer(url: str, symbols: Sequence[str], folder: Path) -> Result:
    """The package from PyPI, one symbol after the other."""
    from tastytrade import DXLinkStreamer, Session
    from tastytrade.dxfeed import Candle

    first = datetime.combine(FIRST, time_of_day(), UTC)
    started = time.perf_counter()
    candles: list[dict[str, Any]] = []
    with patch("tastytrade.session.API_URL", url):
        session = Session(SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN)
    async with session, DXLinkStreamer(session) as streamer:
        for symbol in symbols:
            await streamer.subscribe_candle([symbol], "1d", start_time=first, extended_trading_hours=True)
            async for candle in streamer.listen(Candle):
                if candle.event_symbol != f"{symbol}{{=d}}":
                    continue
                if not candle.remove:
                    candles.append(candle.model_dump(include={"event_symbol", "time", "open", "high", "low", "close"}))
                if candle.snapshot_end or candle.snapshot_snip:
                    break
            await streamer.unsubscribe_candle(symbol, "1d", extended_trading_hours=True)
    prices = pl.col("open", "high", "low", "close").cast(pl.Float64)
    pl.DataFrame(candles).with_columns(prices).sort("event_symbol", "time").write_parquet(folder / "peer.parquet")
    return {"seconds": time.perf_counter() - started, "candles": len(candles)}


CONTENDERS: dict[str, Callable[[str, Sequence[str], Path], Coroutine[Any, Any, Result]]] = {"ours": ours, "peer": peer}


def run(contender: str, url: str, symbols: Sequence[str]) -> Result:
    """One contender in a process of its own, so that its peak memory is its own too."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--contender", contender, "--url", url, "--folder", folder]
        ran = subprocess.run([*command, "--names", *symbols], capture_output=True, text=True, check=True)
    result: Result = json.loads(ran.stdout)
    return result


def show(what: str, result: Result, more: str = "") -> None:
    rate = result["candles"] / result["seconds"]
    figures = f"{result['candles']:12,.0f} candles {result['seconds']:8.2f} s {rate:12,.0f} candles/s"
    print(f"{what:34}{figures}  peak {result['peak_mb']:6,.0f} MB{more}", flush=True)


def main() -> None:
    """Print the table, or do one measurement for the parent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=503)
    parser.add_argument("--sample", type=int, default=20, help="symbols for the peer")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--names", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        result = asyncio.run(CONTENDERS[options.contender](options.url, options.names, options.folder))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**result, "peak_mb": peak}))
        return
    symbols = [constituent.symbol for constituent in sp500()][: options.symbols]
    with SimulatorProcess(seed=options.seed) as server:
        show("ours, the market is being drawn", run("ours", server.url, symbols))
        rounds = [run("ours", server.url, symbols) for _ in range(ROUNDS)]
        best = min(rounds, key=lambda result: result["seconds"])
        show(
            f"ours, best of {ROUNDS}",
            best,
            f"  (collecting {best['collecting']:.2f} s, storing {best['seconds'] - best['collecting']:.2f} s; "
            f"the CSV {best['csv']:.2f} s more)",
        )
        rival = run("peer", server.url, symbols[: options.sample])
        show(f"PyPI tastytrade, {options.sample} symbols", rival)
    ratio = (best["candles"] / best["seconds"]) / (rival["candles"] / rival["seconds"])
    print(f"ratio of the rates, ours / PyPI tastytrade: {ratio:.1f}")


if __name__ == "__main__":
    main()
