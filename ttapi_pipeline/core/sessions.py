# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""XNYS sessions from a packaged table: fast enough for a verdict and for the simulator.

The `trading_calendar` dataset is the authority for analytics; it comes from exchange_calendars and the broker. This
table is made from exchange_calendars too, and a test compares the two. It exists because importing that library takes
seconds.
"""

from __future__ import annotations

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")
FIRST_DATE: Final = date(1985, 1, 1)
LAST_DATE: Final = date(2035, 12, 31)

SETTLING_TIME: Final = timedelta(hours=4)
"""From the regular close to the end of extended trading, after which a daily bar no longer moves."""

_REGULAR: Final = (time(9, 30), time(16, 0))
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SessionHours:
    """The regular hours of one session, in UTC."""

    session: date
    opens_at: datetime
    closes_at: datetime
    is_half_day: bool

    @property
    def settles_at(self) -> datetime:
        """When extended trading ends: from then on, the session's bar is final."""
        return self.closes_at + SETTLING_TIME


@cache
def _exceptions() -> Mapping[date, tuple[time, time] | None]:
    """Opening and closing times of weekdays with other hours than the regular ones; None for a closed day."""
    text = files("ttapi_pipeline.core").joinpath("data/xnys.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        date.fromisoformat(row["date"]): (time.fromisoformat(row["open"]), time.fromisoformat(row["close"]))
        if row["open"]
        else None
        for row in rows
    }


@cache
def all_sessions() -> Sequence[date]:
    """Every session from FIRST_DATE to LAST_DATE, ascending."""
    closed = {day for day, hours in _exceptions().items() if hours is None}
    days = (FIRST_DATE + _DAY * offset for offset in range((LAST_DATE - FIRST_DATE).days + 1))
    return tuple(day for day in days if day.weekday() < 5 and day not in closed)


def is_session(day: date) -> bool:
    """Whether the exchange trades on that day."""
    _check(day)
    return day.weekday() < 5 and _exceptions().get(day, _REGULAR) is not None


def session_hours(session: date) -> SessionHours:
    """Opening and closing instants of a session.

    Raises:
        ValueError: That day is not a session.
    """
    _check(session)
    hours = _exceptions().get(session, _REGULAR) if session.weekday() < 5 else None
    if hours is None:
        raise ValueError(f"{session} is not an XNYS session")
    opens_at, closes_at = (datetime.combine(session, at, NEW_YORK).astimezone(UTC) for at in hours)
    return SessionHours(session, opens_at, closes_at, is_half_day=hours[1] < _REGULAR[1])


def sessions_between(first: date, last: date) -> Sequence[date]:
    """Sessions from `first` to `last`, both included, ascending."""
    sessions = all_sessions()
    return sessions[bisect_left(sessions, first) : bisect_right(sessions, last)]


def session_on_or_before(day: date) -> date:
    """The session that falls on that day, or the last one before it."""
    _check(day)
    sessions = all_sessions()
    return sessions[bisect_right(sessions, day) - 1]


def next_session(day: date) -> date:
    """The first session after that day."""
    _check(day)
    sessions = all_sessions()
    return sessions[bisect_right(sessions, day)]


def previous_session(day: date) -> date:
    """The last session before that day."""
    _check(day)
    sessions = all_sessions()
    return sessions[bisect_left(sessions, day) - 1]


def last_closed_session(now: datetime) -> SessionHours:
    """The newest session whose regular hours have ended at `now`."""
    hours = session_hours(session_on_or_before(now.astimezone(NEW_YORK).date()))
    return hours if hours.closes_at <= now else session_hours(previous_session(hours.session))


def last_settled_session(now: datetime) -> SessionHours:
    """The newest session whose extended hours have ended at `now`: its daily bars are final."""
    hours = session_hours(session_on_or_before(now.astimezone(NEW_YORK).date()))
    return hours if hours.settles_at <= now else session_hours(previous_session(hours.session))


def session_under_way(now: datetime) -> date | None:
    """The session of the exchange's present date, while its daily bar moves or is yet to come; None on other days."""
    today = now.astimezone(NEW_YORK).date()
    return today if is_session(today) and now < session_hours(today).settles_at else None


def _check(day: date) -> None:
    if not FIRST_DATE + _DAY * 7 <= day <= LAST_DATE - _DAY * 7:
        raise ValueError(f"{day} is outside of the packaged XNYS table, {FIRST_DATE} to {LAST_DATE}")
