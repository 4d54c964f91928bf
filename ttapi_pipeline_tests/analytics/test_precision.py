# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Errors, the forecast and the move ratio of fairly priced options, against simulated prices whose truth is known.

Small in every run, at full size in `make soak`. Prices are drawn by a seed, all symbols at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from ttapi_pipeline.analytics.horizons import horizon_statistics
from ttapi_pipeline.analytics.implied import DAYS_PER_YEAR, move_ratio

Floats = npt.NDArray[np.float64]

SIGMA = 0.01
HORIZONS = (1, 5, 21, 63, 126, 252)


def simulated(kind: str, *, symbols: int, sessions: int, seed: int = 20) -> pl.DataFrame:
    """Statistics of independent walks whose daily deviation is SIGMA; `market`: normal, laplace, garch."""
    rng = np.random.default_rng(seed)
    size = (symbols, sessions + 1)
    if kind == "normal":
        returns = rng.normal(0.0, SIGMA, size)
    elif kind == "laplace":
        returns = rng.laplace(0.0, SIGMA / 2**0.5, size)
    else:
        returns = garch(rng, size)
    days = [date(2000, 1, 1) + timedelta(number) for number in range(sessions + 1)]
    names = [f"S{number:05d}" for number in range(symbols)]
    bars = pl.LazyFrame(
        {
            "symbol": np.repeat(names, sessions + 1),
            "session": pl.Series(days * symbols, dtype=pl.Date),
            "close": np.exp(np.cumsum(returns, axis=1)).ravel(),
        }
    )
    wanted = pl.LazyFrame({"symbol": names}).join(pl.LazyFrame({"horizon_sessions": HORIZONS}), how="cross")
    return horizon_statistics(bars, pl.LazyFrame({"session": days}), wanted, as_of=days[-1]).collect()


