# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `trading_calendar` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.datasets.columns import FETCHED_AT, SESSION, SOURCE
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import FLAG, TIMESTAMP, DatasetSchema, required

TRADING_CALENDAR: Final = DatasetSchema(
    "trading_calendar",
    (
        SESSION,
        required("opens_at", TIMESTAMP, "Regular open"),
        required("closes_at", TIMESTAMP, "Regular close"),
        required("is_half_day", FLAG, "Whether the session closes early"),
        SOURCE,
        FETCHED_AT,
    ),
    key=("session",),
)

DATASET: Final = Dataset(
    name=TRADING_CALENDAR.name,
    schema=TRADING_CALENDAR,
    description="XNYS sessions with their hours, from exchange_calendars and the broker; one row per session.",
    ttl=timedelta(days=7),
    code_version="1.2",
    group="reference",
    keeps=Keeps.EVERY_CHANGE,
    source="exchange_calendars, /market-time",
    rules={
        "closes after it opens": "closes_at > opens_at",
        "a session lasts at most 7 hours": "closes_at - opens_at <= INTERVAL '7 hours'",
        "sessions are weekdays": "EXTRACT(ISODOW FROM session) <= 5",
    },
    lineage={
        "session": ("tastytrade/market-time.trading-days", "tastytrade/market-time.holidays"),
        "opens_at": ("tastytrade/market-time.open-at",),
        "closes_at": ("tastytrade/market-time.close-at",),
        "is_half_day": ("tastytrade/market-time.half-days",),
    },
    preview=Preview(("session", "opens_at", "closes_at", "is_half_day", "source"), by="session"),
)
