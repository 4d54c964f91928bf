# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `symbols` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.datasets.columns import FETCHED_AT, SOURCE, SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import (
    COUNT,
    DATE,
    FLAG,
    FLOAT,
    SMALL,
    STRING,
    TIMESTAMP,
    Column,
    DatasetSchema,
)

SYMBOLS: Final = DatasetSchema(
    "symbols",
    (
        SYMBOL,
        Column("description", STRING, "Name of the company or fund"),
        Column("listed_market", STRING, "Market identifier code of the listing"),
        Column("is_etf", FLAG, "Whether it is an exchange-traded fund; null where the broker does not say"),
        Column("is_index", FLAG, "Whether it is an index; null where the broker does not say"),
        Column("implied_volatility_index", FLOAT, "Annualised implied volatility; null without options"),
        Column("implied_volatility_index_5_day_change", FLOAT, "Its change over 5 days"),
        Column("implied_volatility_rank", FLOAT, "Its place between the low and the high of a year, 0 to 1"),
        Column("implied_volatility_rank_source", STRING, "Which of the two next ranks feeds it: tos or tw"),
        Column("tos_implied_volatility_rank", FLOAT, "Rank by the first method, 0 to 1"),
        Column("tw_implied_volatility_rank", FLOAT, "Rank by the second method, 0 to 1"),
        Column("implied_volatility_percentile", FLOAT, "Share of the year's days with a lower one, 0 to 1"),
        Column("implied_volatility_30_day", FLOAT, "Annualised implied volatility at 30 days"),
        Column("historical_volatility_30_day", FLOAT, "Annualised volatility over 30 days, the broker's; often null"),
        Column("historical_volatility_60_day", FLOAT, "The same over 60 days"),
        Column("historical_volatility_90_day", FLOAT, "The same over 90 days"),
        Column("iv_hv_30_day_difference", FLOAT, "Implied less historical volatility at 30 days"),
        Column("liquidity_rating", SMALL, "The broker's liquidity rating of the options, 1 to 5"),
        Column("liquidity_value", FLOAT, "What the rating is made from"),
        Column("liquidity_rank", FLOAT, "The broker's liquidity rank"),
        Column("beta", FLOAT, "Beta against the S&P 500"),
        Column("corr_spy_3_month", FLOAT, "Correlation with SPY over 3 months"),
        Column("market_cap", COUNT, "Market capitalisation"),
        Column("price_earnings_ratio", FLOAT, "Price over earnings per share"),
        Column("earnings_per_share", FLOAT, "Earnings per share over a year"),
        Column("dividend_yield", FLOAT, "Annual dividend over price"),
        Column("dividend_rate_per_share", FLOAT, "The last dividend"),
        Column("annual_dividend_per_share", FLOAT, "Dividends of a year"),
        Column("dividend_ex_date", DATE, "Ex-dividend date"),
        Column("dividend_next_date", DATE, "Next dividend date"),
        Column("dividend_pay_date", DATE, "Payment date"),
        Column("earnings_date", DATE, "Expected report date; null when none is known"),
        Column("earnings_time_of_day", STRING, "BTO before the open, AMC after the close"),
        Column("is_earnings_date_estimated", FLAG, "Whether that date is an estimate"),
        Column("earnings_actual_eps", FLOAT, "Last reported earnings per share"),
        Column("earnings_consensus_estimate", FLOAT, "Consensus for the next report"),
        Column("lendability", STRING, "How easily shares can be borrowed"),
        Column("borrow_rate", FLOAT, "Borrow rate as the broker states it"),
        Column("metrics_updated_at", TIMESTAMP, "When the broker computed the metrics; null without metrics"),
        SOURCE,
        FETCHED_AT,
    ),
    key=("symbol",),
)

DATASET: Final = Dataset(
    name=SYMBOLS.name,
    schema=SYMBOLS,
    description="The universe with its market metrics; one row per symbol.",
    ttl=timedelta(hours=24),
    code_version="1.2",
    group="market_data",
    source="/market-metrics",
    upstream=("universe",),
    rules={
        "implied volatility is between 0 and 10": "implied_volatility_index BETWEEN 0 AND 10",
        "historical volatility is between 0 and 10": "historical_volatility_30_day BETWEEN 0 AND 10",
        "implied volatility percentile is between 0 and 1": "implied_volatility_percentile BETWEEN 0 AND 1",
        "liquidity rating is between 0 and 5": "liquidity_rating BETWEEN 0 AND 5",
        "market capitalisation is not negative": "market_cap >= 0",
    },
    lineage={
        "symbol": ("universe.symbol",),
        "description": ("universe.description",),
        "listed_market": ("universe.listed_market",),
        "*volatility*": ("tastytrade/market-metrics.implied-volatility-index",),
        "liquidity_*": ("tastytrade/market-metrics.liquidity-rating",),
        "earnings_*": ("tastytrade/market-metrics.earnings",),
        "dividend_*": ("tastytrade/market-metrics.dividend-ex-date",),
    },
    preview=Preview(
        (
            "symbol",
            "description",
            "implied_volatility_rank",
            "implied_volatility_index",
            "historical_volatility_30_day",
            "liquidity_rating",
            "earnings_date",
        ),
        by="implied_volatility_rank",
    ),
)
