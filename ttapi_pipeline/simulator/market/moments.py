# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The place of an instant in the calendar: the session that it belongs to, and how far that has gone.

This module depends on the packaged calendar alone; the prices of a moment are in `prices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache

from ttapi_pipeline.core.sessions import (
    NEW_YORK,
    SessionHours,
    previous_session,
    session_hours,
    session_on_or_before,
)
from ttapi_pipeline.simulator.market.instruments import FIRST_SESSION
from ttapi_pipeline.simulator.market.paths import position_of, session_dates


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as the calendar has it.

    Attributes:
        position: Index in `session_dates` of the newest session that has opened; -1 before the first one.
        elapsed: Share of that session that is over, 0 to 1; 1 when it is closed.
        seconds: Seconds of it that are over.
        is_forming: Whether it is in progress.
        day: The date in New York.
        formed_at: The time of the newest price: the instant itself, or the close of that session.
    """

    position: int
    elapsed: float
    seconds: float
    is_forming: bool
    day: date
    formed_at: datetime


@lru_cache(maxsize=64)
def moment_at(at: datetime) -> Moment:
    """The moment of an aware time."""
    day = at.astimezone(NEW_YORK).date()
    hours = hours_of(session_on_or_before(day))
    if at < hours.opens_at:
        hours = hours_of(previous_session(hours.session))
    length = int((hours.closes_at - hours.opens_at).total_seconds())
    is_forming = at < hours.closes_at
    seconds = (at - hours.opens_at).total_seconds() if is_forming else float(length)
    return Moment(
        position=position_of(hours.session) if hours.session >= FIRST_SESSION else -1,
        elapsed=seconds / length,
        seconds=seconds,
        is_forming=is_forming,
        day=day,
        formed_at=min(at, hours.closes_at),
    )


@lru_cache(maxsize=4_096)
def hours_of(session: date) -> SessionHours:
    """Open and close of a session.

    Raises:
        ValueError: That day is not a session.
    """
    return session_hours(session)


def session_at(position: int) -> date:
    """The session at an index of `session_dates`."""
    return _sessions()[position]


def close_of(position: int) -> Moment:
    """The moment at which the session at that index closes."""
    return moment_at(hours_of(session_at(position)).closes_at)


@cache
def _sessions() -> Sequence[date]:
    return tuple(session_dates().tolist())
