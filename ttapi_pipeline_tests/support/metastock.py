# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""MetaStock folders for a test, and what holds for every import of one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.metastock.frames import BARS
from ttapi_pipeline.metastock.importer import FILES, REJECTS, FolderImport
from ttapi_pipeline_tests.support.hostile_files import GOOD


@contextmanager
def folder_of(contents: Mapping[str, bytes | str]) -> Iterator[Path]:
    """A folder for one example of a property; pytest's tmp_path is one for all of them."""
    with tempfile.TemporaryDirectory() as name:
        for file, content in contents.items():
            Path(name, file).write_bytes(content.encode() if isinstance(content, str) else content)
        yield Path(name)


def check_account(result: FolderImport) -> pl.DataFrame:
    """Assert what holds for every import: each row is a bar, a duplicate or a reject. Returns the bars."""
    bars = result.bars.collect()
    assert bars.schema == BARS
    assert result.rejects.schema == REJECTS
    assert result.files.schema == FILES
    account = result.files
    assert (account["rows_read"] == account["rows_kept"] + account["duplicates"] + account["rejected"]).all()
    assert account["rows_kept"].sum() == bars.height
    assert account["rejected"].sum() == result.rejects["rows"].sum()
    assert result.rejects["reason"].null_count() == 0
    assert not bars.select("symbol", "session").is_duplicated().any()
    assert_frame_equal(bars, bars.sort("symbol", "session"))
    assert bars["close"].is_finite().all()
    assert (bars["close"] > 0).all()
    return bars


def check_harmless(result: FolderImport) -> pl.DataFrame:
    """What holds whatever lies in a folder: all is accounted for, and no text of it commands a screen."""
    bars = check_account(result)
    assert bars.filter(symbol=GOOD).height == 3
    told = [*result.files["file"], *result.notices["notice"]]
    for name in ("file", "symbol", "reason", "raw"):
        told += result.rejects[name].drop_nulls().to_list()
    assert [text for text in told if text != one_line(text)] == []
    assert max(map(len, result.rejects["reason"]), default=0) < 300
    whole = result.rejects.filter(pl.col("line").is_null(), pl.col("symbol").is_null())
    assert not whole["file"].is_duplicated().any()
    return bars
