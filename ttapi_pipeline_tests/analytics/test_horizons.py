# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
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


# docs/volatility.md, "Golden values", over the S&P 500 of the package `arch` and AAPL of `bokeh_sampledata`, by pandas:
# lookback, number of spans, root mean square around zero, deviation around the mean without bias, quantiles of the
# absolute returns at 50, 68 and 90%. A year for all horizons, and ten horizons.
GOLDEN_HORIZONS = [
    ("SPX", 1, 252, 252, "0.010736", "0.010754", "0.005312 0.008212 0.017414"),
    ("SPX", 5, 252, 248, "0.023679", "0.023845", "0.013441 0.020223 0.039580"),
    ("SPX", 21, 252, 232, "0.036663", "0.037770", "0.024010 0.034487 0.060971"),
    ("SPX", 42, 252, 211, "0.048387", "0.053043", "0.033178 0.044515 0.079086"),
    ("SPX", 42, 420, 379, "0.044610", "0.045928", "0.032088 0.043009 0.071791"),
    ("SPX", 63, 252, 190, "0.060725", "0.072140", "0.044242 0.058520 0.077502"),
    ("SPX", 63, 630, 568, "0.052587", "0.049168", "0.041010 0.053762 0.074615"),
    ("SPX", 126, 1260, 1135, "0.068451", "0.055572", "0.056841 0.075838 0.105027"),
    ("SPX", 252, 2520, 2269, "0.146989", "0.090683", "0.126863 0.156066 0.212896"),
    ("AAPL", 5, 252, 248, "0.042388", "0.042622", "0.025339 0.041318 0.066578"),
    ("AAPL", 21, 252, 232, "0.084551", "0.085988", "0.060960 0.091538 0.138993"),
    ("AAPL", 42, 252, 211, "0.128915", "0.135323", "0.101785 0.139543 0.201959"),
    ("AAPL", 42, 420, 379, "0.148004", "0.153733", "0.098902 0.145030 0.260088"),
    ("AAPL", 63, 252, 190, "0.164305", "0.185740", "0.144294 0.180654 0.268493"),
    ("AAPL", 63, 630, 568, "0.167699", "0.166038", "0.108679 0.153106 0.291349"),
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
        self, real_bars: Callable[[str], pl.LazyFrame], golden: tuple[str, int, int, int, str, str, str]
    ) -> None:
        symbol, horizon, lookback, count, usual, centered, quantiles = golden
        series = real_bars(symbol)
        wanted = pairs(horizon, symbol=symbol)
        spans = 0 if lookback == 252 else 10
        query = horizon_statistics(series, series, wanted, as_of=LAST_SESSION[symbol], spans=spans)
        row = query.collect().row(0, named=True)
        assert (row["horizon_returns_used"], row["lookback_sessions"]) == (count, lookback)
        assert f"{row['usual_move']:.6f}" == usual
        assert f"{row['usual_move_centered']:.6f}" == centered
        assert " ".join(f"{row[f'absolute_move_p{level}']:.6f}" for level in (50, 68, 90)) == quantiles
        assert row["usual_volatility"] == pytest.approx(row["usual_move"] * math.sqrt(252 / horizon), rel=1e-12)

    # docs/volatility.md: 2017 and 2013 were calm years with a trend, which a deviation around the mean leaves out.
    @pytest.mark.parametrize(
        ("as_of", "horizon", "percent", "centered"),
        [
            (date(2017, 12, 29), 61, "4.0%", "1.9%"),
            (date(2017, 12, 29), 105, "6.1%", "2.2%"),
            (date(2013, 12, 31), 105, "8.3%", "3.8%"),
            (date(2013, 12, 31), 125, "9.9%", "3.8%"),
        ],
    )
    def test_the_trend_is_part_of_the_usual_move(
        self, real_bars: Callable[[str], pl.LazyFrame], as_of: date, horizon: int, percent: str, centered: str
    ) -> None:
        series = real_bars("SPX")
        wanted = pairs(horizon, symbol="SPX")
        closes = np.log(series.filter(pl.col("session") <= as_of).sort("session").collect()["close"].to_numpy())
        for spans in (0, 10):
            row = horizon_statistics(series, series, wanted, as_of=as_of, spans=spans).collect().row(0, named=True)
            window = closes[-max(252, spans * horizon) - 1 :]
            expected = math.sqrt(np.mean([(b - a) ** 2 for a, b in zip(window, window[horizon:], strict=False)]))
            assert row["usual_move"] == pytest.approx(expected, rel=1e-12)
            if not spans:
                assert f"{row['usual_move']:.1%}" == percent
                assert f"{row['usual_move_centered']:.1%}" == centered

    @pytest.mark.parametrize(("symbol", "horizon", "annualized"), GOLDEN_REALIZED)
    def test_realized_volatility(
        self, real_bars: Callable[[str], pl.LazyFrame], symbol: str, horizon: int, annualized: str
    ) -> None:
        series = real_bars(symbol)
        query = horizon_statistics(series, series, pairs(horizon, symbol=symbol), as_of=LAST_SESSION[symbol])
        row = query.collect().row(0, named=True)
        assert f"{row['realized_volatility']:.6f}" == annualized
        assert row["returns_stddev"] == pytest.approx(row["realized_volatility"] / math.sqrt(252), rel=1e-12)


