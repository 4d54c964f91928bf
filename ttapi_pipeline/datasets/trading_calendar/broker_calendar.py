# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The broker's sessions and holidays as they came, and what is missing of them.

How they compare with the exchange's own calendar: see `contradictions`. Their merge: see `build`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from ttapi_pipeline.client import (
    MarketHolidays,
    MarketSession,
    TastytradeClient,
    Window,
    lost_in,
    rejected_in,
    windows_of,
)
from ttapi_pipeline.core.sessions import NEW_YORK

LONGEST_SESSION: Final = timedelta(hours=7)
"""The longest regular session lasts six and a half hours."""


@dataclass(frozen=True, slots=True)
class BrokerCalendar:
    """What the broker says of the days from `first` to `last`.

    Attributes:
        first: The first day that was asked for.
        last: The last one.
        sessions: The sessions that were named.
        holidays: The holidays and half days that were announced.
        windows: How each request for sessions was answered; one window is assumed where there is none.
        rejected: (name, reason) of the rows that could not be read.
    """

    first: date
    last: date
    sessions: Sequence[MarketSession]
    holidays: MarketHolidays
    windows: Sequence[Window] = ()
    rejected: Sequence[tuple[str, str]] = ()

    @property
    def lost(self) -> Counter[str]:
        """How often each field of the answers was there and could not be read."""
        return lost_in([*self.sessions, self.holidays])

    @property
    def both_open_and_closed(self) -> frozenset[date]:
        """The days that its list of holidays closes and its list of sessions opens."""
        with_hours = {each.session_date for each in self.sessions if each.open_at and each.close_at}
        return frozenset(with_hours.intersection(self.holidays.holidays))

    def unnamed(self, exchange: Iterable[date]) -> Sequence[date]:
        """Sessions of the exchange that the broker left out between two that it named, in windows that are evidence."""
        named = sorted(each.session_date for each in self.sessions)
        left_out = []
        for window in self.windows or [Window(self.first, self.last, named=len(named), unread=0)]:
            inside = [day for day in named if window.first <= day <= window.last]
            if inside and window.is_evidence:
                left_out += [day for day in exchange if inside[0] < day < inside[-1] and day not in set(inside)]
        return left_out

    def silent(self) -> Mapping[str, str]:
        """The windows that name no session, and the rows that could not be read, with the reason for each."""
        empty = {
            f"{window.first} to {window.last}": "no session came for this window; the exchange's own calendar stands"
            for window in self.windows
            if not window.named
        }
        return {**empty, **dict(self.rejected)}


def is_possible(announced: MarketSession) -> bool:
    """Whether the hours are those of one session on its own day; an hour that is not there contradicts nothing."""
    opens_at, closes_at = announced.open_at, announced.close_at
    days = {each.astimezone(NEW_YORK).date() for each in (opens_at, closes_at) if each is not None}
    if days - {announced.session_date}:
        return False
    return opens_at is None or closes_at is None or timedelta(0) < closes_at - opens_at <= LONGEST_SESSION


async def collect_broker_calendar(client: TastytradeClient, *, today: date) -> BrokerCalendar:
    """Fetch sessions from the start of last year to nine months ahead, and the holidays."""
    first, last = date(today.year - 1, 1, 1), today + timedelta(days=270)
    sessions = await client.market_sessions(first, last)
    holidays = await client.market_holidays()
    return BrokerCalendar(first, last, sessions, holidays, windows_of(sessions), rejected_in(sessions))
