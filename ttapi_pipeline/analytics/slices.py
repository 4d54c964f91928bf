# SPDX-License-Identifier: MIT
"""A query over a table of bars, some symbols at a time, so that its memory does not grow with the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

ROWS_AT_A_TIME: Final = 500_000
"""Rows in a part, about: enough that starting a query costs nothing, few enough for the memory of a small machine."""


def collect_in_parts(
    bars: pl.LazyFrame, query: Callable[[pl.LazyFrame], pl.LazyFrame], *, rows: int = ROWS_AT_A_TIME
) -> pl.DataFrame:
    """Collect a query that treats each symbol by itself, as if on all rows at once.

    As many parts run side by side as Polars has threads. Each is a slice, which in a Parquet file is a few row groups.

    Args:
        bars: `symbol` and what the query needs; the rows of each symbol lie together, as they are stored.
        query: Called with some symbols' rows, once per part; the results are put together in their order.
        rows: Rows in a part, about; it holds one symbol or more, whole.

    Raises:
        ValueError: The rows of a symbol are scattered.
    """
    parts = _slices(bars, rows=rows) or [(0, 0)]

    def collect(part: tuple[int, int]) -> pl.DataFrame:
        # Rolling windows stop the streaming engine at every step, and there is no more to stream in a part.
        return query(bars.slice(*part)).collect(engine="in-memory")

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return pl.concat(pool.map(collect, parts))


def _slices(bars: pl.LazyFrame, *, rows: int) -> Sequence[tuple[int, int]]:
    """Offset and length of each part."""
    runs = bars.select(pl.col("symbol").rle()).collect().unnest("symbol")
    if runs["value"].is_duplicated().any():
        raise ValueError("the rows of a symbol are scattered; sort them by symbol")
    ends = runs.select(length=pl.col("len").cast(pl.Int64), end=pl.col("len").cast(pl.Int64).cum_sum())
    parts = ends.group_by((pl.col("end") - 1) // rows, maintain_order=True).agg(
        offset=pl.col("end").last() - pl.col("length").sum(), length=pl.col("length").sum()
    )
    return list(parts.select("offset", "length").iter_rows())
