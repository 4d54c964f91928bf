# SPDX-License-Identifier: MIT
"""Counts the rows that a publication adds, changes and takes away. Writing them: see `publish`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from ttapi_pipeline.storage.hashing import NOT_CONTENT
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
        schema: Of both. Rows are the same when a 64-bit hash of all columns but the times of fetching is.
    """
    if before is None:
        return RowChanges(new=after.height, changed=0, gone=0)
    key = list(schema.key)
    old, new = _hashed(before.collect(), schema, _STORED), _hashed(after, schema, _CONTENT)
    # A key may have nulls, and a null is the same as another one there.
    both = new.join(old, on=key, how="inner", nulls_equal=True)
    changed = both.filter(pl.col(_CONTENT) != pl.col(_STORED)).height
    return RowChanges(new=new.height - both.height, changed=changed, gone=old.height - both.height)


def _hashed(rows: pl.DataFrame, schema: DatasetSchema, name: str) -> pl.DataFrame:
    content = [column.name for column in schema.columns if column.name not in NOT_CONTENT]
    return rows.select(schema.key).with_columns(rows.select(content).hash_rows(seed=0).alias(name))
