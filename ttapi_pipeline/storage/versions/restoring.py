# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table as it was before some publications changed it: the rows of a later one, with the changes taken back.

The changes are in memory, the table is read in batches. How the changes are written: see `row_changes`. A version that
is packed against another one is unpacked in memory; see `packing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import polars as pl
from polars.io.plugins import register_io_source

from ttapi_pipeline.storage.errors import storage_errors
from ttapi_pipeline.storage.hashing import NOT_CONTENT
from ttapi_pipeline.storage.versions.packing import unpacked
from ttapi_pipeline.storage.versions.row_changes import CHANGE, Change
from ttapi_pipeline.storage.versions.steps import Step

_BATCH_ROWS = 262_144

_THEN = "\x00then"
"""Ends the names of times of the earlier table while both are joined; no column has it."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What makes an earlier table out of a later one.

    Attributes:
        key: Columns that no two rows have in common.
        touched: Keys of all rows that were new, changed, gone, or fetched again in between.
        removed: Keys of rows of the later table that are not in the earlier one, or have another content there.
        rows: Rows of the earlier table, sorted by the key.
        times: Key, and when the earlier table's row was fetched, of rows with the same content in both.
    """

    key: Sequence[str]
    touched: pl.DataFrame
    removed: pl.DataFrame
    rows: pl.DataFrame
    times: pl.DataFrame


def led_back(rows: pl.LazyFrame, steps: Sequence[Step], key: Sequence[str]) -> pl.LazyFrame:
    """The version that some steps lead to.

    Args:
        rows: Of the version that they begin at.
        steps: That of the earliest publication first.
        key: Of the table.

    Raises:
        CorruptFileError: A file has other bytes than were written.
        StorageError: A file cannot be read.
    """
    for is_packed, group in groupby(reversed(steps), key=lambda step: step.is_packed):
        if not is_packed:
            rows = restored(rows, read_patch([*group][::-1], key))
            continue
        unpacking = rows.collect()
        for step in group:
            step.verify()
            with storage_errors(step.path):
                unpacking = unpacked(step.path, unpacking)
        rows = unpacking.lazy()
    return rows


def read_patch(steps: Sequence[Step], key: Sequence[str]) -> Patch:
    """Read the changes of some publications that follow each other.

    Args:
        steps: That of the earliest publication first; at least one.
        key: Of the table.

    Raises:
        CorruptFileError: A file has other bytes than were written.
        StorageError: A file cannot be read.
    """
    parts = []
    for step in steps:
        step.verify()
        with storage_errors(step.path):
            parts.append(pl.read_parquet(step.path, glob=False))
    changes = pl.concat(parts)
    columns = [name for name in changes.columns if name != CHANGE]
    times = [name for name in columns if name in NOT_CONTENT and name not in key]
    # The change next to the earlier table says what a row was there. Where it was only fetched again, the next change
    # of its content has that, or else the later table.
    first = changes.unique(key, keep="first", maintain_order=True)
    is_fetched = pl.col(CHANGE) == Change.FETCHED
    content = changes.filter(~is_fetched).unique(key, keep="first", maintain_order=True)
    fetched = first.filter(is_fetched).select(*key, *times)
    fetched_and_changed = content.drop(times).join(fetched, on=list(key), how="inner", nulls_equal=True).select(columns)
    was_there = first.filter(pl.col(CHANGE).is_in([Change.CHANGED, Change.GONE])).select(columns)
    rows = pl.concat([was_there, fetched_and_changed]).sort(key, nulls_last=False)
    was_not = first.filter(pl.col(CHANGE) == Change.NEW).select(key)
    return Patch(
        key=key,
        touched=first.select(key),
        removed=pl.concat([was_not, rows.select(key)]),
        rows=rows,
        times=fetched.join(rows, on=list(key), how="anti", nulls_equal=True),
    )


def merged(steps: Sequence[Step], key: Sequence[str]) -> pl.DataFrame:
    """The changes of publications that follow each other as those of one; arguments and errors as of `read_patch`.

    A row that is gone counts as changed.
    """
    patch = read_patch(steps, key)
    new = patch.removed.join(patch.rows, on=list(key), how="anti", nulls_equal=True)
    parts = ((Change.NEW, new), (Change.CHANGED, patch.rows), (Change.FETCHED, patch.times))
    told = [rows.select(pl.lit(str(change)).alias(CHANGE), pl.all()) for change, rows in parts]
    empty = patch.rows.clear().select(pl.lit("").alias(CHANGE), pl.all())
    return pl.concat([empty, *told], how="diagonal").sort(key, nulls_last=False)


def restored(later: pl.LazyFrame, patch: Patch) -> pl.LazyFrame:
    """The earlier table, sorted by the key as the later one is.

    A condition on columns of the key alone is passed on to the later table, so that one symbol is read fast.
    """
    schema = later.collect_schema()
    key = list(patch.key)

    def earlier(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        asked = schema.names() if with_columns is None else with_columns
        conditions = [] if predicate is None else predicate.meta.root_names()
        needed = [name for name in schema.names() if name in {*asked, *key, *conditions}]
        stored, rows = later.select(needed), patch.rows.select(needed)
        if predicate is not None and set(conditions) <= set(key):
            stored, rows, predicate = stored.filter(predicate), rows.filter(predicate), None
        left = n_rows
        for batch in _patched(stored, rows, patch):
            chosen = batch if predicate is None else batch.filter(predicate)
            chosen = chosen.select(asked) if left is None else chosen.select(asked).head(left)
            left = None if left is None else left - chosen.height
            yield chosen
            if left == 0:
                return

    return register_io_source(earlier, schema=schema, is_pure=True)


def _patched(stored: pl.LazyFrame, rows: pl.DataFrame, patch: Patch) -> Iterator[pl.DataFrame]:
    key = list(patch.key)
    times = [name for name in rows.columns if name in patch.times.columns and name not in key]
    at = 0
    for batch in stored.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
        if not batch.height:
            continue
        kept = batch.join(patch.removed, on=key, how="anti", nulls_equal=True, maintain_order="left")
        if times and patch.times.height:
            then = patch.times.select(*key, *(pl.col(name).alias(name + _THEN) for name in times))
            kept = kept.join(then, on=key, how="left", nulls_equal=True, maintain_order="left").select(
                pl.coalesce(name + _THEN, name).alias(name) if name in times else name for name in kept.columns
            )
        until = at + _count_until(rows[at:], batch.row(-1, named=True), key)
        yield pl.concat([kept, rows[at:until]]).sort(key, nulls_last=False) if until > at else kept
        at = until
    yield rows[at:]


def _count_until(rows: pl.DataFrame, last: dict[str, object], key: Sequence[str]) -> int:
    """How many rows, sorted by the key, come before a row or have its key; a null is before everything."""
    is_before, is_same = pl.lit(value=False), pl.lit(value=True)
    for name in key:
        value = last[name]
        if value is None:
            # Nothing is before a null.
            is_same &= pl.col(name).is_null()
            continue
        then = pl.lit(value, rows.schema[name])
        is_before |= is_same & ((pl.col(name) < then) | pl.col(name).is_null()).fill_null(value=False)
        is_same &= pl.col(name).eq_missing(then)
    return int(rows.select((is_before | is_same).sum()).item()) if rows.height else 0
