# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Stored tables of a few rows, for tests of the commands that read them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.tables.schema import ColumnType, DatasetSchema

AT = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
OTHERS: dict[ColumnType, Any] = {
    ColumnType.STRING: "x",
    ColumnType.FLOAT: 1.5,
    ColumnType.COUNT: 2,
    ColumnType.SMALL: 3,
    ColumnType.FLAG: True,
    ColumnType.DATE: date(2026, 11, 20),
    ColumnType.TIMESTAMP: AT,
    ColumnType.FLOATS: [2.5, 150.0],
}


def store(project: Path, schema: DatasetSchema, *rows: dict[str, Any]) -> pl.DataFrame:
    """Publish rows; a column that a row does not name has some value of its type."""
    plain = {column.name: OTHERS[column.type] for column in schema.columns}
    frame = pl.DataFrame([{**plain, **row} for row in rows], schema=schema.polars)
    provenance = Provenance(dataset=schema.name, code_version="1", fetched_at=AT, is_simulated=True)
    publish(frame, schema, project / "data", provenance)
    return frame