def garch(rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """GARCH(1, 1) with 0.08 and 0.87, about as persistent as shares are; its kurtosis is 3.5."""
    returns, variance = np.empty(size), np.full(size[0], SIGMA**2)
    for place in range(size[1]):
        returns[:, place] = rng.normal(size=size[0]) * np.sqrt(variance)
        variance = 0.05 * SIGMA**2 + 0.08 * returns[:, place] ** 2 + 0.87 * variance
    return returns


def at(statistics: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """The rows of a horizon with the ratio of an option that is priced fairly: 365 days of its volatility a year."""
    rows = statistics.filter(horizon_sessions=horizon)
    dte = 7.0 * horizon / 5
    fair = SIGMA * horizon**0.5 / (dte / DAYS_PER_YEAR) ** 0.5
    return rows.with_columns(move_ratio=move_ratio(pl.lit(fair), pl.lit(dte), pl.col("forecast_move")))


@pytest.fixture(scope="module")
def long() -> pl.DataFrame:
    return simulated("normal", symbols=400, sessions=2520)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_move_ratio_of_fair_options_has_a_median_of_one(long: pl.DataFrame, horizon: int) -> None:
    ratios = at(long, horizon)["move_ratio"]
    assert ratios.median() == pytest.approx(1.0, abs=0.02)
    assert ratios.std() == pytest.approx(at(long, horizon)["forecast_move_rel_error"].mean(), rel=0.2)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_errors_are_those_of_repeated_histories(long: pl.DataFrame, horizon: int) -> None:
    rows, truth = at(long, horizon), SIGMA * horizon**0.5
    for name, true in (("usual_move", truth), ("forecast_move", truth), ("returns_stddev_lookback", SIGMA)):
        assert spread(rows, name) / true == pytest.approx(stated(rows, name), rel=0.12), name
    assert (rows["usual_move"] ** 2).mean() == pytest.approx(truth**2, rel=0.06)
    assert (rows["usual_move_centered"] ** 2).mean() == pytest.approx(truth**2, rel=0.08)


def test_z_is_a_standard_normal_number_without_a_trend_or_a_swing(long: pl.DataFrame) -> None:
    for horizon in HORIZONS[1:]:
        z = at(long, horizon)["variance_ratio_z"]
        assert z.mean() == pytest.approx(0.0, abs=0.2)
        assert z.std() == pytest.approx(1.0, abs=0.3)


def spread(rows: pl.DataFrame, name: str) -> float:
    return float(np.std(rows[name].to_numpy()))


def stated(rows: pl.DataFrame, name: str) -> float:
    return float(np.mean(rows[f"{name}_rel_error"].to_numpy()))


class TestFullSize:
    @pytest.mark.soak
    @pytest.mark.parametrize(("sessions", "tolerance"), [(252, 0.02), (504, 0.02), (2520, 0.02)])
    def test_the_move_ratio_is_unbiased_whatever_the_history(self, sessions: int, tolerance: float) -> None:
        statistics = simulated("normal", symbols=3000, sessions=sessions)
        for horizon in HORIZONS:
            assert at(statistics, horizon)["move_ratio"].median() == pytest.approx(1.0, abs=tolerance)

    @pytest.mark.soak
    @pytest.mark.parametrize(
        ("kind", "horizon", "name", "low", "high"),
        [
            *(("laplace", horizon, "usual_move", 0.9, 1.1) for horizon in HORIZONS),
            *(("laplace", horizon, "forecast_move", 0.9, 1.1) for horizon in HORIZONS),
            # A GARCH process as persistent as shares: a year holds too few of its months to show all of its noise.
            *(("garch", horizon, "usual_move", 0.55, 1.1) for horizon in HORIZONS),
            *(("garch", horizon, "forecast_move", 0.55, 1.1) for horizon in HORIZONS),
        ],
    )
    def test_errors_hold_for_fat_tails_and_nearly_for_changing_volatility(
        self, kind: str, horizon: int, name: str, low: float, high: float
    ) -> None:
        rows = at(statistics_of(kind), horizon)
        ratio = stated(rows, name) / (spread(rows, name) / (SIGMA * horizon**0.5))
        assert low <= ratio <= high


_KEPT: dict[str, Any] = {}


def statistics_of(kind: str) -> pl.DataFrame:
    if kind not in _KEPT:
        _KEPT[kind] = simulated(kind, symbols=2000, sessions=2520)
    kept: pl.DataFrame = _KEPT[kind]
    return kept


TENORS = (5, 10, 21, 42, 63, 84, 105, 126, 189, 252)


@pytest.mark.parametrize(
    ("step", "tenors"), [(120, (63, 126, 252)), pytest.param(10, TENORS, marks=pytest.mark.soak, id="all")]
)
def test_the_forecast_is_never_worse_than_the_plain_figure_of_a_year(
    twenty_stocks: Callable[[], pl.LazyFrame], step: int, tenors: Sequence[int]
) -> None:
    """QLIKE (Patton 2011) against the variance of the next h sessions: 20 stocks, from 2010 on."""
    bars = twenty_stocks()
    wide = bars.collect().pivot("symbol", index="session", values="close").sort("session")
    days, names = wide["session"].to_list(), wide.columns[1:]
    squares = np.cumsum(np.diff(np.log(wide.select(names).to_numpy()), axis=0) ** 2, axis=0)
    first = next(place for place, day in enumerate(days) if day.year == 2010)
    wanted = pl.LazyFrame({"symbol": names}).join(pl.LazyFrame({"horizon_sessions": tenors}), how="cross")
    losses: dict[tuple[str, int], list[Floats]] = {}
    for place in range(first, len(days) - 253, step):
        rows = horizon_statistics(bars, wide.lazy().select("session"), wanted, as_of=days[place]).collect()
        for h in tenors:
            at_h = rows.filter(horizon_sessions=h).sort(pl.col("symbol").replace_strict(names, range(len(names))))
            realised = squares[place - 1 + h] - squares[place - 1]
            plain = h * at_h["returns_stddev_lookback"].to_numpy() ** 2
            for name, forecast in (("forecast", at_h["forecast_move"].to_numpy() ** 2), ("plain", plain)):
                ratio = realised / forecast
                losses.setdefault((name, h), []).append(ratio - np.log(ratio) - 1)
    means = {key: float(np.mean(values)) for key, values in losses.items()}
    for h in tenors:
        assert means["forecast", h] <= means["plain", h]
