# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Computing a table from bars a range of symbols at a time, so that memory does not grow with the universe.

Next door: `analytics.slices` does so for a query over the bars alone; `histories` hands out arrays of single symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, cut_into_ranges, rows_per_symbol

ROWS_AT_A_TIME: Final = 1 << 18
"""Rows of a range, about: 65 symbols with histories of 16 years."""

_SYMBOLS_AT_A_TIME: Final = 512
"""Where histories are short. To start the query of a range costs as much as some hundred symbols do."""

_WORKERS: Final = 2
"""Polars uses all cores for each; a second range keeps them busy where one waits."""


def collect_by_ranges(
    bars: pl.LazyFrame, query: Callable[[SymbolRange], pl.DataFrame], *, rows: int = ROWS_AT_A_TIME
) -> pl.DataFrame:
    """Put together what a query makes of each range of symbols, in their order.

    Args:
        bars: Has the rows that are counted, of each `symbol`. They are not read otherwise.
        query: Makes the rows of a range; all symbols that there can be are in one of the ranges. Called in threads.
        rows: Of a range, about.
    """
    counts = rows_per_symbol(bars).iter_rows()
    ranges = cut_into_ranges(counts, most_rows=rows, symbols=_SYMBOLS_AT_A_TIME)
    return pl.concat(map_in_order(query, ranges, workers=_WORKERS))
