# SPDX-License-Identifier: MIT
"""Statistics per horizon, against published values, numpy and a simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.analytics.horizons import MINIMUM_RETURNS, REASONS, horizon_statistics
from ttapi_pipeline.core.sessions import is_session, sessions_between
from ttapi_pipeline_tests.support.examples import examples

CALENDAR = pl.LazyFrame({"session": sessions_between(date(2010, 1, 4), date(2013, 12, 31))})
SESSIONS = sessions_between(date(2012, 1, 3), date(2012, 6, 29))
AS_OF = SESSIONS[-1]


def bars(closes: Sequence[float | None], *, symbol: str = "AAPL") -> pl.LazyFrame:
    """Bars that end on AS_OF; None leaves one out."""
    days = SESSIONS[len(SESSIONS) - len(closes) :]
    rows = [(symbol, session, close) for session, close in zip(days, closes, strict=True) if close is not None]
    return pl.LazyFrame(rows, schema={"symbol": pl.String, "session": pl.Date, "close": pl.Float64}, orient="row")


def walk(count: int, *, seed: int = 1) -> list[float]:
    steps = np.random.default_rng(seed).normal(0.0, 0.01, count)
    return list((100.0 * np.exp(np.cumsum(steps))).tolist())


def pairs(*values: int | None, symbol: str = "AAPL") -> pl.LazyFrame:
    return pl.LazyFrame(
        {"symbol": [symbol] * len(values), "horizon_sessions": values},
        schema={"symbol": pl.String, "horizon_sessions": pl.Int32},
    )


def statistics(frame: pl.LazyFrame, *values: int | None, lookback: int = 60, as_of: date = AS_OF) -> pl.DataFrame:
    return horizon_statistics(frame, CALENDAR, pairs(*values), as_of=as_of, lookback=lookback).collect()


def one(frame: pl.LazyFrame, horizon: int | None, *, lookback: int = 60) -> dict[str, Any]:
    return statistics(frame, horizon, lookback=lookback).row(0, named=True)


# docs/volatility.md, "Golden values", over the S&P 500 of the package `arch` and AAPL of `bokeh_sampledata`, T = 252.
GOLDEN_HORIZONS = [
    ("SPX", 1, 252, "0.010754", "0.010754", "0.170718"),
    ("SPX", 5, 248, "0.023652", "0.023845", "0.169280"),
    ("SPX", 21, 232, "0.036152", "0.037770", "0.130840"),
    ("SPX", 42, 211, "0.047974", "0.053043", "0.129928"),
    ("SPX", 63, 190, "0.060735", "0.072140", "0.144281"),
    ("AAPL", 5, 248, "0.042279", "0.042622", "0.302589"),
    ("AAPL", 21, 232, "0.082304", "0.085988", "0.297870"),
    ("AAPL", 42, 211, "0.122392", "0.135323", "0.331471"),
    ("AAPL", 63, 190, "0.156374", "0.185740", "0.371480"),
]
GOLDEN_REALIZED = [
    ("SPX", 10, "0.354099"),
    ("SPX", 21, "0.285244"),
    ("SPX", 63, "0.237552"),
    ("AAPL", 10, "0.210692"),
    ("AAPL", 21, "0.261666"),
    ("AAPL", 63, "0.411304"),
]
LAST_SESSION = {"SPX": date(2018, 12, 31), "AAPL": date(2013, 3, 1)}


class TestGoldenValues:
    @pytest.mark.parametrize("golden", GOLDEN_HORIZONS)
    def test_horizon_returns(
        self, real_bars: Callable[[str], pl.LazyFrame], golden: tuple[str, int, int, str, str, str]
    ) -> None:
        symbol, horizon, count, plain, corrected, annualized = golden
        series = real_bars(symbol)
        query = horizon_statistics(series, series, pairs(horizon, symbol=symbol), as_of=LAST_SESSION[symbol])
        row = query.collect().row(0, named=True)
        assert row["horizon_returns_used"] == count
        assert f"{row['horizon_returns_stddev']:.6f}" == plain
        assert f"{row['horizon_returns_stddev_corrected']:.6f}" == corrected
        assert f"{row['horizon_volatility']:.6f}" == annualized

    @pytest.mark.parametrize(("symbol", "horizon", "annualized"), GOLDEN_REALIZED)
    def test_realized_volatility(
        self, real_bars: Callable[[str], pl.LazyFrame], symbol: str, horizon: int, annualized: str
    ) -> None:
        series = real_bars(symbol)
        query = horizon_statistics(series, series, pairs(horizon, symbol=symbol), as_of=LAST_SESSION[symbol])
        row = query.collect().row(0, named=True)
        assert f"{row['realized_volatility']:.6f}" == annualized
        assert row["returns_stddev"] == pytest.approx(row["realized_volatility"] / math.sqrt(252), rel=1e-12)

    def test_relative_errors_are_those_of_the_definitions(self, real_bars: Callable[[str], pl.LazyFrame]) -> None:
        # docs/volatility.md, "Errors and reasons": 35% at h = 5 and 16% at h = 21 for returns_stddev, 4.5% for T = 252,
        # and 8.2% for overlapping 5-session returns.
        series = real_bars("SPX")
        query = horizon_statistics(series, series, pairs(5, 21, symbol="SPX"), as_of=LAST_SESSION["SPX"])
        five, twenty_one = query.collect().to_dicts()
        assert f"{five['returns_stddev_rel_error']:.0%}" == "35%"
        assert f"{twenty_one['returns_stddev_rel_error']:.0%}" == "16%"
        assert f"{five['returns_stddev_lookback_rel_error']:.1%}" == "4.5%"
        assert f"{five['horizon_returns_stddev_rel_error']:.1%}" == "8.2%"


# By lookback and horizon, of the log closes of the S&P 500, by `arch.unitroot.VarianceRatio` of arch 8.0.0.
VARIANCE_RATIOS = {
    252: {5: 0.983454616633, 21: 0.584774390145, 42: 0.570849573471, 63: 0.703005024956},
    2520: {5: 0.90609083215, 21: 0.714981878655, 42: 0.62900380629, 63: 0.514412598476},
}


@pytest.mark.parametrize(("lookback", "tolerance"), [(252, 0.025), (2520, 0.005)])
@pytest.mark.parametrize("horizon", [5, 21, 42, 63])
def test_the_variance_ratio_of_the_index_is_the_one_of_the_package_arch(
    real_bars: Callable[[str], pl.LazyFrame], horizon: int, lookback: int, tolerance: float
) -> None:
    """`arch.unitroot.VarianceRatio` corrects for the overlap as Lo and MacKinlay did, we as Hodges and Tompkins.

    They centre on different means, too; over ten years nothing is left of that.
    """
    series = real_bars("SPX")
    query = horizon_statistics(
        series, series, pairs(horizon, symbol="SPX"), as_of=LAST_SESSION["SPX"], lookback=lookback
    )
    theirs = VARIANCE_RATIOS[lookback][horizon]
    assert query.collect().item(0, "variance_ratio") == pytest.approx(theirs, rel=tolerance)


# To import it takes 11 CPU seconds.
@pytest.mark.soak
@pytest.mark.parametrize("lookback", VARIANCE_RATIOS)
def test_the_package_arch_computes_the_recorded_variance_ratios(
    real_bars: Callable[[str], pl.LazyFrame], lookback: int
) -> None:
    from arch.unitroot import VarianceRatio

    series = real_bars("SPX").sort("session")
    closes = series.select(pl.col("close").log().tail(lookback + 1)).collect()["close"].to_numpy()
    for horizon, recorded in VARIANCE_RATIOS[lookback].items():
        computed = VarianceRatio(closes, lags=horizon, trend="c", overlap=True, debiased=True).vr
        assert computed == pytest.approx(recorded, rel=1e-9)


def brute_force(log_closes: np.ndarray[Any, np.dtype[np.float64]], horizon: int, lookback: int) -> dict[str, Any]:
    """docs/volatility.md, "Four deviations of returns", in numpy; NaN for a missing bar, the last one at as-of."""
    recent = np.diff(log_closes[-horizon - 1 :])
    past = np.diff(log_closes[-lookback - 1 :])
    past = past[~np.isnan(past)]
    window = log_closes[-lookback - 1 :]
    spans = window[horizon:] - window[:-horizon]
    spans = spans[~np.isnan(spans)]
    n = len(spans)
    result: dict[str, Any] = dict.fromkeys(
        ["returns_stddev", "returns_stddev_lookback", "horizon_returns_stddev", "horizon_returns_stddev_corrected"]
    )
    if horizon >= 2 and len(recent) == horizon and not np.isnan(recent).any():
        result["returns_stddev"] = recent.std(ddof=1)
    if len(past) >= MINIMUM_RETURNS:
        result["returns_stddev_lookback"] = past.std(ddof=1)
    if n >= max(MINIMUM_RETURNS, horizon):
        d = 1 - horizon / n + (horizon**2 - 1) / (3 * n**2)
        result["horizon_returns_stddev"] = spans.std(ddof=1)
        result["horizon_returns_stddev_corrected"] = math.sqrt(spans.var() / d)
    return result


price_paths = st.integers(0, 2**32 - 1).map(lambda seed: walk(len(SESSIONS), seed=seed))


class TestProperties:
    @settings(max_examples=examples(50))
    @given(
        price_paths,
        st.sets(st.integers(0, len(SESSIONS) - 1), max_size=4),
        st.integers(0, len(SESSIONS) - 2),
        st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True),
        st.integers(MINIMUM_RETURNS, 110),
    )
    def test_every_column_equals_numpy_by_hand_with_and_without_gaps(
        self, closes: list[float], missing: set[int], start: int, wanted: list[int], lookback: int
    ) -> None:
        kept = [None if i in missing or i < start else close for i, close in enumerate(closes)]
        logs = np.array([math.nan if close is None else math.log(close) for close in kept])
        for row in statistics(bars(kept), *wanted, lookback=lookback).to_dicts():
            for name, expected in brute_force(logs, row["horizon_sessions"], lookback).items():
                assert row[name] == (None if expected is None else pytest.approx(expected, rel=1e-9)), name

    @settings(max_examples=examples(50))
    @given(price_paths, st.randoms(use_true_random=False))
    def test_row_order_other_symbols_and_later_bars_change_nothing(self, closes: list[float], random: Random) -> None:
        alone = bars(closes).collect()
        later = sessions_between(AS_OF + timedelta(1), date(2012, 7, 31))
        future = pl.DataFrame({"symbol": "AAPL", "session": later, "close": 1e6})
        crowd = pl.concat([alone, bars(walk(90, seed=9), symbol="BRK/B").collect(), future])
        order = list(range(len(crowd)))
        random.shuffle(order)
        assert statistics(crowd[order].lazy(), 5, 21).equals(statistics(alone.lazy(), 5, 21))

    @settings(max_examples=examples(50))
    @given(price_paths, st.floats(1e-3, 1e3))
    def test_scaling_all_prices_changes_nothing(self, closes: list[float], factor: float) -> None:
        scaled = statistics(bars([close * factor for close in closes]), 1, 5, 21)
        assert_frame_equal(scaled, statistics(bars(closes), 1, 5, 21), rel_tol=1e-7, abs_tol=0.0)

    @settings(max_examples=examples(50))
    @given(price_paths, st.integers(2, 30))
    def test_the_correction_never_lowers_a_figure_but_for_the_divisor(self, closes: list[float], horizon: int) -> None:
        row = one(bars(closes), horizon)
        n = row["horizon_returns_used"]
        assert row["horizon_returns_stddev_corrected"] >= row["horizon_returns_stddev"] * math.sqrt((n - 1) / n)

    @settings(max_examples=examples(50))
    @given(price_paths)
    def test_a_horizon_of_one_session_is_the_lookback(self, closes: list[float]) -> None:
        row = one(bars(closes), 1)
        assert row["horizon_returns_stddev"] == pytest.approx(row["returns_stddev_lookback"], rel=1e-12)
        assert row["horizon_returns_stddev_corrected"] == pytest.approx(row["returns_stddev_lookback"], rel=1e-12)
        assert row["horizon_returns_stddev_rel_error"] == row["returns_stddev_lookback_rel_error"]
        assert row["variance_ratio"] == pytest.approx(1.0, rel=1e-12)

    @settings(max_examples=examples(50))
    @given(st.floats(-0.05, 0.05).filter(lambda rate: abs(rate) > 1e-6))
    def test_constant_growth_has_no_deviation(self, rate: float) -> None:
        row = one(bars([100.0 * math.exp(rate * i) for i in range(100)]), 10)
        assert row["returns_stddev"] == pytest.approx(0.0, abs=1e-12)
        assert row["horizon_returns_stddev"] == pytest.approx(0.0, abs=1e-12)


STATISTICS = (
    "returns_stddev",
    "returns_stddev_rel_error",
    "horizon_returns_stddev",
    "horizon_returns_stddev_corrected",
    "horizon_returns_stddev_rel_error",
    "variance_ratio",
    "realized_volatility",
    "horizon_volatility",
)


class TestReasons:
    def test_a_horizon_without_sessions_has_no_figure_but_keeps_the_lookback(self) -> None:
        row = one(bars(walk(100)), 0)
        assert [row[name] for name in STATISTICS] == [None] * len(STATISTICS)
        assert row["returns_stddev_reason"] == row["horizon_returns_stddev_reason"] == "zero_horizon"
        assert row["returns_stddev_lookback"] is not None
        assert (row["returns_used"], row["horizon_returns_used"], row["returns_lookback_used"]) == (0, 0, 60)

    @pytest.mark.parametrize(("horizon", "reason"), [(None, "unknown_horizon"), (-3, "zero_horizon")])
    def test_an_unknown_or_past_horizon_has_no_figure(self, horizon: int | None, reason: str) -> None:
        row = one(bars(walk(100)), horizon)
        assert [row[name] for name in STATISTICS] == [None] * len(STATISTICS)
        assert row["returns_stddev_reason"] == row["horizon_returns_stddev_reason"] == reason

    def test_one_session_has_no_sample_deviation(self) -> None:
        row = one(bars(walk(100)), 1)
        assert (row["returns_stddev"], row["returns_stddev_reason"]) == (None, "one_session")
        assert (row["realized_volatility"], row["returns_stddev_rel_error"]) == (None, None)
        assert row["horizon_returns_stddev_reason"] is None

    @pytest.mark.parametrize("unusable", [None, 0.0, -5.0, math.nan, math.inf])
    def test_a_symbol_without_a_usable_close_has_no_bars(self, unusable: float | None) -> None:
        row = one(bars([unusable] * 30), 5)
        assert {row[name] for name in row if name.endswith("_reason")} == {"no_bars"}
        assert (row["returns_used"], row["returns_lookback_used"], row["horizon_returns_used"]) == (0, 0, 0)

    def test_a_new_listing_gains_its_columns_one_after_the_other(self) -> None:
        short = one(bars(walk(11)), 11)
        assert (short["returns_stddev_reason"], short["returns_used"]) == ("short_history", 10)
        enough = one(bars(walk(12)), 11)
        assert (enough["returns_stddev_reason"], enough["returns_used"]) == (None, 11)
        assert enough["returns_stddev_lookback_reason"] == enough["horizon_returns_stddev_reason"] == "short_history"
        # 20 returns are 21 closes; 20 spans of 11 sessions are 31 closes.
        assert one(bars(walk(21)), 11)["returns_stddev_lookback_reason"] is None
        assert one(bars(walk(30)), 11)["horizon_returns_stddev_reason"] == "short_history"
        assert one(bars(walk(31)), 11)["horizon_returns_stddev_reason"] is None

    def test_a_missing_bar_in_the_window_is_a_gap_and_further_back_it_is_not(self) -> None:
        closes: list[float | None] = [*walk(100)]
        closes[-6] = None
        row = one(bars(closes), 5)
        assert (row["returns_stddev_reason"], row["returns_used"]) == ("gap", 4)
        assert one(bars(closes), 4)["returns_stddev_reason"] is None
        assert (row["returns_stddev_lookback_reason"], row["returns_lookback_used"]) == (None, 58)
        assert row["horizon_returns_stddev_reason"] is None

    def test_no_bar_at_as_of_is_a_gap(self) -> None:
        assert one(bars([*walk(100), None]), 5)["returns_stddev_reason"] == "gap"

    def test_too_many_gaps_leave_no_lookback(self) -> None:
        every_other = [close if i % 2 else None for i, close in enumerate(walk(100))]
        row = one(bars(every_other), 3)
        assert {row[name] for name in row if name.endswith("_reason")} == {"gap"}

    def test_a_horizon_longer_than_half_of_the_lookback_asks_for_a_longer_lookback(self) -> None:
        # n = T - h + 1 falls below h at h = 31 for T = 60.
        assert one(bars(walk(100)), 30)["horizon_returns_stddev_reason"] is None
        row = one(bars(walk(100)), 31)
        assert row["horizon_returns_stddev_reason"] == "short_lookback"
        assert row["horizon_volatility"] is None
        assert row["returns_stddev_reason"] is None

    def test_a_price_that_nobody_updates_is_not_a_calm_one(self) -> None:
        row = one(bars([7.0] * 100), 5)
        assert {row[name] for name in row if name.endswith("_reason")} == {"unchanged_close"}
        assert [row[name] for name in STATISTICS] == [None] * len(STATISTICS)
        assert row["returns_stddev_lookback"] is None

    def test_a_history_that_starts_before_the_window_is_known_to_be_long(self) -> None:
        closes: list[float | None] = [*walk(120)]
        closes[-70:-5] = [None] * 65
        row = one(bars(closes), 5)
        assert row["returns_stddev_lookback_reason"] == "gap"

    def test_each_null_has_a_documented_reason_and_each_reason_a_null(self) -> None:
        series = [bars(walk(n, seed=n), symbol=f"S{n}") for n in (2, 10, 22, 60, 110)]
        wanted = pl.concat([pairs(*range(40), symbol=f"S{n}") for n in (2, 10, 22, 60, 110)])
        result = horizon_statistics(pl.concat(series), CALENDAR, wanted, as_of=AS_OF, lookback=60).collect()
        for name in ("returns_stddev", "returns_stddev_lookback", "horizon_returns_stddev"):
            reason = result[f"{name}_reason"]
            assert (reason.is_null() == result[name].is_not_null()).all()
            assert set(reason.drop_nulls()) <= set(REASONS)


class TestRows:
    def test_pairs_that_repeat_count_once_and_come_sorted(self) -> None:
        wanted = pl.concat([pairs(21, 5, 21, symbol="B"), pairs(7, symbol="A")])
        result = horizon_statistics(bars(walk(100)), CALENDAR, wanted, as_of=AS_OF).collect()
        assert result.select("symbol", "horizon_sessions").rows() == [("A", 7), ("B", 5), ("B", 21)]

    def test_no_pairs_give_no_rows_with_the_same_columns(self) -> None:
        some, none = statistics(bars(walk(50)), 5), statistics(bars(walk(50)))
        assert none.is_empty()
        assert none.schema == some.schema

    def test_an_as_of_day_that_is_no_session_stands_for_the_one_before(self) -> None:
        frame = bars(walk(100))
        assert is_session(AS_OF)
        assert not is_session(AS_OF + timedelta(1))
        assert statistics(frame, 5, as_of=AS_OF + timedelta(1)).equals(statistics(frame, 5))

    def test_annualization_is_a_parameter(self) -> None:
        row = (
            horizon_statistics(bars(walk(100)), CALENDAR, pairs(5), as_of=AS_OF, lookback=60, annualization=260)
            .collect()
            .row(0, named=True)
        )
        assert row["realized_volatility"] == pytest.approx(row["returns_stddev"] * math.sqrt(260))
        assert row["horizon_volatility"] == pytest.approx(row["horizon_returns_stddev_corrected"] * math.sqrt(52))


def test_errors_and_the_overlap_correction_agree_with_a_simulation() -> None:
    # 3000 independent walks with a daily deviation of 1%. The share of variance that is lost without the correction is
    # from docs/volatility.md, "Errors and reasons"; the errors are asymptotic and 2 to 7% low at these horizons.
    count, lookback, sigma = 3000, 252, 0.01
    names = [f"S{i}" for i in range(count)]
    days = sessions_between(date(2011, 1, 3), date(2012, 12, 31))[: lookback + 1]
    steps = np.random.default_rng(2002).normal(0.0, sigma, (count, lookback + 1))
    frame = pl.LazyFrame(
        {
            "symbol": np.repeat(names, lookback + 1),
            "session": pl.Series([*days] * count, dtype=pl.Date),
            "close": np.exp(np.cumsum(steps, axis=1)).ravel(),
        }
    )
    lost_without_correction = {5: 0.02, 21: 0.09, 42: 0.19, 63: 0.30}
    wanted = pl.LazyFrame({"symbol": names}).join(
        pl.LazyFrame({"horizon_sessions": [*lost_without_correction]}), how="cross"
    )
    result = horizon_statistics(frame, CALENDAR, wanted, as_of=days[-1]).collect()
    for horizon, lost in lost_without_correction.items():
        rows = result.filter(horizon_sessions=horizon)
        true_stddev = sigma * math.sqrt(horizon)
        daily, past, plain, corrected = (
            rows[name].to_numpy()
            for name in (
                "returns_stddev",
                "returns_stddev_lookback",
                "horizon_returns_stddev",
                "horizon_returns_stddev_corrected",
            )
        )
        stated = rows.select(pl.selectors.ends_with("_rel_error")).row(0, named=True)
        assert (corrected**2).mean() / true_stddev**2 == pytest.approx(1.0, abs=0.025)
        assert 1 - (plain**2).mean() / true_stddev**2 == pytest.approx(lost, abs=0.025)
        assert corrected.std() / true_stddev == pytest.approx(stated["horizon_returns_stddev_rel_error"], rel=0.09)
        assert past.std() / sigma == pytest.approx(stated["returns_stddev_lookback_rel_error"], rel=0.05)
        assert daily.std() / sigma == pytest.approx(stated["returns_stddev_rel_error"], rel=0.07)
