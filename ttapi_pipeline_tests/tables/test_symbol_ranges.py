# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Symbols cut into ranges: each in one of them, few enough rows in each, and the same cuts when others change."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.tables.symbol_ranges import ALL_SYMBOLS, cut_into_ranges, is_within, rows_per_symbol
from ttapi_pipeline_tests.support.examples import examples

SYMBOLS = st.dictionaries(st.text("ABCDEFGH./", min_size=1, max_size=4), st.integers(1, 9), max_size=30)


@settings(max_examples=examples(100))
@given(SYMBOLS, st.integers(1, 20), st.sampled_from([1, 4, 128]))
def test_each_symbol_is_in_one_range_in_order_and_a_range_has_few_enough_rows(
    rows: dict[str, int], most: int, symbols: int
) -> None:
    ranges = cut_into_ranges(sorted(rows.items()), most_rows=most, symbols=symbols)
    table = pl.LazyFrame({"symbol": sorted(rows)}, schema={"symbol": pl.String})
    parts = [table.filter(is_within(each)).collect()["symbol"].to_list() for each in ranges]
    assert [symbol for part in parts for symbol in part] == sorted(rows)
    assert all(len(part) <= 1 or sum(rows[symbol] for symbol in part) <= most for part in parts)
    assert (ranges[0][0], ranges[-1][1]) == ALL_SYMBOLS
    assert [stop for _, stop in ranges[:-1]] == [start for start, _ in ranges[1:]]


def test_a_symbol_that_joins_moves_the_cuts_up_to_the_next_name_that_begins_a_range() -> None:
    names = [f"S{number:04}" for number in range(2_000)]
    before = cut_into_ranges([(name, 10) for name in names], most_rows=500, symbols=64)
    joined = sorted([*names, "S0100A"])
    after = cut_into_ranges([(name, 10) for name in joined], most_rows=500, symbols=64)
    assert len(set(after) - set(before)) <= 4
    assert len(before) > 40


def test_rows_are_counted_by_symbol() -> None:
    table = pl.LazyFrame({"symbol": ["B", "A", "B"], "close": [1.0, 2.0, 3.0]})
    assert rows_per_symbol(table).rows() == [("A", 1), ("B", 2)]
