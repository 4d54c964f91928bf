# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Cutting a table by its symbols into ranges of a bounded number of rows, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

import polars as pl

SymbolRange = tuple[str, str | None]
"""Symbols from the first up to, and without, the second; None is the end."""

ALL_SYMBOLS: Final[SymbolRange] = ("", None)


def cut_into_ranges(
    rows_per_symbol: Iterable[tuple[str, int]], *, most_rows: int, symbols: int
) -> Sequence[SymbolRange]:
    """Cut all symbols into ranges of limited length. A symbol with more rows than that has a range of its own.

    A range begins at a symbol whose name says so, and also where the range before would grow too long. So when one
    symbol changes, other ranges stay the same.

    Args:
        rows_per_symbol: Each symbol and its number of rows, by symbol.
        most_rows: Of a range.
        symbols: Of a range, on average.
    """
    cuts, total = [""], 0
    for symbol, count in rows_per_symbol:
        if total and (total + count > most_rows or crc32(symbol.encode()) % symbols == 0):
            cuts.append(symbol)
            total = 0
        total += count
    return list(zip(cuts, [*cuts[1:], None], strict=True))


def is_within(symbols: SymbolRange) -> pl.Expr:
    """Whether the column `symbol` is in a range. A reader of Parquet skips the row groups of other ranges."""
    start, stop = symbols
    symbol = pl.col("symbol")
    return symbol >= start if stop is None else (symbol >= start) & (symbol < stop)


def rows_per_symbol(table: pl.LazyFrame) -> pl.DataFrame:
    """`symbol` and `rows` (Int64), by symbol; of a stored table, only its symbols are read, a part at a time."""
    counts = table.group_by("symbol").agg(rows=pl.len().cast(pl.Int64)).collect(engine="streaming")
    return counts.sort("symbol")
