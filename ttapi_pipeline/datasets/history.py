# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The shape of a history's description: what is kept of a dataset for every session. Its rows: `history_updates`.

A history has one row per key and session: what the dataset said at the end of the session. It is no dataset of the
registry: nothing of it is ever due, because it changes only when the dataset is published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.tables.schema import DATE, FLAG, TIMESTAMP, Column, DatasetSchema, required

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from ttapi_pipeline.core.manifest import Manifest

    Builder = Callable[["SessionState"], "HistoryRows"]

SESSION: Final = required("session", DATE, "The session at whose end this was known")
CARRIED_OVER: Final = required(
    "is_carried_over", FLAG, "Whether the subject did not come with that publication, so that the row is its last known"
)
FETCHED_AT: Final = required(
    "fetched_at", TIMESTAMP, "When the row was fetched; when first, if later fetches brought the same table"
)
KNOWN_AT: Final = required("known_at", TIMESTAMP, "When the publication that the row is from could be read")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is kept of a dataset for every session.

    Attributes:
        of: Name of the dataset.
        schema: Of the history; the first column of the key is the session.
        description: One sentence for the web UI and the README; says what a row is.
        code_version: Raise it whenever the same publications would give other rows: all of them are made again.
        subject: Column of the dataset that the subjects of `Provenance.missing` are in.
        has_own_rows: Whether the module `history_rows` beside the dataset's `table` makes them; otherwise they are rows
            of the dataset as they are.
    """

    of: str
    schema: DatasetSchema
    description: str
    code_version: str
    subject: str = "symbol"
    has_own_rows: bool = False

    @property
    def name(self) -> str:
        """Of the table."""
        return self.schema.name

    def builder(self) -> Builder:
        """What makes the rows of a session; importing it brings Polars."""
        module = f"{self.of}.history_rows" if self.has_own_rows else "history_rows"
        build: Builder = import_module(f"ttapi_pipeline.datasets.{module}").build
        return build


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """What the rows of a session are made from.

    Attributes:
        history: Whose rows.
        session: Which one.
        table: The dataset as it was published last in the session, with the columns that it had then.
        manifest: Of that publication.
        known_at: When it could be read.
        before: The history's rows of the session before, of those that have any; None for the first one.
    """

    history: History
    session: date
    table: pl.LazyFrame
    manifest: Manifest
    known_at: datetime
    before: pl.DataFrame | None


@dataclass(frozen=True, slots=True)
class HistoryRows:
    """The rows of a session, and what was counted while they were made."""

    rows: pl.DataFrame
    counts: Mapping[str, int] = field(default_factory=dict)


def columns_of(schema: DatasetSchema, names: Sequence[str]) -> tuple[Column, ...]:
    """Columns of a dataset, by name and in that order, for its history."""
    known = {column.name: column for column in schema.columns}
    return tuple(known[name] for name in names)
