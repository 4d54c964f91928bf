# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Memory of bars and of what is computed from them, for universes of several sizes, against Polars in one piece.

`python benchmarks/bench_universe.py [--symbols 50 503 6000] [--since 2010-01-04] [--seed 7]`

Each step has a process of its own, so that peak memory is its own too, and reads what the steps before it have stored:
a first fetch of candles, another one a session later, the snapshot, each dataset that is computed from bars, and the
checks of the candles. The histories are random walks that are made where the feed would hand them over. No server runs:
what is measured is the client's memory. The baseline reads the stored candles into memory, adds the rows of a session,
sorts and writes them, as a program does that does nothing about memory. CPU seconds depend on the machine, peak memory
hardly does.
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
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.collection import Collection, no_progress
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.sessions import last_settled_session, session_hours, sessions_between
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot
from ttapi_pipeline.datasets.expectations.build import build_expectations
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.returns_stddev.build import Inputs, build_returns_stddev
from ttapi_pipeline.datasets.variance_premium.build import build_variance_premium
from ttapi_pipeline.datasets.volatility.build import build_volatility
from ttapi_pipeline.datasets.volatility_cone.build import build_volatility_cone
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.tables.rules import repeated_keys, violations

LAST = date(2026, 11, 20)
HORIZONS = (7, 28, 91, 182, 364)
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)

Result = dict[str, float]


def walk(symbol: str, days: Sequence[date], *, seed: int) -> CandleHistory:
    """A random walk with a price, a volume and an implied volatility for each day."""
    random = np.random.default_rng([seed, *symbol.encode()])
    count = len(days)
    close = np.round(50 * np.exp(np.cumsum(random.normal(0, 0.015, count)).clip(-3, 3)), 2)
    opened = np.round(close * random.uniform(0.99, 1.01, count), 2)
    high, low = np.maximum(opened, close) + 0.05, np.minimum(opened, close) - 0.05
    volume = np.floor(random.uniform(1e5, 1e7, count))
    return CandleHistory(
        symbol=symbol,
        session=np.array(days, dtype="datetime64[D]"),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        vwap=np.round((high + low) / 2, 3),
        count=np.floor(volume / 100),
        implied_volatility=np.round(random.uniform(0.2, 0.4, count), 4),
        open_interest=np.full(count, np.nan),
    )


