# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`trading_calendar`: what the broker says over what the library knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import exchange_calendars
import polars as pl
import pytest

from ttapi_pipeline.client import MarketHolidays, MarketSession
from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.core.sessions import session_hours, sessions_between
from ttapi_pipeline.datasets.trading_calendar.broker_calendar import BrokerCalendar
from ttapi_pipeline.datasets.trading_calendar.build import (
    build_trading_calendar,
    exchange_sessions,
    trading_calendar_frame,
)
from ttapi_pipeline.datasets.trading_calendar.contradictions import (
    MOST_CONTRADICTIONS,
    contradictions,
    without_doubtful_hours,
)
from ttapi_pipeline.storage.hashing import data_version

FIRST, LAST = date(2026, 11, 2), date(2026, 12, 31)


def announced(days: Sequence[date], **changes: datetime) -> list[MarketSession]:
    """The broker's sessions, with the regular hours unless `changes` says otherwise, by ISO date with underscores."""
    hours = [session_hours(day) for day in days]
    return [
        MarketSession(
            session_date=each.session,
            open_at=each.opens_at,
            close_at=changes.get(f"close_{each.session:%Y_%m_%d}", each.closes_at),
        )
        for each in hours
    ]


def merged(
    exchange: pl.DataFrame,
    sessions: Sequence[MarketSession] = (),
    *,
    holidays: Sequence[date] = (),
    half_days: Sequence[date] = (),
) -> pl.DataFrame:
    broker = BrokerCalendar(FIRST, LAST, sessions, MarketHolidays(holidays=tuple(holidays), half_days=tuple(half_days)))
    return trading_calendar_frame(exchange, broker, fetched_at=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def exchange() -> pl.DataFrame:
    return exchange_sessions(FIRST, LAST)


def test_a_broker_that_agrees_changes_nothing(exchange: pl.DataFrame) -> None:
    frame = merged(exchange, announced(sessions_between(FIRST, LAST)))
    assert frame["session"].to_list() == list(sessions_between(FIRST, LAST))
    assert set(frame["source"]) == {"exchange_calendars"}


def test_the_day_after_thanksgiving_closes_at_one_in_new_york(exchange: pl.DataFrame) -> None:
    row = merged(exchange).row(by_predicate=pl.col("session") == date(2026, 11, 27), named=True)
    assert row["is_half_day"]
    assert row["closes_at"] == datetime(2026, 11, 27, 18, 0, tzinfo=UTC)


def test_a_day_that_the_broker_s_list_of_holidays_closes_is_no_session(exchange: pl.DataFrame) -> None:
    closed = date(2026, 12, 9)
    named = [day for day in sessions_between(FIRST, LAST) if day != closed]
    for sessions in ([], announced(named)):
        frame = merged(exchange, sessions, holidays=[closed])
        assert closed not in frame["session"].to_list()
        assert frame.height == exchange.height - 1


def test_silence_closes_no_day(exchange: pl.DataFrame) -> None:
    frame = merged(exchange, announced([day for day in sessions_between(FIRST, LAST) if day != date(2026, 12, 9)]))
    assert frame["session"].to_list() == exchange["session"].to_list()
    assert set(frame["source"]) == {"exchange_calendars"}


def test_a_holiday_on_which_the_broker_itself_names_hours_is_a_session(exchange: pl.DataFrame) -> None:
    frame = merged(exchange, announced(sessions_between(FIRST, LAST)), holidays=[date(2026, 12, 9)])
    assert frame.height == exchange.height


@pytest.mark.parametrize("through", ["holidays", "half_days", "sessions"])
def test_a_broker_that_contradicts_the_exchange_about_many_days_is_not_believed(
    exchange: pl.DataFrame, through: str
) -> None:
    days = sessions_between(date(2026, 12, 7), date(2026, 12, 18))
    five, six = days[:MOST_CONTRADICTIONS], days[: MOST_CONTRADICTIONS + 1]

    def merge(contradicted: Sequence[date]) -> pl.DataFrame:
        if through == "sessions":
            named = [day for day in sessions_between(FIRST, LAST) if day not in contradicted]
            return merged(exchange, announced(named))
        if through == "holidays":
            return merged(exchange, holidays=contradicted)
        return merged(exchange, half_days=contradicted)

    assert merge(five).height == exchange.height - (5 if through == "holidays" else 0)
    with pytest.raises(DataError, match=r"6 sessions of exchange_calendars are .*, 2026-12-07, 2026-12-08, 2026-12-09"):
        merge(six)


def test_hours_that_cannot_be_are_not_believed(exchange: pl.DataFrame) -> None:
    backwards = datetime(2026, 12, 9, 14, 0, tzinfo=UTC)
    another_day = datetime(2026, 12, 11, 21, 0, tzinfo=UTC)
    sessions = announced(sessions_between(FIRST, LAST), close_2026_12_09=backwards, close_2026_12_10=another_day)
    assert merged(exchange, sessions).equals(merged(exchange))


def test_days_beyond_what_the_broker_names_stay_sessions(exchange: pl.DataFrame) -> None:
    frame = merged(exchange, announced(sessions_between(date(2026, 11, 16), date(2026, 11, 20))))
    assert frame.height == exchange.height


def test_a_half_day_that_the_broker_adds_closes_early(exchange: pl.DataFrame) -> None:
    day = date(2026, 12, 31)
    row = merged(exchange, half_days=[day]).row(by_predicate=pl.col("session") == day, named=True)
    assert (row["is_half_day"], row["source"]) == (True, "broker")
    assert row["closes_at"] == datetime(2026, 12, 31, 18, 0, tzinfo=UTC)


def test_hours_that_the_broker_changes_are_the_broker_s(exchange: pl.DataFrame) -> None:
    early = datetime(2026, 12, 9, 19, 0, tzinfo=UTC)
    frame = merged(exchange, announced(sessions_between(FIRST, LAST), close_2026_12_09=early))
    (row,) = frame.filter(pl.col("source") == "broker").rows(named=True)
    assert (row["session"], row["closes_at"], row["is_half_day"]) == (date(2026, 12, 9), early, True)


def test_a_session_without_a_close_keeps_the_known_one(exchange: pl.DataFrame) -> None:
    sessions = [MarketSession(session_date=day) for day in sessions_between(FIRST, LAST)]
    assert merged(exchange, sessions).equals(merged(exchange))


def test_an_extra_session_needs_its_hours_from_the_broker(exchange: pl.DataFrame) -> None:
    saturday, sunday = date(2026, 12, 12), date(2026, 12, 13)
    opens_at = datetime(2026, 12, 12, 14, 30, tzinfo=UTC)
    extra = [
        MarketSession(session_date=saturday, open_at=opens_at, close_at=opens_at + timedelta(hours=6.5)),
        MarketSession(session_date=sunday),
    ]
    frame = merged(exchange, [*announced(sessions_between(FIRST, LAST)), *extra])
    assert frame.height == exchange.height + 1
    row = frame.row(by_predicate=pl.col("session") == saturday, named=True)
    assert (row["source"], row["is_half_day"]) == ("broker", False)


async def test_fetched_again_a_day_later_it_is_the_same_calendar(fake_client: Callable[..., SimpleNamespace]) -> None:
    def sessions(first: date, last: date) -> list[MarketSession]:
        return announced(sessions_between(first, last))

    client: Any = fake_client(market_sessions=sessions, market_holidays=MarketHolidays())
    monday = datetime(2026, 11, 16, 15, tzinfo=UTC)
    builds = [await build_trading_calendar(client, now=monday + timedelta(days=days)) for days in (0, 1)]
    frames = [build.frame.lazy().collect() for build in builds]
    assert data_version(frames[0]) == data_version(frames[1])
    assert builds[0].statistics["closed_by_broker"] == ""
    assert builds[0].sources == {"exchange_calendars": frames[0].height}
    # Independent of our packaged table: the library itself, six years on.
    xnys = exchange_calendars.get_calendar("XNYS", start="1990-01-01", end="2032-12-31")
    assert frames[0]["session"].to_list() == [stamp.date() for stamp in xnys.sessions]


def said_of(
    exchange: pl.DataFrame,
    sessions: Sequence[MarketSession] = (),
    *,
    holidays: Sequence[date] = (),
    half_days: Sequence[date] = (),
) -> dict[str, str]:
    holidays_and_halves = MarketHolidays(holidays=tuple(holidays), half_days=tuple(half_days))
    broker = BrokerCalendar(FIRST, LAST, sessions, holidays_and_halves)
    frame = trading_calendar_frame(exchange, broker, fetched_at=datetime(2026, 11, 1, tzinfo=UTC))
    return dict(contradictions(exchange, frame, broker, today=date(2026, 11, 20)))


def test_each_way_to_contradict_the_exchange_is_named_by_its_day(exchange: pl.DataFrame) -> None:
    days = sessions_between(FIRST, LAST)
    agreed = [date(2026, 11, 26), date(2026, 12, 25)]
    assert said_of(exchange, announced(days), holidays=agreed, half_days=[date(2026, 11, 27)]) == {}
    saturday = datetime(2026, 12, 12, 14, 30, tzinfo=UTC)
    early = datetime(2026, 12, 11, 19, 0, tzinfo=UTC)
    extra = MarketSession(session_date=date(2026, 12, 12), open_at=saturday, close_at=saturday + timedelta(hours=6.5))
    named = [day for day in days if day not in {date(2026, 12, 9), date(2026, 12, 10)}]
    sessions = [*announced(named, close_2026_12_11=early), extra]
    said = said_of(
        exchange, sessions, holidays=[*agreed, date(2026, 12, 8), date(2026, 12, 9)], half_days=[date(2026, 12, 10)]
    )
    listed = "the broker's list of holidays closes this day"
    theirs, ours = (
        "the broker's hours are 09:30 to",
        "and those of exchange_calendars 09:30 to 16:00; the broker's stand",
    )
    assert said == {
        "2026-12-08": f"{listed} and its list of sessions opens it; as by exchange_calendars it is a session",
        "2026-12-09": f"{listed}, a session by exchange_calendars; it is closed",
        "2026-12-10": f"{theirs} 13:00 {ours}",
        "2026-12-11": f"{theirs} 14:00 {ours}",
        "2026-12-12": "the broker's list of sessions names this day, no session by exchange_calendars; it is a session",
    }


def test_a_holiday_of_the_exchange_on_which_the_broker_contradicts_itself_stays_closed(exchange: pl.DataFrame) -> None:
    christmas, at = date(2026, 12, 25), datetime(2026, 12, 25, 14, 30, tzinfo=UTC)
    opened = MarketSession(session_date=christmas, open_at=at, close_at=at + timedelta(hours=6.5))
    sessions = [*announced(sessions_between(FIRST, LAST)), opened]
    assert merged(exchange, sessions, holidays=[christmas]).height == exchange.height
    assert list(said_of(exchange, sessions, holidays=[christmas])) == ["2026-12-25"]


def test_holidays_that_the_broker_s_list_leaves_out_are_named_from_today_on_or_counted() -> None:
    # Thanksgiving, New Year's Day, King's and Presidents' Day, Good Friday and Memorial Day lie between the first and
    # the last holiday of the list, by the rules of the NYSE; what is past, or after the list, is not named.
    exchange = exchange_sessions(date(2026, 9, 1), date(2027, 12, 31))
    listed = [date(2026, 9, 7), date(2026, 12, 25), date(2027, 6, 18)]
    said = said_of(exchange, holidays=listed)
    assert said == {
        "holidays": "the broker's list of holidays leaves out 6 days without a session by exchange_calendars,"
        " 2026-11-26, 2027-01-01, 2027-01-18 and others; they are closed"
    }
    few = said_of(exchange, holidays=[*listed, date(2026, 11, 26)])
    assert list(few) == ["2027-01-01", "2027-01-18", "2027-02-15", "2027-03-26", "2027-05-31"]
    assert set(few.values()) == {
        "the broker's list of holidays leaves out this day, no session by exchange_calendars; it is closed"
    }


def test_a_broker_that_opens_many_days_of_its_own_is_not_believed(exchange: pl.DataFrame) -> None:
    saturdays = [date(2026, 11, 7) + timedelta(weeks=weeks) for weeks in range(MOST_CONTRADICTIONS + 1)]
    opens = [datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC) for day in saturdays]
    extra = [
        MarketSession(session_date=day, open_at=at, close_at=at + timedelta(hours=6.5))
        for day, at in zip(saturdays, opens, strict=True)
    ]
    own = announced(sessions_between(FIRST, LAST))
    assert merged(exchange, [*own, *extra[:-1]]).height == exchange.height + MOST_CONTRADICTIONS
    with pytest.raises(DataError, match="6 sessions of the broker are on days on which exchange_calendars has none, "):
        merged(exchange, [*own, *extra])


def test_hours_that_are_others_on_many_days_are_left_out_and_told(exchange: pl.DataFrame) -> None:
    days = sessions_between(FIRST, LAST)
    # Until 16:15, as options on broad indices are traded.
    later = {f"close_{day:%Y_%m_%d}": session_hours(day).closes_at + timedelta(minutes=15) for day in days}
    plain = MarketHolidays()
    few = BrokerCalendar(FIRST, LAST, announced(days, **dict(list(later.items())[:MOST_CONTRADICTIONS])), plain)
    assert without_doubtful_hours(exchange, few) == (few, {})
    many, said = without_doubtful_hours(exchange, BrokerCalendar(FIRST, LAST, announced(days, **later), plain))
    assert said == {
        "hours": f"the broker gives {len(days)} sessions other hours than exchange_calendars, "
        f"{', '.join(day.isoformat() for day in days[:3])} and others; those of exchange_calendars stand"
    }
    frame = trading_calendar_frame(exchange, many, fetched_at=datetime(2026, 11, 1, tzinfo=UTC))
    assert frame.equals(merged(exchange))
