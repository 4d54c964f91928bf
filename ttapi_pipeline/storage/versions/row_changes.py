# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Comparing two sorted tables of any size, and writing what leads from the second back to the first.

The file has the columns of the table and one before them, `change`:

- ``new``: the key of a row that the first table does not have; the other columns are null.
- ``changed``: the row as the first table has it. The second has the key with another content.
- ``gone``: the row as the first table has it. The second has no such key.
- ``fetched``: the key, and when the first table's row was fetched. The second has the same content, of another fetch.

Rows are sorted by the key. Where these files are: see `steps`. Making the first table again: see `restoring`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

from ttapi_pipeline.storage.files import file_for_polars
from ttapi_pipeline.storage.hashing import NOT_CONTENT, ContentHash
from ttapi_pipeline.storage.parquet import COMPRESSION_LEVEL
from ttapi_pipeline.tables.schema import DatasetSchema

CHANGE: Final = "change"

_BATCH_ROWS: Final = 262_144


class Change(StrEnum):
    """What became of a row."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"
    FETCHED = "fetched"


Range = tuple[int, int]
"""The first row, from 0, and the number of rows."""


def batches(path: Path, ranges: Sequence[Range]) -> Iterator[pl.DataFrame]:
    """Some rows of a Parquet file, in the order of the ranges, a few hundred thousand at a time.

    Raises:
        OSError, PolarsError: They cannot be read.
    """
    for start, count in ranges:
        for at in range(start, start + count, _BATCH_ROWS):
            rows = min(_BATCH_ROWS, start + count - at)
            yield pl.scan_parquet(path, glob=False).slice(at, rows).collect()


@dataclass(slots=True)
class Changes:
    """The changes between two tables.

    Attributes:
        schema: Of both tables.
        most_rows: How many rows may be written as the first table has them; None for any number.
        rows_new, rows_changed, rows_gone: How many there are; too few if `has_too_many`.
        has_too_many: Whether there are more than `most_rows`: nothing is complete then.
    """

    schema: DatasetSchema
    most_rows: int | None = None
    rows_new: int = 0
    rows_changed: int = 0
    rows_gone: int = 0
    has_too_many: bool = False
    _first: ContentHash = field(init=False)
    _second: ContentHash = field(init=False)

    def __post_init__(self) -> None:
        self._first, self._second = ContentHash(self.schema.polars), ContentHash(self.schema.polars)

    def write(self, path: Path, first: Iterable[pl.DataFrame], second: Iterable[pl.DataFrame]) -> None:
        """Compare two tables and write the changes. Memory does not grow with the tables, nor with the changes.

        Args:
            path: Where to.
            first: The earlier table, sorted by the key, each key once. Rows that both tables have may be left out.
            second: The later one, likewise.

        Raises:
            OSError, PolarsError: A table cannot be read, or the file cannot be written.
        """
        columns = self.schema.polars
        kept = pl.Schema({CHANGE: pl.String(), **columns})

        def changes(
            with_columns: list[str] | None, _predicate: pl.Expr | None, _n_rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            for old, new in aligned(iter(first), iter(second), self.schema.sort_by[0], columns.to_frame()):
                found = self._between(old, new)
                if self.has_too_many:
                    return
                if found.height:
                    yield found if with_columns is None else found.select(with_columns)

        # Streamed to the file by row groups; statistics of columns that are mostly null help no reader.
        with file_for_polars(path) as file:
            register_io_source(changes, schema=kept, is_pure=True).sink_parquet(
                file, compression="zstd", compression_level=COMPRESSION_LEVEL, statistics=False, maintain_order=True
            )

    def first_version(self, second: ContentHash) -> str:
        """The data version of the first table, by the rows of the second and the changes alone."""
        content = ContentHash(self.schema.polars)
        content.add(second.rows, second.sums)
        content.add(-self._second.rows, [-each for each in self._second.sums])
        content.add(self._first.rows, self._first.sums)
        return content.hexdigest()

    def _between(self, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
        key = list(self.schema.key)
        before, after, gone, fresh = _paired(old, new, key)
        content = [name for name in old.columns if name not in {*key, *NOT_CONTENT}]
        times = [name for name in old.columns if name in NOT_CONTENT and name not in key]
        differs = _differs(before, after, content)
        is_later = _differs(before, after, times) & ~differs
        changed, later = before.filter(differs), before.filter(is_later).select(*key, *times)
        self.rows_new += fresh.height
        self.rows_changed += changed.height
        self.rows_gone += gone.height
        if self.most_rows is not None and self.rows_changed + self.rows_gone > self.most_rows:
            self.has_too_many = True
        for each in (changed, gone):
            self._first.update(each)
        for each in (after.filter(differs), fresh):
            self._second.update(each)
        parts = (
            (Change.NEW, fresh.select(key)),
            (Change.CHANGED, changed),
            (Change.GONE, gone),
            (Change.FETCHED, later),
        )
        told = [rows.select(pl.lit(str(change)).alias(CHANGE), pl.all()) for change, rows in parts]
        whole = pl.concat([old.clear().select(pl.lit("").alias(CHANGE), pl.all()), *told], how="diagonal")
        return whole.sort(key, nulls_last=False)


def aligned(
    first: Iterator[pl.DataFrame], second: Iterator[pl.DataFrame], by: str, empty: pl.DataFrame
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Cut two tables, both sorted by a column, so that the rows with the same value of it come together.

    Args:
        first: One of them, in batches.
        second: The other one.
        by: The column, without nulls.
        empty: No rows of either.

    Yields:
        Some rows of each, in order. A batch of each is held in memory, and the rows of one value.
    """
    sides = _Side(first, by, empty), _Side(second, by, empty)
    while waiting := [side for side in sides if not side.is_over]:
        last = min(side.last for side in waiting)
        parts = tuple(side.take_before(last) for side in sides)
        if parts[0].height or parts[1].height:
            yield parts[0], parts[1]
        for side in waiting:
            if side.last == last:
                side.read()
    yield sides[0].rows, sides[1].rows


