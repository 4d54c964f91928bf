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

DESCRIPTIONS: Final[Mapping[TableName, Mapping[str, str]]] = MappingProxyType(
    {
        "quotes": {
            "symbol": "Symbol as tastytrade writes it, such as BRK/B",
            "received_at": "When the newest of the values came",
            "bid_price": "Best bid; null without one",
            "ask_price": "Best ask; null without one",
            "bid_size": "Shares bid",
            "ask_size": "Shares offered",
            "last_price": "Price of the latest sale",
            "last_size": "Shares of the latest sale",
            "last_trade_at": "When the latest sale was made",
            "day_volume": "Shares that the session has traded",
            "day_open": "First price of the session",
            "day_high": "Highest price of the session",
            "day_low": "Lowest price of the session",
            "day_close": "Closing price of the session; null until it is set",
            "previous_close": "Closing price of the session before",
        },
        "trades": {
            "symbol": "Symbol as tastytrade writes it, such as BRK/B",
            "traded_at": "When the sale was made",
            "sequence": "Orders the sales of one time",
            "received_at": "When it came",
            "price": "US dollars for a share",
            "size": "Shares",
            "bid_price": "Best bid at that time",
            "ask_price": "Best ask at that time",
            "exchange": "Code of the exchange",
            "type": "NEW; a CORRECTION or CANCEL changes the sale of the same symbol, traded_at and sequence",
            "is_extended_hours": "Whether it was made outside of the regular session",
        },
    }
)
"""What each column says. Null where it is not known yet."""
