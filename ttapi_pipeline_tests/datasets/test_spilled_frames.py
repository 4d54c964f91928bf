# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Frames that wait in a temporary file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.datasets.spilled_frames import SpilledFrames


def frame(number: int) -> pl.DataFrame:
    rows = {
        "symbol": ["A", "Ü", None],
        "session": [date(2026, 11, number + 1), None, date(1990, 1, 2)],
        "close": [0.1 + number, float("nan"), None],
        "at": [datetime(2026, 11, 2, 14, 30, tzinfo=UTC), None, None],
        "held": [True, None, False],
    }
    return pl.DataFrame(rows)


def test_frames_come_back_as_they_were_in_any_order_and_from_any_thread(tmp_path: Path) -> None:
    spilled = SpilledFrames(tmp_path / "new")
    readers = [spilled.add(each) for each in (*map(frame, range(20)), frame(0).clear())]
    assert list((tmp_path / "new").iterdir()) == []
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda read: read(), [*reversed(readers), *readers]))
    wanted = [*map(frame, range(20)), frame(0).clear()]
    for got, want in zip(found, [*reversed(wanted), *wanted], strict=True):
        assert_frame_equal(got, want)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        SpilledFrames(tmp_path / "file" / "below")
