# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Volatilities of 29 million bars in a Parquet file, against a bare scan of the same file and against pandas.

Run it with ``python -m benchmarks.bench_volatility [ROWS]``. The bars are random walks from a seed, stored as the EOD
snapshot is: zstd, by symbol and session, row groups of 65,000. Each contender runs in a process of its own, twice in
turns, and the better counts, in seconds and in CPU seconds; peak memory is the process's. It runs over a few symbols
first, so that what a process imports, compiles or loads once is not in its time; `first use` says what that is for the
estimators.

- The bare scan reads symbol, session and the four prices once and sums them.
- `estimators` and its parts roll over the whole history, every row of it, as the dataset `volatility_cone` does: over
  21 sessions, and `estimators_7` over each of seven windows.
- `cone` and `volatility` are what these two datasets compute, the latter without its neighbours in the table: the
  figures of the last session, their rank among a year's, and what is odd about the bars. `totals` are the original's
  aggregates: sessions, mean and standard deviation of close, first and last session.
- pandas does what its user guide shows: whole columns of logarithms, `groupby` and `shift` for the close before, and a
  `groupby(symbol).rolling(window)` per window and mean or variance. It gets a tenth of the symbols, and its time is
  multiplied by ten: all of them would not fit into the memory of many machines.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from ttapi_pipeline.analytics.current import bar_quality, current_volatility, volatility_rank
from ttapi_pipeline.analytics.estimators import ESTIMATORS
from ttapi_pipeline.analytics.slices import collect_in_slices
from ttapi_pipeline.analytics.volatility import rolling_volatility
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.datasets.volatility_cone.build import volatility_cone_frame

ROWS, SESSIONS, FEW = 29_000_000, 5_000, 20
WINDOW = (21,)
WINDOWS = (10, 21, 30, 63, 90, 126, 252)
SESSIONS_LISTED = sessions_between(date(2000, 1, 3), date(2025, 12, 31))
CALENDAR = pl.LazyFrame({"session": SESSIONS_LISTED})
AS_OF = SESSIONS_LISTED[-1]
PRICES = ("open", "high", "low", "close")


def write_bars(path: Path, *, symbols: int, days: Sequence[date]) -> None:
    """Random walks rounded to a hundredth of a cent, a row group per 13 symbols."""
    rng = np.random.default_rng(7)
    writer: pq.ParquetWriter | None = None
    for start in range(0, symbols, 13):
        names = [f"S{number:05d}" for number in range(start, min(start + 13, symbols))]
        size = (len(names), len(days))
        close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, size), axis=1)).ravel()
        open_ = close * np.exp(rng.normal(0.0, 0.005, close.size))
        table = pl.DataFrame(
            {
                "symbol": np.repeat(names, len(days)),
                "session": pl.Series([*days] * len(names), dtype=pl.Date),
                "open": open_,
                "high": np.maximum(open_, close) * 1.003,
                "low": np.minimum(open_, close) * 0.997,
                "close": close,
                "volume": 1000.0,
                "adjustment": "split",
                "is_final": True,
            }
        ).with_columns(pl.col(PRICES).round(4))
        arrow = table.to_arrow()
        writer = writer or pq.ParquetWriter(path, arrow.schema, compression="zstd")
        writer.write_table(arrow)
    if writer is not None:
        writer.close()


def bare_scan(path: Path) -> object:
    """One pass over the columns that the estimators need."""
    needed = (pl.col("symbol").n_unique(), pl.col("session").max(), pl.col(PRICES).sum())
    return pl.scan_parquet(path).select(needed).collect(engine="streaming")


def rolling(path: Path, estimators: Sequence[str], windows: Sequence[int] = WINDOW) -> object:
    """Every value of every column, reduced to a mean so that memory shows the computation and not its result."""

    def means(part: pl.LazyFrame) -> pl.LazyFrame:
        volatilities = rolling_volatility(part, CALENDAR, windows=windows, estimators=estimators, is_sorted=True)
        return volatilities.select(pl.col(f"{name}_{window}").mean() for name in estimators for window in windows)

    return collect_in_slices(stored(path), means)


def stored(path: Path) -> pl.LazyFrame:
    """As `storage.scan.scan` gives it."""
    return pl.scan_parquet(path).set_sorted("symbol")


def cone(path: Path) -> object:
    return volatility_cone_frame(stored(path), CALENDAR, as_of=AS_OF, annualization=252)


def volatility(path: Path) -> object:
    bars = stored(path)
    measures = (
        current_volatility(bars, CALENDAR, as_of=AS_OF),
        volatility_rank(bars, CALENDAR, as_of=AS_OF),
        bar_quality(bars, CALENDAR, as_of=AS_OF),
    )
    return [measure.collect() for measure in measures]


def totals(path: Path) -> object:
    close, session = pl.col("close"), pl.col("session")
    return (
        stored(path)
        .group_by("symbol")
        .agg(sessions=pl.len(), mean=close.mean(), stddev=close.std(), first=session.min(), last=session.max())
        .collect()
    )


