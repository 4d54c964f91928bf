# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Parquet footers, read and written again."""

from __future__ import annotations

import io
from datetime import date

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.footer import MAGIC
from ttapi_pipeline.storage.incremental.row_groups import (
    drop_page_index,
    encode_footer,
    move,
    read_footer,
    rows_of,
)
from ttapi_pipeline_tests.support.examples import examples

FRAME = pl.DataFrame(
    {
        "symbol": ["A"] * 40 + ["Ż"] * 40,
        "session": [date(2026, 1, 1)] * 80,
        "close": [at / 7 if at % 5 else None for at in range(80)],
        "is_final": [at % 2 == 0 for at in range(80)],
    }
)


def polars_file(frame: pl.DataFrame = FRAME) -> io.BytesIO:
    file = io.BytesIO()
    frame.write_parquet(file, row_group_size=16, compression="zstd", metadata={"who": "polars"})
    return file


def arrow_file() -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(pa.table(FRAME.to_arrow()), file, row_group_size=9, write_page_index=True)
    return file


@pytest.mark.parametrize("make", [polars_file, arrow_file])
def test_a_footer_that_is_read_and_written_again_has_the_same_bytes(make: object) -> None:
    assert callable(make)
    file: io.BytesIO = make()
    footer, start = read_footer(file)
    assert encode_footer(footer, footer.row_groups, {}) == file.getvalue()[start:]
    assert sum(rows_of(group) for group in footer.row_groups) == FRAME.height


@pytest.mark.parametrize("make", [polars_file, arrow_file])
def test_row_groups_can_be_moved_and_left_out(make: object) -> None:
    assert callable(make)
    file: io.BytesIO = make()
    footer, end = read_footer(file)
    groups = footer.row_groups
    end = drop_page_index(groups, end=end)
    moved_by = 1_000_003
    move(groups, by=moved_by)
    body = file.getvalue()[len(MAGIC) : end]
    whole = MAGIC + bytes(moved_by) + body + encode_footer(footer, groups, {"who": "us", "what": "żółw"})
    assert pl.read_parquet(io.BytesIO(whole)).equals(FRAME)
    with pq.ParquetFile(io.BytesIO(whole)) as arrow:
        assert pl.DataFrame(arrow.read()).equals(FRAME)
        assert arrow.metadata.metadata[b"who"] == b"us"
        assert not arrow.metadata.row_group(0).column(0).has_offset_index
    kept = MAGIC + bytes(moved_by) + body + encode_footer(footer, groups[1:], {})
    rows = rows_of(groups[0])
    assert pl.read_parquet(io.BytesIO(kept)).equals(FRAME[rows:])


def test_the_statistics_come_along() -> None:
    file = polars_file()
    footer, end = read_footer(file)
    drop_page_index(footer.row_groups, end=end)
    move(footer.row_groups, by=0)
    with pq.ParquetFile(file) as before:
        expected = [before.metadata.row_group(at).column(2).statistics.to_dict() for at in range(5)]
    content = file.getvalue()[:end] + encode_footer(footer, footer.row_groups, {})
    with pq.ParquetFile(io.BytesIO(content)) as after:
        assert [after.metadata.row_group(at).column(2).statistics.to_dict() for at in range(5)] == expected


def test_footers_of_other_columns_are_told_apart() -> None:
    footer, _ = read_footer(polars_file())
    assert footer.is_like(read_footer(polars_file(FRAME[:3]))[0])
    assert not footer.is_like(read_footer(polars_file(FRAME.drop("close")))[0])
    assert not footer.is_like(read_footer(arrow_file())[0])


@settings(max_examples=examples(500))
@given(content=st.binary(max_size=60))
def test_bytes_that_are_no_footer_are_a_corrupt_file(content: bytes) -> None:
    file = io.BytesIO(MAGIC + content + len(content).to_bytes(4, "little") + MAGIC)
    try:
        footer, start = read_footer(file)
    except CorruptFileError:
        return
    assert start == len(MAGIC)
    assert footer.raw == content


@pytest.mark.parametrize(
    "content", [b"", b"PAR1PAR1", b"PAR1" + bytes(20), b"PAR1\xff\xff\x00\x00PAR1", b"PAR1" + b"\x1c" * 9_000]
)
def test_a_file_that_is_none_is_told(content: bytes) -> None:
    if len(content) > 1_000:
        content += (len(content) - 4).to_bytes(4, "little") + MAGIC
    with pytest.raises(CorruptFileError):
        read_footer(io.BytesIO(content))
