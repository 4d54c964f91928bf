# SPDX-License-Identifier: MIT
"""What the REST endpoints may show: the market raises for an instrument before its first bar."""

from __future__ import annotations

from datetime import datetime

from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.simulator.instruments import Instrument
from ttapi_pipeline.simulator.market import Market


def is_listed(instrument: Instrument, now: datetime) -> bool:
    """Whether its first session has opened."""
    return session_hours(instrument.listed_date).opens_at <= now


def find_listed(market: Market, symbol: str, now: datetime) -> Instrument | None:
    """The instrument with that symbol; None when there is none yet."""
    instrument = market.instruments.get(symbol)
    return instrument if instrument is not None and is_listed(instrument, now) else None
