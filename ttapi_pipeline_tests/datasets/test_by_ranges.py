# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table that is computed range by range, against the same table computed at once."""

from __future__ import annotations

import polars as pl
from polars.testing import assert_frame_equal

from ttapi_pipeline.datasets.by_ranges import collect_by_ranges
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, is_within

BARS = pl.LazyFrame(
    {"symbol": [f"S{number // 7:03}" for number in range(7 * 40)], "close": [float(each) for each in range(7 * 40)]}
)
OTHERS = pl.LazyFrame({"symbol": ["A", "S011", "S011X", "Z"]})


def test_ranges_put_together_are_the_whole_with_symbols_that_have_no_bars() -> None:
    seen: list[SymbolRange] = []

    def query(symbols: SymbolRange) -> pl.DataFrame:
        seen.append(symbols)
        totals = BARS.filter(is_within(symbols)).group_by("symbol").agg(pl.col("close").sum())
        both = pl.concat([totals.select("symbol"), OTHERS.filter(is_within(symbols))]).unique()
        return both.join(totals, on="symbol", how="left").sort("symbol").collect()

    found = collect_by_ranges(BARS, query, rows=35)
    parts = len(seen)
    assert parts == 8
    assert_frame_equal(found, query(("", None)))
    assert found["symbol"].to_list()[0] == "A"
    assert found["symbol"].to_list()[-1] == "Z"


def test_without_bars_there_is_one_range_of_everything() -> None:
    empty = BARS.clear()
    assert collect_by_ranges(empty, lambda symbols: pl.DataFrame({"range": [str(symbols)]})).rows() == [("('', None)",)]
