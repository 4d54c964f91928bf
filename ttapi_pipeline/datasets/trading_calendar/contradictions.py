# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Where the broker contradicts exchange_calendars about a day: each such day in a sentence, and how many are believed.

Days that the broker's list of sessions leaves out are silence and no contradiction: `build` names them as missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import msgspec
import polars as pl

from ttapi_pipeline.client import MarketSession
from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.datasets.trading_calendar.broker_calendar import BrokerCalendar, is_possible

MOST_CONTRADICTIONS: Final = 5
"""Days on which the broker may differ from the exchange's own calendar. The exchange closed unscheduled for four days
in 2001, two in 2012 and one at a time for days of mourning."""

_LIST: Final = "the broker's list of holidays"


def without_doubtful_hours(exchange: pl.DataFrame, broker: BrokerCalendar) -> tuple[BrokerCalendar, Mapping[str, str]]:
    """Leave the broker's hours out when they are others than the exchange's on more than MOST_CONTRADICTIONS days.

    Then they are hours of something else, such as of options on indices, and no early closes.

    Args:
        exchange: session, opens_at and closes_at by exchange_calendars.
        broker: What the broker says.

    Returns:
        The broker's calendar with the hours that are believed, and a caution where they are not.
    """
    hours = {session: (opens_at, closes_at) for session, opens_at, closes_at, *_ in exchange.iter_rows()}

    def has_others(said: MarketSession) -> bool:
        opens_at, closes_at = hours[said.session_date]
        return is_possible(said) and ((said.open_at or opens_at), (said.close_at or closes_at)) != (opens_at, closes_at)

    others = [each.session_date for each in broker.sessions if each.session_date in hours and has_others(each)]
    if len(others) <= MOST_CONTRADICTIONS:
        return broker, {}
    plain = [
        msgspec.structs.replace(each, open_at=None, close_at=None) if each.session_date in hours else each
        for each in broker.sessions
    ]
    said = f"the broker gives {len(others)} sessions other hours than exchange_calendars, {_some(others)}"
    return replace(broker, sessions=plain), {"hours": f"{said}; those of exchange_calendars stand"}


def contradictions(
    exchange: pl.DataFrame, merged: pl.DataFrame, broker: BrokerCalendar, *, today: date
) -> Mapping[str, str]:
    """A sentence for each day about which the broker contradicts the exchange, or itself, by the day's ISO date.

    Args:
        exchange: session, opens_at and closes_at by exchange_calendars.
        merged: The same as they will be stored.
        broker: What the broker says.
        today: In New York. Holidays that the broker's list leaves out are named from here on; more than
            MOST_CONTRADICTIONS of them in one sentence about the list.
    """
    known, kept = set(exchange["session"].to_list()), set(merged["session"].to_list())
    said = dict.fromkeys(known - kept, f"{_LIST} closes this day, a session by exchange_calendars; it is closed")
    said |= dict.fromkeys(
        kept - known, "the broker's list of sessions names this day, no session by exchange_calendars; it is a session"
    )
    said |= {
        day: f"the broker's hours are {theirs} and those of exchange_calendars {ours}; the broker's stand"
        for day, theirs, ours in _other_hours(exchange, merged)
    }
    said |= {
        day: f"{_LIST} closes this day and its list of sessions opens it; as by exchange_calendars it"
        f" {'is a session' if day in known else 'is closed'}"
        for day in broker.both_open_and_closed
    }
    named = {day.isoformat(): said[day] for day in sorted(said)}
    left_out = [day for day in _left_out_holidays(known | kept, broker) if day >= today]
    if len(left_out) > MOST_CONTRADICTIONS:
        count = f"{len(left_out)} days without a session by exchange_calendars"
        return {**named, "holidays": f"{_LIST} leaves out {count}, {_some(left_out)}; they are closed"}
    unnamed = f"{_LIST} leaves out this day, no session by exchange_calendars; it is closed"
    return {**named, **{day.isoformat(): unnamed for day in left_out}}


def require_few(exchange: pl.DataFrame, merged: pl.DataFrame, broker: BrokerCalendar) -> None:
    """Doubt a broker that contradicts the exchange about more days than can be.

    Args:
        exchange, merged, broker: As in `contradictions`.

    Raises:
        DataError: There are more than MOST_CONTRADICTIONS of one kind.
    """
    known, kept = set(exchange["session"].to_list()), set(merged["session"].to_list())
    contradicted: Mapping[str, Collection[date]] = {
        "sessions of exchange_calendars are closed by the broker's list of holidays": known - kept,
        "sessions of exchange_calendars are given other hours by the broker": [
            day for day, _, _ in _other_hours(exchange, merged)
        ],
        "sessions of exchange_calendars are left out of the broker's list of sessions": [
            day for day in broker.unnamed(sorted(known)) if day in kept
        ],
        "sessions of the broker are on days on which exchange_calendars has none": kept - known,
    }
    for how, days in contradicted.items():
        if len(days) > MOST_CONTRADICTIONS:
            raise DataError(
                f"trading_calendar: {len(days)} {how}, {_some(days)}; at most {MOST_CONTRADICTIONS} are believed,"
                " and the stored calendar stays as it was"
            )


def _other_hours(exchange: pl.DataFrame, merged: pl.DataFrame) -> Sequence[tuple[date, str, str]]:
    """The sessions of which the hours differ, with the broker's and the exchange's in New York."""
    hours = ("opens_at", "closes_at")
    both = merged.join(exchange.select("session", *hours), on="session", suffix="_by_exchange").sort("session")
    differ = both.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_by_exchange") for name in hours))
    return [
        (
            row["session"],
            _span(row["opens_at"], row["closes_at"]),
            _span(row["opens_at_by_exchange"], row["closes_at_by_exchange"]),
        )
        for row in differ.iter_rows(named=True)
    ]


def _left_out_holidays(sessions: set[date], broker: BrokerCalendar) -> Sequence[date]:
    """Weekdays without a session that the broker's list does not name, between the first and the last that it names."""
    holidays = sorted(broker.holidays.holidays)
    if not holidays:
        return []
    days = (holidays[0] + timedelta(days=after) for after in range((holidays[-1] - holidays[0]).days))
    return [day for day in days if day.weekday() < 5 and day not in sessions and day not in set(holidays)]


def _some(days: Iterable[date]) -> str:
    shown = sorted(days)
    return ", ".join(day.isoformat() for day in shown[:3]) + (" and others" if len(shown) > 3 else "")


def _span(opens_at: datetime, closes_at: datetime) -> str:
    return f"{opens_at.astimezone(NEW_YORK):%H:%M} to {closes_at.astimezone(NEW_YORK):%H:%M}"
