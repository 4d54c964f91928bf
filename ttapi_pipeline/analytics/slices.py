# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Running a query over a table of bars slice by slice, some symbols at a time: memory does not grow with the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

ROWS_AT_A_TIME: Final = 500_000
"""Rows in a slice, about: enough that starting a query costs little, few enough for the memory of a small machine."""


_SYMBOLS_READ: Final = 262_144
"""Rows whose symbols are in memory at a time while slices are cut."""

_RUNS: Final = pl.Schema({"len": pl.Int64(), "value": pl.String()})


def collect_in_slices(
    bars: pl.LazyFrame, query: Callable[[pl.LazyFrame], pl.LazyFrame], *, rows: int = ROWS_AT_A_TIME
) -> pl.DataFrame:
    """Collect a query that treats each symbol by itself, with the result of running it on all rows at once.

    As many slices run side by side as Polars has threads. In a Parquet file, a slice is a few row groups.

    Args:
        bars: `symbol` and the columns that the query needs; the rows of each symbol lie together, as they are stored.
        query: Called once per slice, with the rows of some symbols; the results are put together in order.
        rows: Rows in a slice, about; a slice holds one symbol or more, whole.

    Raises:
        ValueError: The rows of a symbol are scattered.
    """
    slices = _slices(bars, rows=rows) or [(0, 0)]

    def collect(bounds: tuple[int, int]) -> pl.DataFrame:
        # Rolling windows stop the streaming engine at every step, and a slice is too small to stream.
        return query(bars.slice(*bounds)).collect(engine="in-memory")

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return pl.concat(pool.map(collect, slices))


def _slices(bars: pl.LazyFrame, *, rows: int) -> Sequence[tuple[int, int]]:
    """Offset and length of each slice."""
    batches = bars.select("symbol").collect_batches(chunk_size=_SYMBOLS_READ, maintain_order=True)
    read = pl.concat(
        [pl.DataFrame(schema=_RUNS), *(batch["symbol"].rle().struct.unnest().cast(_RUNS) for batch in batches)]
    )
    # A symbol may go on in the next batch.
    number = pl.col("value").rle_id()
    runs = read.group_by(number=number, maintain_order=True).agg(pl.col("value").first(), pl.col("len").sum())
    if runs["value"].is_duplicated().any():
        raise ValueError("the rows of a symbol are scattered; sort them by symbol")
    ends = runs.select(length="len", end=pl.col("len").cum_sum())
    slices = ends.group_by((pl.col("end") - 1) // rows, maintain_order=True).agg(
        offset=pl.col("end").last() - pl.col("length").sum(), length=pl.col("length").sum()
    )
    return list(slices.select("offset", "length").iter_rows())
