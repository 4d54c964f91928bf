# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The data version says what a table says, and nothing about how it is stored."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from random import Random
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.storage.hashing import data_version

ROWS = st.lists(
    st.tuples(
        st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
    ),
    max_size=30,
)
Row = tuple[str | None, int | None, float | None]

SCHEMA = {"symbol": pl.String, "volume": pl.Int64, "close": pl.Float64}


def frame_of(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@settings(deadline=None)
@given(rows=ROWS, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[Row], random: Random) -> None:
    other = list(rows)
    random.shuffle(other)
    assert data_version(frame_of(rows)) == data_version(frame_of(other))


@settings(deadline=None)
@given(rows=ROWS, row_group_size=st.integers(1, 40), compression=st.sampled_from(["zstd", "uncompressed"]))
def test_the_layout_of_the_file_does_not_matter(
    rows: list[Row], row_group_size: int, compression: Literal["zstd", "uncompressed"]
) -> None:
    frame = frame_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        frame.write_parquet(path, row_group_size=row_group_size, compression=compression)
        assert data_version(path) == data_version(frame) == data_version(frame.lazy())


@settings(deadline=None)
@given(rows=ROWS.filter(bool), data=st.data())
def test_another_cell_is_another_version(rows: list[Row], data: st.DataObject) -> None:
    frame = frame_of(rows)
    row = data.draw(st.integers(0, len(rows) - 1))
    changed = frame_of([*rows[:row], (rows[row][0], (rows[row][1] or 0) ^ 1, rows[row][2]), *rows[row + 1 :]])
    assert data_version(changed) != data_version(frame)


def test_swapped_cells_rows_names_and_types_count() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": [2, 1]})
    versions = {
        data_version(other)
        for other in (
            frame,
            pl.DataFrame({"a": [2, 1], "b": [2, 1]}),
            pl.DataFrame({"a": [1, 2, None], "b": [2, 1, None]}),
            pl.DataFrame({"a": [1, 2, 2], "b": [2, 1, 1]}),
            frame.rename({"a": "c"}),
            frame.cast(pl.Int32),
            frame.select("b", "a"),
            frame.clear(),
        )
    }
    assert len(versions) == 8


def test_negative_zero_is_zero() -> None:
    assert data_version(pl.DataFrame({"close": [-0.0]})) == data_version(pl.DataFrame({"close": [0.0]}))


def test_when_a_row_was_fetched_is_not_content(marks_frame: Callable[..., pl.DataFrame]) -> None:
    frame = marks_frame()
    later = frame.with_columns(pl.col("fetched_at").dt.offset_by("1d"))
    assert data_version(later) == data_version(frame)
    assert data_version(later, exclude=()) != data_version(frame, exclude=())


def test_another_process_computes_the_same() -> None:
    program = (
        "import polars as pl; from ttapi_pipeline.storage.hashing import data_version; "
        "print(data_version(pl.DataFrame({'symbol': ['AAPL', None], 'close': [1.5, None]})))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == data_version(pl.DataFrame({"symbol": ["AAPL", None], "close": [1.5, None]}))


def test_what_is_not_parquet_is_a_corrupt_file(tmp_path: Path) -> None:
    path = tmp_path / "marks.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(CorruptFileError, match=r"marks\.parquet"):
        data_version(path)
    with pytest.raises(StorageError, match="No such file"):
        data_version(tmp_path / "absent.parquet")


def estimates(*values: float) -> pl.DataFrame:
    return pl.DataFrame({"as_of_session": [date(2026, 1, 5)] * len(values), "usual_move": values})


def test_of_an_estimate_six_digits_count() -> None:
    table = estimates(0.0123456789, 1.0)
    assert data_version(table) == data_version(estimates(0.0123457, 1.0))
    assert data_version(table.lazy()) == data_version(estimates(0.0123457, 1.0))
    assert data_version(table) != data_version(estimates(0.0123456, 1.0))
    # In other tables, and of other columns, all of them do.
    bars, closes = table.drop("as_of_session"), table.rename({"usual_move": "close"})
    assert data_version(bars) != data_version(estimates(0.0123457, 1.0).drop("as_of_session"))
    assert data_version(closes) != data_version(estimates(0.0123457, 1.0).rename({"usual_move": "close"}))
