# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The rows that are published are the rows that are read back, from Parquet and from CSV."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.parquet import ROW_GROUP_ROWS
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import read_csv_back, scan
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline_tests.support.examples import examples

Make = Callable[..., pl.DataFrame]


def cells(dtype: pl.DataType, *, allow_nan: bool) -> st.SearchStrategy[object]:
    """Values of a type; dates and timestamps within the years that ISO 8601 writes with four digits."""
    if isinstance(dtype, pl.String):
        return st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
            ["", "=1+1", "'=x", "''@", "'", "-", "+1", "\tx", "\r\n", '"', "a,b", "NULL", " x ", "1e5", "true"]
        )
    if isinstance(dtype, pl.Date):
        return st.dates()
    if isinstance(dtype, pl.Datetime):
        return st.datetimes(timezones=st.just(UTC))
    if isinstance(dtype, pl.Boolean):
        return st.booleans()
    if isinstance(dtype, pl.List):
        return st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4)
    if isinstance(dtype, pl.Float64):
        return st.floats(allow_nan=allow_nan)
    bits = 32 if isinstance(dtype, pl.Int32) else 64
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@st.composite
def frames(draw: st.DrawFn, schema: DatasetSchema) -> pl.DataFrame:
    """Any frame that the schema allows."""
    row = st.fixed_dictionaries(
        {
            column.name: st.none() | cells(column.dtype, allow_nan=True)
            if column.is_nullable
            else cells(column.dtype, allow_nan=False)
            for column in schema.columns
        }
    )
    rows = draw(st.lists(row, max_size=12, unique_by=lambda row: tuple(row[name] for name in schema.key)))
    return pl.DataFrame(rows, schema=schema.polars)


@pytest.mark.parametrize("name", ["eod_snapshot", "expiration_series", "accounts"])
@settings(max_examples=examples(50))
@given(data=st.data())
def test_parquet_and_csv_read_back_as_what_was_published(
    name: str, provenance: Provenance, data: st.DataObject
) -> None:
    schema = DATASETS[name].schema
    frame = data.draw(frames(schema))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        published = publish(frame, schema, folder, provenance)
        floats = pl.selectors.float()
        expected = frame.with_columns(floats.fill_nan(None)).sort(schema.sort_by)
        assert_frame_equal(scan(folder, schema).collect(), expected)
        assert_frame_equal(read_csv_back(folder, schema), expected)
        assert data_version(folder / f"{name}.parquet") == published.data_version


def test_rows_are_sorted_and_lie_in_small_groups_with_statistics(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    frame = marks_frame(symbols=35_000)
    published = publish(frame.sample(fraction=1, shuffle=True, seed=1).lazy(), marks, tmp_path, provenance)
    assert published.data_version == data_version(frame)
    assert_frame_equal(scan(tmp_path, marks).collect(), frame.sort("symbol", "session"))
    metadata = pq.read_metadata(tmp_path / "marks.parquet")
    assert metadata.num_row_groups >= 140_000 // ROW_GROUP_ROWS + 1
    for group in range(metadata.num_row_groups):
        assert metadata.row_group(group).num_rows <= ROW_GROUP_ROWS
        symbol = metadata.row_group(group).column(0)
        assert symbol.compression == "ZSTD"
        assert symbol.statistics.has_min_max


def test_a_csv_reader_of_another_make_reads_the_same(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    runs = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=x"]
    harmless = ["'x", 'say "hi", twice', "a\r\nb", ""]
    publish(marks_frame().with_columns(note=pl.Series([*runs, *harmless, None])), marks, tmp_path, provenance)
    text = (tmp_path / "marks.csv").read_bytes().decode()
    header, first = "symbol,session,close,volume,rating,is_final,note,fetched_at", "S0000,2026-01-05,15.0,0,1,true,"
    assert text.startswith(f"{header}\r\n{first}")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [row["note"] for row in rows] == [*(f"'{cell}" for cell in runs), *harmless, ""]
    assert {row["fetched_at"] for row in rows} == {"2026-01-05 21:30:00"}


def test_a_key_may_hold_nulls_where_its_columns_may(tmp_path: Path, provenance: Provenance) -> None:
    from ttapi_pipeline.datasets.eod_snapshot.table import EOD_REJECTS

    row = {"file": "a.csv", "line": 3, "symbol": "AAPL", "reason": "close is 'x'", "rows": 1, "raw": "=x"}
    whole_file = row | {"line": None, "symbol": None}
    publish(pl.DataFrame([row, whole_file]), EOD_REJECTS, tmp_path, provenance)
    assert scan(tmp_path, EOD_REJECTS).collect()["line"].to_list() == [None, 3]
    with pytest.raises(DataError, match="more than once"):
        publish(pl.DataFrame([row, whole_file, whole_file]), EOD_REJECTS, tmp_path, provenance)


def test_dates_of_any_year_and_the_last_microsecond_survive_the_csv(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    frame = marks_frame().head(2).with_columns(
        session=pl.Series([date(1, 1, 1), date(9999, 12, 31)]),
        fetched_at=pl.Series(
            [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)],
            dtype=marks.polars["fetched_at"],
        ),
    )  # fmt: skip
    publish(frame, marks, tmp_path, provenance)
    assert_frame_equal(read_csv_back(tmp_path, marks), frame)
