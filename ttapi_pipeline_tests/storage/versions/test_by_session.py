# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Publications by session: each belongs to the one that was the last to open, and the end of the log is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.versions.by_session import last_of_sessions, publications_of
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline_tests.support.flips import flip_bit

Make = Callable[..., pl.DataFrame]
Store = Callable[..., Manifest]

MONDAY = datetime(2026, 1, 5, 21, tzinfo=UTC)
"""16:00 in New York."""


@pytest.fixture
def store(tmp_path: Path, marks: DatasetSchema, marks_frame: Make, provenance: Provenance) -> Store:
    """Publish prices that were fetched at an instant, as a run that takes no time does."""

    def publish_at(at: datetime, close: float, **facts: object) -> Manifest:
        fetched = replace(provenance, fetched_at=at, fetch_seconds=0.0, **facts)  # type: ignore[arg-type]
        retention = Retention(Keeps.LAST_OF_SESSION, newest=2)
        return publish(marks_frame(close=close), marks, tmp_path, fetched, retention=retention).wait()

    return publish_at


def lowest(folder: Path, **since: date) -> dict[date, float]:
    """The lowest close of each session's last table; in a table with close=c it is c + 5."""
    place = open_store(folder)
    return {
        last.session: float(place.open_rows(last.publication, last.file).select(pl.col("close").min()).collect().item())
        - 5
        for last in last_of_sessions(place, "marks", **since)
    }


def test_a_session_has_the_last_table_that_was_known_before_the_next_one_opened(tmp_path: Path, store: Store) -> None:
    store(MONDAY, 1.0)
    # At 9:29 in New York on Tuesday, then at 9:30, then on Saturday; nothing on Wednesday and Thursday.
    store(datetime(2026, 1, 6, 14, 29, tzinfo=UTC), 2.0)
    store(datetime(2026, 1, 6, 14, 30, tzinfo=UTC), 3.0)
    store(datetime(2026, 1, 10, 14, 0, tzinfo=UTC), 4.0)
    assert lowest(tmp_path) == {date(2026, 1, 5): 2.0, date(2026, 1, 6): 3.0, date(2026, 1, 9): 4.0}
    assert lowest(tmp_path, since=date(2026, 1, 6)) == {date(2026, 1, 6): 3.0, date(2026, 1, 9): 4.0}


def test_the_same_rows_fetched_again_are_read_from_the_file_that_has_them(tmp_path: Path, store: Store) -> None:
    store(MONDAY, 1.0)
    again = store(MONDAY + timedelta(days=1), 1.0)
    (_, last) = last_of_sessions(open_store(tmp_path), "marks")
    assert last.publication.manifest.write_id == again.write_id
    assert lowest(tmp_path) == {date(2026, 1, 5): 1.0, date(2026, 1, 6): 1.0}


def test_however_many_publications_a_session_has_the_end_of_the_log_gives_what_the_whole_gives(
    tmp_path: Path, store: Store
) -> None:
    for minute in range(40):
        store(MONDAY + timedelta(minutes=minute), float(minute))
    whole, end = (
        publications_of(open_store(tmp_path), "marks"),
        publications_of(open_store(tmp_path), "marks", since=date(2026, 1, 5)),
    )
    assert [each.manifest.write_id for each in whole[date(2026, 1, 5)]] == [
        each.manifest.write_id for each in end[date(2026, 1, 5)]
    ]
    assert len(whole[date(2026, 1, 5)]) == 40


def test_invented_rows_are_left_out_once_there_are_real_ones(tmp_path: Path, store: Store) -> None:
    store(MONDAY, 1.0)
    store(MONDAY + timedelta(days=1), 2.0, is_simulated=False)
    assert lowest(tmp_path) == {date(2026, 1, 6): 2.0}


def test_rows_that_a_disk_has_damaged_are_not_those_of_the_session(tmp_path: Path, store: Store) -> None:
    first = store(MONDAY, 1.0)
    store(MONDAY + timedelta(days=1), 2.0)
    flip_bit(tmp_path / "marks" / f"{first.write_id}.parquet", 60, 1)
    with pytest.raises(CorruptFileError, match=first.write_id):
        lowest(tmp_path)
