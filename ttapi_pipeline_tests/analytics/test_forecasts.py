# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Forecasts of the move over a tenor: against NumPy on real prices, without a look ahead, with sessions missing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.forecasts import History, expected_variances, realised
from ttapi_pipeline.analytics.premium import score_tenor
from ttapi_pipeline.analytics.tenors import METHODS, TENORS
from ttapi_pipeline.analytics.volatility import rolling_volatility
from ttapi_pipeline_tests.support.examples import examples

FROM_BARS = [name for name in METHODS if name != "iv_30_day"]


def walk(count: int, *, seed: int = 1) -> History:
    """Bars of a random walk on days that are consecutive, with an implied volatility that wanders."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    open_ = close * np.exp(rng.normal(0, 0.004, count))
    high, low = np.maximum(open_, close) * 1.004, np.minimum(open_, close) * 0.996
    implied = 0.2 * np.exp(np.cumsum(rng.normal(0, 0.02, count)))
    return History(np.array([open_, high, low, close]), implied, np.arange(count + max(TENORS), dtype=np.int64))


@pytest.fixture(scope="module")
def index(real_bars: Callable[[str], pl.LazyFrame]) -> History:
    bars = real_bars("SPX").sort("session").collect()
    days = bars["session"].to_physical().to_numpy().astype(np.int64)
    prices = bars.select("open", "high", "low", "close").to_numpy().T.copy()
    return History(prices, np.full(bars.height, 0.2), days)


@pytest.mark.parametrize("tenor", [5, 21, 126])
def test_real_prices_give_what_numpy_gives(index: History, tenor: int) -> None:
    expected, (moved, variance) = expected_variances(index, tenor), realised(index, tenor)
    log_close = np.log(index.prices[3])
    r = np.diff(log_close)
    lookback = max(252, 10 * tenor)
    for place in (1500, 2500, 4000):
        past = r[:place]  # the return to a place is at the place before it in `r`
        assert expected["close_to_close"][place] == pytest.approx(tenor * np.var(past[-252:], ddof=1), rel=1e-12)
        weights = 0.94 ** np.arange(place)[::-1]
        weights[1:] *= 0.06
        assert expected["ewma"][place] == pytest.approx(tenor * np.sum(weights * past**2), rel=1e-12)
        spans = log_close[place - lookback + tenor : place + 1] - log_close[place - lookback : place + 1 - tenor]
        assert len(spans) == lookback - tenor + 1
        assert expected["horizon_rms"][place] == pytest.approx(np.mean(spans**2), rel=1e-12)
        days = index.days[place + tenor] - index.days[place]
        assert expected["iv_30_day"][place] == pytest.approx(0.04 * days / 365, rel=1e-12)
        ahead = r[place : place + tenor]
        assert (moved[place], variance[place]) == (
            pytest.approx(ahead.sum(), rel=1e-9),
            pytest.approx(np.sum(ahead**2)),
        )


def test_yang_zhang_is_that_of_the_estimators(index: History, real_bars: Callable[[str], pl.LazyFrame]) -> None:
    bars = real_bars("SPX").sort("session")
    known = rolling_volatility(
        bars, bars.select("session"), windows=[63], estimators=["yang_zhang"], annualization=1
    ).collect()
    theirs = known["yang_zhang_63"].to_numpy()
    ours = np.sqrt(expected_variances(index, 5)["yang_zhang"] / 5)
    both = ~np.isnan(theirs)
    assert both.sum() > 4000
    np.testing.assert_allclose(ours[both], theirs[both], rtol=1e-11)


def test_the_regression_is_that_of_weighted_least_squares(index: History) -> None:
    tenor, place = 21, 3000  # a multiple of 5, at which a fit is made
    squares = np.diff(np.log(index.prices[3]), prepend=math.nan) ** 2
    means = [
        np.array([np.nanmean(squares[max(t - n + 1, 0) : t + 1]) for t in range(1, place + 1)]) for n in (1, 5, 21, 252)
    ]
    means = [np.concatenate([[math.nan], mean]) for mean in means]
    rows, goals = [], []
    # A year's mean needs nine tenths of its sessions, and the first session has no return.
    for known in range(227, place - tenor + 1):
        rows.append([1e-4, *(mean[known] for mean in means)])
        goals.append(np.mean(squares[known + 1 : known + tenor + 1]))
    x, y = np.array(rows), np.array(goals)
    weight = 1 / x[:, -1:]
    coefficients = np.linalg.lstsq(x * weight, y * weight[:, 0], rcond=None)[0]
    forecast = float(np.array([1e-4, *(mean[place] for mean in means)]) @ coefficients)
    assert expected_variances(index, tenor)["har"][place] == pytest.approx(tenor * forecast, rel=1e-6)


def changed(history: History, place: int, seed: int) -> History:
    """The same up to a place, and anything after it, missing bars among it."""
    rng = np.random.default_rng(seed)
    prices, implied = history.prices.copy(), history.implied.copy()
    rest = prices.shape[1] - place - 1
    prices[:, place + 1 :] *= np.exp(rng.normal(0, 0.5, rest))
    prices[:, place + 1 :][:, rng.random(rest) < 0.2] = math.nan
    implied[place + 1 :] = rng.uniform(0.01, 3.0, rest)
    return History(prices, implied, history.days)


@settings(max_examples=examples(15))
@given(st.integers(0, 2**32 - 1), st.integers(300, 1498), st.sampled_from(TENORS))
def test_neither_a_forecast_nor_a_score_knows_what_comes_after_it(seed: int, place: int, tenor: int) -> None:
    history = walk(1500, seed=seed)
    other = changed(history, place, seed)
    before, after = expected_variances(history, tenor), expected_variances(other, tenor)
    for name in METHODS:
        np.testing.assert_array_equal(before[name][: place + 1], after[name][: place + 1])
    for one, two in zip(realised(history, tenor), realised(other, tenor), strict=True):
        np.testing.assert_array_equal(one[: place + 1 - tenor], two[: place + 1 - tenor])


@settings(max_examples=examples(15))
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.sampled_from(TENORS))
def test_a_factor_on_all_prices_changes_nothing(seed: int, factor: float, tenor: int) -> None:
    history = walk(900, seed=seed)
    scaled = History(history.prices * factor, history.implied, history.days)
    for name, values in expected_variances(history, tenor).items():
        np.testing.assert_allclose(expected_variances(scaled, tenor)[name], values, rtol=1e-8)


def test_a_missing_bar_costs_the_spans_over_it_and_hardly_a_forecast() -> None:
    whole = walk(1500)
    prices = whole.prices.copy()
    prices[:, 1000] = math.nan
    holed = History(prices, whole.implied, whole.days)
    variance = realised(holed, 5)[1]
    assert np.flatnonzero(np.isnan(variance[900:1100])).tolist() == list(range(95, 101))
    for name in FROM_BARS:
        missing = np.flatnonzero(np.isnan(expected_variances(holed, 5)[name][900:1400])) + 900
        # The regression needs the returns of the last five days, and that day and the next have none.
        assert missing.tolist() == (list(range(1000, 1006)) if name == "har" else [])


def test_a_price_that_never_moves_and_a_short_history_have_no_forecast() -> None:
    flat = np.full((4, 700), 50.0)
    still = History(flat, np.full(700, math.nan), np.arange(900, dtype=np.int64))
    assert all(np.isnan(values).all() for values in expected_variances(still, 21).values())
    young = expected_variances(walk(200), 21)
    assert np.isnan(young["close_to_close"]).all()
    assert np.isfinite(young["iv_30_day"]).sum() == 200


def test_all_methods_are_scored_over_the_same_spans() -> None:
    found = score_tenor(walk(2000), 21)
    assert set(found.methods) == set(METHODS)
    assert all(np.isfinite(found.expected[name][found.spans]).all() for name in METHODS)
    assert found.best == min(found.methods, key=lambda name: found.methods[name].qlike)
    assert found.methods[str(found.best)].qlike_excess == 0.0
    without = History(walk(2000).prices, np.full(2000, math.nan), walk(2000).days)
    assert set(score_tenor(without, 21).methods) == set(FROM_BARS)
    assert score_tenor(walk(150), 21).methods == {}


def test_the_forecasts_of_a_random_walk_are_near_its_variance() -> None:
    found = expected_variances(walk(6000), 21)
    for name in ("close_to_close", "ewma", "har", "horizon_rms"):
        assert np.nanmean(found[name][2000:]) == pytest.approx(21 * 0.01**2, rel=0.06)
