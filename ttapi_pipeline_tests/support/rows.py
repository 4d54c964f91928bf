# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows of datasets that tests need as an input, made without a client."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from ttapi_pipeline.core.sessions import session_hours, sessions_between
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.tables.conform import conform


def calendar_rows(first: date, last: date, *, fetched_at: datetime) -> pl.DataFrame:
    """`trading_calendar` with the packaged sessions from `first` to `last`."""
    hours = [session_hours(session) for session in sessions_between(first, last)]
    rows = {
        "session": [each.session for each in hours],
        "opens_at": [each.opens_at for each in hours],
        "closes_at": [each.closes_at for each in hours],
        "is_half_day": [each.is_half_day for each in hours],
        "source": "exchange_calendars",
        "fetched_at": fetched_at,
    }
    return conform(pl.DataFrame(rows), TRADING_CALENDAR)