class _Side:
    """A table of two that are cut together."""

    def __init__(self, batches: Iterator[pl.DataFrame], by: str, empty: pl.DataFrame) -> None:
        self._batches, self._by = batches, by
        self.rows, self.is_over = empty, False
        self.read()

    @property
    def last(self) -> str:
        """The last value that was read."""
        value: str = self.rows[self._by][-1]
        return value

    def read(self) -> None:
        """Read on, to at least one row more."""
        batch = next((each for each in self._batches if each.height), None)
        if batch is None:
            self.is_over = True
        else:
            self.rows = pl.concat([self.rows, batch]) if self.rows.height else batch

    def take_before(self, value: str) -> pl.DataFrame:
        """Take out the rows before a value."""
        at = self.rows[self._by].search_sorted(value, side="left")
        taken, self.rows = self.rows[:at], self.rows[at:]
        return taken


def _paired(
    old: pl.DataFrame, new: pl.DataFrame, key: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The rows of both with the same keys, in the same order; those of the old one alone, and of the new one alone."""
    last = key[-1]
    newest = old[last].max()
    if newest is not None and new.height >= old.height:
        # Most publications add a session to each symbol and take nothing away: no join is needed.
        is_older = (new[last] <= newest).fill_null(value=False)
        common = new.filter(is_older)
        if common.height == old.height and common.select(key).equals(old.select(key)):
            return old, common, old.clear(), new.filter(~is_older)
    others = [name for name in old.columns if name not in key]
    both = old.join(new, on=key, how="inner", suffix=_AFTER, maintain_order="left", nulls_equal=True)
    return (
        both.select(old.columns),
        both.select(*key, *(pl.col(name + _AFTER).alias(name) for name in others)).select(old.columns),
        old.join(new, on=key, how="anti", nulls_equal=True),
        new.join(old, on=key, how="anti", nulls_equal=True),
    )


_AFTER: Final = "\x00after"


def _differs(before: pl.DataFrame, after: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    none = pl.repeat(value=False, n=before.height, eager=True, dtype=pl.Boolean)
    return reduce(or_, (before[name].ne_missing(after[name]) for name in columns), none)
