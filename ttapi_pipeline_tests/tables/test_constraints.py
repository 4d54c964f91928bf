# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The first row that is out of the order of its key, found a part at a time."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.tables.constraints import first_out_of_order

KEY = ("symbol", "session")
FIRST = date(2026, 11, 2)

Row = tuple[str | None, date | None]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "", "A", "AA", "B", "Ü"]),
        st.one_of(st.none(), st.integers(0, 3).map(lambda days: FIRST + timedelta(days=days))),
    ),
    max_size=30,
)


def place(row: Row) -> tuple[bool, bytes, bool, date]:
    """What Python orders rows by as Polars does: nulls first, texts by their UTF-8."""
    symbol, session = row
    return symbol is not None, (symbol or "").encode(), session is not None, session or FIRST


@given(ROWS, st.booleans(), st.integers(1, 40))
def test_it_is_that_of_a_comparison_of_neighbours_whatever_the_parts(
    rows: list[Row], is_sorted: bool, rows_at_a_time: int
) -> None:
    given_rows = sorted(rows, key=place) if is_sorted else rows
    frame = pl.DataFrame(given_rows, schema={"symbol": pl.String, "session": pl.Date}, orient="row")
    found = first_out_of_order(frame.lazy(), KEY, rows_at_a_time=rows_at_a_time)
    wrong = [
        (*here, place(here) < place(above), True) for above, here in pairwise(given_rows) if place(here) <= place(above)
    ]
    assert found.rows() == wrong[:1]
    assert found.columns == ["symbol", "session", "is_before", "is_wrong"]
