# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rolling estimators, against published values and numpy by hand."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

import numba
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.analytics import kernels, windows
from ttapi_pipeline.analytics.estimators import ESTIMATORS
from ttapi_pipeline.analytics.volatility import latest_volatility, rolling_volatility
from ttapi_pipeline_tests.support.bars import CALENDAR, SESSIONS, market
from ttapi_pipeline_tests.support.examples import examples

SEEDS = st.integers(0, 2**32 - 1)
FROM_CLOSES = ("close_to_close", "zero_mean", "yang_zhang")
FROM_BARS = ("parkinson", "garman_klass", "rogers_satchell")


def rolling(frame: pl.DataFrame, *windows: int) -> pl.DataFrame:
    query = rolling_volatility(frame.lazy(), CALENDAR, windows=windows, estimators=list(ESTIMATORS))
    return query.collect()


def by_hand(frame: pl.DataFrame, window: int) -> dict[str, float]:
    """docs/volatility.md, "Range estimators", in numpy, over the last `window` bars of a frame without gaps."""
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
    return {name: float(np.sqrt(252 * variance)) for name, variance in variances.items()}


# docs/volatility.md, "Golden values", in the order of ESTIMATORS.
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
    # docs/volatility.md, "Range estimators": AAPL, 30 sessions to 2013-03-01.
    series = real_bars("AAPL")
    names = ["close_to_close", "yang_zhang", "parkinson"]
    last = rolling_volatility(series, series, windows=[30], estimators=names).last().collect()
    assert [f"{last[f'{name}_30'].item():.3f}" for name in names] == ["0.457", "0.422", "0.243"]


@settings(max_examples=examples(50))
@given(SEEDS, st.integers(2, 30), st.integers(31, len(SESSIONS)))
def test_every_estimator_equals_numpy_by_hand(seed: int, window: int, count: int) -> None:
    frame = market(seed).head(count)
    last = rolling(frame, window).row(-1, named=True)
    for name, expected in by_hand(frame, window).items():
        assert last[f"{name}_{window}"] == pytest.approx(expected, rel=1e-9), name


@settings(max_examples=examples(50))
@given(SEEDS, st.randoms(use_true_random=False))
def test_row_order_and_other_symbols_change_nothing(seed: int, random: Random) -> None:
    alone = market(seed)
    crowd = pl.concat([market(seed + 1, symbol="A"), alone, market(seed + 2, symbol="ZM")])
    order = list(range(len(crowd)))
    random.shuffle(order)
    assert_frame_equal(rolling(crowd[order], 2, 10).filter(symbol="AAPL"), rolling(alone, 2, 10), rel_tol=1e-9)


@settings(max_examples=examples(50))
@given(SEEDS, st.integers(1, len(SESSIONS) - 1))
def test_a_later_bar_never_changes_a_value(seed: int, count: int) -> None:
    assert_frame_equal(rolling(market(seed), 5).head(count), rolling(market(seed).head(count), 5), rel_tol=1e-9)


@settings(max_examples=examples(50))
@given(SEEDS, st.floats(1e-3, 1e3))
def test_scaling_all_prices_changes_nothing(seed: int, factor: float) -> None:
    volatilities = pl.selectors.matches(r"_\d+$")
    scaled = market(seed).with_columns(pl.col("open", "high", "low", "close") * factor)
    assert_frame_equal(
        rolling(scaled, 5, 21).select(volatilities), rolling(market(seed), 5, 21).select(volatilities), rel_tol=1e-7
    )


@settings(max_examples=examples(50))
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


def test_a_bar_on_a_day_without_a_session_has_no_value_and_is_in_no_window() -> None:
    sunday = date(2012, 1, 8)
    odd = market(2).filter(pl.col("session") == SESSIONS[4]).with_columns(session=pl.lit(sunday))
    result = rolling(pl.concat([market(), odd]), 3)
    is_odd = pl.col("session") == sunday
    assert_frame_equal(result.remove(is_odd), rolling(market(), 3))
    assert result.filter(is_odd).select(pl.selectors.ends_with("_3")).row(0) == (None,) * len(ESTIMATORS)


def test_the_latest_are_the_last_of_the_rolling_ones() -> None:
    days = SESSIONS[60], SESSIONS[-1] + timedelta(6 - SESSIONS[-1].weekday())
    late = market(2, symbol="LATE").tail(3).with_columns(session=pl.Series([days[1] + timedelta(n) for n in range(3)]))
    odd = market(3).head(1).with_columns(session=pl.lit(days[1]))
    frame = pl.concat([market(), odd, market(4, symbol="HALT").head(70), late])
    for as_of in days:
        past = frame.filter(pl.col("session") <= as_of)
        latest = latest_volatility(frame.lazy(), CALENDAR, as_of=as_of, windows=[5, 2], estimators=list(ESTIMATORS))
        last = min(as_of, SESSIONS[-1])
        expected = rolling(past, 5, 2).filter(session=last).drop("session", "open", "high", "low", "close")
        found = latest.collect().sort("symbol")
        assert_frame_equal(found.drop_nulls(), expected.sort("symbol"), check_column_order=False, rel_tol=1e-12)
        assert set(found["symbol"]) == set(past["symbol"])


