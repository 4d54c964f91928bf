# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Files and candles of one symbol: of one instrument, however its vendors differ, or of two."""

from __future__ import annotations

import gzip
from datetime import date
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.splits import possible_splits, price_steps
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.datasets.eod_snapshot.sources import compare_sources
from ttapi_pipeline_tests.support.examples import examples


def packaged(package: str, path: str) -> pl.DataFrame:
    """A CSV file of a package, without importing the package."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    content = (Path(spec.origin).parent / path).read_bytes()
    return pl.read_csv(gzip.decompress(content) if path.endswith(".gz") else content)


def closes(frame: pl.DataFrame, day: str, close: str, pattern: str = "%Y-%m-%d") -> pl.DataFrame:
    session = pl.col(day).str.slice(0, 10).str.to_date(pattern)
    return frame.select(symbol=pl.lit("X"), session=session, close=pl.col(close).cast(pl.Float64)).drop_nulls()


def stock(ticker: str, column: str = "Close") -> pl.DataFrame:
    """Of bokeh_sampledata, 2000 to 2013, as traded, or by `Adj Close` adjusted for splits and dividends."""
    stocks = packaged("bokeh_sampledata", "_data/stocks.csv.gz").filter(pl.col("Ticker") == ticker)
    return closes(stocks, "Date", column)


def company(ticker: str) -> pl.DataFrame:
    """Of skfolio, 1990 to 2022, adjusted for splits and dividends."""
    return closes(packaged("skfolio", "datasets/data/sp500_dataset.csv.gz"), "Date", ticker)


def verdict(files: pl.DataFrame, candles: pl.DataFrame) -> str:
    (row,) = compare_sources(files.lazy(), candles.lazy().with_columns(is_final=pl.lit(value=True))).to_dicts()
    return str(row["verdict"])


def test_vendors_of_one_instrument_agree_but_for_what_they_adjust() -> None:
    goog = closes(packaged("backtesting", "test/GOOG.csv"), "", "Close")
    spx = closes(packaged("arch", "data/sp500/sp500.csv.gz"), "Date", "Close", "%m/%d/%Y")
    other_spx = closes(packaged("skfolio", "datasets/data/sp500_index.csv.gz"), "Date", "SP500")
    assert verdict(goog, stock("GOOG")) == "agreed"
    assert verdict(spx, other_spx) == "agreed"
    for ticker in ("AAPL", "MSFT"):
        # Two vendors and a split; Apple paid its first dividend of these years in 2012, Microsoft one a quarter.
        assert verdict(stock(ticker), company(ticker)) in {"drift", "changed", "strayed", "scale"}
        assert verdict(stock(ticker), stock(ticker, "Adj Close")) in {"drift", "changed", "strayed", "scale"}


def test_instruments_that_move_alike_are_two() -> None:
    spx = closes(packaged("arch", "data/sp500/sp500.csv.gz"), "Date", "Close", "%m/%d/%Y")
    nasdaq = closes(packaged("arch", "data/nasdaq/nasdaq.csv.gz"), "Date", "Close", "%m/%d/%Y")
    assert verdict(spx, nasdaq) == "other"
    likes = ("KO", "PEP", "CVX", "XOM", "BAC", "JPM", "MRK", "PFE")
    known = {ticker: company(ticker).tail(300) for ticker in likes}
    assert {verdict(known[a], known[b]) for a, b in combinations(likes, 2)} == {"other"}


SESSIONS = sessions_between(date(2025, 1, 2), date(2026, 11, 20))


@settings(max_examples=examples(200))
@given(
    seed=st.integers(0, 2**32),
    sessions=st.integers(60, len(SESSIONS)),
    price=st.sampled_from([0.5, 3.0, 40.0, 900.0]),
    volatility=st.sampled_from([0.003, 0.01, 0.04]),
    noise=st.sampled_from([0.0, 0.0002, 0.0005]),
    dividend=st.sampled_from([0.0, 0.005, 0.02]),
    correlation=st.sampled_from([None, -0.5, 0.0, 0.6, 0.85]),
)
def test_noise_and_dividends_make_no_other_instrument_and_correlation_makes_no_same_one(
    *,
    seed: int,
    sessions: int,
    price: float,
    volatility: float,
    noise: float,
    dividend: float,
    correlation: float | None,
) -> None:
    rng = np.random.default_rng(seed)
    own = rng.normal(0.0, volatility, sessions)
    # A dividend a quarter, which one vendor takes out of the past, and the noise of which trade was the last one.
    paid = np.where(np.arange(sessions) % 63 == 62, dividend, 0.0)
    moves = own + paid
    if correlation is not None:
        moves = correlation * own + np.sqrt(1 - correlation**2) * rng.normal(0.0, volatility, sessions)

    def source(moved: np.ndarray) -> pl.DataFrame:
        close = price * np.exp(np.cumsum(moved) + rng.normal(0.0, noise, sessions))
        return pl.DataFrame({"symbol": "X", "session": SESSIONS[:sessions], "close": close.round(2)})

    files, candles = source(moves), source(own)
    # Moves of a cent, or of a tenth of a percent, say too little, and a price may have fallen to where its moves are.
    is_clear = volatility >= 0.01 and volatility * min(*files["close"], *candles["close"]) > 0.1
    found = verdict(files, candles)
    assert (found == "other") == (correlation is not None) or not (is_clear or correlation is None)


def test_closes_of_crashes_are_no_splits() -> None:
    # Closes alone, adjusted for splits, of twenty companies over 32 years: 121 moved by more than 20% in a day. One
    # looks like a split: RRC to a third on 1990-04-10.
    table = packaged("skfolio", "datasets/data/sp500_dataset.csv.gz")
    days = pl.col("Date").str.slice(0, 10).str.to_date("%Y-%m-%d")
    bars = table.unpivot(index="Date", variable_name="symbol", value_name="close").select(
        "symbol", session=days, open=pl.lit(None, pl.Float64), close="close", volume=pl.lit(None, pl.Float64)
    )
    found = possible_splits(bars.drop_nulls("close").lazy()).collect()
    assert found.select("symbol", "session", "factor").rows() == [("RRC", date(1990, 4, 10), 3.0)]


@pytest.mark.parametrize(
    ("package", "path"), [("arch", "data/sp500/sp500.csv.gz"), ("arch", "data/nasdaq/nasdaq.csv.gz")]
)
def test_twenty_years_of_an_index_have_no_split(package: str, path: str) -> None:
    frame = packaged(package, path)
    bars = closes(frame, "Date", "Close", "%m/%d/%Y").with_columns(
        open=frame["Open"].cast(pl.Float64), volume=frame["Volume"].cast(pl.Float64)
    )
    assert possible_splits(bars.lazy()).collect().is_empty()


def test_no_crash_is_a_price_step_even_where_every_session_begins_another_source() -> None:
    table = packaged("skfolio", "datasets/data/sp500_dataset.csv.gz")
    nothing = pl.lit(None, pl.Float64)
    companies = [company(ticker) for ticker in table.columns[1:]]
    traded = [stock(ticker) for ticker in ("AAPL", "FB", "GOOG", "IBM", "MSFT")]
    for bars in (*companies, *traded):
        seams = bars.sort("session").with_columns(
            open=nothing,
            volume=nothing,
            adjustment=pl.lit("unknown"),
            source=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("metastock")).otherwise(pl.lit("dxlink")),
        )
        assert price_steps(seams.lazy()).is_empty()
