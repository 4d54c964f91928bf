# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `implied_volatility` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.datasets.columns import FETCHED_AT, IS_AM_OR_PM, SOURCE, SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema, required

IMPLIED_VOLATILITY: Final = DatasetSchema(
    "implied_volatility",
    (
        SYMBOL,
        required("expiration_date", DATE, "Expiration date"),
        required("settlement_type", STRING, "AM or PM"),
        required("option_chain_type", STRING, "Standard or Non-standard"),
        Column("implied_volatility", FLOAT, "Annualised; null when the broker has none for it"),
        Column("implied_volatility_at", TIMESTAMP, "When the broker computed it; null when it does not say"),
        SOURCE,
        FETCHED_AT,
    ),
    key=("symbol", "expiration_date", "settlement_type", "option_chain_type"),
)

DATASET: Final = Dataset(
    name=IMPLIED_VOLATILITY.name,
    schema=IMPLIED_VOLATILITY,
    description="Implied volatility of each listed expiration; one row per symbol, expiration and settlement.",
    ttl=timedelta(hours=24),
    code_version="1.2",
    group="market_data",
    source="/market-metrics",
    upstream=("universe",),
    rules={
        "implied volatility is between 0 and 10": "implied_volatility BETWEEN 0 AND 10",
        **IS_AM_OR_PM,
    },
    lineage={
        "symbol": ("universe.symbol",),
        "expiration_date": ("tastytrade/market-metrics.option-expiration-implied-volatilities",),
        "implied_volatility": ("tastytrade/market-metrics.option-expiration-implied-volatilities",),
        "implied_volatility_at": ("tastytrade/market-metrics.implied-volatility-updated-at",),
    },
    preview=Preview(
        ("symbol", "expiration_date", "settlement_type", "option_chain_type", "implied_volatility"),
        by="implied_volatility",
    ),
)