# By lookback and horizon, of the log closes of the S&P 500, by `arch.unitroot.VarianceRatio` of arch 8.0.0: the ratio
# and its statistic, which is right when the volatility changes.
VARIANCE_RATIOS = {
    252: {
        5: (0.983454616633, -0.0864710617874),
        21: (0.584774390145, -1.06489401154),
        42: (0.570849573471, -0.825683078776),
        63: (0.703005024956, -0.484752198014),
    },
    2520: {
        5: (0.90609083215, -1.34339464118),
        21: (0.714981878655, -1.78374125636),
        42: (0.62900380629, -1.67383591683),
        63: (0.514412598476, -1.83048846777),
    },
}


@pytest.mark.parametrize("lookback", VARIANCE_RATIOS)
@pytest.mark.parametrize("horizon", [5, 21, 42, 63])
def test_the_variance_ratio_of_the_index_and_its_z_are_those_of_the_package_arch(
    real_bars: Callable[[str], pl.LazyFrame], horizon: int, lookback: int
) -> None:
    series, wanted = real_bars("SPX"), pairs(horizon, symbol="SPX")
    query = horizon_statistics(series, series, wanted, as_of=LAST_SESSION["SPX"], lookback=lookback, spans=0)
    row = query.collect().row(0, named=True)
    ratio, z = VARIANCE_RATIOS[lookback][horizon]
    assert row["variance_ratio"] == pytest.approx(ratio, rel=1e-10)
    assert row["variance_ratio_z"] == pytest.approx(z, rel=1e-10)


# To import it takes 11 CPU seconds.
@pytest.mark.soak
@pytest.mark.parametrize("lookback", VARIANCE_RATIOS)
def test_the_package_arch_computes_the_recorded_variance_ratios(
    real_bars: Callable[[str], pl.LazyFrame], lookback: int
) -> None:
    from arch.unitroot import VarianceRatio

    series = real_bars("SPX").sort("session")
    closes = series.select(pl.col("close").log().tail(lookback + 1)).collect()["close"].to_numpy()
    for horizon, (ratio, z) in VARIANCE_RATIOS[lookback].items():
        computed = VarianceRatio(closes, lags=horizon, trend="c", overlap=True, debiased=True, robust=True)
        assert computed.vr == pytest.approx(ratio, rel=1e-9)
        assert computed.stat == pytest.approx(z, rel=1e-9)