class Bench:
    """A universe and the folder that its datasets are stored in."""

    def __init__(self, folder: Path, *, symbols: int, since: date, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.symbols = [f"S{number:05}" for number in range(symbols)]
        self.days = sessions_between(since, LAST)

    def calendar(self) -> pl.DataFrame:
        """Sessions up to a year ahead."""
        sessions = sessions_between(self.days[0], LAST + timedelta(days=400))
        hours = [session_hours(each) for each in sessions]
        opens, closes = [each.opens_at for each in hours], [each.closes_at for each in hours]
        return pl.DataFrame({"session": sessions, "opens_at": opens, "closes_at": closes})

    def store(self, name: str, build: Build) -> int:
        """Publish a dataset as the pipeline does, with its CSV; its number of rows."""
        dataset = DATASETS[name]
        provenance = Provenance(dataset=name, code_version=dataset.code_version, fetched_at=NOW)
        retention = Retention(dataset.keeps, 20)
        stored = publish(build.frame, dataset.schema, self.folder, provenance, retention=retention)
        return stored.wait().rows

    def stored(self, name: str) -> pl.LazyFrame:
        """The rows of a dataset."""
        return scan(self.folder, DATASETS[name].schema)

    def candles(self, last: date) -> int:
        """Fetch candles up to a session."""
        now = session_hours(last).closes_at + timedelta(hours=18)
        days = [day for day in self.days if day <= last]

        async def collect(_: object, requests: Mapping[str, date], **options: Any) -> Collection[CandleHistory]:
            for symbol, start in requests.items():
                whole = walk(symbol, self.days, seed=self.seed)
                chosen = slice(bisect_left(days, start), len(days))
                names = [each.name for each in fields(whole) if isinstance(getattr(whole, each.name), np.ndarray)]
                options["on_symbol"](replace(whole, **{name: getattr(whole, name)[chosen] for name in names}))
            return Collection([], requested=len(requests))

        def refuse() -> Any:
            raise AssertionError("no link is opened")

        has_rows = (self.folder / "daily_candles.parquet").exists()
        with patch("ttapi_pipeline.datasets.daily_candles.feed.collect_daily_candles", collect):
            build = asyncio.run(
                build_daily_candles(
                    refuse,
                    pl.DataFrame({"symbol": self.symbols, "streamer_symbol": self.symbols, "is_active": True}),
                    self.calendar(),
                    previous=self.stored("daily_candles") if has_rows else None,
                    history_start=self.days[0],
                    now=now,
                    clock=SYSTEM_CLOCK,
                    min_coverage=1.0,
                    progress=no_progress,
                    spool=CandleSpool(self.folder / "spool", origin="walks", session=last_settled_session(now).session),
                    scratch=self.folder,
                )
            )
        rows = self.store("daily_candles", build)
        if build.after_publication is not None:
            build.after_publication()
        return rows

    def snapshot(self) -> int:
        """The snapshot of candles alone."""
        built = build_eod_snapshot(
            None, self.stored("daily_candles"), self.calendar().lazy(), metastock_version="", members=self.symbols
        )
        return self.store("eod_snapshot", built)

    def computed(self, name: str) -> int:
        """A dataset that is computed from bars."""
        snapshot, candles, calendar = self.stored("eod_snapshot"), self.stored("daily_candles"), self.calendar().lazy()
        empty = {each: DATASETS[each].schema.polars.to_frame().lazy() for each in ("symbols", "earnings")}
        implied = DATASETS["implied_volatility"].schema.polars.to_frame().lazy()
        volatility = partial(build_volatility, snapshot, empty["symbols"], empty["earnings"], calendar)
        inputs = Inputs(self.series(), snapshot, implied, empty["symbols"], empty["earnings"], calendar)
        builders: Mapping[str, Callable[[], Build]] = {
            "returns_stddev": lambda: build_returns_stddev(inputs, now=NOW, lookback=252, annualization=252),
            "volatility": lambda: volatility(annualization=252, now=NOW, candles=candles),
            "volatility_cone": lambda: build_volatility_cone(snapshot, calendar, annualization=252, now=NOW),
            "variance_premium": lambda: build_variance_premium(snapshot, candles, calendar, now=NOW),
            "expectations": lambda: build_expectations(
                self.series(), implied, snapshot, candles, calendar, previous=None, now=NOW
            ),
        }
        return self.store(name, builders[name]())

    def series(self) -> pl.LazyFrame:
        """A few expirations of each symbol."""
        schema = DATASETS["expiration_series"].schema.polars
        days = [LAST + timedelta(days=each) for each in HORIZONS]
        known = pl.DataFrame({"symbol": self.symbols}).join(pl.DataFrame({"expiration_date": days}), how="cross")
        told = known.with_columns(
            root_symbol="symbol",
            expiration_session="expiration_date",
            settlement_type=pl.lit("PM"),
            option_chain_type=pl.lit("Standard"),
            expiration_type=pl.lit("Regular"),
        )
        others = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in told.columns]
        return told.with_columns(others).select(schema.names()).lazy()

    def checks(self) -> int:
        """The checks of the candles: keys and rules."""
        rows, dataset = self.stored("daily_candles"), DATASETS["daily_candles"]
        repeated, broken = repeated_keys(rows, dataset.schema.key), violations(rows, dataset.rules)
        return repeated.height + len(broken)

    def baseline(self) -> int:
        """Read everything, add a session to each symbol, sort, write."""
        bars = pl.read_parquet(self.folder / "daily_candles.parquet")
        last = bars.group_by("symbol", maintain_order=True).last().select(bars.columns)
        session = last.with_columns(session=pl.lit(LAST + timedelta(days=3)))
        both = pl.concat([bars, session]).sort("symbol", "session")
        both.write_parquet(self.folder / "baseline.parquet", compression="zstd", compression_level=2)
        return both.height

    def steps(self) -> Mapping[str, Callable[[], int]]:
        """The steps, in the order in which they run."""
        names = ("returns_stddev", "volatility", "volatility_cone", "variance_premium", "expectations")
        return {
            "candles, first fetch": lambda: self.candles(self.days[-2]),
            "candles, a session later": lambda: self.candles(LAST),
            "Polars in one piece": self.baseline,
            "eod_snapshot": self.snapshot,
            **{name: partial(self.computed, name) for name in names},
            "checks of candles": self.checks,
        }


def run(step: str, folder: Path, arguments: Sequence[str]) -> Result:
    """A step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{step}: {ran.stderr[-2000:]}")
    result: Result = json.loads(ran.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the table, or do one step for the parent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, nargs="+", default=[50, 503, 6000])
    parser.add_argument("--since", type=date.fromisoformat, default=date(2010, 1, 4))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        bench = Bench(options.folder, symbols=options.symbols[0], since=options.since, seed=options.seed)
        started = time.perf_counter()
        rows = bench.steps()[options.step]()
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures = {"seconds": time.perf_counter() - started, "cpu": used.ru_utime + used.ru_stime}
        print(json.dumps({**figures, "rows": rows, "peak_mb": used.ru_maxrss / 1024}))
        return
    for symbols in options.symbols:
        arguments = ["--symbols", str(symbols), "--since", options.since.isoformat(), "--seed", str(options.seed)]
        print(f"{symbols:,} symbols since {options.since}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for step in Bench(Path(folder), symbols=1, since=options.since, seed=options.seed).steps():
                measured = run(step, Path(folder), arguments)
                spent = (
                    f"{measured['seconds']:8.1f} s, CPU {measured['cpu']:8.1f} s  peak {measured['peak_mb']:7,.0f} MiB"
                )
                print(f"  {step:26}{measured['rows']:14,.0f} rows {spent}", flush=True)


if __name__ == "__main__":
    main()
