# SPDX-License-Identifier: MIT
"""Rolling estimators and the cone, against published values and numpy by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.frames.cone import volatility_cone
from ttapi_pipeline.frames.volatility import ESTIMATORS, rolling_volatility

SESSIONS = sessions_between(date(2012, 1, 3), date(2012, 4, 30))
CALENDAR = pl.LazyFrame({"session": SESSIONS})
SEEDS = st.integers(0, 2**32 - 1)
FROM_CLOSES = ("close_to_close", "zero_mean", "yang_zhang")
FROM_BARS = ("parkinson", "garman_klass", "rogers_satchell")


def market(seed: int = 1, *, symbol: str = "AAPL") -> pl.DataFrame:
    """A bar per session whose high and low enclose its open and close."""
    rng = np.random.default_rng(seed)
    count = len(SESSIONS)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, count)))
    open_ = close * np.exp(rng.normal(0.0, 0.01, count))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, 0.005, count)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, 0.005, count)))
    return pl.DataFrame(
        {"symbol": symbol, "session": SESSIONS, "open": open_, "high": high, "low": low, "close": close}
    )


def rolling(frame: pl.DataFrame, *windows: int) -> pl.DataFrame:
    query = rolling_volatility(frame.lazy(), CALENDAR, windows=windows, estimators=list(ESTIMATORS))
    return query.collect()


def by_hand(frame: pl.DataFrame, window: int) -> dict[str, float]:
    """The formulas of section 4 in numpy, over the last `window` bars of a frame without gaps."""
    opens, highs, lows, closes = (np.log(frame[name].to_numpy()) for name in ("open", "high", "low", "close"))
    r, o = closes[1:] - closes[:-1], opens[1:] - closes[:-1]
    c, u, d, hl = closes - opens, highs - opens, lows - opens, highs - lows
    r, o, c, u, d, hl = (term[-window:] for term in (r, o, c, u, d, hl))
    rs = np.sum(u * (u - c) + d * (d - c)) / window
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    variances = {
        "close_to_close": np.sum((r - r.mean()) ** 2) / (window - 1),
        "zero_mean": np.sum(r**2) / window,
        "parkinson": np.sum(hl**2) / (4 * window * math.log(2)),
        "garman_klass": np.sum(0.5 * hl**2 - (2 * math.log(2) - 1) * c**2) / window,
        "rogers_satchell": rs,
        "yang_zhang": np.var(o, ddof=1) + k * np.var(c, ddof=1) + (1 - k) * rs,
    }
    return {name: math.sqrt(252 * float(variance)) for name, variance in variances.items()}


# Section 6 of the definitions, in the order of ESTIMATORS: two independent implementations agreed on these.
GOLDEN = [
    ("SPX", 10, "0.354099 0.340879 0.298765 0.294153 0.290319 0.307727"),
    ("SPX", 21, "0.285244 0.286619 0.251281 0.247409 0.247192 0.269271"),
    ("SPX", 63, "0.237552 0.238691 0.199108 0.194900 0.192341 0.216622"),
    ("AAPL", 10, "0.210692 0.237302 0.204346 0.198470 0.193197 0.210045"),
    ("AAPL", 21, "0.261666 0.259282 0.234073 0.235169 0.234849 0.250632"),
    ("AAPL", 63, "0.411304 0.415118 0.256929 0.252708 0.247656 0.384577"),
]


@pytest.mark.parametrize(("symbol", "window", "expected"), GOLDEN)
def test_golden_values(real_bars: Callable[[str], pl.LazyFrame], symbol: str, window: int, expected: str) -> None:
    series = real_bars(symbol)
    names = ["close_to_close", "zero_mean", "parkinson", "garman_klass", "rogers_satchell", "yang_zhang"]
    last = rolling_volatility(series, series, windows=[window], estimators=names).last().collect()
    assert " ".join(f"{last[f'{name}_{window}'].item():.6f}" for name in names) == expected


def test_an_earnings_gap_is_seen_from_closes_and_missed_by_ranges(real_bars: Callable[[str], pl.LazyFrame]) -> None:
    # Section 4: AAPL, 30 sessions to 2013-03-01.
    series = real_bars("AAPL")
    names = ["close_to_close", "yang_zhang", "parkinson"]
    last = rolling_volatility(series, series, windows=[30], estimators=names).last().collect()
    assert [f"{last[f'{name}_30'].item():.3f}" for name in names] == ["0.457", "0.422", "0.243"]


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 30), st.integers(31, len(SESSIONS)))
def test_every_estimator_equals_numpy_by_hand(seed: int, window: int, count: int) -> None:
    frame = market(seed).head(count)
    last = rolling(frame, window).row(-1, named=True)
    for name, expected in by_hand(frame, window).items():
        assert last[f"{name}_{window}"] == pytest.approx(expected, rel=1e-9), name


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.randoms(use_true_random=False))
def test_row_order_and_other_symbols_change_nothing(seed: int, random: Random) -> None:
    alone = market(seed)
    crowd = pl.concat([market(seed + 1, symbol="A"), alone, market(seed + 2, symbol="ZM")])
    order = list(range(len(crowd)))
    random.shuffle(order)
    assert_frame_equal(rolling(crowd[order], 2, 10).filter(symbol="AAPL"), rolling(alone, 2, 10), rel_tol=1e-9)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, len(SESSIONS) - 1))
def test_a_later_bar_never_changes_a_value(seed: int, count: int) -> None:
    assert_frame_equal(rolling(market(seed), 5).head(count), rolling(market(seed).head(count), 5), rel_tol=1e-9)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(1e-3, 1e3))
def test_scaling_all_prices_changes_nothing(seed: int, factor: float) -> None:
    volatilities = pl.selectors.matches(r"_\d+$")
    scaled = market(seed).with_columns(pl.col("open", "high", "low", "close") * factor)
    assert_frame_equal(
        rolling(scaled, 5, 21).select(volatilities), rolling(market(seed), 5, 21).select(volatilities), rel_tol=1e-7
    )


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.05, 0.05))
def test_constant_growth_has_no_volatility_from_closes_and_by_yang_zhang(rate: float) -> None:
    close = [100.0 * math.exp(rate * i) for i in range(len(SESSIONS))]
    open_ = [100.0 * math.exp(rate * (i - 1)) for i in range(len(SESSIONS))]
    frame = pl.DataFrame({"symbol": "AAPL", "session": SESSIONS, "open": open_, "close": close}).with_columns(
        high=pl.max_horizontal("open", "close"), low=pl.min_horizontal("open", "close")
    )
    last = rolling(frame, 21).row(-1, named=True)
    assert last["close_to_close_21"] == pytest.approx(0.0, abs=1e-7)
    assert last["yang_zhang_21"] == pytest.approx(0.0, abs=1e-7)


def test_a_price_that_never_moves_gives_zero_and_not_nan() -> None:
    frame = market().with_columns(pl.lit(7.3).alias(name) for name in ("open", "high", "low", "close"))
    quiet = rolling(pl.concat([market(symbol="A"), frame]), 21).filter(symbol="AAPL").tail(1)
    for name in ESTIMATORS:
        assert quiet[f"{name}_21"].item() == pytest.approx(0.0, abs=1e-7)


def test_a_first_value_needs_a_full_window_and_the_close_before_it() -> None:
    result = rolling(market(), 5)
    for name in FROM_CLOSES:
        assert result[f"{name}_5"].is_null().to_list()[:6] == [True] * 5 + [False], name
    for name in FROM_BARS:
        assert result[f"{name}_5"].is_null().to_list()[:5] == [True] * 4 + [False], name


def test_a_second_symbol_starts_afresh() -> None:
    result = rolling(pl.concat([market(symbol="A"), market(symbol="B")]), 5).filter(symbol="B")
    assert_frame_equal(result.drop("symbol"), rolling(market(symbol="A"), 5).drop("symbol"), rel_tol=1e-9)


@pytest.mark.parametrize(
    "broken",
    [
        pl.col("close") * 0,
        -pl.col("close"),
        pl.lit(math.nan),
        pl.lit(math.inf),
        pl.lit(None, dtype=pl.Float64),
        pl.col("high") * 1.01,
    ],
    ids=["zero", "negative", "nan", "inf", "null", "above the high"],
)
@pytest.mark.parametrize("column", ["open", "close"])
def test_no_window_holds_a_bar_that_cannot_be(broken: pl.Expr, column: str) -> None:
    bad = pl.col("session") == SESSIONS[20]
    frame = market().with_columns(pl.when(bad).then(broken).otherwise(column).alias(column))
    result = rolling(frame, 5)
    for name in ("parkinson", "garman_klass", "rogers_satchell", "yang_zhang"):
        assert result[f"{name}_5"][20:25].null_count() == 5, name
        assert result[f"{name}_5"][26] is not None, name
    assert (
        result.select(pl.selectors.float().is_nan().any()).select(pl.selectors.matches(r"_5$")).row(0).count(True) == 0
    )


def test_no_window_reaches_over_a_missing_session() -> None:
    result = rolling(market().filter(pl.col("session") != SESSIONS[20]), 5)
    for name in FROM_BARS:
        assert result[f"{name}_5"].is_null().to_list()[19:25] == [False] + [True] * 4 + [False], name
    for name in FROM_CLOSES:
        assert result[f"{name}_5"].is_null().to_list()[19:26] == [False] + [True] * 5 + [False], name


def test_bars_on_days_without_a_session_are_left_out() -> None:
    sunday = market().head(1).with_columns(session=pl.lit(date(2012, 1, 8)))
    assert_frame_equal(rolling(pl.concat([market(), sunday]), 5), rolling(market(), 5))


def test_closes_alone_are_enough_for_the_estimators_from_closes() -> None:
    closes = market().select("symbol", "session", "close").lazy()
    result = rolling_volatility(closes, CALENDAR, windows=[5], estimators=["close_to_close", "zero_mean"]).collect()
    assert result.columns == ["symbol", "session", "close", "close_to_close_5", "zero_mean_5"]


def test_sorted_bars_give_the_same_without_a_sort() -> None:
    frame = pl.concat([market(1, symbol="A"), market(2, symbol="B")]).lazy()
    query = rolling_volatility(frame, CALENDAR, windows=[5, 21], is_sorted=True)
    assert_frame_equal(query.collect(), rolling_volatility(frame, CALENDAR, windows=[5, 21]).collect())


def test_annualization_is_a_parameter() -> None:
    frame = market().lazy()
    usual, other = (
        rolling_volatility(frame, CALENDAR, windows=[5], annualization=n).last().collect()["yang_zhang_5"].item()
        for n in (252, 260)
    )
    assert other / usual == pytest.approx(math.sqrt(260 / 252))


@pytest.mark.parametrize(
    ("windows", "estimators", "message"),
    [([5], ["yang_chang"], "'yang_chang' is not an estimator"), ([5, 1], ["parkinson"], r"windows are \[5, 1\]")],
)
def test_an_unknown_estimator_or_a_window_of_one_is_refused(
    windows: list[int], estimators: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rolling_volatility(market().lazy(), CALENDAR, windows=windows, estimators=estimators)


def cone(frame: pl.DataFrame, **options: Any) -> pl.DataFrame:
    return volatility_cone(frame.lazy(), CALENDAR, **{"as_of": SESSIONS[-1], "horizons": [5, 21], **options}).collect()


def test_the_cone_holds_the_quantiles_of_all_rolling_volatilities() -> None:
    frame = market()
    volatilities = rolling(frame, 5)["close_to_close_5"].drop_nulls().to_numpy()
    row = cone(frame).row(0, named=True)
    expected = np.quantile(volatilities, [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
    names = ["minimum", "p10", "p25", "median", "p75", "p90", "maximum"]
    assert [row[name] for name in names] == pytest.approx(expected.tolist(), rel=1e-9)
    assert row["current"] == pytest.approx(volatilities[-1])
    assert row["current_percentile"] == pytest.approx((volatilities < volatilities[-1]).mean())
    assert (row["symbol"], row["horizon_sessions"], row["windows_used"]) == ("AAPL", 5, len(SESSIONS) - 5)


def test_the_cone_ends_at_the_as_of_session() -> None:
    frame = market()
    early = SESSIONS[40]
    assert_frame_equal(cone(frame, as_of=early), cone(frame.filter(pl.col("session") <= early), as_of=early))
    sunday = date(2012, 3, 4)
    assert_frame_equal(cone(frame, as_of=sunday), cone(frame, as_of=sunday - timedelta(2)))


def test_the_cone_may_be_limited_to_the_windows_that_end_lately() -> None:
    assert cone(market(), history=30)["windows_used"].to_list() == [30, 30]


def test_a_symbol_without_today_or_without_history_has_a_cone_with_nulls() -> None:
    frame = pl.concat([market(symbol="HALT").head(50), market(symbol="NEW").tail(10)])
    rows = {(row["symbol"], row["horizon_sessions"]): row for row in cone(frame).to_dicts()}
    assert rows["HALT", 5]["current"] is None
    assert rows["HALT", 5]["current_percentile"] is None
    assert rows["HALT", 5]["median"] is not None
    assert (rows["NEW", 21]["median"], rows["NEW", 21]["windows_used"]) == (None, 0)
