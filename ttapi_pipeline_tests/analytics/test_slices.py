# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A query in parts, against the same query at once."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.analytics.slices import collect_in_slices
from ttapi_pipeline_tests.support.examples import examples


def totals(bars: pl.LazyFrame) -> pl.LazyFrame:
    return bars.group_by("symbol", maintain_order=True).agg(pl.len(), pl.col("close").sum())


@settings(max_examples=examples(50))
@given(st.lists(st.integers(1, 9), max_size=8), st.integers(1, 12))
def test_a_query_in_parts_gives_what_it_gives_at_once(lengths: list[int], rows: int) -> None:
    symbols = [f"S{number}" for number, length in enumerate(lengths) for _ in range(length)]
    bars = pl.LazyFrame(
        {"symbol": symbols, "close": range(len(symbols))}, schema={"symbol": pl.String, "close": pl.Int64}
    )
    assert_frame_equal(collect_in_slices(bars, totals, rows=rows), totals(bars).collect())


def test_a_part_holds_whole_symbols_and_about_as_many_rows_as_asked_for() -> None:
    heights: list[int] = []

    def note(part: pl.LazyFrame) -> pl.LazyFrame:
        frame = part.collect()
        heights.append(frame.height)
        return frame.lazy()

    collect_in_slices(pl.LazyFrame({"symbol": [*"AAABBBCCCDDDDDDDD"]}), note, rows=6)
    assert sorted(heights) == [3, 6, 8]


def test_scattered_rows_of_a_symbol_are_refused() -> None:
    with pytest.raises(ValueError, match="scattered"):
        collect_in_slices(pl.LazyFrame({"symbol": ["A", "B", "A"]}), totals)
