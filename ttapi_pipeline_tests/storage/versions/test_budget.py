# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A budget makes room by versions within a session alone, and says when that is not enough."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.versions.keeping import Retention, session_of
from ttapi_pipeline.storage.versions.reading import Version, open_version, versions
from ttapi_pipeline.storage.versions.steps import steps_of
from ttapi_pipeline.storage.versions.usage import damaged_versions, history_bytes, usage
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.flips import flip_bit

BARS = DatasetSchema(
    "bars",
    (
        Column("symbol", STRING, "Symbol", is_nullable=False),
        Column("session", DATE, "Day", is_nullable=False),
        Column("close", FLOAT, "Price"),
        Column("fetched_at", TIMESTAMP, "When", is_nullable=False),
    ),
    key=("symbol", "session"),
)
MONDAY = datetime(2026, 1, 5, 16, tzinfo=UTC)
FIRST = date(2026, 1, 5)


def table(number: int) -> pl.DataFrame:
    """Ten sessions of three symbols; those of another number have one close, one time and one row that differ."""
    rows = [
        (symbol, FIRST + timedelta(days=day), float(day), MONDAY)
        for symbol in "ABC"
        for day in range(10)
        if (symbol, day) != ("C", number % 10)
    ]
    frame = pl.DataFrame(rows, schema=BARS.polars, orient="row")
    is_revised = (pl.col("symbol") == "A") & (pl.col("session") == FIRST + timedelta(days=number % 7))
    is_later = (pl.col("symbol") == "B") & (pl.col("session") == FIRST + timedelta(days=number % 5))
    return frame.with_columns(
        close=pl.when(is_revised).then(100.0 + number).otherwise("close"),
        fetched_at=pl.when(is_later).then(MONDAY + timedelta(minutes=number)).otherwise("fetched_at"),
    )


def store(folder: Path, number: int, at: datetime, *, keeps: Keeps, most_bytes: int | None = 0) -> Manifest:
    """Publish a table that was fetched at an instant."""
    provenance = Provenance(dataset="bars", code_version="1", fetched_at=at)
    retention = Retention(keeps, newest=20, most_bytes=most_bytes)
    return publish(table(number), BARS, folder, provenance, retention=retention).wait()


def kept(folder: Path) -> list[Version]:
    """The versions that can be read, oldest first."""
    return [each for each in versions(folder, "bars") if each.file is not None]


def must_stay(at: Sequence[datetime]) -> list[int]:
    """The numbers of the last publication of each session, of publications at these instants."""
    last = {session_of(instant): number for number, instant in enumerate(at)}
    return sorted(last.values())


TIMES = [MONDAY + timedelta(days=day, minutes=minute) for day in range(3) for minute in range(3)]


@pytest.mark.parametrize("keeps", list(Keeps))
def test_without_room_the_last_of_each_session_stay_and_can_be_read(
    tmp_path: Path, keeps: Keeps, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        stored = [store(tmp_path, number, at, keeps=keeps) for number, at in enumerate(TIMES)]
    left = kept(tmp_path)
    assert [each.manifest.write_id for each in left] == [stored[number].write_id for number in (2, 5, 8)]
    for version, number in zip(left, (2, 5, 8), strict=True):
        assert_frame_equal(open_version(tmp_path, BARS, version).frame.collect(), table(number))
    assert (
        "more than TT_KEEP_BYTES allows; what is left of bars is stored now, or the last of its session" in caplog.text
    )


@pytest.mark.parametrize("keeps", list(Keeps))
def test_with_room_enough_nothing_is_removed(tmp_path: Path, keeps: Keeps, caplog: pytest.LogCaptureFixture) -> None:
    for number, at in enumerate(TIMES):
        store(tmp_path, number, at, keeps=keeps, most_bytes=10**9)
    assert len(kept(tmp_path)) == len(TIMES)
    assert caplog.text == ""


def test_the_oldest_go_first_and_no_more_than_needed(tmp_path: Path) -> None:
    for number, at in enumerate(TIMES):
        store(tmp_path, number, at, keeps=Keeps.EVERY_CHANGE, most_bytes=None)
    before = sum(history_bytes(tmp_path).values())
    files = [each.file for each in kept(tmp_path)]
    # The next publication adds the rows that are stored now, and a line: two files have to go, or three.
    limit = before - (tmp_path / "bars.parquet").stat().st_size
    store(tmp_path, 9, TIMES[-1] + timedelta(minutes=1), keeps=Keeps.EVERY_CHANGE, most_bytes=limit)
    assert sum(history_bytes(tmp_path).values()) <= limit
    gone = [number for number, file in enumerate(files) if not isinstance(file, Path) or not file.exists()]
    # Those within a session, oldest first: 2 is the last of the first one.
    assert gone in ([0, 1], [0, 1, 3])


@settings(max_examples=examples(60))
@given(
    steps=st.lists(st.tuples(st.integers(0, 12), st.sampled_from([1, 30, 400, 1500])), min_size=1, max_size=9),
    data=st.data(),
)
def test_whatever_was_merged_every_version_that_is_left_is_as_it_was(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, at, times = Path(name), MONDAY, list[datetime]()
        stored = []
        for number, minutes in steps:
            at += timedelta(minutes=minutes)
            times.append(at)
            most = data.draw(st.sampled_from([None, 0, 9_000]))
            stored.append((store(folder, number, at, keeps=Keeps.CHANGES, most_bytes=most), table(number)))
        frames = {manifest.write_id: frame for manifest, frame in stored}
        left = kept(folder)
        for version in left:
            expected = frames[version.manifest.write_id]
            assert_frame_equal(open_version(folder, BARS, version).frame.collect(), expected)
        write_ids = {each.manifest.write_id for each in left}
        assert {stored[number][0].write_id for number in must_stay(times)} <= write_ids


def test_usage_counts_what_versions_take_beside_what_is_stored_and_tells_a_year(tmp_path: Path) -> None:
    store(tmp_path, 0, MONDAY, keeps=Keeps.EVERY_CHANGE, most_bytes=None)
    (first,) = usage(tmp_path)
    log = (tmp_path / "bars" / "publications.jsonl").stat().st_size
    assert (first.bytes, first.versions, first.sessions, first.bytes_per_year) == (log, 1, 1, None)
    for day in range(1, 5):
        store(tmp_path, day, MONDAY + timedelta(days=day), keeps=Keeps.EVERY_CHANGE, most_bytes=None)
    (later,) = usage(tmp_path)
    files = [path.stat().st_size for path in (tmp_path / "bars").iterdir()]
    assert later.bytes == sum(files) - (tmp_path / "bars.parquet").stat().st_size
    # Five sessions, of which four are past.
    assert later.bytes_per_year == later.bytes * 252 // 4


def test_damaged_kept_files_and_changes_are_named(tmp_path: Path) -> None:
    for number in range(2):
        store(tmp_path, number, TIMES[number], keeps=Keeps.CHANGES)
    assert damaged_versions(tmp_path) == []
    store(tmp_path, 5, TIMES[3], keeps=Keeps.CHANGES)
    (step,) = steps_of(tmp_path, "bars")
    flip_bit(step.path, 100, 3)
    (sentence,) = damaged_versions(tmp_path)
    assert f"{step.path} is damaged" in sentence
