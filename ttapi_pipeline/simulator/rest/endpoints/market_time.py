# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/market-time`: sessions, their state now, and holidays. The calendar is in `core.sessions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from ttapi_pipeline.core.sessions import (
    FIRST_DATE,
    LAST_DATE,
    NEW_YORK,
    is_session,
    next_session,
    previous_session,
    session_hours,
    sessions_between,
)
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import Answer, Call, Row, instant, invalid, listing, not_found, single

COLLECTIONS: Final = ("Equity", "CME", "CFE")

_MARGIN: Final = timedelta(days=14)
_EARLIEST: Final = FIRST_DATE + _MARGIN
_LATEST: Final = LAST_DATE - _MARGIN
_MOST_MONTHS: Final = 9


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a session in one collection, UTC; extended hours start before and end after the regular ones."""

    session: date
    starts_at: datetime
    opens_at: datetime
    closes_at: datetime
    ends_at: datetime


def hours(collection: str, session: date) -> Hours:
    """The hours of a session: equities by the exchange, futures as CME and CFE have them on the same days."""
    regular = session_hours(session)
    match collection:
        case "CME":
            # Globex: from 18:00 New York time of the evening before, to 17:00, 13:00 on half days.
            opens_at = _new_york(session - timedelta(days=1), time(18))
            closes_at = _new_york(session, time(13) if regular.is_half_day else time(17))
            return Hours(session, opens_at, opens_at, closes_at, closes_at)
        case "CFE":
            closes_at = regular.closes_at + timedelta(minutes=15)
            return Hours(session, regular.opens_at, regular.opens_at, closes_at, closes_at)
        case _:
            return Hours(
                session,
                _new_york(session, time(8, 15)),
                regular.opens_at,
                regular.closes_at,
                _new_york(session, time(17) if regular.is_half_day else time(20)),
            )


def routes() -> Sequence[Route]:
    """All routes of `/market-time`."""
    return (
        Route("GET", "/market-time/sessions", _sessions),
        Route("GET", "/market-time/sessions/current", _current),
        Route("GET", "/market-time/equities/sessions/current", _current_equities),
        Route("GET", "/market-time/equities/sessions/next", _next),
        Route("GET", "/market-time/equities/sessions/previous", _previous),
        Route("GET", "/market-time/equities/holidays", _holidays),
        Route("GET", "/market-time/futures/sessions/current", _current_futures),
        Route("GET", "/market-time/futures/sessions/current/{collection}", _current_future),
        Route("GET", "/market-time/futures/sessions/next/{collection}", _next),
        Route("GET", "/market-time/futures/sessions/previous/{collection}", _previous),
        Route("GET", "/market-time/futures/holidays/{collection}", _holidays),
    )


def _sessions(call: Call) -> Answer:
    collection = _collection(call.query.text("instrument-collection") or "Equity", "instrument-collection")
    first, last = _required_day(call, "from-date"), _required_day(call, "to-date")
    if last < first:
        raise invalid("to-date", "must not be before from-date")
    if last > _plus_months(first, _MOST_MONTHS):
        raise invalid("to-date", f"must be within {_MOST_MONTHS} months of from-date")
    days = sessions_between(max(first, _EARLIEST), min(last, _LATEST))
    return listing(call, [_snapshot(collection, hours(collection, day)) for day in days])


def _current(call: Call) -> Answer:
    names = call.query.strings("instrument-collections")
    if not names:
        raise invalid("instrument-collections", "is missing")
    return listing(call, [_state(_collection(name, "instrument-collections"), call.now) for name in names])


def _current_equities(call: Call) -> Answer:
    return single(call, _state("Equity", call.query.instant("current-time") or call.now))


def _current_futures(call: Call) -> Answer:
    return listing(call, [_state(collection, call.now) for collection in ("CME", "CFE")])


def _current_future(call: Call) -> Answer:
    return single(call, _state(_path_collection(call), call.now))


def _next(call: Call) -> Answer:
    collection = _path_collection(call)
    return single(call, _snapshot(collection, hours(collection, next_session(_day(call)))))


def _previous(call: Call) -> Answer:
    collection = _path_collection(call)
    return single(call, _snapshot(collection, hours(collection, previous_session(_day(call)))))


def _holidays(call: Call) -> Answer:
    _path_collection(call)
    year = min(max(_new_york_date(call.now).year, _EARLIEST.year), _LATEST.year)
    first = max(date(year, 1, 1), _EARLIEST)
    last = min(date(year + 1, 12, 31), _LATEST)
    weekdays = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    data = {
        "market-holidays": [day.isoformat() for day in weekdays if day.weekday() < 5 and not is_session(day)],
        "market-half-days": [
            day.isoformat() for day in sessions_between(first, last) if session_hours(day).is_half_day
        ],
    }
    return single(call, data)


def _state(collection: str, now: datetime) -> Row:
    """The state now. Overnight it has the times of the coming session, on a closed day it has none."""
    if not _EARLIEST <= _new_york_date(now) <= _LATEST:
        raise invalid("current-time", "is out of range")
    today = _new_york_date(now)
    before = previous_session(today)
    coming = hours(collection, today if is_session(today) else next_session(today))
    if coming.ends_at <= now:
        before, coming = coming.session, hours(collection, next_session(coming.session))
    state = "Closed"
    if coming.opens_at <= now < coming.closes_at:
        state = "Open"
    elif coming.starts_at <= now < coming.opens_at:
        state = "Pre-market"
    elif coming.closes_at <= now < coming.ends_at:
        state = "Extended"
    row: Row = {"instrument-collection": collection, "state": state}
    following = next_session(coming.session)
    if state != "Closed" or is_session(today):
        row.update(_times(coming))
    else:
        following = coming.session
    row["next-session"] = _snapshot(collection, hours(collection, following))
    row["previous-session"] = _snapshot(collection, hours(collection, before))
    return row


def _snapshot(collection: str, at: Hours) -> Row:
    return {"instrument-collection": collection, "session-date": at.session.isoformat(), **_times(at)}


def _times(at: Hours) -> Row:
    return {
        "start-at": instant(at.starts_at),
        "open-at": instant(at.opens_at),
        "close-at": instant(at.closes_at),
        "close-at-ext": instant(at.ends_at),
    }


def _collection(name: str, domain: str) -> str:
    if name not in COLLECTIONS:
        raise invalid(domain, f"must be one of {', '.join(COLLECTIONS)}")
    return name


def _path_collection(call: Call) -> str:
    name = call.params.get("collection", "Equity")
    if name not in COLLECTIONS:
        raise not_found("this instrument collection")
    return name


def _required_day(call: Call, name: str) -> date:
    call.query.required(name)
    day = call.query.day(name)
    if day is None or not date(1900, 1, 1) <= day <= date(2200, 1, 1):
        raise invalid(name, "is out of range")
    return day


def _day(call: Call) -> date:
    day = call.query.day("date") or _new_york_date(call.now)
    if not _EARLIEST <= day <= _LATEST:
        raise invalid("date", "is out of range")
    return day


def _plus_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def _new_york(day: date, at: time) -> datetime:
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


def _new_york_date(now: datetime) -> date:
    return now.astimezone(NEW_YORK).date()
