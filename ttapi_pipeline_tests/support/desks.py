# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Datasets that are published at instants of winter days in New York, with rows that a test writes down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.tables.schema import ColumnType

PLAIN: Final[Mapping[ColumnType, Any]] = {
    ColumnType.STRING: "x",
    ColumnType.FLOAT: 1.5,
    ColumnType.COUNT: 2,
    ColumnType.SMALL: 3,
    ColumnType.FLAG: True,
    ColumnType.DATE: date(2027, 1, 15),
    ColumnType.TIMESTAMP: datetime(2026, 11, 1, tzinfo=UTC),
    ColumnType.FLOATS: [2.5],
}
"""Some value of each type."""


def at(day: date, hour: float = 16) -> datetime:
    """That hour in New York, in winter. Sessions open at 9:30, and their bars have settled at 20:00."""
    return datetime(day.year, day.month, day.day, 5, tzinfo=UTC) + timedelta(hours=hour)


class Desk:
    """A data folder, and what is published into it."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        """The folder, where it is on this machine."""
        assert isinstance(self.folder, Path)
        return self.folder

    def publish(
        self,
        name: str,
        when: datetime,
        *rows: Mapping[str, Any],
        missing: Mapping[str, str] = MappingProxyType({}),
        statistics: Mapping[str, Any] = MappingProxyType({}),
        is_simulated: bool = False,
    ) -> None:
        """Publish rows that were fetched then; a column that a row does not name has some value of its type."""
        schema = DATASETS[name].schema
        plain = {column.name: PLAIN[column.type] for column in schema.columns} | {"fetched_at": when}
        frame = pl.DataFrame([{**plain, **row} for row in rows], schema=schema.polars)
        provenance = Provenance(
            dataset=name,
            code_version="1",
            fetched_at=when,
            missing=missing,
            statistics=statistics,
            is_simulated=is_simulated,
        )
        publish(frame, schema, self.folder, provenance, retention=Retention(Keeps.LAST_OF_SESSION, newest=1)).wait()
