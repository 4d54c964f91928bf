# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `daily_candles` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Changes, Keeps
from ttapi_pipeline.datasets.columns import BAR, BAR_NAMES, BAR_RULES, FETCHED_AT, SESSION, SOURCE, SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import COUNT, FLAG, FLOAT, TIMESTAMP, Column, DatasetSchema, required

DAILY_CANDLES: Final = DatasetSchema(
    "daily_candles",
    (
        SYMBOL,
        SESSION,
        *BAR,
        Column("vwap", FLOAT, "Volume-weighted average price"),
        Column("trade_count", COUNT, "Trades; null where the source has none"),
        Column("implied_volatility", FLOAT, "Annualised implied volatility at the close"),
        required("is_final", FLAG, "False while the session can still change it"),
        SOURCE,
        FETCHED_AT,
    ),
    key=("symbol", "session"),
)

CANDLE_REVISIONS: Final = DatasetSchema(
    "candle_revisions",
    (
        SYMBOL,
        SESSION,
        required("fetched_at", TIMESTAMP, "When the other figures came"),
        required("close_before", FLOAT, "Close that was stored as final"),
        required("close", FLOAT, "Close that came"),
        Column("volume_before", FLOAT, "Volume that was stored"),
        Column("volume", FLOAT, "Volume that came"),
    ),
    key=("symbol", "session", "fetched_at"),
)

CANDLE_ABSENCES: Final = DatasetSchema(
    "candle_absences",
    (
        SYMBOL,
        SESSION,
        required("first_asked_at", TIMESTAMP, "When the feed first answered without a bar of it, beside others"),
        required("asked_at", TIMESTAMP, "When it did so last. Twelve hours later it is no longer asked"),
    ),
    key=("symbol", "session"),
)

DATASET: Final = Dataset(
    name=DAILY_CANDLES.name,
    schema=DAILY_CANDLES,
    description="Daily bars of the universe from the feed, split-adjusted; one row per symbol and session.",
    ttl=timedelta(days=1),
    code_version="2",
    group="market_data",
    keeps=Keeps.CHANGES,
    source="DXLink",
    upstream=("trading_calendar", "universe"),
    # Each new session reads the calendar again. A closure announced for next year is no reason to start over.
    consults=("trading_calendar",),
    shaped_by=("origin", "history_start"),
    changes=Changes.ONCE_SETTLED,
    rules=BAR_RULES,
    lineage={
        "symbol": ("universe.symbol",),
        "session": ("dxlink/candle.time", "trading_calendar.session"),
        **{column: (f"dxlink/candle.{column}",) for column in (*BAR_NAMES, "vwap")},
        "trade_count": ("dxlink/candle.count",),
        "implied_volatility": ("dxlink/candle.impVolatility",),
        "is_final": ("trading_calendar.closes_at",),
    },
    reports=(CANDLE_REVISIONS, CANDLE_ABSENCES),
    preview=Preview(
        ("symbol", "session", "open", "high", "low", "close", "volume", "implied_volatility"),
        by="implied_volatility",
        latest="session",
    ),
)
