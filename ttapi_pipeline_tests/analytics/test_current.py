# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Volatility as of one session: R's formula by hand, reasons, rank and percentile, and what is odd about bars."""

from __future__ import annotations

import gzip
import math
import statistics
from collections.abc import Callable, Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.analytics.current import CAUTIONS, REASONS, bar_quality, current_volatility, volatility_rank
from ttapi_pipeline.analytics.splits import SPLIT_FACTORS, possible_splits, price_steps
from ttapi_pipeline.analytics.volatility import rolling_volatility
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline_tests.support.examples import examples

SESSIONS = sessions_between(date(2011, 1, 3), date(2012, 12, 31))
AS_OF = SESSIONS[-1]
CALENDAR = pl.LazyFrame({"session": SESSIONS})
SEEDS = st.integers(0, 2**32 - 1)


def market(count: int = len(SESSIONS), *, seed: int = 1, symbol: str = "AAPL") -> pl.DataFrame:
    """The last `count` sessions of a random walk with plausible ranges."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, count)))
    open_ = close * np.exp(rng.normal(0.0, 0.01, count))
    return pl.DataFrame(
        {
            "symbol": symbol,
            "session": SESSIONS[-count:],
            "open": open_,
            "high": np.maximum(open_, close) * 1.002,
            "low": np.minimum(open_, close) * 0.998,
            "close": close,
            "volume": 1000.0,
            "adjustment": "split",
        }
    )


def current(frame: pl.DataFrame, *windows: int, as_of: date = AS_OF) -> pl.DataFrame:
    return current_volatility(frame.lazy(), CALENDAR, as_of=as_of, windows=windows).collect()


def ttr_yang_zhang(bars: pl.DataFrame, n: int, *, periods: int) -> float:
    """R's ``TTR::volatility(calc = "yang.zhang", n = n, N = periods)``, its steps as its source has them.

    s2o and s2c are ``N * runVar(log(open / previous close))`` and ``N * runVar(log(close / open))``, s2rs is the
    square of the Rogers-Satchell volatility with a mean over n, and ``alpha = 1.34``.
    """
    o, h, l_, c = (bars[name].to_numpy() for name in ("open", "high", "low", "close"))
    s2o = periods * np.var(np.log(o[1:] / c[:-1])[-n:], ddof=1)
    s2c = periods * np.var(np.log(c / o)[-n:], ddof=1)
    s2rs = periods / n * np.sum((np.log(h / c) * np.log(h / o) + np.log(l_ / c) * np.log(l_ / o))[-n:])
    k = (1.34 - 1) / (1.34 + (n + 1) / (n - 1))
    return math.sqrt(s2o + k * s2c + (1 - k) * s2rs)


@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
@pytest.mark.parametrize("n", [10, 30, 252])
def test_yang_zhang_on_real_prices_is_what_r_computes(
    real_bars: Callable[[str], pl.LazyFrame], symbol: str, n: int
) -> None:
    series = real_bars(symbol).sort("session").collect()
    last = series["session"][-1]
    for periods in (252, 260):
        result = current_volatility(series.lazy(), series.lazy(), as_of=last, windows=[n], annualization=periods)
        expected = ttr_yang_zhang(series, n, periods=periods)
        assert result.collect()[f"yang_zhang_{n}"].item() == pytest.approx(expected, rel=1e-9)


def statsmodels_stdev(values: Sequence[float]) -> float:
    from statsmodels.stats.weightstats import DescrStatsW

    return float(DescrStatsW(values, ddof=1).std)


# To import statsmodels takes 5 CPU seconds.
@pytest.mark.parametrize("stdev", [statistics.stdev, pytest.param(statsmodels_stdev, marks=pytest.mark.soak)])
@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
def test_close_to_close_on_real_prices_is_what_other_libraries_compute(
    real_bars: Callable[[str], pl.LazyFrame], symbol: str, stdev: Callable[[Sequence[float]], float]
) -> None:
    series = real_bars(symbol).sort("session").collect()
    last = series["session"][-1]
    result = current_volatility(series.lazy(), series.lazy(), as_of=last, windows=[90]).collect()
    returns = np.diff(np.log(series["close"].to_numpy()))[-90:]
    expected = stdev(returns.tolist()) * math.sqrt(252)
    assert result["close_to_close_90"].item() == pytest.approx(expected, rel=1e-9)


def test_as_of_a_session_it_is_the_last_of_the_rolling_values() -> None:
    frame = market()
    rolling = rolling_volatility(frame.lazy(), CALENDAR, windows=[10, 63]).last().collect()
    assert_frame_equal(current(frame, 10, 63).select(rolling.columns[-4:]), rolling[rolling.columns[-4:]])


@settings(max_examples=examples(50))
@given(SEEDS, st.randoms(use_true_random=False), st.integers(260, len(SESSIONS) - 1))
def test_row_order_other_symbols_and_later_bars_change_nothing(seed: int, random: Random, day: int) -> None:
    crowd = pl.concat([market(seed=seed), market(seed=seed + 1, symbol="ZM")])
    order = list(range(len(crowd)))
    random.shuffle(order)
    as_of = SESSIONS[day]
    alone = market(seed=seed).filter(pl.col("session") <= as_of)
    both = current(crowd[order], 10, 126, as_of=as_of).filter(symbol="AAPL")
    assert_frame_equal(both, current(alone, 10, 126, as_of=as_of), rel_tol=1e-7)


def test_each_null_has_its_reason() -> None:
    missing = pl.col("session") == SESSIONS[-5]
    frames = {
        "FULL": market(),
        "ONE": market().filter(~missing),
        "GAP": market().filter(~missing & (pl.col("session") != SESSIONS[-9])),
        "HALT": market().filter(pl.col("session") != SESSIONS[-1]),
        "NEW": market(15),
        "NO_RANGE": market().with_columns(open=pl.when(~missing).then("open")),
        "ODD": market().with_columns(high=pl.when(missing).then(pl.col("low") * 0.9).otherwise("high")),
        "STALE": market().with_columns(pl.lit(7.0).alias(name) for name in ("open", "high", "low", "close")),
        "ZERO": market().with_columns(close=pl.lit(0.0)),
    }
    result = current(pl.concat(frame.with_columns(symbol=pl.lit(name)) for name, frame in frames.items()), 21)
    reasons = {row["symbol"]: row for row in result.iter_rows(named=True)}
    expected = {
        "FULL": (None, None),
        "ONE": (None, None),
        "GAP": ("gap", "gap"),
        "HALT": ("not_current", "not_current"),
        "NEW": ("short_history", "short_history"),
        "NO_RANGE": (None, "bad_range"),
        "ODD": (None, "bad_range"),
        "STALE": ("unchanged_close", "unchanged_close"),
        "ZERO": ("no_bars", "no_bars"),
    }
    for name, (of_closes, of_ranges) in expected.items():
        row = reasons[name]
        assert (row["close_to_close_21_reason"], row["yang_zhang_21_reason"]) == (of_closes, of_ranges), name
        assert (row["close_to_close_21"] is None, row["yang_zhang_21"] is None) == (bool(of_closes), bool(of_ranges))
    assert {word for pair in expected.values() for word in pair if word} == set(REASONS)


def test_ranges_that_move_over_unchanged_closes_are_measured() -> None:
    frame = market().with_columns(open=pl.lit(100.0), high=pl.lit(101.0), low=pl.lit(99.0), close=pl.lit(100.0))
    row = current(frame, 21).row(0, named=True)
    assert (row["close_to_close_21"], row["close_to_close_21_reason"]) == (None, "unchanged_close")
    assert row["yang_zhang_21_reason"] is None
    # By hand: (ln 1.01)^2 + (ln 0.99)^2 in each session, and neither o nor c varies.
    k = 0.34 / (1.34 + 22 / 20)
    variance = (1 - k) * (math.log(1.01) ** 2 + math.log(0.99) ** 2)
    assert row["yang_zhang_21"] == pytest.approx(math.sqrt(252 * variance))


def rank(frame: pl.DataFrame, **options: int) -> dict[str, float | None]:
    return volatility_rank(frame.lazy(), CALENDAR, as_of=AS_OF, **options).collect().row(0, named=True)


@settings(max_examples=examples(50))
@given(SEEDS)
def test_rank_and_percentile_equal_numpy_by_hand(seed: int) -> None:
    frame = market(seed=seed)
    windows = np.lib.stride_tricks.sliding_window_view(np.diff(np.log(frame["close"].to_numpy())), 30)
    history = np.std(windows, axis=1, ddof=1)
    today, year, before = history[-1], history[-252:], history[-253:-1]
    result = rank(frame)
    assert result["hv_rank"] == pytest.approx((today - year.min()) / (year.max() - year.min()), abs=1e-7)
    assert result["hv_percentile"] == pytest.approx((before < today).mean(), abs=1.5 / 252)
    assert result["hv_values_used"] == 252


def test_a_spike_long_ago_depresses_the_rank_and_not_the_percentile() -> None:
    steps = np.tile([0.01, -0.01], len(SESSIONS))[: len(SESSIONS)]
    steps[-200:-190] *= 30
    steps[-10:] *= 2
    result = rank(market().with_columns(close=100.0 * np.exp(np.cumsum(steps))))
    assert result["hv_rank"] is not None
    assert result["hv_rank"] < 0.1
    assert result["hv_percentile"] is not None
    assert result["hv_percentile"] > 0.8


def test_half_a_year_of_values_is_the_least_for_a_rank() -> None:
    # The first of 30-session volatilities comes with the 31st close.
    assert rank(market(30 + 126))["hv_rank"] is not None
    assert rank(market(30 + 125)) == {"symbol": "AAPL", "hv_rank": None, "hv_percentile": None, "hv_values_used": 125}


def test_without_todays_volatility_there_is_no_rank_today() -> None:
    result = rank(market().filter(pl.col("session") != AS_OF))
    assert (result["hv_rank"], result["hv_percentile"]) == (None, None)


def quality(frame: pl.DataFrame) -> dict[str, object]:
    steps = price_steps(frame.lazy().with_columns(source=pl.lit("metastock")))
    return bar_quality(frame.lazy(), CALENDAR, as_of=AS_OF, steps=steps).collect().row(0, named=True)


def test_nothing_is_said_of_good_bars() -> None:
    assert quality(market()) == {
        "symbol": "AAPL",
        "missing_sessions": 0,
        "unchanged_closes": 0,
        "zero_volume_sessions": 0,
        "adjustment": "split",
        "has_unknown_adjustment": False,
        "cautions": None,
    }


def test_each_caution_is_said_in_its_word() -> None:
    prices = pl.col("open", "high", "low", "close")
    halved = pl.when(pl.col("session") >= SESSIONS[-40]).then(0.5).otherwise(1.0)
    # The last bar that is not known to be adjusted is older than the first that counts; the step lies between.
    is_old = pl.col("session") < SESSIONS[-252]
    split = market().with_columns(
        prices * pl.when(is_old).then(2.0).otherwise(1.0),
        adjustment=pl.when(is_old).then(pl.lit("unknown")).otherwise(pl.lit("split")),
    )
    stepped = market().with_columns(prices * pl.when(pl.col("session") < SESSIONS[-300]).then(0.0125).otherwise(1.0))
    stale = market().with_columns(pl.when(pl.col("session") >= SESSIONS[-30]).then(9.0).otherwise(prices).name.keep())
    empty = market().with_columns(volume=pl.when(pl.col("session") == AS_OF).then(0.0).otherwise("volume"))
    missing = market().filter(~pl.col("session").is_in(SESSIONS[-3:-1]))
    slipped = pl.when(pl.col("session") == SESSIONS[-7]).then(0.1).otherwise(1.0)
    cautions = {
        "possible_split": quality(split),
        "price_step": quality(stepped),
        "unknown_adjustment": quality(market().with_columns(adjustment=pl.lit("raw"))),
        "bad_range": quality(market().with_columns(pl.col("low") * slipped)),
        "stale_prices": quality(stale),
        "zero_volume": quality(empty),
        "missing_sessions": quality(missing),
        "stale": quality(market().filter(pl.col("session") < SESSIONS[-260])),
    }
    assert list(cautions) == list(CAUTIONS)
    assert cautions.pop("possible_split")["cautions"] == "possible_split unknown_adjustment"
    assert {word: row["cautions"] for word, row in cautions.items()} == {word: word for word in cautions}
    assert cautions["stale_prices"]["unchanged_closes"] == 29
    assert cautions["zero_volume"]["zero_volume_sessions"] == 1
    assert cautions["missing_sessions"]["missing_sessions"] == 2
    assert cautions["unknown_adjustment"]["has_unknown_adjustment"]
    assert (cautions["stale"]["missing_sessions"], cautions["stale"]["adjustment"]) == (None, None)
    for without_today in (pl.col("session") != AS_OF, pl.col("session") < SESSIONS[-9]):
        assert quality(market().filter(without_today))["cautions"] == "missing_sessions stale"
    everything = market().with_columns(prices * halved, adjustment=pl.lit("rebased"))
    assert quality(everything)["cautions"] == "possible_split"
    assert quality(market().with_columns(volume=None, open=None))["cautions"] == "bad_range"


@pytest.mark.parametrize("slip", [{"low": 0.1}, {"high": 10.0}, {"low": 0.01}, {"high": 2.5}])
def test_a_slipped_decimal_point_is_not_believed_by_range_estimators(slip: dict[str, float]) -> None:
    ((name, factor),) = slip.items()
    slipped = pl.when(pl.col("session") == SESSIONS[-15]).then(factor).otherwise(1.0)
    row = current(market().with_columns(pl.col(name) * slipped), 10, 21).row(0, named=True)
    sound = current(market(), 10, 21).row(0, named=True)
    assert row["yang_zhang_10"] == sound["yang_zhang_10"]
    assert row["close_to_close_21"] == sound["close_to_close_21"]
    assert row["yang_zhang_21"] is row["parkinson_21"] is row["garman_klass_21"] is row["rogers_satchell_21"] is None
    assert row["yang_zhang_21_reason"] == "bad_range"


def test_a_halving_that_the_source_calls_adjusted_is_no_split() -> None:
    halved = pl.when(pl.col("session") >= SESSIONS[-40]).then(0.5).otherwise(1.0)
    assert quality(market().with_columns(pl.col("open", "high", "low", "close") * halved))["cautions"] is None


def test_apples_splits_are_possible_splits_and_its_crash_is_not() -> None:
    # Closes as traded, of bokeh_sampledata, 2000 to 2013: AAPL split 2:1 on 2000-06-21 and 2005-02-28, MSFT on
    # 2003-02-18. The 52% of AAPL on 2000-09-29 were a profit warning, the 24% of FB on 2012-10-24 good news.
    found = possible_splits(as_traded().lazy()).sort("symbol", "session").collect()
    assert found.select("symbol", "session", "factor").rows() == [
        ("AAPL", date(2000, 6, 21), 2.0),
        ("AAPL", date(2005, 2, 28), 2.0),
        ("MSFT", date(2003, 2, 18), 2.0),
    ]
    assert found["previous_session"][0] == date(2000, 6, 20)


@pytest.mark.parametrize(("year", "is_said"), [((2000, 3, 2000, 9), True), ((2000, 7, 2001, 1), False)])
def test_a_year_with_the_split_has_the_caution_and_a_year_with_the_crash_has_not(
    year: tuple[int, int, int, int], *, is_said: bool
) -> None:
    first, last = date(year[0], year[1], 1), date(year[2], year[3], 5)
    calendar = pl.LazyFrame({"session": sessions_between(first, last)})
    bars = as_traded().filter(pl.col("symbol") == "AAPL", pl.col("session").is_between(first, last)).lazy()
    (row,) = bar_quality(bars, calendar, as_of=last).collect().to_dicts()
    assert ("possible_split" in row["cautions"]) == is_said


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, ratio=st.sampled_from(SPLIT_FACTORS), back=st.integers(1, 240), has_volume=st.booleans())
def test_any_split_at_any_time_is_found_with_its_factor(
    seed: int, ratio: float, back: int, *, has_volume: bool
) -> None:
    before = pl.when(pl.col("session") < SESSIONS[-back]).then(ratio).otherwise(1.0)
    volume = np.random.default_rng(seed).uniform(800.0, 1200.0, len(SESSIONS)) if has_volume else None
    raw = market(seed=seed).with_columns(volume=pl.Series(volume, dtype=pl.Float64) if has_volume else None)
    raw = raw.with_columns(pl.col("open", "high", "low", "close") * before, adjustment=pl.lit("raw"))
    raw = raw.with_columns(volume=pl.col("volume") / before)
    # The walk opens where it closed the evening before, give or take half a percent.
    opened = pl.col("close").shift().fill_null(pl.col("close")) * pl.Series(
        np.random.default_rng(seed).normal(1.0, 0.005, len(SESSIONS))
    )
    step = pl.when(pl.col("session") == SESSIONS[-back]).then(1 / ratio).otherwise(1.0)
    found = possible_splits(raw.with_columns(open=opened * step).lazy()).collect()
    assert found.select("session", "factor").rows() == [(SESSIONS[-back], ratio)]


def as_traded() -> pl.DataFrame:
    """The bars of bokeh_sampledata, which are not adjusted for splits."""
    spec = find_spec("bokeh_sampledata")
    assert spec is not None
    assert spec.origin is not None
    packed = (Path(spec.origin).parent / "_data" / "stocks.csv.gz").read_bytes()
    return pl.read_csv(gzip.decompress(packed)).select(
        pl.col("Ticker").alias("symbol"),
        pl.col("Date").str.to_date("%Y-%m-%d").alias("session"),
        *(pl.col(name).cast(pl.Float64).alias(name.lower()) for name in ("Open", "High", "Low", "Close", "Volume")),
        adjustment=pl.lit("raw"),
    )
