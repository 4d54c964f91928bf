# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Counts the rows that a publication adds, changes and takes away. Writing them: see `publish`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from ttapi_pipeline.storage.hashing import NOT_CONTENT
from ttapi_pipeline.tables.rounding import rounded
from ttapi_pipeline.tables.schema import DatasetSchema

_CONTENT: Final = "content"
_STORED: Final = "stored"


@dataclass(frozen=True, slots=True)
class RowChanges:
    """Two versions of a table, compared row by row.

    Attributes:
        new: Rows whose key the version before does not have.
        changed: Rows with the same key and another content. When a row was fetched is no content.
        gone: Rows of the version before whose key is there no more.
    """

    new: int
    changed: int
    gone: int

    def to_facts(self) -> dict[str, int]:
        """The counts as statistics of a manifest."""
        return {"rows_new": self.new, "rows_changed": self.changed, "rows_gone": self.gone}


def count_changes(before: pl.LazyFrame | None, after: pl.DataFrame, schema: DatasetSchema) -> RowChanges:
    """Compare a table with the version before it.

    Args:
        before: The stored rows, each key once; None when nothing is stored.
        after: The rows that take their place, each key once, in any order.
        schema: Of both. Rows are the same when a 64-bit hash of all columns but the times of fetching is; of
            estimates, the digits that count are hashed.
    """
    if before is None:
        return RowChanges(new=after.height, changed=0, gone=0)
    old, new = _hashed(before, schema, _STORED), _hashed(after.lazy(), schema, _CONTENT)
    # A key may have nulls, and a null is the same as another one there. Neither table is in memory as a whole.
    both = new.join(old, on=list(schema.key), how="inner", nulls_equal=True)
    is_changed = pl.col(_CONTENT) != pl.col(_STORED)
    kept, changed = both.select(pl.len(), is_changed.sum()).collect(engine="streaming").row(0)
    return RowChanges(new=after.height - kept, changed=changed, gone=_height(before) - kept)


def _hashed(rows: pl.LazyFrame, schema: DatasetSchema, name: str) -> pl.LazyFrame:
    content = [column.name for column in schema.columns if column.name not in NOT_CONTENT]
    return rounded(rows).select(*schema.key, pl.struct(content).hash(seed=0).alias(name))


def _height(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect().item())