def in_pandas(path: Path, estimators: Sequence[str], windows: Sequence[int] = WINDOW) -> object:
    """The same for a tenth of the symbols, by groups and rolling windows, as a pandas user writes it."""
    last = f"S{pl.scan_parquet(path).select(pl.col('symbol').n_unique()).collect().item() // 10 - 1:05d}"
    columns = ["symbol", "close"] if estimators == ["close_to_close"] else ["symbol", *PRICES]
    bars = pd.read_parquet(path, columns=columns, filters=[("symbol", "<=", last)])
    symbols = bars["symbol"]
    previous = bars.groupby(symbols)["close"].shift()

    def rolling(terms: Any, window: int) -> Any:
        return pd.Series(terms).groupby(symbols).rolling(window)

    variances: dict[str, Callable[[int], Any]] = {}
    r = np.log(bars["close"] / previous)
    variances["close_to_close"] = lambda n: rolling(r, n).var()
    if len(columns) > 2:
        o, c = np.log(bars["open"] / previous), np.log(bars["close"] / bars["open"])
        u, d = np.log(bars["high"] / bars["open"]), np.log(bars["low"] / bars["open"])
        rs, hlhl = u * (u - c) + d * (d - c), (u - d) ** 2

        def yang_zhang(n: int) -> Any:
            k = 0.34 / (1.34 + (n + 1) / (n - 1))
            return rolling(o, n).var() + k * rolling(c, n).var() + (1 - k) * rolling(rs, n).mean()

        variances |= {
            "zero_mean": lambda n: rolling(r**2, n).mean(),
            "parkinson": lambda n: rolling(hlhl, n).mean() / (4 * np.log(2)),
            "garman_klass": lambda n: rolling(hlhl / 2 - (2 * np.log(2) - 1) * c**2, n).mean(),
            "rogers_satchell": lambda n: rolling(rs, n).mean(),
            "yang_zhang": yang_zhang,
        }
    return [np.sqrt(252 * variances[name](window)).mean() for name in estimators for window in windows]


CONTENDERS: Mapping[str, Callable[[Path], object]] = {
    "bare_scan": bare_scan,
    "close_to_close": lambda path: rolling(path, ["close_to_close"]),
    "yang_zhang": lambda path: rolling(path, ["yang_zhang"]),
    "estimators": lambda path: rolling(path, list(ESTIMATORS)),
    "estimators_7": lambda path: rolling(path, list(ESTIMATORS), WINDOWS),
    "cone": cone,
    "volatility": volatility,
    "totals": totals,
    "pandas_close_to_close": lambda path: in_pandas(path, ["close_to_close"]),
    "pandas_yang_zhang": lambda path: in_pandas(path, ["yang_zhang"]),
    "pandas_estimators": lambda path: in_pandas(path, list(ESTIMATORS)),
    "pandas_estimators_7": lambda path: in_pandas(path, list(ESTIMATORS), WINDOWS),
}


def measure(contender: str, few: Path, path: Path) -> None:
    """Run one here, and print its seconds, its CPU seconds, the peak memory in GiB and the seconds of the first use."""
    begun = time.perf_counter()
    CONTENDERS[contender](few)
    first = time.perf_counter() - begun
    begun, begun_cpu = time.perf_counter(), time.process_time()
    CONTENDERS[contender](path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(time.perf_counter() - begun, time.process_time() - begun_cpu, peak, first)


def measured(contender: str, few: Path, path: Path) -> Sequence[float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bench_volatility", "--contender", contender, str(few), str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(number) for number in ran.stdout.split()]


def main() -> None:
    """Print one line per contender."""
    if sys.argv[1:2] == ["--contender"]:
        measure(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    days = SESSIONS_LISTED[-SESSIONS:]
    symbols = max(-(-rows // len(days)) // 10, 1) * 10
    with tempfile.TemporaryDirectory() as folder:
        path, few = Path(folder) / "bars.parquet", Path(folder) / "few.parquet"
        write_bars(path, symbols=symbols, days=days)
        write_bars(few, symbols=FEW, days=days)
        print(f"{symbols * len(days):,} bars of {symbols:,} symbols, {path.stat().st_size / 2**20:,.0f} MiB")
        runs = [{name: measured(name, few, path) for name in CONTENDERS} for _ in range(2)]
    # The best of seconds, of CPU seconds, of peak memory and of the first use, each by itself.
    best = {name: [min(numbers) for numbers in zip(*(run[name] for run in runs), strict=True)] for name in CONTENDERS}
    bare, bare_cpu, *_ = best["bare_scan"]
    for name, (took, cpu, peak, _) in best.items():
        if name.startswith("pandas_"):
            ours, ours_cpu, *_ = best[name.removeprefix("pandas_")]
            ratios = f"{10 * took / ours:6.1f} times as long as ours, CPU {10 * cpu / ours_cpu:6.1f}"
            print(f"{name:22} {10 * took:8.2f} s by a tenth of the symbols, {ratios}")
        else:
            ratios = f"{took / bare:6.2f} bare scans, CPU {cpu / bare_cpu:6.2f}"
            print(f"{name:22} {took:8.2f} s, {ratios}, peak {peak:5.2f} GiB")
    print(f"first use of the estimators in a process: {best['estimators'][3]:.2f} s, once")


if __name__ == "__main__":
    main()
