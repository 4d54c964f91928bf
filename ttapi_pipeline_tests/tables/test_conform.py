# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `conform` lets through, what it turns into something else, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import DataError, MissingColumnError
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.schema import DatasetSchema

Make = Callable[..., pl.DataFrame]


def test_columns_come_out_in_the_schemas_order(marks: DatasetSchema, marks_frame: Make) -> None:
    frame = marks_frame()
    assert_frame_equal(conform(frame.select(reversed(frame.columns)), marks), frame)


def test_a_conformed_frame_stays_as_it_is(marks: DatasetSchema, marks_frame: Make) -> None:
    once = conform(marks_frame(), marks)
    assert_frame_equal(conform(once, marks), once)


@pytest.mark.parametrize("lazy", [False, True])
def test_nan_becomes_null(marks: DatasetSchema, marks_frame: Make, lazy: bool) -> None:
    frame = marks_frame().with_columns(close=pl.lit(float("nan")))
    conformed = conform(frame.lazy(), marks).collect() if lazy else conform(frame, marks)
    assert conformed["close"].null_count() == frame.height


def test_missing_columns_are_listed(marks: DatasetSchema, marks_frame: Make) -> None:
    with pytest.raises(MissingColumnError, match="marks lacks close, note; it has symbol, session"):
        conform(marks_frame().drop("close", "note"), marks)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_column_too_many_is_not_dropped_in_silence(marks: DatasetSchema, marks_frame: Make, lazy: bool) -> None:
    frame = marks_frame().with_columns(bid=1.0)
    with pytest.raises(DataError, match="does not name: bid"):
        conform(frame.lazy(), marks) if lazy else conform(frame, marks)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_nothing_is_a_valid_empty_dataset(dataset: Dataset) -> None:
    schema = dataset.schema
    expected = schema.polars.to_frame()
    assert_frame_equal(conform(pl.DataFrame([]), schema), expected)
    assert_frame_equal(conform(pl.LazyFrame([]), schema).collect(), expected)
    without_types = pl.DataFrame({name: [] for name in schema.polars}, schema=dict.fromkeys(schema.polars, pl.Null))
    assert_frame_equal(conform(without_types, schema), expected)
    assert_frame_equal(conform(without_types.lazy(), schema).collect(), expected)


INSTANT = datetime(2026, 1, 5, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("close", pl.Series([3], dtype=pl.Int64), 3.0),
        ("close", pl.Series([1.5], dtype=pl.Float32), 1.5),
        ("close", pl.Series(["4.25"]), 4.25),
        ("close", pl.Series(["NaN"]), None),
        ("close", pl.Series([None], dtype=pl.Null), None),
        ("volume", pl.Series([7.0]), 7),
        ("volume", pl.Series([float("nan")]), None),
        ("volume", pl.Series(["12"]), 12),
        ("volume", pl.Series([255], dtype=pl.UInt8), 255),
        ("rating", pl.Series([5], dtype=pl.Int64), 5),
        ("note", pl.Series(["x"], dtype=pl.Categorical), "x"),
        ("session", pl.Series(["2026-01-05"]), date(2026, 1, 5)),
        ("session", pl.Series([datetime(2026, 1, 5)]), date(2026, 1, 5)),  # noqa: DTZ001 - a midnight without zone
        ("fetched_at", pl.Series([INSTANT]).dt.convert_time_zone("America/New_York"), INSTANT),
        ("fetched_at", pl.Series([INSTANT.astimezone(timezone(timedelta(hours=9)))]), INSTANT),
        ("fetched_at", pl.Series([INSTANT]).dt.cast_time_unit("ns"), INSTANT),
    ],
)
def test_values_that_mean_the_same_are_cast(
    marks: DatasetSchema, marks_frame: Make, column: str, given: pl.Series, expected: object
) -> None:
    frame = marks_frame().head(1).with_columns(given.alias(column))
    for conformed in (conform(frame, marks), conform(frame.lazy(), marks).collect()):
        assert conformed.schema == marks.polars
        assert conformed[column].to_list() == [expected]


@pytest.mark.parametrize(
    ("column", "given", "shown"),
    [
        ("volume", pl.Series([1.0, 2.5]), "2.5"),
        ("volume", pl.Series(["1", "1,000"]), "'1,000'"),
        ("rating", pl.Series([1, 2**31]), str(2**31)),
        ("close", pl.Series([1, 2**53 + 1]), str(2**53 + 1)),
        ("close", pl.Series(["1.0", "n/a"]), "'n/a'"),
        ("session", pl.Series(["2026-01-05", "2026-02-30"]), "'2026-02-30'"),
        ("session", pl.Series([datetime(2026, 1, 5), datetime(2026, 1, 6, 9)]), "9, 0"),  # noqa: DTZ001 - no zone
        ("fetched_at", pl.Series([0, 1], dtype=pl.Datetime("ns", "UTC")), "1970"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_row(
    marks: DatasetSchema, marks_frame: Make, column: str, given: pl.Series, shown: str
) -> None:
    frame = marks_frame().head(2).with_columns(given.alias(column))
    for lazy in (False, True):
        with pytest.raises(DataError) as caught:
            conform(frame.lazy(), marks).collect() if lazy else conform(frame, marks)
        assert f"{column} is" in str(caught.value)
        assert shown in str(caught.value)
        assert str(frame["session"][1]) in str(caught.value)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("note", 123),
        ("note", date(2026, 1, 5)),
        ("session", 20_000),
        ("volume", True),
        ("is_final", 1),
        ("is_final", "true"),
        ("fetched_at", datetime(2026, 1, 5, 21, 30)),  # noqa: DTZ001 - without a zone, which is the point
        ("fetched_at", "2026-01-05T21:30:00Z"),
        ("close", [1.0]),
    ],
)
def test_types_that_leave_the_meaning_open_are_refused(
    marks: DatasetSchema, marks_frame: Make, column: str, value: Any
) -> None:
    frame = marks_frame().head(1).with_columns(pl.Series(column, [value]))
    with pytest.raises(DataError, match=f"{column} is .* and not"):
        conform(frame, marks)
