# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The packaged XNYS table against exchange_calendars, and the questions asked of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import exchange_calendars
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.sessions import (
    FIRST_DATE,
    LAST_DATE,
    SETTLING_TIME,
    all_sessions,
    is_session,
    last_closed_session,
    last_settled_session,
    next_session,
    previous_session,
    session_hours,
    session_on_or_before,
    sessions_between,
)

DAYS = st.dates(FIRST_DATE + timedelta(8), LAST_DATE - timedelta(16))


@pytest.mark.filterwarnings("ignore:Series.values returning:DeprecationWarning")  # exchange_calendars under pandas 3
def test_the_table_equals_exchange_calendars_over_its_whole_range() -> None:
    calendar = exchange_calendars.get_calendar("XNYS", start=str(FIRST_DATE), end=str(LAST_DATE))
    days = [at.date() for at in calendar.sessions]
    opens, closes = (list(pd.DatetimeIndex(times).to_pydatetime()) for times in (calendar.opens, calendar.closes))
    expected = list(zip(days, opens, closes, strict=True))
    assert list(all_sessions()) == [session for session, _, _ in expected]
    edge = timedelta(7)
    inside = [row for row in expected if FIRST_DATE + edge <= row[0] <= LAST_DATE - edge]
    hours = [session_hours(session) for session, _, _ in inside]
    assert [(row.session, row.opens_at, row.closes_at) for row in hours] == inside


@pytest.mark.parametrize(
    "day", [date(2001, 9, 11), date(2012, 10, 29), date(2018, 12, 5), date(2025, 1, 9), date(2026, 7, 3)]
)
def test_unscheduled_closures_and_observed_holidays_are_no_sessions(day: date) -> None:
    assert not is_session(day)
    with pytest.raises(ValueError, match="is not an XNYS session"):
        session_hours(day)


def test_hours_are_in_utc_and_follow_daylight_saving() -> None:
    winter, summer = session_hours(date(2026, 1, 5)), session_hours(date(2026, 7, 6))
    assert (winter.opens_at, winter.closes_at) == (
        datetime(2026, 1, 5, 14, 30, tzinfo=UTC),
        datetime(2026, 1, 5, 21, 0, tzinfo=UTC),
    )
    assert summer.opens_at == datetime(2026, 7, 6, 13, 30, tzinfo=UTC)
    assert not winter.is_half_day


def test_the_day_after_thanksgiving_is_a_half_day() -> None:
    friday = session_hours(date(2026, 11, 27))
    assert friday.is_half_day
    assert friday.closes_at == datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    assert friday.settles_at == friday.closes_at + SETTLING_TIME


@given(DAYS)
def test_neighbours_agree_with_a_walk_from_day_to_day(day: date) -> None:
    def walk(start: date, step: int) -> date:
        while not is_session(start):
            start += timedelta(step)
        return start

    assert session_on_or_before(day) == walk(day, -1)
    assert previous_session(day) == walk(day - timedelta(1), -1)
    assert next_session(day) == walk(day + timedelta(1), 1)


@given(DAYS, st.integers(0, 40))
def test_sessions_between_two_days_include_both(first: date, length: int) -> None:
    last = min(first + timedelta(length), LAST_DATE - timedelta(8))
    days = (first + timedelta(n) for n in range((last - first).days + 1))
    assert list(sessions_between(first, last)) == [day for day in days if is_session(day)]


def test_between_a_later_and_an_earlier_day_there_is_none() -> None:
    assert list(sessions_between(date(2026, 1, 9), date(2026, 1, 5))) == []


@pytest.mark.parametrize(
    ("now", "closed", "settled"),
    [
        # Friday 2026-01-09 closed at 21:00 UTC, its extended trading ended at 01:00 UTC.
        (datetime(2026, 1, 9, 20, 59, 59, tzinfo=UTC), date(2026, 1, 8), date(2026, 1, 8)),
        (datetime(2026, 1, 9, 21, 0, tzinfo=UTC), date(2026, 1, 9), date(2026, 1, 8)),
        (datetime(2026, 1, 10, 0, 59, 59, tzinfo=UTC), date(2026, 1, 9), date(2026, 1, 8)),
        (datetime(2026, 1, 10, 1, 0, tzinfo=UTC), date(2026, 1, 9), date(2026, 1, 9)),
        (datetime(2026, 1, 12, 14, 0, tzinfo=UTC), date(2026, 1, 9), date(2026, 1, 9)),
    ],
)
def test_a_session_is_closed_and_then_settled(now: datetime, closed: date, settled: date) -> None:
    assert last_closed_session(now).session == closed
    assert last_settled_session(now).session == settled


@pytest.mark.parametrize("day", [FIRST_DATE, LAST_DATE, date(1900, 1, 1)])
def test_a_day_outside_of_the_table_is_an_error(day: date) -> None:
    for question in (is_session, session_hours, session_on_or_before, next_session, previous_session):
        with pytest.raises(ValueError, match="outside of the packaged XNYS table"):
            question(day)
