# SPDX-License-Identifier: MIT
"""What the REST endpoints may show: the market raises for an instrument before its first bar."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache

from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.simulator.market.instruments import Instrument
from ttapi_pipeline.simulator.market.market import Market


def is_listed(instrument: Instrument, now: datetime) -> bool:
    """Whether its first session has opened."""
    return _opens_at(instrument.listed_date) <= now


def find_listed(market: Market, symbol: str, now: datetime) -> Instrument | None:
    """The instrument with that symbol; None when there is none yet."""
    instrument = market.instruments.get(symbol)
    return instrument if instrument is not None and is_listed(instrument, now) else None


@cache
def _opens_at(session: date) -> datetime:
    # Asked for every symbol of every request, of a few dozen days.
    return session_hours(session).opens_at
