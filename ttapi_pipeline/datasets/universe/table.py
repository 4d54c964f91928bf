# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `universe` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.datasets.columns import FETCHED_AT, SOURCE, SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import FLAG, STRING, Column, DatasetSchema, required

UNIVERSE: Final = DatasetSchema(
    "universe",
    (
        SYMBOL,
        required("streamer_symbol", STRING, "DXLink's name for it"),
        Column("description", STRING, "Name of the company or fund"),
        Column("instrument_type", STRING, "Equity or Index"),
        Column("listed_market", STRING, "Market identifier code of the listing"),
        Column("is_etf", FLAG, "Whether it is an exchange-traded fund; null where the broker does not say"),
        Column("is_index", FLAG, "Whether it is an index; null where the broker does not say"),
        Column("is_active", FLAG, "Whether it can be traded; null where the broker does not say"),
        Column("is_illiquid", FLAG, "The broker's flag"),
        Column("is_closing_only", FLAG, "Whether positions can only be closed"),
        Column("is_options_closing_only", FLAG, "The same for its options"),
        required("membership", STRING, "The list that it is in; several with semicolons"),
        SOURCE,
        FETCHED_AT,
    ),
    key=("symbol",),
)

DATASET: Final = Dataset(
    name=UNIVERSE.name,
    schema=UNIVERSE,
    description="The symbols that are tracked and what they are, without prices or metrics; one row per symbol.",
    ttl=timedelta(hours=24),
    code_version="1.1",
    group="reference",
    keeps=Keeps.EVERY_CHANGE,
    source="TT_LIST, /instruments/equities",
    shaped_by=("origin", "universe", "watchlist"),
    rules={"symbols are spelt as tastytrade does": "symbol ~ '^[A-Z0-9]+(/[A-Z0-9]+)?$'"},
    lineage={
        "symbol": ("tastytrade/instruments-equities.symbol",),
        "description": ("tastytrade/instruments-equities.description",),
        "listed_market": ("tastytrade/instruments-equities.listed-market",),
    },
    preview=Preview(("symbol", "description", "instrument_type", "listed_market", "is_etf", "is_index", "membership")),
)
