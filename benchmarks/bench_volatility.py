# SPDX-License-Identifier: MIT
"""Rolling estimators over 29 million rows of Parquet, against a bare scan of the same file and against pandas.

Run it with ``python -m benchmarks.bench_volatility [ROWS]``. The bars are random walks from a seed, stored as the EOD
snapshot is: zstd, by symbol and session. The bare scan reads symbol, session and the four prices once and sums them.
The estimators run over 500 symbols at a time, as the dataset `volatility_cone` does, so that memory does not grow with
the file. Bare scan and estimators take turns, twice each, and the better of each counts. Pandas gets a tenth of the
symbols, once, and its time is multiplied by ten: all of them at once would not fit into the memory of many machines.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.frames.volatility import ESTIMATORS, rolling_volatility

ROWS, SESSIONS, SYMBOLS_AT_A_TIME, WINDOW = 29_000_000, 5_000, 500, 21
PRICES = ("open", "high", "low", "close")


def write_bars(path: Path, *, symbols: int, days: Sequence[date]) -> None:
    """Random walks rounded to cents, a row group per 20 symbols."""
    rng = np.random.default_rng(7)
    writer: pq.ParquetWriter | None = None
    for start in range(0, symbols, 20):
        names = [f"S{number:05d}" for number in range(start, min(start + 20, symbols))]
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
            }
        ).with_columns(pl.col(PRICES).round(4))
        arrow = table.to_arrow()
        writer = writer or pq.ParquetWriter(path, arrow.schema, compression="zstd")
        writer.write_table(arrow)
    if writer is not None:
        writer.close()


def bare_scan(path: Path) -> pl.DataFrame:
    """One pass over the columns that the estimators need."""
    needed = (pl.col("symbol").n_unique(), pl.col("session").max(), pl.col(PRICES).sum())
    return pl.scan_parquet(path).select(needed).collect(engine="streaming")


def ours(path: Path, names: Sequence[str], estimators: Sequence[str], windows: Sequence[int]) -> None:
    """Every value of every column, reduced to a mean so that memory shows the computation and not its result."""
    calendar = pl.LazyFrame({"session": sessions_between(date(2000, 1, 3), date(2025, 12, 31))})
    columns = [f"{name}_{window}" for name in estimators for window in windows]
    for start in range(0, len(names), SYMBOLS_AT_A_TIME):
        part = names[start : start + SYMBOLS_AT_A_TIME]
        bars = pl.scan_parquet(path).filter(pl.col("symbol").is_between(pl.lit(part[0]), pl.lit(part[-1])))
        rolling = rolling_volatility(bars, calendar, windows=windows, estimators=estimators, is_sorted=True)
        rolling.select(pl.col(columns).mean()).collect()


def in_pandas(path: Path, last: str, estimator: str) -> object:
    """The same up to a symbol, by groups and rolling windows, as a pandas user writes it."""
    needed = ["symbol", "close"] if estimator == "close_to_close" else ["symbol", *PRICES]
    bars = pd.read_parquet(path, columns=needed, filters=[("symbol", "<=", last)])
    bars = bars.assign(previous=bars.groupby("symbol", observed=True)["close"].shift())
    if estimator == "close_to_close":
        bars["r"] = np.log(bars["close"] / bars["previous"])
        return np.sqrt(252 * bars.groupby("symbol", observed=True)["r"].rolling(WINDOW).var())
    bars["o"], bars["c"] = np.log(bars["open"] / bars["previous"]), np.log(bars["close"] / bars["open"])
    up, down = np.log(bars["high"] / bars["open"]), np.log(bars["low"] / bars["open"])
    bars["rs"] = up * (up - bars["c"]) + down * (down - bars["c"])
    groups = bars.groupby("symbol", observed=True)
    overnight, within = groups["o"].rolling(WINDOW).var(), groups["c"].rolling(WINDOW).var()
    k = 0.34 / (1.34 + (WINDOW + 1) / (WINDOW - 1))
    return np.sqrt(252 * (overnight + k * within + (1 - k) * groups["rs"].rolling(WINDOW).mean()))


def seconds(work: Callable[[], object]) -> float:
    """How long one run takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def peak() -> str:
    """Peak memory of the process so far."""
    return f"peak memory so far {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"


def main() -> None:
    """Print one line per measurement."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    days = sessions_between(date(2000, 1, 3), date(2025, 12, 31))[-SESSIONS:]
    symbols = -(-rows // len(days))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.parquet"
        write_bars(path, symbols=symbols, days=days)
        names = [f"S{number:05d}" for number in range(symbols)]
        print(f"{symbols * len(days):,} bars of {symbols:,} symbols, {path.stat().st_size / 2**20:,.0f} MiB; {peak()}")
        jobs = {
            f"close_to_close_{WINDOW}": (["close_to_close"], [WINDOW]),
            f"yang_zhang_{WINDOW}": (["yang_zhang"], [WINDOW]),
            f"all {len(ESTIMATORS)} estimators at {WINDOW}": (list(ESTIMATORS), [WINDOW]),
        }
        times: dict[str, list[float]] = {name: [] for name in ("bare scan", *jobs)}
        for _ in range(2):
            times["bare scan"].append(seconds(lambda: bare_scan(path)))
            for name, (estimators, windows) in jobs.items():
                times[name].append(seconds(lambda e=estimators, w=windows: ours(path, names, e, w)))  # type: ignore[misc]
        bare = min(times["bare scan"])
        print(f"bare scan: {bare:.2f} s")
        for name in jobs:
            print(f"{name}: {min(times[name]):.2f} s, {min(times[name]) / bare:.1f} bare scans")
        print(peak())
        tenth = names[: max(len(names) // 10, 1)]
        for estimator in ("close_to_close", "yang_zhang"):
            took = seconds(lambda e=estimator: in_pandas(path, tenth[-1], e)) * symbols / len(tenth)  # type: ignore[misc]
            ratio = took / min(times[f"{estimator}_{WINDOW}"])
            print(f"pandas, {estimator}: {took:.0f} s at that rate, {ratio:.1f} times as long")


if __name__ == "__main__":
    main()
