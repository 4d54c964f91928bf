# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `earnings` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.datasets.columns import FETCHED_AT, SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import DATE, FLAG, STRING, TIMESTAMP, Column, DatasetSchema, required

EARNINGS: Final = DatasetSchema(
    "earnings",
    (
        SYMBOL,
        required("announced_date", DATE, "Day of the report; expected, while it lies ahead"),
        Column("time_of_day", STRING, "BTO before the open, AMC after the close; null when nobody says"),
        Column("is_estimated", FLAG, "Whether the broker called the date an estimate when it named it last"),
        required("first_seen_at", TIMESTAMP, "When the date was first named"),
        required("source", STRING, "tastytrade, or file for TT_EARNINGS_FILE"),
        FETCHED_AT,
    ),
    key=("symbol", "announced_date"),
)

DATASET: Final = Dataset(
    name=EARNINGS.name,
    schema=EARNINGS,
    description="When companies reported and will report; one row per symbol and date.",
    ttl=timedelta(hours=24),
    code_version="1.1",
    group="market_data",
    keeps=Keeps.EVERY_CHANGE,
    source="/market-metrics, TT_EARNINGS_FILE",
    # A new expectation rebuilds nothing that `symbols`, its source, does not rebuild anyway; a date that passes changes
    # nothing here.
    upstream=("symbols",),
    shaped_by=("origin", "earnings_file"),
    is_fetched=False,
    rules={
        "time of day is BTO or AMC": "time_of_day IN ('BTO', 'AMC')",
        "the source is known": "source IN ('tastytrade', 'file')",
    },
    lineage={
        "symbol": ("symbols.symbol",),
        "announced_date": ("symbols.earnings_date",),
        "time_of_day": ("symbols.earnings_time_of_day",),
        "is_estimated": ("symbols.is_earnings_date_estimated",),
    },
    preview=Preview(("symbol", "announced_date", "time_of_day", "is_estimated", "source"), by="announced_date"),
)