def noise_of_squares(returns: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """docs/volatility.md, "Errors and reasons": relative variance of the mean of squared returns; NaN is left out."""
    squares = np.where(np.isnan(returns), np.nan, returns**2)
    mean, used = np.nanmean(squares), int(np.count_nonzero(~np.isnan(squares)))
    distances, lags = np.nan_to_num(squares - mean), min(used // 12, 63)
    covariances = [float(distances[lag:] @ distances[: len(distances) - lag]) for lag in range(lags + 1)]
    weighted = sum((1 - lag / (lags + 1)) * covariances[lag] for lag in range(1, lags + 1))
    return float((covariances[0] + 2 * weighted) / (mean**2 * used * (used - lags - 1)))


def brute_force(log_closes: np.ndarray[Any, np.dtype[np.float64]], horizon: int, lookback: int) -> dict[str, Any]:
    """docs/volatility.md, "Returns and moves", in numpy; NaN for a missing bar, the last one at as-of."""
    known = np.flatnonzero(~np.isnan(log_closes))
    history = len(log_closes) - 1 - int(known[0]) if len(known) else 0
    own = min(max(lookback, 10 * horizon), history)
    recent, past, long = (np.diff(log_closes[-span - 1 :]) for span in (horizon, min(lookback, history), own))
    window = log_closes[-own - 1 :]
    spans = window[horizon:] - window[: max(len(window) - horizon, 0)]
    spans = spans[~np.isnan(spans)]
    n = len(spans)

    def is_complete(returns: np.ndarray[Any, np.dtype[np.float64]], least: int) -> bool:
        there = int(np.count_nonzero(~np.isnan(returns)))
        return len(returns) >= least and there >= max(2, math.ceil(0.9 * len(returns)))

    result: dict[str, Any] = dict.fromkeys(COMPARED)
    if not len(known) or np.isnan(log_closes[-1]):
        return result
    if horizon >= 2 and is_complete(recent, horizon) and history >= horizon:
        result["returns_stddev"] = np.nanstd(recent, ddof=1)
    has_spans = history - horizon + 1 >= max(MINIMUM_RETURNS, horizon) and is_complete(long, 2)
    has_spans = has_spans and n >= max(MINIMUM_RETURNS, horizon)
    if has_spans:
        d = 1 - horizon / n + (horizon**2 - 1) / (3 * n**2)
        result["usual_move"] = math.sqrt(np.mean(spans**2))
        result["usual_move_centered"] = math.sqrt(spans.var() / d)
        result["absolute_move_p68"] = np.quantile(np.abs(spans), 0.68)
        result["share_inside_priced_move"] = np.mean(np.abs(spans) <= PRICED)
    if is_complete(past, MINIMUM_RETURNS):
        result["returns_stddev_lookback"] = np.nanstd(past, ddof=1)
        result["returns_stddev_lookback_rel_error"] = math.sqrt(noise_of_squares(past)) / 2
        if not has_spans:
            weights = {"year": 0.5, "long": 0.5}
            # The mean logarithm of a noisy variance is below the truth, by half its relative variance and a bit.
            low = {"year": noise_of_squares(past), "long": noise_of_squares(long)}
            variances = {"year": np.nanmean(past**2), "long": np.nanmean(long**2)}
            logs = [
                weights[name] * (math.log(horizon * variances[name]) + low[name] / 2 + low[name] ** 2 / 12)
                for name in weights
            ]
            result["forecast_move"] = math.exp(sum(logs) / 2)
        else:
            del result["forecast_move"]
    return result


PRICED = 0.03
COMPARED = (
    *("returns_stddev", "returns_stddev_lookback", "returns_stddev_lookback_rel_error", "usual_move"),
    *("usual_move_centered", "absolute_move_p68", "forecast_move", "share_inside_priced_move"),
)


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
        priced = pairs(*wanted).with_columns(priced_move=PRICED)
        query = horizon_statistics(bars(kept), CALENDAR, priced, as_of=AS_OF, lookback=lookback)
        for row in query.collect().to_dicts():
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
    @given(price_paths)
    def test_a_horizon_of_one_session_is_the_lookback(self, closes: list[float]) -> None:
        row = one(bars(closes), 1)
        assert row["usual_move_centered"] == pytest.approx(row["returns_stddev_lookback"], rel=1e-12)
        assert row["usual_move_rel_error"] == row["returns_stddev_lookback_rel_error"]
        assert row["variance_ratio"] == pytest.approx(1.0, rel=1e-12)
        assert row["variance_ratio_z"] is None

    @settings(max_examples=examples(50))
    @given(price_paths, st.integers(1, 30), st.floats(0.001, 0.3))
    def test_shares_and_quantiles_agree(self, closes: list[float], horizon: int, move: float) -> None:
        wanted = pairs(horizon).with_columns(priced_move=move)
        row = horizon_statistics(bars(closes), CALENDAR, wanted, as_of=AS_OF, lookback=60).collect().row(0, named=True)
        quantiles = {level: row[f"absolute_move_p{level}"] for level in (50, 68, 90)}
        assert sorted(quantiles.values()) == [*quantiles.values()]
        for level, quantile in quantiles.items():
            if move < quantile:
                assert row["share_inside_priced_move"] <= level / 100 + 1 / row["horizon_returns_used"]
            else:
                assert row["share_inside_priced_move"] >= level / 100 - 1 / row["horizon_returns_used"]

    @settings(max_examples=examples(50))
    @given(st.floats(-0.05, 0.05).filter(lambda rate: abs(rate) > 1e-6))
    def test_constant_growth_has_no_deviation(self, rate: float) -> None:
        row = one(bars([100.0 * math.exp(rate * i) for i in range(100)]), 10)
        assert row["returns_stddev"] == pytest.approx(0.0, abs=1e-12)
        assert row["usual_move_centered"] == pytest.approx(0.0, abs=1e-12)
        assert row["usual_move"] == pytest.approx(10 * abs(rate), rel=1e-9)


STATISTICS = (
    "returns_stddev",
    "returns_stddev_rel_error",
    "usual_move",
    "usual_move_rel_error",
    "usual_move_centered",
    "absolute_move_p50",
    "forecast_move",
    "forecast_move_rel_error",
    "variance_ratio",
    "variance_ratio_z",
    "realized_volatility",
    "usual_volatility",
)


class TestReasons:
    def test_a_horizon_without_sessions_has_no_figure_but_keeps_the_lookback(self) -> None:
        row = one(bars(walk(100)), 0)
        assert [row[name] for name in STATISTICS] == [None] * len(STATISTICS)
        assert row["returns_stddev_reason"] == row["usual_move_reason"] == "zero_horizon"
        assert row["returns_stddev_lookback"] is not None
        assert (row["returns_used"], row["horizon_returns_used"], row["returns_lookback_used"]) == (0, 0, 60)

    @pytest.mark.parametrize(("horizon", "reason"), [(None, "unknown_horizon"), (-3, "zero_horizon")])
    def test_an_unknown_or_past_horizon_has_no_figure(self, horizon: int | None, reason: str) -> None:
        row = one(bars(walk(100)), horizon)
        assert [row[name] for name in STATISTICS] == [None] * len(STATISTICS)
        assert row["returns_stddev_reason"] == row["usual_move_reason"] == reason

    def test_one_session_has_no_sample_deviation(self) -> None:
        row = one(bars(walk(100)), 1)
        assert (row["returns_stddev"], row["returns_stddev_reason"]) == (None, "one_session")
        assert (row["realized_volatility"], row["returns_stddev_rel_error"]) == (None, None)
        assert row["usual_move_reason"] is None

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
        assert enough["returns_stddev_lookback_reason"] == enough["usual_move_reason"] == "short_history"
        # 20 returns are 21 closes; 20 spans of 11 sessions are 31 closes.
        assert one(bars(walk(21)), 11)["returns_stddev_lookback_reason"] is None
        assert one(bars(walk(30)), 11)["usual_move_reason"] == "short_history"
        assert one(bars(walk(31)), 11)["usual_move_reason"] is None

    def test_a_missing_bar_costs_a_short_window_and_no_long_one(self) -> None:
        closes: list[float | None] = [*walk(100)]
        closes[-6] = None
        row = one(bars(closes), 5)
        assert (row["returns_stddev_reason"], row["returns_used"]) == ("gap", 4)
        assert one(bars(closes), 4)["returns_stddev_reason"] is None
        # Two returns of twenty are a tenth.
        assert one(bars(closes), 19)["returns_stddev_reason"] == "gap"
        assert (one(bars(closes), 20)["returns_stddev_reason"], one(bars(closes), 20)["returns_used"]) == (None, 18)
        assert (row["returns_stddev_lookback_reason"], row["returns_lookback_used"]) == (None, 58)
        assert row["usual_move_reason"] is None

    def test_without_a_bar_at_as_of_nothing_is_said_of_today(self) -> None:
        row = one(bars([*walk(100), None]), 5)
        assert {row[name] for name in row if name.endswith("_reason")} == {"not_current"}
        assert [row[name] for name in STATISTICS] == [None] * len(STATISTICS)
        assert row["returns_stddev_lookback"] is None

    def test_too_many_gaps_leave_no_lookback(self) -> None:
        every_other = [close if i % 2 else None for i, close in enumerate(walk(100))]
        row = one(bars(every_other), 3)
        assert {row[name] for name in row if name.endswith("_reason")} == {"gap"}

    def test_each_horizon_has_a_lookback_of_its_own(self) -> None:
        sessions = {h: one(bars(walk(110)), h)["lookback_sessions"] for h in (1, 6, 7, 10, 30)}
        assert sessions == {1: 60, 6: 60, 7: 70, 10: 100, 30: 109}

    def test_a_horizon_longer_than_half_of_the_history_has_no_usual_move_and_a_forecast(self) -> None:
        # n = T - h + 1 falls below h at h = 51 for T = 100.
        assert one(bars(walk(101)), 50)["usual_move_reason"] is None
        row = one(bars(walk(101)), 51)
        assert row["usual_move_reason"] == "short_history"
        assert row["usual_volatility"] is None
        assert row["returns_stddev_reason"] is None
        assert row["forecast_move"] == pytest.approx(row["returns_stddev_lookback"] * 51**0.5, rel=0.15)

    def test_a_fixed_lookback_may_be_too_short(self) -> None:
        query = horizon_statistics(bars(walk(110)), CALENDAR, pairs(31), as_of=AS_OF, lookback=60, spans=0)
        assert query.collect()["usual_move_reason"].to_list() == ["short_lookback"]

    def test_a_price_that_nobody_updates_is_not_a_calm_one(self) -> None:
        row = one(bars([7.0] * 100), 5)
        assert {row[name] for name in row if name.endswith("_reason")} == {"unchanged_close"}
        assert [row[name] for name in STATISTICS] == [None] * len(STATISTICS)
        assert row["returns_stddev_lookback"] is None

    def test_a_history_that_starts_before_the_window_is_known_to_be_long(self) -> None:
        closes: list[float | None] = [*walk(120)]
        closes[-70:-5] = [None] * 65
        row = one(bars(closes), 5)
        assert row["returns_stddev_lookback_reason"] == row["usual_move_reason"] == "gap"

    def test_each_null_has_a_documented_reason_and_each_reason_a_null(self) -> None:
        series = [bars(walk(n, seed=n), symbol=f"S{n}") for n in (2, 10, 22, 60, 110)]
        wanted = pl.concat([pairs(*range(40), symbol=f"S{n}") for n in (2, 10, 22, 60, 110)])
        result = horizon_statistics(pl.concat(series), CALENDAR, wanted, as_of=AS_OF, lookback=60).collect()
        for name in ("returns_stddev", "returns_stddev_lookback", "usual_move"):
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
        assert row["usual_volatility"] == pytest.approx(row["usual_move"] * math.sqrt(52))
