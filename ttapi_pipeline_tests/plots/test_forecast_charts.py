# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Charts of expectations: a picture for rows, a picture that says so for none, and its dark twin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from io import BytesIO

import numpy as np
import polars as pl
import pytest
from PIL import Image

from ttapi_pipeline.analytics.tenors import METHODS
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.plots import forecast_charts
from ttapi_pipeline.plots.canvas import darkened
from ttapi_pipeline.plots.charts import cone_chart
from ttapi_pipeline.plots.forecast_charts import calibration_chart, iv_history_chart, premium_chart

DAYS = [date(2024, 1, 2) + timedelta(days=day) for day in range(300)]
RNG = np.random.default_rng(1)
CANDLES = pl.DataFrame({"symbol": "A", "session": DAYS, "implied_volatility": RNG.uniform(0.2, 0.4, 300)})
EXPECTATIONS = pl.DataFrame(
    {
        "symbol": "A",
        "method": "iv_30_day",
        "tenor_sessions": 21,
        "horizon_sessions": 21,
        "frozen_session": DAYS,
        "expected_stddev": 0.06,
        "realised_return": RNG.normal(0, 0.05, 300),
        "realised_stddev": RNG.uniform(0.03, 0.07, 300),
    }
)
CHARTS: list[tuple[Callable[..., bytes], pl.DataFrame]] = [
    (iv_history_chart, CANDLES),
    (premium_chart, EXPECTATIONS),
    (lambda rows, **options: calibration_chart(rows.lazy(), **options), EXPECTATIONS),
]


def ink(png: bytes) -> float:
    """Share of the picture that is not paper."""
    grey = np.asarray(Image.open(BytesIO(png)).convert("L"), dtype=int)
    return float(np.mean(np.abs(grey - grey[0, 0]) > 20))


@pytest.mark.parametrize(("chart", "rows"), CHARTS)
def test_rows_are_drawn_and_without_rows_a_sentence_is(chart: Callable[..., bytes], rows: pl.DataFrame) -> None:
    drawn = chart(rows, symbol="A", is_simulated=False)
    empty = chart(rows.clear(), symbol="A", is_simulated=False)
    assert ink(drawn) > ink(empty) > 0.005
    assert chart(rows, symbol="B", is_simulated=False) != drawn
    assert chart(rows, symbol="A", is_simulated=True) != drawn


def test_the_cone_shows_todays_implied_volatility_between_its_horizons(table: Callable[..., pl.DataFrame]) -> None:
    quantiles = {"minimum": 0.1, "p10": 0.15, "p25": 0.2, "median": 0.25, "p75": 0.3, "p90": 0.35, "maximum": 0.6}
    rows = [{"symbol": "A", "horizon_sessions": sessions, **quantiles} for sessions in (5, 10, 21, 42)]
    cone = table("volatility_cone", rows)
    priced = {"symbol": "A", "implied_volatility": 0.5, "expected_move": 3.0}
    series = table("returns_stddev", [{**priced, "horizon_sessions": sessions} for sessions in (1, 5, 15, 42, 90)])
    stale = series.with_columns(expected_move=pl.lit(None, pl.Float64))
    without = cone_chart(cone, symbol="A", is_simulated=False)
    assert cone_chart(cone, symbol="A", is_simulated=False, series=series) != without
    assert cone_chart(cone, symbol="A", is_simulated=False, series=series.clear()) == without
    assert cone_chart(cone, symbol="A", is_simulated=False, series=stale) == without


def test_a_dark_chart_has_dark_paper_and_the_same_lines() -> None:
    light = premium_chart(EXPECTATIONS, symbol="A", is_simulated=False)
    dark = darkened(light)
    papers = [int(np.asarray(Image.open(BytesIO(png)).convert("L"))[0, 0]) for png in (light, dark)]
    assert papers[0] > 230
    assert papers[1] < 60
    assert ink(dark) == pytest.approx(ink(light), rel=0.2)


def test_each_method_has_a_colour_of_its_own() -> None:
    assert set(forecast_charts._COLOURS) == {*METHODS, "iv_expiration"}
    assert len(set(forecast_charts._COLOURS.values())) == len(forecast_charts._COLOURS)


def test_the_charts_take_the_tables_of_the_datasets() -> None:
    assert set(CANDLES.columns) <= set(DATASETS["daily_candles"].schema.polars)
    assert set(EXPECTATIONS.columns) <= set(DATASETS["expectations"].schema.polars)
