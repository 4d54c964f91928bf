# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is kept of `universe` for every session: which symbols were tracked, and by which list."""

from __future__ import annotations

from typing import Final

from ttapi_pipeline.datasets.history import CARRIED_OVER, FETCHED_AT, KNOWN_AT, SESSION, History, columns_of
from ttapi_pipeline.datasets.universe.table import UNIVERSE
from ttapi_pipeline.tables.schema import STRING, DatasetSchema, required

HISTORY: Final = History(
    of=UNIVERSE.name,
    schema=DatasetSchema(
        "universe_history",
        (
            SESSION,
            *columns_of(UNIVERSE, ["symbol"]),
            required("list", STRING, "The list that it was in, without the date of the list"),
            CARRIED_OVER,
            FETCHED_AT,
            KNOWN_AT,
        ),
        key=("session", "symbol", "list"),
    ),
    description="The symbols that were tracked at the end of each session; one row per session, symbol and list.",
    code_version="1",
    has_own_rows=True,
)
