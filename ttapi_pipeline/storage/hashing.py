# SPDX-License-Identifier: MIT
"""The data version: a hash of what a table says, whatever the order of its rows and the layout of its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.errors import storage_error

NOT_CONTENT: Final = ("fetched_at", "received_at")
"""Columns that say when and not what."""

HASHED_BY: Final = f"polars {pl.__version__}"
"""Data versions can be compared with recomputed ones only where this is the same."""

_SEEDS: Final = (0x5EED, 0xC0FFEE)
_MODULUS: Final = 1 << 64
_BATCH_ROWS: Final = 262_144


class ContentHash:
    """Takes a table in pieces, in any order and from any thread.

    The hash is the schema, the number of rows and, for each of two seeds, the sum of the rows' 64-bit hashes. Polars
    hashes -0.0 like 0.0, and promises `hash_rows` within one of its versions only, so that an upgrade of Polars can
    cost one rebuild of everything.
    """

    def __init__(self, schema: pl.Schema, *, exclude: Sequence[str] = NOT_CONTENT) -> None:
        self._columns: Final = {name: dtype for name, dtype in schema.items() if name not in exclude}
        self._sums = (0,) * len(_SEEDS)
        self._rows = 0
        self._lock = Lock()

    @property
    def rows(self) -> int:
        """How many rows came so far."""
        return self._rows

    @property
    def sums(self) -> tuple[int, ...]:
        """What `add` needs, beside the number of rows, to put these rows into another hash."""
        return self._sums

    def update(self, frame: pl.DataFrame) -> None:
        """Add rows."""
        content = frame.select(*self._columns)
        # The sum wraps at 64 bits.
        self.add(content.height, tuple(int(content.hash_rows(seed).sum()) for seed in _SEEDS))

    def add(self, rows: int, sums: Sequence[int]) -> None:
        """Add rows that another hash of the same columns has taken: their number and its `sums`."""
        with self._lock:
            self._rows += rows
            self._sums = tuple((old + new) % _MODULUS for old, new in zip(self._sums, sums, strict=True))

    def hexdigest(self) -> str:
        """32 hex digits for all rows so far."""
        facts = [[name, str(dtype)] for name, dtype in self._columns.items()], self._rows, list(self._sums)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def data_version(source: pl.DataFrame | pl.LazyFrame | Path, *, exclude: Sequence[str] = NOT_CONTENT) -> str:
    """The data version of a frame or of a Parquet file, which is read in pieces: memory does not grow with it.

    Args:
        source: A conformed frame, or a local Parquet file.
        exclude: Columns left out.

    Returns:
        32 hex digits. Equal for the same rows in another order, file layout or process; -0.0 equals 0.0.

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
