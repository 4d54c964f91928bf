# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Two versions of a table, compared row by row."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.storage.changes import RowChanges, count_changes
from ttapi_pipeline.tables.schema import FLOAT, STRING, TIMESTAMP, Column, DatasetSchema

SCHEMA = DatasetSchema(
    "prices",
    [
        Column("symbol", STRING, "Name."),
        Column("kind", STRING, "May be null."),
        Column("price", FLOAT, "US dollars."),
        Column("fetched_at", TIMESTAMP, "When."),
    ],
    ["symbol", "kind"],
)


def table(*rows: tuple[str, str | None, float | None], hour: int = 1) -> pl.DataFrame:
    at = datetime(2026, 11, 20, hour, tzinfo=UTC)
    return pl.DataFrame([(*row, at) for row in rows], schema=SCHEMA.polars, orient="row")


def test_rows_are_new_changed_or_gone_and_a_later_fetch_is_no_change() -> None:
    before = table(("A", None, 1.0), ("B", "x", 2.0), ("C", "x", None))
    after = table(("D", "x", 1.0), ("C", "x", 3.0), ("A", None, 1.0), hour=2)
    assert count_changes(before.lazy(), after, SCHEMA) == RowChanges(new=1, changed=1, gone=1)
    assert count_changes(before.lazy(), before.with_columns(fetched_at=after["fetched_at"]), SCHEMA) == RowChanges(
        0, 0, 0
    )


def test_without_a_version_before_every_row_is_new() -> None:
    assert count_changes(None, table(("A", None, 1.0)), SCHEMA) == RowChanges(1, 0, 0)
    assert RowChanges(1, 2, 3).to_facts() == {"rows_new": 1, "rows_changed": 2, "rows_gone": 3}


keys = st.tuples(st.sampled_from("ABCD"), st.sampled_from(["x", "y", None]))
versions = st.dictionaries(keys, st.sampled_from([None, 0.0, 1.0, 2.0]), max_size=12)


@given(versions, versions)
def test_the_counts_are_those_of_dictionaries(
    before: dict[tuple[str, str | None], float], after: dict[tuple[str, str | None], float]
) -> None:
    found = count_changes(
        table(*((*key, price) for key, price in before.items())).lazy(),
        table(*((*key, price) for key, price in after.items())),
        SCHEMA,
    )
    both = before.keys() & after.keys()
    assert found == RowChanges(
        new=len(after.keys() - both),
        changed=sum(before[key] != after[key] for key in both),
        gone=len(before.keys() - both),
    )
