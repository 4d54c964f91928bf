# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which sessions an announcement takes, and volatility without them, by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.earnings import earnings_sessions, volatility_without_earnings
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline_tests.support.examples import examples

SESSIONS = sessions_between(date(2025, 6, 2), date(2026, 1, 30))
CALENDAR = pl.LazyFrame({"session": SESSIONS})
AS_OF = SESSIONS[-1]


def announced(*rows: tuple[date, str | None], symbol: str = "AAPL") -> pl.LazyFrame:
    schema = {"symbol": pl.String, "announced_date": pl.Date, "time_of_day": pl.String}
    return pl.DataFrame([(symbol, day, time) for day, time in rows], schema=schema, orient="row").lazy()


COVER = (SESSIONS[0] - timedelta(20), "AMC")
"""A report before all windows; with those of `covered`, none is missing."""


def covered(*rows: tuple[date, str | None], symbol: str = "AAPL") -> pl.LazyFrame:
    """Reports, with others every 110 days from COVER to the first one after AS_OF, so that none is missing."""
    before = [(AS_OF - timedelta(110 * number), "AMC") for number in (1, 2)]
    return announced(COVER, (AS_OF + timedelta(5), "AMC"), *before, *rows, symbol=symbol)


def closes(seed: int = 1) -> Sequence[float]:
    steps = np.random.default_rng(seed).normal(0.0, 0.02, len(SESSIONS))
    return [float(close) for close in 100.0 * np.exp(np.cumsum(steps))]


def bars(prices: Mapping[str, Sequence[float]]) -> pl.LazyFrame:
    return pl.concat(
        pl.DataFrame({"symbol": symbol, "session": SESSIONS, "close": values}) for symbol, values in prices.items()
    ).lazy()


def without(announcements: pl.LazyFrame, prices: pl.LazyFrame, *windows: int) -> dict[str, Any]:
    query = volatility_without_earnings(prices, CALENDAR, announcements, as_of=AS_OF, windows=windows)
    return query.collect().row(0, named=True)


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        # Thursday, Friday and Monday, then a Saturday, then Thanksgiving with a half day after it.
        (date(2025, 10, 30), "BTO", [date(2025, 10, 30)]),
        (date(2025, 10, 30), "AMC", [date(2025, 10, 30), date(2025, 10, 31)]),
        (date(2025, 10, 31), None, [date(2025, 10, 31), date(2025, 11, 3)]),
        (date(2025, 11, 1), "BTO", [date(2025, 11, 3)]),
        (date(2025, 11, 1), "AMC", [date(2025, 10, 31), date(2025, 11, 3)]),
        (date(2025, 11, 27), "AMC", [date(2025, 11, 26), date(2025, 11, 28)]),
    ],
)
def test_a_report_takes_the_sessions_that_it_moves(day: date, time: str | None, expected: Sequence[date]) -> None:
    assert earnings_sessions(announced((day, time)), CALENDAR).collect()["session"].to_list() == expected


def test_reports_close_together_take_a_session_once() -> None:
    twice = announced((date(2025, 10, 30), "AMC"), (date(2025, 10, 31), "BTO"), (date(2025, 10, 30), "AMC"))
    assert earnings_sessions(twice, CALENDAR).collect()["session"].to_list() == [date(2025, 10, 30), date(2025, 10, 31)]


def test_what_the_calendar_does_not_reach_is_left_out() -> None:
    outside = announced((SESSIONS[0] - timedelta(9), "AMC"), (SESSIONS[-1] + timedelta(9), "BTO"))
    assert earnings_sessions(outside, CALENDAR).collect().is_empty()


def test_the_jump_at_a_report_is_left_out_and_counted() -> None:
    prices = np.array(closes())
    prices[-6:] *= 1.25  # a jump of 25% into the session after the report
    result = without(covered((SESSIONS[-7], "AMC")), bars({"AAPL": prices.tolist()}), 30)
    returns = np.diff(np.log(prices))[-30:]
    expected = np.std(np.delete(returns, [23, 24]), ddof=1) * math.sqrt(252)
    assert result["close_to_close_30_ex_earnings"] == pytest.approx(expected)
    assert result["earnings_sessions_left_out_30"] == 2
    assert np.std(returns, ddof=1) * math.sqrt(252) > 2 * expected


