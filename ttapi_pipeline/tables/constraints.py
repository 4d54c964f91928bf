# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Checks of rows before they are stored: no null in a required column or a list, sorted by the key, no key twice.

Checks of values against the rules of a dataset: see `rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.tables.conform import describe_row
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline.tables.sorting import is_strictly_sorted

ROWS_AT_A_TIME: Final = 1 << 21
"""Whose keys are in memory together: some 80 MB."""


def check_nulls(batch: pl.DataFrame, schema: DatasetSchema) -> None:
    """Raise DataError with the first row that has a null in a required column, or a list with one or an infinity."""
    for column in schema.columns:
        if isinstance(column.dtype, pl.List) and (is_torn := _has_gap(batch[column.name])).any():
            row = int(is_torn.arg_max() or 0)
            raise DataError(f"{describe_row(batch, schema, row)}: {column.name} has a value that is no number")
        if not column.is_nullable and batch[column.name].null_count():
            row = int(batch[column.name].is_null().arg_max() or 0)
            raise DataError(f"{describe_row(batch, schema, row)}: {column.name} is null, and every row must have one")


def _has_gap(lists: pl.Series) -> pl.Series:
    """Whether a list has a value that is null, NaN or infinite; its text in a CSV could not tell."""
    is_number = lists.list.eval(pl.element().is_finite().fill_null(value=False)).list.all()
    return ~is_number.fill_null(value=True)


def check_keys(rows: pl.DataFrame | pl.LazyFrame, schema: DatasetSchema) -> None:
    """Raise DataError unless each row's key comes after the key of the row above it; only the key columns are read."""
    key = list(schema.key)
    if isinstance(rows, pl.DataFrame) and is_strictly_sorted(rows, key):
        return
    found = first_out_of_order(rows.lazy(), key)
    if found.is_empty():
        return
    if found["is_before"][0]:
        raise DataError(f"{describe_row(found, schema, 0)} is not in the order of {', '.join(key)}, as was promised")
    raise DataError(f"{describe_row(found, schema, 0)} is there more than once; {', '.join(key)} must be unique")


def first_out_of_order(rows: pl.LazyFrame, key: Sequence[str], *, rows_at_a_time: int = ROWS_AT_A_TIME) -> pl.DataFrame:
    """The first row whose key does not come after the key of the row above it, if there is one.

    Args:
        rows: A stored table, or one in memory, whose keys are read a part at a time. As a stream, those of 25 million
            rows took 700 MiB.
        key: Its columns.
        rows_at_a_time: Changes nothing but the memory that it takes.

    Returns:
        The columns of the key; `is_before`, whether the key comes before the one above instead of repeating it;
        `is_wrong`, which is true.
    """
    is_equal = pl.lit(value=True)
    is_before = pl.lit(value=False)
    for name in reversed(list(key)):
        here, above = pl.col(name), pl.col(name).shift(1)
        # Nulls sort first.
        is_less = pl.when(here.is_null()).then(above.is_not_null()).otherwise(above.is_not_null() & (here < above))
        is_before = is_less | (here.eq_missing(above) & is_before)
        is_equal = here.eq_missing(above) & is_equal
    # The first row of a part is the last one of the part before it.
    is_wrong = (is_before | is_equal) & (pl.int_range(pl.len()) > 0)
    count = rows.select(pl.len()).collect().item()
    found = pl.DataFrame()
    for start in range(0, max(count, 1), rows_at_a_time):
        part = rows.select(list(key)).slice(max(start - 1, 0), rows_at_a_time + 1).collect()
        found = part.select(*key, is_before=is_before, is_wrong=is_wrong).filter("is_wrong").head(1)
        if found.height:
            break
    return found
