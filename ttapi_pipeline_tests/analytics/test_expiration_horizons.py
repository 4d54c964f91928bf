# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Distances to expirations, in calendar days and in sessions."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.horizons import expiration_horizons
from ttapi_pipeline.core.sessions import is_session, sessions_between
from ttapi_pipeline_tests.support.examples import examples

CALENDAR = pl.LazyFrame({"session": sessions_between(date(2010, 1, 4), date(2013, 12, 31))})
AS_OF = date(2012, 6, 29)


def expirations(*days: date | None, settlement: str = "PM") -> pl.LazyFrame:
    return pl.LazyFrame(
        {"symbol": "SPX", "expiration_date": days, "settlement_type": settlement},
        schema={"symbol": pl.String, "expiration_date": pl.Date, "settlement_type": pl.String},
    )


def test_sessions_are_counted_after_the_as_of_session_up_to_the_expiration() -> None:
    # Friday 2012-01-13; the 16th was a holiday, the 20th the monthly expiration.
    row = (
        expiration_horizons(expirations(date(2012, 1, 20)), CALENDAR, as_of=date(2012, 1, 13))
        .collect()
        .row(0, named=True)
    )
    assert (row["dte"], row["horizon_sessions"]) == (7, 4)


def test_an_expiration_on_a_closed_day_counts_up_to_the_last_session_before_it() -> None:
    # Monthly options of 2012 expired on Saturdays; hurricane Sandy closed the 29th and the 30th of October.
    days = [date(2012, 10, 20), date(2012, 10, 30), date(2012, 10, 31)]
    result = expiration_horizons(expirations(*days), CALENDAR, as_of=date(2012, 10, 19)).collect()
    assert result["dte"].to_list() == [1, 11, 12]
    assert result["horizon_sessions"].to_list() == [0, 5, 6]


def test_an_as_of_day_that_is_no_session_stands_for_the_one_before() -> None:
    result = expiration_horizons(expirations(date(2012, 1, 20)), CALENDAR, as_of=date(2012, 1, 15)).collect()
    assert result["as_of_session"].to_list() == [date(2012, 1, 13)]
    assert (result["dte"].item(), result["horizon_sessions"].item()) == (7, 4)


def test_an_expiration_today_or_in_the_past_has_no_session_left() -> None:
    result = expiration_horizons(expirations(AS_OF, AS_OF - timedelta(3)), CALENDAR, as_of=AS_OF).collect()
    assert result["dte"].to_list() == [0, -3]
    assert result["horizon_sessions"].to_list() == [0, 0]


def test_an_expiration_beyond_the_calendar_has_an_unknown_number_of_sessions() -> None:
    result = expiration_horizons(expirations(date(2014, 1, 17), None), CALENDAR, as_of=AS_OF).collect()
    assert result["horizon_sessions"].to_list() == [None, None]
    assert result["dte"].to_list() == [(date(2014, 1, 17) - AS_OF).days, None]


def test_a_day_before_the_calendar_counts_nothing() -> None:
    row = expiration_horizons(expirations(AS_OF), CALENDAR, as_of=date(2009, 1, 2)).collect().row(0, named=True)
    assert (row["as_of_session"], row["dte"], row["horizon_sessions"]) == (None, None, None)


def test_morning_settlement_is_marked_and_changes_no_count() -> None:
    both = pl.concat([expirations(date(2012, 7, 20), settlement=kind) for kind in ("AM", "PM")])
    result = expiration_horizons(both, CALENDAR, as_of=AS_OF).collect()
    assert result["is_settled_at_open"].to_list() == [True, False]
    assert result["horizon_sessions"].n_unique() == 1


def test_rows_and_their_order_stay_and_the_types_are_small() -> None:
    days = [date(2012, 12, 21), date(2012, 7, 20), date(2012, 7, 20), date(2012, 9, 21)]
    frame = expirations(*days)
    result = expiration_horizons(frame, CALENDAR, as_of=AS_OF).collect()
    assert result.select("symbol", "expiration_date", "settlement_type").equals(frame.collect())
    assert dict(result.schema) == dict(frame.collect_schema()) | {
        "as_of_session": pl.Date(),
        "dte": pl.Int32(),
        "horizon_sessions": pl.Int32(),
        "is_settled_at_open": pl.Boolean(),
    }


@settings(max_examples=examples(50))
@given(st.dates(date(2010, 1, 4), date(2012, 12, 31)), st.integers(0, 365))
def test_the_count_equals_a_walk_from_day_to_day(as_of: date, ahead: int) -> None:
    origin = max(day for day in (as_of - timedelta(n) for n in range(7)) if is_session(day))
    expiration = as_of + timedelta(ahead)
    walked = sum(is_session(origin + timedelta(n)) for n in range(1, (expiration - origin).days + 1))
    result = expiration_horizons(expirations(expiration), CALENDAR, as_of=as_of).collect()
    assert result["horizon_sessions"].to_list() == [walked]
