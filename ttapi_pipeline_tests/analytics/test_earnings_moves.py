# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The jump that two expirations imply, and the jumps at past reports, by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.earnings_moves import implied_earnings_moves, past_earnings_moves
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline_tests.support.examples import examples

AS_OF = date(2026, 1, 16)
SESSIONS = sessions_between(date(2025, 1, 2), AS_OF)
CALENDAR = pl.LazyFrame({"session": SESSIONS})


def announced(*rows: tuple[date, str | None]) -> pl.LazyFrame:
    schema = {"symbol": pl.String, "announced_date": pl.Date, "time_of_day": pl.String}
    return pl.DataFrame([("AAPL", day, time) for day, time in rows], schema=schema, orient="row").lazy()


def implied(reports: pl.LazyFrame, volatilities: Mapping[date, float | None]) -> dict[str, Any]:
    schema = {"symbol": pl.String, "expiration_date": pl.Date, "implied_volatility": pl.Float64}
    rows = [("AAPL", day, value) for day, value in volatilities.items()]
    expirations = pl.DataFrame(rows, schema=schema, orient="row").lazy()
    return implied_earnings_moves(expirations, reports, as_of=AS_OF).collect().row(0, named=True)


def days(*numbers: int) -> Sequence[date]:
    return [AS_OF + timedelta(number) for number in numbers]


@settings(max_examples=examples(100))
@given(
    st.floats(0.1, 1.5), st.floats(0.01, 0.3), st.integers(2, 60), st.sets(st.integers(1, 400), min_size=3, max_size=8)
)
def test_the_jump_that_was_put_into_the_volatilities_is_found(
    daily: float, jump: float, report: int, numbers: set[int]
) -> None:
    numbers -= {report}
    volatilities: dict[date, float | None] = {
        AS_OF + timedelta(number): math.sqrt(daily**2 + (number > report) * jump**2 / (number / 365))
        for number in numbers
    }
    row = implied(announced((AS_OF + timedelta(report), None)), volatilities)
    behind = sum(number > report for number in numbers)
    if behind and (behind >= 2 or behind < len(numbers)):
        assert row["implied_earnings_move"] == pytest.approx(jump, rel=1e-6)
        assert row["implied_earnings_move_reason"] is None
    else:
        assert (row["implied_earnings_move"], row["implied_earnings_move_reason"]) == (None, "no_expirations")


def test_by_hand() -> None:
    # 30% to the Friday before, 50% to the one after: 14 / 365 (0.25 - 0.09) = 0.006137, whose root is 7.8%.
    before, after = days(7, 14)
    row = implied(announced((AS_OF + timedelta(12), "AMC")), {before: 0.3, after: 0.5, AS_OF + timedelta(21): 0.45})
    assert row["implied_earnings_move"] == pytest.approx(0.0783, abs=5e-5)
    assert row["next_report"] == AS_OF + timedelta(12)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        # The report falls on the middle expiration: behind it if it comes before the open, ahead after the close.
        ("BTO", math.sqrt(14 / 365 * (0.5**2 - 0.3**2))),
        ("AMC", math.sqrt(21 / 365 * (0.6**2 - 0.5**2))),
        (None, math.sqrt(21 / 365 * (0.6**2 - 0.3**2))),
    ],
)
def test_a_report_on_the_day_of_an_expiration(time: str | None, expected: float) -> None:
    volatilities: dict[date, float | None] = dict(zip(days(7, 14, 21), (0.3, 0.5, 0.6), strict=True))
    assert implied(announced((AS_OF + timedelta(14), time)), volatilities)["implied_earnings_move"] == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("reports", "volatilities", "reason"),
    [
        ([], [0.3, 0.5], "no_announcement"),
        ([(AS_OF, "BTO")], [0.3, 0.5], "no_announcement"),
        ([(AS_OF + timedelta(30), "AMC")], [0.3, 0.5], "no_expirations"),
        ([(AS_OF + timedelta(10), "AMC")], [0.5, 0.3], "no_jump"),
        ([(AS_OF + timedelta(10), "AMC")], [None, 0.3], "no_expirations"),
    ],
)
def test_a_null_has_its_reason(
    reports: Sequence[tuple[date, str]], volatilities: Sequence[float | None], reason: str
) -> None:
    row = implied(announced(*reports), dict(zip(days(7, 14), volatilities, strict=True)))
    assert (row["implied_earnings_move"], row["implied_earnings_move_reason"]) == (None, reason)


def test_past_moves_are_those_of_the_sessions_that_a_report_moves() -> None:
    closes = 100.0 * np.exp(np.cumsum(np.random.default_rng(5).normal(0.0, 0.02, len(SESSIONS))))
    bars = pl.LazyFrame({"symbol": "AAPL", "session": SESSIONS, "close": closes})
    logs = np.log(closes)
    reports = announced(
        (SESSIONS[20], "BTO"), (SESSIONS[80], "AMC"), (SESSIONS[140], None), (SESSIONS[-1], "AMC"), (AS_OF, None)
    )
    row = past_earnings_moves(bars, CALENDAR, reports, as_of=AS_OF).collect().row(0, named=True)
    moves = [logs[20] - logs[19], logs[81] - logs[80], logs[141] - logs[139]]
    assert row["earnings_moves_used"] == 3
    assert row["earnings_move"] == pytest.approx(math.sqrt(np.mean(np.square(moves))), rel=1e-12)
    latest = past_earnings_moves(bars, CALENDAR, reports, as_of=AS_OF, most=1).collect().row(0, named=True)
    assert (latest["earnings_moves_used"], latest["earnings_move"]) == (1, pytest.approx(abs(moves[-1]), rel=1e-12))
