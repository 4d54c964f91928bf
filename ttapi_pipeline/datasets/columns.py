# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Columns and rules that several datasets share: one quantity has one name, type and meaning in all of them."""

from __future__ import annotations

from typing import Final

from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, TIMESTAMP, Column, required

SYMBOL: Final = required("symbol", STRING, "Symbol as tastytrade writes it, such as BRK/B")
SESSION: Final = required("session", DATE, "Trading day")
SOURCE: Final = required("source", STRING, "Where the row comes from")
FETCHED_AT: Final = required("fetched_at", TIMESTAMP, "When the row was fetched")

BAR: Final = (
    Column("open", FLOAT, "First price; null where the source has none"),
    Column("high", FLOAT, "Highest price; null where the source has none"),
    Column("low", FLOAT, "Lowest price; null where the source has none"),
    required("close", FLOAT, "Last price"),
    Column("volume", FLOAT, "Shares traded; null where the source has none"),
)

BAR_NAMES: Final = tuple(column.name for column in BAR)

BAR_RULES: Final = {
    "prices are positive": "COALESCE(open, 1) > 0 AND COALESCE(high, 1) > 0 AND COALESCE(low, 1) > 0 AND close > 0",
    "low <= open, close <= high": ("low <= open AND low <= close AND low <= high AND high >= open AND high >= close"),
    "volume is not negative": "volume >= 0",
}

SERIES: Final = (
    SYMBOL,
    required("root_symbol", STRING, "What the contracts are filed under: SPX, SPXW"),
    required("expiration_date", DATE, "Expiration date"),
    required("settlement_type", STRING, "AM or PM"),
)
"""The key of an expiration series."""

CLOSES_OF_SNAPSHOT: Final = ("eod_snapshot.close", "eod_snapshot.session", "trading_calendar.session")
"""Lineage of what is computed from daily returns."""

QUALITY_OF_SNAPSHOT: Final = (
    *(f"eod_snapshot.{column}" for column in (*BAR_NAMES, "session", "adjustment")),
    "trading_calendar.session",
)
"""Lineage of what is said about the bars themselves."""

IS_AM_OR_PM: Final = {"settlement is AM or PM": "settlement_type IN ('AM', 'PM')"}
