# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The data version: a hash of a table's content that does not depend on the order of rows or the layout of the file.

Of estimates it takes the digits that count, so that it is the same for a table with all digits and for the one that is
made from its packed version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.tables.digits import counted_digits
from ttapi_pipeline.tables.rounding import rounded

NOT_CONTENT: Final = ("fetched_at", "received_at")
"""Columns that say when a row was fetched; the content may be the same."""

HASHED_BY: Final = f"polars {pl.__version__}"
"""A stored data version can be compared with a recomputed one only where both have this, and the same `rule`."""

_SEEDS: Final = (0x5EED, 0xC0FFEE)
_MODULUS: Final = 1 << 64
_BATCH_ROWS: Final = 262_144


def rule(columns: Mapping[str, object]) -> str:
    """What a footer says after `HASHED_BY` of the rule that a table's data version was taken by.

    Before estimates counted to six digits, all of their digits did: such data versions are those of other numbers.

    Args:
        columns: The types of the table's columns by name, as Polars has or writes them.
    """
    found = sorted(set(counted_digits(columns).values()))
    return f", {found[0]} digits" if found else ""


class ContentHash:
    """The hash of a table whose rows come batch by batch, in any order and from any thread.

    Hashed are the schema, the number of rows and, for each of two seeds, the sum of the rows' 64-bit hashes. Of
    estimates, the digits that count are hashed; see `tables.digits`. Polars hashes -0.0 like 0.0. It promises the same
    `hash_rows` within one of its versions only, so that an upgrade of Polars can cost one rebuild of everything.
    """

    def __init__(self, schema: pl.Schema, *, exclude: Sequence[str] = NOT_CONTENT) -> None:
        self._columns: Final = {name: dtype for name, dtype in schema.items() if name not in exclude}
        self._sums = (0,) * len(_SEEDS)
        self._rows = 0
        self._lock = Lock()

    @property
    def rows(self) -> int:
        """The number of rows that came so far."""
        return self._rows

    @property
    def sums(self) -> tuple[int, ...]:
        """Per seed, the sum of the rows' hashes: `add` takes it to put these rows into another hash."""
        return self._sums

    def update(self, frame: pl.DataFrame) -> None:
        """Add rows."""
        content = rounded(frame).select(*self._columns)
        # The sum wraps at 64 bits.
        self.add(content.height, tuple(int(content.hash_rows(seed).sum()) for seed in _SEEDS))

    def add(self, rows: int, sums: Sequence[int]) -> None:
        """Add rows that another hash of the same columns has taken, by their number and that hash's `sums`."""
        with self._lock:
            self._rows += rows
            self._sums = tuple((old + new) % _MODULUS for old, new in zip(self._sums, sums, strict=True))

    def hexdigest(self) -> str:
        """The hash of all rows so far, in 32 hex digits."""
        facts = [[name, str(dtype)] for name, dtype in self._columns.items()], self._rows, list(self._sums)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def data_version(source: pl.DataFrame | pl.LazyFrame | Path, *, exclude: Sequence[str] = NOT_CONTENT) -> str:
    """The data version of a frame or of a Parquet file. Both are read batch by batch: memory does not grow with them.

    Args:
        source: A conformed frame, or a local Parquet file.
        exclude: Columns left out.

    Returns:
        32 hex digits, equal for the same rows in another order, file layout or process; -0.0 equals 0.0.

    Raises:
        CorruptFileError: The file cannot be read as Parquet.
        StorageError: It cannot be read at all.
    """
    if isinstance(source, pl.DataFrame):
        content = ContentHash(source.schema, exclude=exclude)
        content.update(source)
        return content.hexdigest()
    try:
        frame = source if isinstance(source, pl.LazyFrame) else pl.scan_parquet(source, glob=False)
        content = ContentHash(frame.collect_schema(), exclude=exclude)
        for batch in frame.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=False):
            content.update(batch)
    except pl.exceptions.PolarsError as error:
        if isinstance(source, Path):
            raise CorruptFileError(f"{source} cannot be read as Parquet: {error}") from error
        raise
    except OSError as error:
        if isinstance(source, Path):
            raise storage_error(source, error) from error
        raise
    return content.hexdigest()
