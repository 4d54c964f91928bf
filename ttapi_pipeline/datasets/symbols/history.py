# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is kept of `symbols` for every session: its metrics."""

from __future__ import annotations

from typing import Final

from ttapi_pipeline.datasets.history import CARRIED_OVER, FETCHED_AT, KNOWN_AT, SESSION, History, columns_of
from ttapi_pipeline.datasets.symbols.table import SYMBOLS
from ttapi_pipeline.tables.schema import DatasetSchema

_NOT_KEPT: Final = frozenset({"symbol", "description", "listed_market", "is_etf", "is_index", "source", "fetched_at"})
"""Names and places, which are in `symbols` itself."""

HISTORY: Final = History(
    of=SYMBOLS.name,
    schema=DatasetSchema(
        "symbols_history",
        (
            SESSION,
            *columns_of(SYMBOLS, ["symbol"]),
            *(column for column in SYMBOLS.columns if column.name not in _NOT_KEPT),
            CARRIED_OVER,
            FETCHED_AT,
            KNOWN_AT,
        ),
        key=("session", "symbol"),
    ),
    description="Market metrics as they were at the end of each session; one row per session and symbol.",
    code_version="1",
)
