# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A small dataset with a column of every type, and ways to make frames of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import polars as pl
import pytest

from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.tables.schema import COUNT, DATE, FLAG, FLOAT, SMALL, STRING, TIMESTAMP, Column, DatasetSchema

MARKS = DatasetSchema(
    "marks",
    (
        Column("symbol", STRING, "Symbol", is_nullable=False),
        Column("session", DATE, "Trading day", is_nullable=False),
        Column("close", FLOAT, "Last price"),
        Column("volume", COUNT, "Shares"),
        Column("rating", SMALL, "1 to 5"),
        Column("is_final", FLAG, "Whether it can change"),
        Column("note", STRING, "Anything"),
        Column("fetched_at", TIMESTAMP, "When", is_nullable=False),
    ),
    key=("symbol", "session"),
)

FETCHED_AT = datetime(2026, 1, 5, 21, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def marks() -> DatasetSchema:
    """The schema."""
    return MARKS


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    """What a test publishes with."""
    return Provenance(
        dataset="marks",
        code_version="1",
        fetched_at=FETCHED_AT,
        inputs={"universe": "abc"},
        missing={"ZVZZT": "HTTP 404"},
        statistics={"requests": 3},
        is_simulated=True,
        fetch_seconds=1.5,
    )


@pytest.fixture(scope="session")
def marks_frame() -> Callable[..., pl.DataFrame]:
    """Makes `symbols` x 4 rows, in the order of the key."""

    def make(*, close: float = 10.0, symbols: int = 3) -> pl.DataFrame:
        days = (5, 6, 7, 8)
        count = symbols * len(days)
        columns = {
            "symbol": [f"S{number:04d}" for number in range(symbols) for _ in days],
            "session": [date(2026, 1, day) for day in days] * symbols,
            "close": [close + day for day in days] * symbols,
            "volume": [number for number in range(symbols) for _ in days],
            "rating": [day % 5 + 1 for day in days] * symbols,
            "is_final": [day != 8 for day in days] * symbols,
            "note": [None] * count,
            "fetched_at": [FETCHED_AT] * count,
        }
        return pl.DataFrame(columns, schema=MARKS.polars)

    return make
