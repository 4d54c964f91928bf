# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The type of a table whose rows come piece by piece. How it is stored: see the room's docstring and `publish`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from polars.io.plugins import register_io_source


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table.

    Attributes:
        key: Stands for the rows: two pieces with the same key have the same rows, in this process and in any other.
        read: Makes the rows; called from any thread, and never twice at the same time.
    """

    key: str
    read: Callable[[], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Pieces:
    """A table whose rows come piece by piece, sorted by the table's key within and across pieces.

    The columns of the table's key are text and dates, without nulls. A piece is held in memory whole, two at a time.
    """

    schema: pl.Schema
    pieces: Sequence[Piece]

    def lazy(self) -> pl.LazyFrame:
        """The rows as a stream."""

        def batches(
            with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
        ) -> Iterator[pl.DataFrame]:
            left = n_rows
            for piece in self.pieces:
                frame = piece.read()
                frame = frame if with_columns is None else frame.select(with_columns)
                frame = frame if left is None else frame.head(left)
                left = None if left is None else left - frame.height
                yield frame if predicate is None else frame.filter(predicate)
                if left == 0:
                    return

        return register_io_source(batches, schema=self.schema, is_pure=True)
