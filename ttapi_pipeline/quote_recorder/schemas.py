# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Schemas of the two tables of streamed quotes, which are the same in the log and in the history."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import polars as pl

from ttapi_pipeline.tables.dtypes import UTC_DATETIME

TableName = Literal["quotes", "trades"]

QUOTES: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "received_at": UTC_DATETIME,
        "bid_price": pl.Float64(),
        "ask_price": pl.Float64(),
        "bid_size": pl.Float64(),
        "ask_size": pl.Float64(),
        "last_price": pl.Float64(),
        "last_size": pl.Float64(),
        "last_trade_at": UTC_DATETIME,
        "day_volume": pl.Float64(),
        "day_open": pl.Float64(),
        "day_high": pl.Float64(),
        "day_low": pl.Float64(),
        "day_close": pl.Float64(),
        "previous_close": pl.Float64(),
    }
)
"""The latest values of a symbol at a flush. `received_at` is when the newest of them came. Null: not known yet."""

TRADES: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "traded_at": UTC_DATETIME,
        "sequence": pl.Int64(),
        "received_at": UTC_DATETIME,
        "price": pl.Float64(),
        "size": pl.Float64(),
        "bid_price": pl.Float64(),
        "ask_price": pl.Float64(),
        "exchange": pl.String(),
        "type": pl.String(),
        "is_extended_hours": pl.Boolean(),
    }
)
"""A sale as it was reported, with the quote at that time. `type` is NEW, CORRECTION or CANCEL: a correction or cancel
changes the sale of the same symbol, `traded_at` and `sequence`."""

TABLES: Final[Mapping[TableName, pl.Schema]] = MappingProxyType({"quotes": QUOTES, "trades": TRADES})
