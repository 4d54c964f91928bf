# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Numbering of sessions and log returns between consecutive ones."""

from __future__ import annotations

import math
from datetime import date
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.returns import log_returns, session_index
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline_tests.support.examples import examples

SESSIONS = sessions_between(date(2024, 1, 2), date(2024, 3, 28))
CALENDAR = pl.LazyFrame({"session": SESSIONS})


def bars(closes: list[float | None], *, symbol: str = "AAPL") -> pl.LazyFrame:
    """One bar for each of the first sessions; None leaves the bar out."""
    rows = [(symbol, session, close) for session, close in zip(SESSIONS, closes, strict=False) if close is not None]
    return pl.LazyFrame(rows, schema={"symbol": pl.String, "session": pl.Date, "close": pl.Float64}, orient="row")


def returns_of(closes: list[float | None]) -> list[float | None]:
    return log_returns(bars(closes), CALENDAR).collect()["log_return"].to_list()


def test_sessions_are_numbered_in_order_from_zero_whatever_the_order_and_repetitions() -> None:
    shuffled = pl.LazyFrame({"session": [*reversed(SESSIONS), SESSIONS[0]], "is_half_day": False})
    numbered = session_index(shuffled).collect()
    assert numbered["session"].to_list() == list(SESSIONS)
    assert numbered["session_index"].to_list() == list(range(len(SESSIONS)))
    assert numbered.columns == ["session", "session_index"]


def test_a_return_is_the_logarithm_of_the_ratio_of_consecutive_closes() -> None:
    # By hand: ln(110 / 100) and ln(99 / 110).
    assert returns_of([100.0, 110.0, 99.0]) == [None, pytest.approx(0.0953101798), pytest.approx(-0.1053605157)]


def test_a_weekend_and_a_holiday_are_not_a_gap() -> None:
    friday, tuesday = date(2024, 1, 12), date(2024, 1, 16)  # the Monday between was Martin Luther King's day
    assert sessions_between(friday, tuesday) == (friday, tuesday)
    frame = pl.LazyFrame({"symbol": "SPY", "session": [friday, tuesday], "close": [100.0, 110.0]})
    result = log_returns(frame, CALENDAR).collect()
    assert result["log_return"].to_list() == [None, pytest.approx(math.log(1.1))]
    assert result["gap_sessions"].to_list() == [None, 0]


def test_the_return_over_a_missing_bar_is_null_and_the_gap_is_counted() -> None:
    result = log_returns(bars([100.0, None, None, 110.0, 121.0]), CALENDAR).collect()
    assert result["log_return"].to_list() == [None, None, pytest.approx(math.log(1.1))]
    assert result["gap_sessions"].to_list() == [None, 2, 0]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_close_that_is_not_a_positive_number_has_no_return_on_either_side(bad: float) -> None:
    result = log_returns(bars([100.0, bad, 110.0, 121.0]), CALENDAR).collect()
    assert result["log_return"].to_list() == [None, None, None, pytest.approx(math.log(1.1))]
    assert result["gap_sessions"].to_list() == [None, None, 1, 0]


def test_a_bar_on_a_day_without_a_session_has_no_return_and_breaks_none() -> None:
    days = [date(2024, 1, 12), date(2024, 1, 13), date(2024, 1, 16)]
    frame = pl.LazyFrame({"symbol": "SPY", "session": days, "close": [100.0, 500.0, 110.0]})
    assert log_returns(frame, CALENDAR).collect()["log_return"].to_list() == [None, None, pytest.approx(math.log(1.1))]


def test_the_rows_and_columns_of_the_bars_stay_as_they_were() -> None:
    frame = pl.concat([bars([100.0, 101.0, 102.0]), bars([7.0, 8.0], symbol="BRK/B")]).reverse()
    result = log_returns(frame, CALENDAR).collect()
    assert result.select("symbol", "session", "close").equals(frame.collect())
    assert result.columns == ["symbol", "session", "close", "gap_sessions", "log_return"]


@settings(max_examples=examples(100))
@given(st.lists(st.none() | st.floats(0.01, 1e5), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_returns_equal_a_loop_over_the_calendar_in_any_row_order(closes: list[float | None], random: Random) -> None:
    frame = pl.concat([bars(closes), bars([50.0] * 20, symbol="OTHER")]).collect()
    order = list(range(len(frame)))
    random.shuffle(order)
    result = log_returns(frame[order].lazy(), CALENDAR).filter(pl.col("symbol") == "AAPL").sort("session").collect()
    expected = [
        math.log(close / before) if before is not None else None
        for before, close in zip([None, *closes], closes, strict=False)
        if close is not None
    ]
    assert result["log_return"].to_list() == [None if r is None else pytest.approx(r, abs=1e-12) for r in expected]