@settings(max_examples=examples(50))
@given(st.integers(0, 2**32 - 1), st.sets(st.integers(1, len(SESSIONS) - 1), min_size=1, max_size=6))
def test_it_equals_numpy_with_the_sessions_deleted_if_no_report_is_missing(seed: int, days: set[int]) -> None:
    prices = closes(seed)
    reports = [SESSIONS[day] for day in days]
    ahead = AS_OF + timedelta(30)
    result = without(announced(*((day, "BTO") for day in [*reports, ahead])), bars({"AAPL": prices}), 63)
    start = len(SESSIONS) - 63
    inside = sorted(day - start for day in days if day >= start)
    # By hand: a chain of reports that begins before the window, ends behind it and has no step above 120 days.
    steps = sorted([*reports, ahead])
    first = max((day for day in steps if day <= SESSIONS[start - 1]), default=None)
    chain = [] if first is None else steps[steps.index(first) :]
    if not chain or any((later - day).days > 120 for day, later in itertools.pairwise(chain)):
        assert result["close_to_close_63_ex_earnings_reason"] == "unknown_announcements"
        assert (result["close_to_close_63_ex_earnings"], result["earnings_sessions_left_out_63"]) == (None, None)
        return
    kept = np.delete(np.diff(np.log(prices))[-63:], inside)
    assert result["earnings_sessions_left_out_63"] == len(inside)
    assert result["close_to_close_63_ex_earnings"] == pytest.approx(np.std(kept, ddof=1) * math.sqrt(252))


@pytest.mark.parametrize(
    "reports",
    [
        [],
        [(AS_OF + timedelta(3), "AMC")],
        # The one before the window is known, the next one is not: another may lie between, today or tomorrow.
        [(SESSIONS[-40], "AMC")],
        # A report is missing between these: half a year.
        [(SESSIONS[-100], "AMC"), (AS_OF + timedelta(40), "AMC")],
    ],
)
def test_a_window_in_which_a_report_may_be_missing_has_no_figure(reports: Sequence[tuple[date, str]]) -> None:
    result = without(announced(*reports), bars({"AAPL": closes()}), 30)
    assert result["close_to_close_30_ex_earnings_reason"] == "unknown_announcements"
    assert (result["close_to_close_30_ex_earnings"], result["earnings_sessions_left_out_30"]) == (None, None)


def test_a_quarter_without_a_report_in_the_window_leaves_nothing_out() -> None:
    reports = announced((SESSIONS[-40], "AMC"), (AS_OF + timedelta(30), None))
    result = without(reports, bars({"AAPL": closes()}), 30)
    assert result["earnings_sessions_left_out_30"] == 0
    expected = np.std(np.diff(np.log(closes()))[-30:], ddof=1) * math.sqrt(252)
    assert result["close_to_close_30_ex_earnings"] == pytest.approx(expected)


def test_a_fund_reports_nothing() -> None:
    query = volatility_without_earnings(
        bars({"SPY": closes()}), CALENDAR, announced(), as_of=AS_OF, windows=[30], silent=["SPY"]
    )
    row = query.collect().row(0, named=True)
    assert (row["earnings_sessions_left_out_30"], row["close_to_close_30_ex_earnings_reason"]) == (0, None)
    assert row["close_to_close_30_ex_earnings"] is not None


def test_a_missing_bar_is_borne_by_a_window_and_two_are_a_gap() -> None:
    known = bars({"AAPL": closes()}).filter(pl.col("session") != SESSIONS[-8])
    assert without(covered((SESSIONS[-20], "AMC")), known, 30)["close_to_close_30_ex_earnings"] is not None
    fewer = known.filter(pl.col("session") != SESSIONS[-12])
    far = without(covered((SESSIONS[-20], "AMC")), fewer, 30)
    assert (far["close_to_close_30_ex_earnings"], far["close_to_close_30_ex_earnings_reason"]) == (None, "gap")
    # The returns into a missing session and out of it are those of a report after the close.
    near = without(covered((SESSIONS[-8], "AMC"), (SESSIONS[-12], "AMC")), fewer, 30)
    assert near["close_to_close_30_ex_earnings"] is not None
    old = known.filter(pl.col("session") < AS_OF)
    assert without(covered(), old, 30)["close_to_close_30_ex_earnings_reason"] == "not_current"


def test_fewer_than_two_returns_have_no_deviation() -> None:
    result = without(covered((SESSIONS[-2], "AMC")), bars({"AAPL": closes()}), 3)
    assert (result["close_to_close_3_ex_earnings"], result["close_to_close_3_ex_earnings_reason"]) == (None, "gap")


def test_another_symbols_reports_change_nothing() -> None:
    prices = bars({"AAPL": closes(), "MSFT": closes(2)})
    reports = pl.concat([covered((SESSIONS[-7], "AMC")), covered((SESSIONS[-9], "AMC"), symbol="MSFT")])
    alone = without(covered((SESSIONS[-7], "AMC")), bars({"AAPL": closes()}), 30)
    both = volatility_without_earnings(prices, CALENDAR, reports, as_of=AS_OF, windows=[30]).collect()
    assert both.filter(symbol="AAPL")["close_to_close_30_ex_earnings"].item() == pytest.approx(
        alone["close_to_close_30_ex_earnings"]
    )
