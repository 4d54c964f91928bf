# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Real daily bars out of packages that carry them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

_PRICES = {"Open": "open", "High": "high", "Low": "low", "Close": "close"}


def _packaged_csv(package: str, path: str) -> bytes:
    # Asked for by its spec, because importing `arch` takes seconds.
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return gzip.decompress((Path(spec.origin).parent / path).read_bytes())


@cache
def _real_bars(symbol: str) -> pl.DataFrame:
    if symbol == "SPX":
        frame = pl.read_csv(_packaged_csv("arch", "data/sp500/sp500.csv.gz"))
        frame = frame.with_columns(symbol=pl.lit("SPX"), session=pl.col("Date").str.to_date("%m/%d/%Y"))
    else:
        frame = pl.read_csv(_packaged_csv("bokeh_sampledata", "_data/stocks.csv.gz")).filter(pl.col("Ticker") == symbol)
        frame = frame.with_columns(symbol=pl.col("Ticker"), session=pl.col("Date").str.to_date())
    return frame.rename(_PRICES).select("symbol", "session", *_PRICES.values())


@pytest.fixture(scope="session")
def real_bars() -> Callable[[str], pl.LazyFrame]:
    """Daily bars of SPX (1999 to 2018, package `arch`) or of AAPL (2000 to 2013, package `bokeh_sampledata`)."""
    return lambda symbol: _real_bars(symbol).lazy()


@cache
def _twenty_stocks() -> pl.DataFrame:
    wide = pl.read_csv(_packaged_csv("skfolio", "datasets/data/sp500_dataset.csv.gz"))
    long = wide.unpivot(index=wide.columns[0], variable_name="symbol", value_name="close")
    return long.select("symbol", "close", session=pl.col(wide.columns[0]).str.to_date()).sort("symbol", "session")


@pytest.fixture(scope="session")
def twenty_stocks() -> Callable[[], pl.LazyFrame]:
    """Adjusted daily closes of 20 shares, 1990 to 2022, package `skfolio`."""
    return lambda: _twenty_stocks().lazy()
