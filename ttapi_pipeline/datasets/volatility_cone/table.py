# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `volatility_cone` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Final

from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.datasets.columns import CLOSES_OF_SNAPSHOT, QUALITY_OF_SNAPSHOT, SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import DATE, SMALL, STRING, Column, DatasetSchema, estimate, required

VOLATILITY_CONE: Final = DatasetSchema(
    "volatility_cone",
    (
        SYMBOL,
        required("horizon_sessions", SMALL, "Sessions in the rolling windows"),
        required("as_of_session", DATE, "Last final session of the snapshot"),
        estimate("minimum", "Lowest close-to-close volatility, annualised; null without a full window"),
        estimate("p10", "10th percentile"),
        estimate("p25", "25th percentile"),
        estimate("median", "Median"),
        estimate("p75", "75th percentile"),
        estimate("p90", "90th percentile"),
        estimate("maximum", "Highest"),
        estimate("current", "The one that ends at the as-of session"),
        estimate("current_percentile", "Share of the windows below it, 0 to 1"),
        required("windows_used", SMALL, "Windows, which overlap: not that many independent observations"),
        Column("reason", STRING, "Why current is null: no_window or not_current"),
        Column("cautions", STRING, "What is odd about any of its bars, see `volatility`; null when nothing is"),
    ),
    key=("symbol", "horizon_sessions"),
)

_QUANTILES: Final = ("minimum", "p10", "p25", "median", "p75", "p90", "maximum")

DATASET: Final = Dataset(
    name=VOLATILITY_CONE.name,
    schema=VOLATILITY_CONE,
    description="Today's volatility among all that a symbol has had; one row per symbol and horizon.",
    ttl=timedelta(days=1),
    code_version="5",
    group="analytics",
    source="computed",
    upstream=("eod_snapshot", "universe", "trading_calendar"),
    # Each new session reads the calendar again. A closure announced for next year is no reason to start over.
    consults=("trading_calendar",),
    shaped_by=("origin", "annualization_sessions"),
    changes=Changes.ONCE_SETTLED,
    is_fetched=False,
    rules={
        "quantiles ascend": " AND ".join(
            f"COALESCE({lower} <= {higher} + 1e-12, TRUE)" for lower, higher in pairwise(_QUANTILES)
        ),
        "today's is within the cone": "current BETWEEN minimum AND maximum",
        "a null has a reason": "(current IS NULL) = (reason IS NOT NULL)",
    },
    lineage={
        "symbol": ("eod_snapshot.symbol",),
        **dict.fromkeys(("minimum", "p??", "median", "maximum", "current*"), CLOSES_OF_SNAPSHOT),
        "cautions": QUALITY_OF_SNAPSHOT,
    },
    preview=Preview(
        ("symbol", "horizon_sessions", "minimum", "median", "maximum", "current", "current_percentile"),
        by="current_percentile",
    ),
    charts=("volatility_cone",),
)
