# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is kept of `implied_volatility` for every session."""

from __future__ import annotations

from typing import Final

from ttapi_pipeline.datasets.history import CARRIED_OVER, FETCHED_AT, KNOWN_AT, SESSION, History, columns_of
from ttapi_pipeline.datasets.implied_volatility.table import IMPLIED_VOLATILITY
from ttapi_pipeline.tables.schema import DatasetSchema

HISTORY: Final = History(
    of=IMPLIED_VOLATILITY.name,
    schema=DatasetSchema(
        "implied_volatility_history",
        (
            SESSION,
            *columns_of(IMPLIED_VOLATILITY, [*IMPLIED_VOLATILITY.key, "implied_volatility", "implied_volatility_at"]),
            CARRIED_OVER,
            FETCHED_AT,
            KNOWN_AT,
        ),
        key=("session", *IMPLIED_VOLATILITY.key),
    ),
    description="Implied volatility of each listed expiration at the end of each session; one row per session, symbol, "
    "expiration and settlement.",
    code_version="1",
)
