# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Horizon statistics and rolling estimators of 500 symbols with 5,000 sessions, against a bare pass and against pandas.

Run it with ``python -m benchmarks.bench_horizons``. Times are the best of three. The pandas program computes the same
columns the usual way: one rolling or shifted column per horizon over the tail that it needs, grouped by symbol.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import polars as pl

from ttapi_pipeline.analytics.estimators import ESTIMATORS
from ttapi_pipeline.analytics.horizons import horizon_statistics
from ttapi_pipeline.analytics.volatility import rolling_volatility
from ttapi_pipeline.core.sessions import sessions_between

SYMBOLS, SESSIONS, LOOKBACK = 500, 5_000, 252
HORIZONS = (1, 2, 3, 4, 5, 8, 10, 15, 20, 25, 30, 42, 63, 84, 105, 126, 189, 252, 400, 520)
WINDOWS = (10, 21, 63, 252)


def synthetic_bars() -> pl.DataFrame:
    """Bars of independent random walks, by symbol and session."""
    rng = np.random.default_rng(7)
    days = sessions_between(date(2000, 1, 3), date(2025, 12, 31))[-SESSIONS:]
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (SYMBOLS, SESSIONS)), axis=1)).ravel()
    open_ = close * np.exp(rng.normal(0.0, 0.005, close.size))
    return pl.DataFrame(
        {
            "symbol": np.repeat([f"S{n:04d}" for n in range(SYMBOLS)], SESSIONS),
            "session": pl.Series([*days] * SYMBOLS, dtype=pl.Date),
            "open": open_,
            "high": np.maximum(open_, close) * 1.003,
            "low": np.minimum(open_, close) * 0.997,
            "close": close,
        }
    )


def best_of_three(work: Callable[[], object]) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def pandas_horizons(bars: pd.DataFrame) -> pd.DataFrame:
    """The stddev columns of `horizon_statistics` for every symbol and horizon, by groups and rolling windows."""
    bars = bars.groupby("symbol").tail(max(*HORIZONS, LOOKBACK) + 1)
    log_close = np.log(bars["close"])
    by_symbol = log_close.groupby(bars["symbol"])
    returns = by_symbol.diff().groupby(bars["symbol"])
    columns = {("lookback", 0): returns.rolling(LOOKBACK).std().groupby("symbol").last()}
    for horizon in HORIZONS:
        if horizon > 1:
            columns["returns", horizon] = returns.rolling(horizon).std().groupby("symbol").last()
        if 2 * horizon <= LOOKBACK + 1:
            spans = by_symbol.diff(horizon).groupby(bars["symbol"])
            columns["horizon", horizon] = spans.rolling(LOOKBACK - horizon + 1).std().groupby("symbol").last()
    return pd.DataFrame(columns)


def pandas_close_to_close(bars: pd.DataFrame) -> pd.DataFrame:
    """The close-to-close columns of `rolling_volatility`."""
    returns = np.log(bars["close"]).groupby(bars["symbol"]).diff().groupby(bars["symbol"])
    return pd.DataFrame({window: returns.rolling(window).std().to_numpy() * 252**0.5 for window in WINDOWS})


def main() -> None:
    """Print one line per measurement."""
    frame = synthetic_bars()
    bars, calendar = frame.lazy(), frame.select("session").unique().lazy()
    pairs = frame.select("symbol").unique().join(pl.DataFrame({"horizon_sessions": HORIZONS}), how="cross").lazy()
    as_of = frame["session"][-1]
    in_pandas = pd.DataFrame({name: frame[name].to_numpy() for name in ("close",)}).assign(
        symbol=pd.Categorical(frame["symbol"].to_list())
    )
    prices = pl.col("open", "high", "low", "close")
    bare = best_of_three(bars.select(pl.col("symbol").n_unique(), pl.col("session").max(), prices.sum()).collect)
    measured = {
        f"horizon_statistics, {len(HORIZONS)} horizons": (
            horizon_statistics(bars, calendar, pairs, as_of=as_of, lookback=LOOKBACK).collect,
            lambda: pandas_horizons(in_pandas),
        ),
        f"close_to_close, {len(WINDOWS)} windows": (
            rolling_volatility(bars, calendar, windows=WINDOWS, estimators=["close_to_close"], is_sorted=True).collect,
            lambda: pandas_close_to_close(in_pandas),
        ),
        f"all {len(ESTIMATORS)} estimators, {len(WINDOWS)} windows": (
            rolling_volatility(bars, calendar, windows=WINDOWS, estimators=[*ESTIMATORS], is_sorted=True).collect,
            None,
        ),
    }
    print(f"{frame.height:,} bars; a bare pass over them takes {bare * 1000:.0f} ms")
    for name, (ours, theirs) in measured.items():
        seconds = best_of_three(ours)
        line = f"{name}: {seconds:.2f} s, {seconds / bare:.0f} bare passes"
        if theirs is not None:
            line += f"; pandas takes {best_of_three(theirs) / seconds:.1f} times as long"
        print(line)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, pandas included")


if __name__ == "__main__":
    main()