def brute_force(frame: pl.DataFrame, window: int) -> list[dict[str, float | None]]:
    """`by_hand` for every bar by itself, where nothing in its window and, if it is needed, before it is missing."""
    places = {session: place for place, session in enumerate(SESSIONS)}
    frame = frame.filter(pl.col("session").is_in(SESSIONS)).sort("symbol", "session")
    bars = frame.to_dicts()
    is_usable = [0 < (bar["close"] or 0) < math.inf for bar in bars]
    prices = [
        [math.nan if bar[name] is None else bar[name] for name in ("low", "open", "close", "high")] for bar in bars
    ]
    is_plausible = [
        0 < low <= o <= high < math.inf and low <= c <= high <= 2 * max(o, c) and 2 * low >= min(o, c)
        for low, o, c, high in prices
    ]

    def are_together(first: int, last: int) -> bool:
        run = [(bars[row]["symbol"], places[bars[row]["session"]]) for row in range(max(first, 0), last + 1)]
        return first >= 0 and run == [(run[0][0], run[0][1] + step) for step in range(last + 1 - first)]

    found = []
    for last in range(len(bars)):
        first = last + 1 - window
        values = dict.fromkeys(ESTIMATORS)
        has_close_before = are_together(first - 1, last) and is_usable[first - 1]
        if are_together(first, last):
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
                some = by_hand(frame[max(first - 1, 0) : last + 1], window)
            if all(is_plausible[first : last + 1]):
                values |= {name: some[name] for name in FROM_BARS}
                values |= {"yang_zhang": some["yang_zhang"]} if has_close_before else {}
            if has_close_before and all(is_usable[first : last + 1]):
                values |= {name: some[name] for name in ("close_to_close", "zero_mean")}
        found.append(values)
    return found


BROKEN = st.sampled_from([0.0, -1.0, math.nan, math.inf, None, 1e-3, 1e6])
WHERE = st.integers(0, len(SESSIONS) - 1)


