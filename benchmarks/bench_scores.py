# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Forecasts of the move over a tenor on real prices: mean QLIKE of each, and by how much implied volatility overstates.

Run it with ``python -m benchmarks.bench_scores [IV.csv.gz]``. Prices are the closes of 20 stocks from 1990 to 2022 that
the package skfolio carries. Implied volatility is that of the file, which has a column Date and one per stock: the
function load_sp500_implied_vol_dataset of skfolio fetches it from github.com/skfolio/skfolio-datasets (3 months, 2010
to 2022). Without a file it is the VIX of 2014 to 2018 over the S&P 500, both of the package arch.

The second table says in how many stocks a forecast has a QLIKE no worse than close_to_close, the plain figure of 252
sessions. The last line is what one symbol costs.
"""

from __future__ import annotations

import gzip
import math
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.forecasts import History
from ttapi_pipeline.analytics.premium import MethodScore, score_tenor
from ttapi_pipeline.analytics.tenors import METHODS, TENORS


def packaged(package: str, path: str) -> pl.DataFrame:
    """A CSV file that a package carries; the package itself is not imported."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return pl.read_csv(gzip.decompress((Path(spec.origin).parent / path).read_bytes()), infer_schema_length=None)


def stocks(implied: pl.DataFrame) -> Iterator[tuple[str, History]]:
    """The stocks of skfolio with the implied volatilities of a file."""
    prices = packaged("skfolio", "datasets/data/sp500_dataset.csv.gz")
    names = implied.columns[1:]
    table = prices.join(implied, on="Date", how="left", suffix="_iv").sort("Date")
    days = table["Date"].str.to_date().to_physical().to_numpy().astype(np.int64)
    missing = np.full(table.height, math.nan)
    for name in names:
        closes, values = table[name].to_numpy(), table[f"{name}_iv"].fill_null(math.nan).to_numpy()
        yield name, History(np.array([missing, missing, missing, closes]), values, days)


def index() -> Iterator[tuple[str, History]]:
    """The S&P 500 with the VIX."""
    to_day = pl.col("Date").str.to_date("%m/%d/%Y")
    vix = packaged("arch", "data/vix/vix.csv.gz").select(to_day, iv=pl.col("vix").cast(pl.Float64, strict=False) / 100)
    bars = (
        packaged("arch", "data/sp500/sp500.csv.gz").with_columns(to_day).join(vix, on="Date", how="left").sort("Date")
    )
    days = bars["Date"].to_physical().to_numpy().astype(np.int64)
    prices = bars.select("Open", "High", "Low", "Close").to_numpy().T.copy()
    yield "S&P 500", History(prices, bars["iv"].fill_null(math.nan).to_numpy(), days)


def main() -> None:
    """Print the tables."""
    subjects = list(
        stocks(pl.read_csv(gzip.decompress(Path(sys.argv[1]).read_bytes()))) if len(sys.argv) > 1 else index()
    )
    score_tenor(subjects[0][1], TENORS[0])  # compiles
    begun = time.perf_counter()
    scores: dict[tuple[int, str], list[MethodScore]] = {}
    for _, history in subjects:
        fresh = History(history.prices, history.implied, history.days)
        for tenor in TENORS:
            for method, score in score_tenor(fresh, tenor).methods.items():
                scores.setdefault((tenor, method), []).append(score)
    seconds = (time.perf_counter() - begun) / len(subjects)
    methods = [method for method in METHODS if (TENORS[0], method) in scores]
    print(f"mean QLIKE of {len(subjects)} subjects over the next {', '.join(map(str, TENORS))} sessions")
    for method in methods:
        print(
            f"  {method:15}", *(f"{np.mean([each.qlike for each in scores[tenor, method]]):6.3f}" for tenor in TENORS)
        )
    print("share of the subjects in which it is no worse than close_to_close")
    for method in methods:
        shares = (
            np.mean(
                [
                    own.qlike <= plain.qlike
                    for own, plain in zip(scores[tenor, method], scores[tenor, "close_to_close"], strict=True)
                ]
            )
            for tenor in TENORS
        )
        print(f"  {method:15}", *(f"{share:6.0%}" for share in shares))
    print("implied over realised volatility: ratio with its error, median of the logarithm")
    for (name, _), score in zip(subjects, scores[63, "iv_30_day"], strict=True):
        stated = score.overstatement
        print(f"  {name:8} {stated.ratio:5.2f} +- {stated.error:4.2f}  {score.median_log_ratio:+.3f}  {stated.verdict}")
    medians = [score.median_log_ratio for score in scores[63, "iv_30_day"]]
    print(f"  median of the medians {np.median(medians):+.3f}")
    print(f"{seconds:.3f} s per subject for all methods and tenors")


if __name__ == "__main__":
    main()
