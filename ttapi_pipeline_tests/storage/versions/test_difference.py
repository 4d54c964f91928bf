# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A difference says what became of each row, and makes the second version out of the first."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.versions.difference import Difference, difference

SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "kind": pl.String(),
        "price": pl.Float64(),
        "strikes": pl.List(pl.Float64()),
        "fetched_at": pl.Datetime("us", "UTC"),
    }
)
KEY = ["symbol", "kind"]
Row = tuple[str, str | None, float | None, list[float] | None]


def table(*rows: Row, hour: int = 1) -> pl.DataFrame:
    at = datetime(2026, 11, 20, hour, tzinfo=UTC)
    return pl.DataFrame([(*row, at) for row in rows], schema=SCHEMA, orient="row")


def between(before: pl.DataFrame, after: pl.DataFrame) -> Difference:
    return difference(before.lazy(), after.lazy(), KEY)


def test_rows_are_new_gone_or_changed_with_their_values_before_and_after() -> None:
    before = table(("A", None, 1.0, [5.0]), ("B", "x", 2.0, None), ("C", "x", None, [5.0, 10.0]))
    after = table(("D", "x", 4.0, None), ("C", "x", 3.0, [5.0, 10.0, 15.0]), ("A", None, 1.0, [5.0]), hour=2)
    found = between(before, after)
    assert found.new["symbol"].to_list() == ["D"]
    assert found.gone["symbol"].to_list() == ["B"]
    assert found.before.rows() == [before.row(2)]
    assert found.after.rows() == [after.row(1)]
    assert found.per_column() == {"price": 1, "strikes": 1}
    assert found.cells().rows() == [
        ("C", "x", "price", None, "3.0"),
        ("C", "x", "strikes", "5.0 10.0", "5.0 10.0 15.0"),
    ]
    assert not found.is_empty


def test_a_later_fetch_of_the_same_rows_is_no_difference() -> None:
    rows: list[Row] = [("A", None, 1.0, None), ("B", "x", None, [])]
    found = between(table(*rows), table(*reversed(rows), hour=2))
    assert found.is_empty
    assert found.cells().is_empty()


def test_columns_that_came_or_went_are_named_and_the_others_are_compared() -> None:
    before = table(("A", None, 1.0, None)).drop("strikes")
    after = table(("A", None, 2.0, [5.0])).with_columns(pl.col("kind").cast(pl.String))
    found = between(before, after.with_columns(since=pl.lit(date(2026, 11, 20))))
    assert (found.columns_new, found.columns_gone) == (["strikes", "since"], [])
    assert found.per_column() == {"price": 1}
    with pytest.raises(DataError, match="different columns"):
        found.apply(before)


def test_a_column_of_another_type_is_another_column() -> None:
    before = table(("A", None, 1.0, None)).with_columns(strikes=pl.lit("5 10"))
    found = between(before, table(("A", None, 1.0, [5.0, 10.0])))
    assert (found.columns_new, found.columns_gone, found.after.height) == (["strikes"], ["strikes"], 0)


keys = st.tuples(st.sampled_from("ABCD"), st.sampled_from(["x", "y", None]))
values = st.tuples(
    st.sampled_from([None, 0.0, 1.0, 2.0]), st.none() | st.lists(st.sampled_from([5.0, 10.0]), max_size=2)
)
versions = st.dictionaries(keys, values, max_size=12)
Version = dict[tuple[str, str | None], tuple[float | None, list[float] | None]]


@given(versions, versions)
def test_the_difference_applied_to_the_first_version_gives_the_second(first: Version, second: Version) -> None:
    before = table(*((*key, *value) for key, value in first.items()))
    after = table(*((*key, *value) for key, value in second.items()), hour=2)
    found = between(before, after)
    assert data_version(found.apply(before)) == data_version(after)
    both = first.keys() & second.keys()
    assert set(found.new.select(KEY).iter_rows()) == second.keys() - first.keys()
    assert set(found.gone.select(KEY).iter_rows()) == first.keys() - second.keys()
    assert set(found.after.select(KEY).iter_rows()) == {key for key in both if first[key] != second[key]}
    assert_frame_equal(found.before.select(KEY), found.after.select(KEY))