@settings(max_examples=examples(50))
@given(
    st.integers(2, 12),
    st.lists(st.tuples(WHERE, st.sampled_from(["open", "high", "low", "close"]), BROKEN), max_size=6),
    st.sets(WHERE, max_size=6),
    st.integers(0, len(SESSIONS)),
    st.integers(1, 2 * len(SESSIONS)),
)
def test_any_bars_give_for_each_window_what_numpy_gives_for_it_alone(
    window: int, broken: list[tuple[int, str, float | None]], missing: set[int], parted: int, at_a_time: int
) -> None:
    frame = market()
    for place, column, value in broken:
        is_there = pl.col("session") == SESSIONS[place]
        frame = frame.with_columns(pl.when(is_there).then(value).otherwise(column).alias(column))
    # The second symbol begins with the session after the last one of the first.
    frame = frame.with_columns(symbol=pl.when(pl.int_range(pl.len()) < parted).then(pl.lit("A")).otherwise(pl.lit("B")))
    frame = frame.filter(~pl.col("session").is_in([SESSIONS[place] for place in missing]))
    odd = market(2).head(1).with_columns(session=pl.lit(date(2012, 2, 5)), symbol=pl.lit("A"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_BARS_AT_A_TIME", at_a_time)
        result = rolling(pl.concat([frame, odd]), window, 2)
    result = result.filter(pl.col("session").is_in(SESSIONS))
    for row, expected in zip(result.iter_rows(named=True), brute_force(frame, window), strict=True):
        found = {name: row[f"{name}_{window}"] for name in ESTIMATORS}
        assert {name for name in found if found[name] is None} == {n for n in expected if expected[n] is None}
        for name, value in expected.items():
            assert found[name] == (value if value is None else pytest.approx(value, rel=1e-6, abs=1e-7)), name


def test_nothing_is_left_of_a_violent_window() -> None:
    quiet = market().with_columns(pl.col("open", "high", "low", "close") * 1e-6)
    is_early = pl.col("session") < SESSIONS[30]
    violent = pl.concat([market(2).filter(is_early).with_columns(close=1e-300), quiet.remove(is_early)])
    assert_frame_equal(rolling(violent, 5).tail(40), rolling(quiet, 5).tail(40), rel_tol=1e-12)


def test_no_bars_have_no_volatilities() -> None:
    empty = rolling(market().clear(), 5)
    assert (empty.height, empty.columns[-1], empty.dtypes[-1]) == (0, "yang_zhang_5", pl.Float64())
    no_sessions = rolling_volatility(market().lazy(), CALENDAR.clear(), windows=[5]).collect()
    assert no_sessions["close_to_close_5"].null_count() == len(SESSIONS)


def test_prices_may_be_whole_numbers_and_the_engine_any() -> None:
    frame = market().with_columns((pl.col("open", "high", "low", "close") * 1000).round())
    whole = frame.with_columns(pl.col("open", "high", "low", "close").cast(pl.Int64))
    volatilities = pl.selectors.ends_with("_5")
    query = rolling_volatility(whole.lazy(), CALENDAR, windows=[5], estimators=list(ESTIMATORS))
    assert_frame_equal(query.collect(engine="streaming").select(volatilities), rolling(frame, 5).select(volatilities))


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_all_columns_are_computed_at_once(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def rolling_columns(*inputs: Any) -> pl.DataFrame:
        calls.append(inputs)
        return measure(*inputs)

    measure = windows.rolling_columns
    monkeypatch.setattr(windows, "rolling_columns", rolling_columns)
    query = rolling_volatility(market().lazy(), CALENDAR, windows=[5, 10], estimators=list(ESTIMATORS))
    query.collect(engine=engine)
    assert len(calls) == 1


def test_without_a_folder_forcompiled_code_a_function_iscompiled_without_a_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A locator that knows no place for a file outside of an archive.
    monkeypatch.setattr(numba.core.config, "CACHE_LOCATOR_CLASSES", "ZipCacheLocator")
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", "")
    function = getattr(kernels.consecutive, "py_func")  # noqa: B009 - what Numba keeps of it
    compiled = kernels.compiled(function)
    assert compiled(np.array([3, 4, 6], np.int32), np.array([3])).tolist() == [0, 2, 3]
    assert compiled.stats.cache_path is None


@pytest.mark.soak
def test_without_a_folder_forcompiled_code_every_process_compiles_for_itself() -> None:
    program = (
        "import numpy as np; from ttapi_pipeline.analytics import kernels; "
        "numbers = np.array([3, 4, 6], np.int32); print(kernels.consecutive(numbers, np.array([3])))"
    )
    environment = {**os.environ, "NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator", "NUMBA_CACHE_DIR": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[0", "2", "3]"]


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
    ("sessions", "estimators", "message"),
    [
        ([5], ["yang_chang"], "'yang_chang' is not an estimator"),
        ([5, 1], ["parkinson"], r"windows are \[5, 1\]"),
        ([], ["parkinson"], "no window or no estimator"),
    ],
)
def test_an_unknown_estimator_or_a_window_of_one_is_refused(
    sessions: list[int], estimators: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rolling_volatility(market().lazy(), CALENDAR, windows=sessions, estimators=estimators)


class TestMissingBars:
    """A bar that is missing costs today's windows its returns; one that contradicts itself costs them the estimator."""

    @settings(max_examples=examples(30))
    @given(st.sets(st.integers(1, len(SESSIONS) - 2), max_size=6), st.integers(10, 60))
    def test_a_window_is_measured_from_nine_tenths_of_its_returns(self, missing: set[int], window: int) -> None:
        days = [SESSIONS[place] for place in sorted(missing)]
        kept = market().filter(~pl.col("session").is_in(days))
        query = latest_volatility(
            kept.lazy(), CALENDAR, as_of=SESSIONS[-1], windows=[window], estimators=["close_to_close", "zero_mean"]
        )
        row = query.collect().row(0, named=True)
        closes = market().with_columns(close=pl.when(~pl.col("session").is_in(days)).then("close"))["close"].to_numpy()
        returns = np.diff(np.log(closes))[-window:]
        there = np.count_nonzero(~np.isnan(returns))
        if there >= 0.9 * window and len(returns) == window:
            assert row[f"close_to_close_{window}"] == pytest.approx(
                np.nanstd(returns, ddof=1) * math.sqrt(252), rel=1e-10
            )
            assert row[f"zero_mean_{window}"] == pytest.approx(math.sqrt(np.nanmean(returns**2) * 252), rel=1e-10)
        else:
            assert row[f"close_to_close_{window}"] is None

    def test_estimators_with_a_range_leave_out_the_bar_after_the_gap_and_believe_no_slip(self) -> None:
        gap = market().filter(pl.col("session") != SESSIONS[-5])
        slip = pl.when(pl.col("session") == SESSIONS[-9]).then(pl.col("high") * 4).otherwise("high")
        names = ["parkinson", "garman_klass", "rogers_satchell", "yang_zhang"]
        results = {
            key: latest_volatility(
                bars.lazy(), CALENDAR, as_of=SESSIONS[-1], windows=[40], estimators=["close_to_close", *names]
            )
            .collect()
            .row(0, named=True)
            for key, bars in {"gap": gap, "both": gap.with_columns(high=slip)}.items()
        }
        assert {results["both"][f"{name}_40"] for name in names} == {None}
        assert results["both"]["close_to_close_40"] is not None
        used = market().tail(40).filter(~pl.col("session").is_in([SESSIONS[-5], SESSIONS[-4]]))
        ranges = (used["high"].log() - used["low"].log()).to_numpy()
        expected = math.sqrt(np.mean(ranges**2) / (4 * math.log(2)) * 252)
        assert results["gap"]["parkinson_40"] == pytest.approx(expected, rel=1e-12)
