# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`trading_calendar`: XNYS sessions from exchange_calendars, with the broker's sessions and holidays over them.

Where the two differ, the broker's word wins: it knows an unscheduled closure on the day it is announced, the library
with its next release. Its silence does not: a day closes because the list of holidays names it, and not because the
list of sessions leaves it out. Such days are missing by name. Whatever the broker changes is named; where it changes
more than can be, the stored calendar stays: see `contradictions`.

The window is fixed for a year at a time, so that a calendar fetched again is the same calendar.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time
from typing import Final

import polars as pl

from ttapi_pipeline.client import MarketSession, TastytradeClient
from ttapi_pipeline.core.manifest import caution_facts, lost_facts
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.datasets.build import Build, rows_per_source
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.trading_calendar.broker_calendar import (
    BrokerCalendar,
    collect_broker_calendar,
    is_possible,
)
from ttapi_pipeline.datasets.trading_calendar.contradictions import (
    contradictions,
    require_few,
    without_doubtful_hours,
)
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

FIRST_DATE: Final = date(1990, 1, 1)
YEARS_AHEAD: Final = 6
"""SPX lists expirations five years out."""


_EARLY_CLOSE: Final = time(13, 0)
_LIBRARY: Final = "exchange_calendars"
_BROKER: Final = "broker"


def exchange_sessions(first: date, last: date) -> pl.DataFrame:
    """XNYS sessions by exchange_calendars: session, opens_at, closes_at, is_half_day."""
    # It brings pandas, 2 s of imports that a run without a due calendar does not need.
    import exchange_calendars  # noqa: PLC0415

    calendar = exchange_calendars.get_calendar("XNYS", start=first.isoformat(), end=last.isoformat())
    schedule = calendar.schedule
    return pl.DataFrame(
        {
            "session": schedule.index.to_numpy(),
            "opens_at": schedule["open"].dt.tz_localize(None).to_numpy(),
            "closes_at": schedule["close"].dt.tz_localize(None).to_numpy(),
        }
    ).select(
        pl.col("session").cast(pl.Date),
        pl.col("opens_at", "closes_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        is_half_day=pl.col("closes_at")
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(NEW_YORK.key)
        .dt.time()
        < time(16, 0),
    )


def trading_calendar_frame(exchange: pl.DataFrame, broker: BrokerCalendar, *, fetched_at: datetime) -> pl.DataFrame:
    """Merge both; a row's `source` is the broker where it changed what the library says.

    Raises:
        DataError: The broker contradicts the exchange about more than MOST_CONTRADICTIONS days in one way.
    """
    half_days = set(broker.holidays.half_days)
    announced = {each.session_date: each for each in broker.sessions}
    # The exchange's calendar decides about a holiday on which the broker itself names a session.
    doubtful = broker.both_open_and_closed
    holidays = set(broker.holidays.holidays) - doubtful
    rows = []
    for session, opens_at, closes_at, is_half_day in exchange.iter_rows():
        if session in holidays:
            continue
        row = (session, opens_at, closes_at, is_half_day)
        said = _said_by_broker(row, announced.get(session), is_half_day=session in half_days)
        rows.append((*said, _BROKER if said != row else _LIBRARY))
    known = set(exchange["session"].to_list())
    for session, each in announced.items():
        if session not in known | holidays | doubtful and each.open_at and each.close_at and is_possible(each):
            rows.append((session, each.open_at, each.close_at, _is_early(each.close_at), _BROKER))
    frame = pl.DataFrame(
        rows,
        schema={
            "session": pl.Date,
            "opens_at": UTC_DATETIME,
            "closes_at": UTC_DATETIME,
            "is_half_day": pl.Boolean,
            "source": pl.String,
        },
        orient="row",
    ).with_columns(fetched_at=pl.lit(fetched_at, UTC_DATETIME))
    require_few(exchange, frame, broker)
    return frame.sort("session")


_Row = tuple[date, datetime, datetime, bool]


def _said_by_broker(row: _Row, announced: MarketSession | None, *, is_half_day: bool) -> _Row:
    session, opens_at, closes_at, was_half_day = row
    if announced is not None and is_possible(announced):
        opens_at = (announced.open_at or opens_at).astimezone(UTC)
        closes_at = (announced.close_at or closes_at).astimezone(UTC)
    elif is_half_day and not was_half_day:
        closes_at = datetime.combine(session, _EARLY_CLOSE, NEW_YORK).astimezone(UTC)
    return session, opens_at, closes_at, _is_early(closes_at)


def _is_early(closes_at: datetime) -> bool:
    return closes_at.astimezone(NEW_YORK).time() < time(16, 0)


async def build_trading_calendar(client: TastytradeClient, *, now: datetime) -> Build:
    """Collect and merge; the window ends with the sixth year from now."""
    today = now.astimezone(NEW_YORK).date()
    exchange = exchange_sessions(FIRST_DATE, date(today.year + YEARS_AHEAD, 12, 31))
    broker, doubted = without_doubtful_hours(exchange, await collect_broker_calendar(client, today=today))
    frame = trading_calendar_frame(exchange, broker, fetched_at=now)
    sessions = exchange["session"].to_list()
    closures = sorted(set(sessions) - set(frame["session"].to_list()))
    unnamed = {
        day.isoformat(): "the broker names no session on this day and no holiday either; it stays a session"
        for day in broker.unnamed(sessions)
        if day not in closures
    }
    impossible = sum(not is_possible(each) for each in broker.sessions)
    return Build(
        frame=frame,
        missing={**broker.silent(), **unnamed},
        sources=rows_per_source(frame),
        statistics={
            "broker_first_date": broker.first.isoformat(),
            "broker_last_date": broker.last.isoformat(),
            "closed_by_broker": " ".join(day.isoformat() for day in closures),
            **caution_facts({**doubted, **contradictions(exchange, frame, broker, today=today)}),
            **lost_facts(broker.lost + Counter({"hours that cannot be": impossible})),
        },
        is_simulated=client.is_simulated,
    )


async def build(refresh: Refresh) -> Build:
    """Fetch the sessions around now and merge them into the exchange's."""
    async with refresh.connect() as client:
        return await build_trading_calendar(client, now=refresh.now)
