# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `expiration_series` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.datasets.columns import FETCHED_AT, IS_AM_OR_PM, SERIES, SOURCE
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import DATE, FLAG, FLOAT, FLOATS, SMALL, STRING, Column, DatasetSchema, required

EXPIRATION_SERIES: Final = DatasetSchema(
    "expiration_series",
    (
        *SERIES,
        required("option_chain_type", STRING, "Standard or Non-standard"),
        required("expiration_type", STRING, "Regular, Weekly, Quarterly or End-Of-Month; several with commas"),
        Column(
            "expiration_session", DATE, "The session on which it falls, or the last one before it; null beyond them"
        ),
        Column("is_expiration_on_session", FLAG, "Whether the expiration date is a session; null beyond the calendar"),
        Column("shares_per_contract", SMALL, "Shares that a contract delivers; null when unknown"),
        required("strike_count", SMALL, "How many strikes are listed"),
        Column("lowest_strike", FLOAT, "Lowest strike; null when none is listed"),
        Column("highest_strike", FLOAT, "Highest strike; null when none is listed"),
        required("strikes", FLOATS, "Every strike, ascending; a list, and in the CSV a text with spaces between them"),
        SOURCE,
        FETCHED_AT,
    ),
    key=("symbol", "root_symbol", "expiration_date", "settlement_type"),
)

DATASET: Final = Dataset(
    name=EXPIRATION_SERIES.name,
    schema=EXPIRATION_SERIES,
    description="Every listed expiration, its session and its strikes; one row per root, date and settlement.",
    ttl=timedelta(days=7),
    code_version="2",
    # Their strikes are texts, which are read as the lists of now.
    carries_on=("1.1",),
    group="reference",
    source="/option-chains",
    # A calendar that changed moves expirations, so it rebuilds the series.
    upstream=("trading_calendar", "universe"),
    rules={
        "the session is on or before the expiration": "expiration_session <= expiration_date",
        "the session is within 5 days of the expiration": ("expiration_date - expiration_session <= INTERVAL '5 days'"),
        "strikes are positive and ordered": "lowest_strike > 0 AND lowest_strike <= highest_strike",
        **IS_AM_OR_PM,
    },
    lineage={
        "symbol": ("universe.symbol",),
        "expiration_date": ("tastytrade/option-chains.expiration-date",),
        "settlement_type": ("tastytrade/option-chains.settlement-type",),
        "*strike*": ("tastytrade/option-chains.strikes",),
        "expiration_session": ("tastytrade/option-chains.expiration-date", "trading_calendar.session"),
        "is_expiration_on_session": ("tastytrade/option-chains.expiration-date", "trading_calendar.session"),
    },
    preview=Preview(
        (
            "symbol",
            "root_symbol",
            "expiration_date",
            "settlement_type",
            "strike_count",
            "lowest_strike",
            "highest_strike",
        ),
        by="strike_count",
    ),
)
