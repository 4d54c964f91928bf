# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Facts about sorting by numbers: they order rows as their texts, dates and numbers do."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.tables.sorting import is_strictly_sorted, sort_keys

SYMBOLS = st.sampled_from(["A", "AA", "B", "b", "é", "\U0001f600", ""]) | st.text(max_size=3)
ROWS = st.lists(st.tuples(SYMBOLS, st.dates(date(1900, 1, 1), date(2100, 1, 1))), max_size=12)
SCHEMA = {"symbol": pl.String(), "session": pl.Date()}


def frame_of(rows: list[tuple[str, date]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@given(ROWS)
def test_keys_order_rows_as_symbol_and_session_do(rows: list[tuple[str, date]]) -> None:
    # Polars, like Parquet's statistics, orders texts by their UTF-8 bytes.
    expected = sorted((symbol.encode(), session) for symbol, session in rows)
    keys = sort_keys(frame_of(rows)).to_list()
    ordered = sorted(zip(keys, rows, strict=True))
    assert [(symbol.encode(), session) for _, (symbol, session) in ordered] == expected
    assert len(set(keys)) == len(set(rows))


@given(ROWS, st.booleans())
def test_rows_are_strictly_sorted_if_each_is_after_the_one_above(rows: list[tuple[str, date]], is_sorted: bool) -> None:
    if is_sorted:
        rows = sorted(set(rows), key=lambda row: (row[0].encode(), row[1]))
    above = [(symbol.encode(), session) for symbol, session in rows]
    expected = all(first < second for first, second in pairwise(above))
    assert is_strictly_sorted(frame_of(rows), ["symbol", "session"]) is expected


@pytest.mark.parametrize(
    ("values", "is_sorted"),
    [
        (pl.Series([1, 2, 250], dtype=pl.UInt8), True),
        (pl.Series([-(2**63), 2**63 - 1]), True),
        (pl.Series([2, 1]), False),
        (pl.Series([2, 2]), False),
        (pl.Series([datetime(2026, 1, 5, 14, 30, tzinfo=UTC), datetime(2026, 1, 5, 14, 31, tzinfo=UTC)]), True),
        (pl.Series([], dtype=pl.Date), True),
        # It cannot tell.
        (pl.Series([None, 1]), False),
        (pl.Series([1.0, 2.0]), False),
    ],
)
def test_one_column_of_a_key(values: pl.Series, is_sorted: bool) -> None:
    assert is_strictly_sorted(pl.DataFrame({"key": values}), ["key"]) is is_sorted
