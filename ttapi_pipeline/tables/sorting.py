# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Comparing rows by numbers: to compare the texts and dates of every row would cost several times as much.

Rows that repeat a text should lie together, because texts are compared once per run of equal texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl


def sort_keys(rows: pl.DataFrame) -> pl.Series:
    """One integer per row that orders the rows as symbol and session do; rows with equal ones have equal integers.

    Args:
        rows: `symbol` and `session`, neither null.
    """
    symbols = _ranks(rows["symbol"])
    return pl.Series("key", (symbols << 32) + rows["session"].to_physical().to_numpy())


def is_strictly_sorted(rows: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether each row's key comes after the key of the row above it.

    Also False when that is not known: for nulls, and for columns other than texts, whole numbers, dates and timestamps.
    """
    is_tied = np.ones(max(rows.height - 1, 0), dtype=np.bool_)
    for name in key:
        column = rows[name]
        if column.null_count():
            return False
        if column.dtype == pl.String:
            numbers = _ranks(column)
        elif column.dtype.is_integer() or isinstance(column.dtype, pl.Date | pl.Datetime):
            numbers = column.to_physical().to_numpy()
        else:
            return False
        above, here = numbers[:-1], numbers[1:]
        if (is_tied & (here < above)).any():
            return False
        is_tied &= here == above
    return not is_tied.any()


def _ranks(texts: pl.Series) -> npt.NDArray[np.int64]:
    """The rank of each text among all texts of the column, from 1; equal texts have equal ranks."""
    runs = texts.rle().struct
    ranks = runs.field("value").rank("dense").to_numpy().astype(np.int64)
    return np.repeat(ranks, runs.field("len").to_numpy())
