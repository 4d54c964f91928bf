# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a dataset was before stays: by the policy, through crashes, and from the data folders of earlier versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import FileFacts, Manifest, Provenance
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import repair
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.versions.keeping import Retention, removable, session_of
from ttapi_pipeline.storage.versions.log import Publication, PublicationLog
from ttapi_pipeline.storage.versions.reading import open_version, version_at, versions
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline_tests.support.marks import MARKS

Make = Callable[..., pl.DataFrame]
Store = Callable[..., Manifest]

EVERY_CHANGE = Retention(Keeps.EVERY_CHANGE, newest=2)
MONDAY = datetime(2026, 1, 5, 21, tzinfo=UTC)
"""16:00 in New York."""


@pytest.fixture
def store(tmp_path: Path, marks: DatasetSchema, marks_frame: Make, provenance: Provenance) -> Store:
    """Publish prices that were fetched at an instant, as a run that takes no time does."""

    def publish_at(
        at: datetime, close: float, *, retention: Retention | None = EVERY_CHANGE, **facts: object
    ) -> Manifest:
        fetched = replace(provenance, fetched_at=at, fetch_seconds=0.0, **facts)  # type: ignore[arg-type]
        frame = marks_frame(close=close).with_columns(fetched_at=pl.lit(at))
        return publish(frame, marks, tmp_path, fetched, retention=retention).wait()

    return publish_at


def lowest(folder: Path, instant: datetime) -> float:
    """The lowest close that was known at an instant; in a table with close=c it is c + 5."""
    version = version_at(folder, "marks", instant)
    return float(open_version(folder, MARKS, version).frame.select(pl.col("close").min()).collect().item())


def test_each_instant_has_the_rows_that_were_known_then(tmp_path: Path, store: Store) -> None:
    hours = [MONDAY + timedelta(hours=hour) for hour in range(4)]
    stored = [store(at, close) for at, close in zip(hours, [10.0, 20.0, 20.0, 30.0], strict=True)]
    minutes = timedelta(minutes=5)
    assert [lowest(tmp_path, at + minutes) for at in hours] == [15.0, 25.0, 25.0, 35.0]
    for at, manifest in zip(hours, stored, strict=True):
        version = version_at(tmp_path, "marks", at + minutes)
        assert version.manifest.write_id == manifest.write_id
        table = open_version(tmp_path, MARKS, version)
        assert table.data_version == manifest.data_version
        assert table.frame.select(pl.col("fetched_at").max()).collect().item() <= at
    with pytest.raises(ConfigError, match="nothing was known of marks at 2026-01-05T20:59:59"):
        version_at(tmp_path, "marks", MONDAY - timedelta(seconds=1))


def test_a_version_takes_no_room_while_it_is_what_is_stored_and_the_same_rows_are_kept_once(
    tmp_path: Path, store: Store
) -> None:
    first = store(MONDAY, 10.0)
    kept = tmp_path / "marks" / f"{first.write_id}.parquet"
    assert kept.samefile(tmp_path / "marks.parquet")
    again = store(MONDAY + timedelta(hours=1), 10.0)
    assert again.data_version == first.data_version
    own = tmp_path / "marks" / f"{again.write_id}.parquet"
    assert own.samefile(tmp_path / "marks.parquet")
    assert {path.name for path in (tmp_path / "marks").iterdir()} == {kept.name, own.name, "publications.jsonl"}
    third = store(MONDAY + timedelta(hours=2), 10.0)
    kept_now = {path.stem for path in (tmp_path / "marks").glob("*.parquet")}
    assert kept_now == {first.write_id, third.write_id}
    assert len(versions(tmp_path, "marks")) == 3


def test_a_table_of_an_earlier_version_of_the_program_is_kept_when_it_is_first_replaced(
    tmp_path: Path, store: Store
) -> None:
    before = store(MONDAY, 10.0, retention=None)
    assert not (tmp_path / "marks").exists()
    assert [each.manifest for each in versions(tmp_path, "marks")] == [before]
    store(MONDAY + timedelta(days=1), 20.0)
    assert lowest(tmp_path, MONDAY) == 15.0
    assert [each.is_current for each in versions(tmp_path, "marks")] == [False, True]


def test_a_version_whose_rows_are_gone_says_which_are_kept(tmp_path: Path, store: Store) -> None:
    gone = store(MONDAY, 10.0)
    store(MONDAY + timedelta(hours=1), 20.0)
    (tmp_path / "marks" / f"{gone.write_id}.parquet").unlink()
    first, last = versions(tmp_path, "marks")
    assert (first.file, last.is_current) == (None, True)
    with pytest.raises(StorageError, match=r"marks of 2026-01-05T21.* not kept; the next after it is of .*T22"):
        open_version(tmp_path, MARKS, first)


def test_the_last_of_each_session_and_the_newest_stay(tmp_path: Path, store: Store) -> None:
    policy = Retention(Keeps.LAST_OF_SESSION, newest=2)
    tuesday = MONDAY + timedelta(days=1)
    times = [MONDAY + timedelta(minutes=minute) for minute in range(4)]
    # Before the open of Tuesday, the last state of Monday; then four in Tuesday's session.
    times += [datetime(2026, 1, 6, 14, 0, tzinfo=UTC), *(tuesday + timedelta(minutes=minute) for minute in range(4))]
    stored = [store(at, float(number), retention=policy) for number, at in enumerate(times)]
    kept = [each.manifest.write_id for each in versions(tmp_path, "marks") if each.file is not None]
    assert kept == [stored[number].write_id for number in (4, 7, 8)]
    assert len(versions(tmp_path, "marks")) == len(times)


@pytest.mark.parametrize(
    ("instant", "session"),
    [
        (datetime(2026, 1, 5, 14, 29, tzinfo=UTC), date(2026, 1, 2)),
        (datetime(2026, 1, 5, 14, 30, tzinfo=UTC), date(2026, 1, 5)),
        (datetime(2026, 1, 6, 3, 0, tzinfo=UTC), date(2026, 1, 5)),
        (datetime(2026, 1, 11, 12, 0, tzinfo=UTC), date(2026, 1, 9)),
    ],
)
def test_an_instant_belongs_to_the_last_session_that_had_opened(instant: datetime, session: date) -> None:
    assert session_of(instant) == session


def published(number: int, rows: int, minutes: int, provenance: Provenance) -> Publication:
    """A publication whose rows are those of number `rows`."""
    at = MONDAY + timedelta(minutes=minutes)
    facts = replace(provenance, fetched_at=at, fetch_seconds=0.0)
    parquet = FileFacts(bytes=1, xxh3_128="0")
    manifest = Manifest(
        provenance=facts, data_version=str(rows), write_id=str(number), rows=1, schema={}, parquet=parquet
    )
    return Publication(manifest=manifest, known_at=at, rows_of=str(rows))


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 2000)), min_size=1, max_size=40), newest=st.integers(1, 5)
)
def test_what_may_go_is_never_current_nor_the_last_of_its_session(
    steps: list[tuple[bool, int]], newest: int, provenance: Provenance
) -> None:
    history: list[Publication] = []
    minutes = rows = 0
    for number, (is_changed, later) in enumerate(steps):
        minutes, rows = minutes + later, number if is_changed else rows
        history.append(published(number, rows, minutes, provenance))
    gone = set(removable(history, newest))
    assert history[-1].rows_of not in gone
    for index, each in enumerate(history):
        is_last = index + 1 == len(history) or session_of(history[index + 1].known_at) != session_of(each.known_at)
        assert not (is_last and each.rows_of in gone)
    different = list(dict.fromkeys(each.rows_of for each in history))
    assert gone.isdisjoint(different[-newest:])
    # Whatever is neither of these goes.
    stays = {
        each.rows_of
        for each, after in zip(history, [*history[1:], None], strict=True)
        if after is None or session_of(after.known_at) != session_of(each.known_at)
    }
    assert gone == set(different) - stays - set(different[-newest:])


def test_a_line_that_was_cut_or_damaged_costs_itself_and_kept_rows_know_themselves(
    tmp_path: Path, store: Store
) -> None:
    stored = [store(MONDAY + timedelta(hours=hour), 10.0 * hour) for hour in range(3)]
    log = tmp_path / "marks" / "publications.jsonl"
    lines = log.read_bytes().split(b"\n")
    lines[0] = lines[0].replace(b'"rows": 12', b'"rows": 13')
    log.write_bytes(b"\n".join(lines)[:-40])
    assert [each.manifest.write_id for each in PublicationLog(log).read()] == [stored[1].write_id]
    assert [each.manifest.write_id for each in versions(tmp_path, "marks")] == [each.write_id for each in stored]
    assert lowest(tmp_path, MONDAY) == 5.0
    fourth = store(MONDAY + timedelta(hours=3), 99.0)
    assert [each.manifest.write_id for each in versions(tmp_path, "marks")][-2:] == [
        stored[2].write_id,
        fourth.write_id,
    ]


def test_where_a_publication_is_lost_with_its_line_the_one_before_it_does_not_answer_for_it(
    tmp_path: Path, store: Store
) -> None:
    few = Retention(Keeps.LAST_OF_SESSION, newest=1)
    stored = [store(MONDAY + timedelta(hours=hour), 10.0 * hour, retention=few) for hour in range(4)]
    log = tmp_path / "marks" / "publications.jsonl"
    lines = log.read_bytes().split(b"\n")
    assert PublicationLog(log).read()[2].after == stored[1].write_id
    log.write_bytes(b"\n".join([lines[0], lines[1].replace(b'"rows": 12', b'"rows": 13'), *lines[2:]]))
    known = versions(tmp_path, "marks")
    assert [each.manifest.write_id for each in known] == [stored[index].write_id for index in (0, 2, 3)]
    assert [each.is_before_loss for each in known] == [True, False, False]
    version = version_at(tmp_path, "marks", known[0].known_at)
    assert version.manifest.write_id == stored[0].write_id
    for minutes in (5, 65):
        with pytest.raises(CorruptFileError, match=r"published after \S+21:00:0\S+ and before \S+23:00:0\S+ is lost"):
            version_at(tmp_path, "marks", MONDAY + timedelta(minutes=minutes))
    assert version_at(tmp_path, "marks", MONDAY + timedelta(minutes=125)).manifest.write_id == stored[2].write_id


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_log_that_was_cut_at_the_end_of_a_line_is_noticed_by_what_is_stored_now_and_after_it(
    tmp_path: Path, store: Store, left: int
) -> None:
    few = Retention(Keeps.LAST_OF_SESSION, newest=1)
    stored = [store(MONDAY + timedelta(hours=hour), 10.0 * hour, retention=few) for hour in range(4)]
    log = tmp_path / "marks" / "publications.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:left]))
    for number in range(2):
        known = versions(tmp_path, "marks")
        ids = [each.write_id for each in (*stored[:left], *stored[3:])]
        assert [each.manifest.write_id for each in known] == ids
        assert [each.is_before_loss for each in known[: left + 1]] == [False] * (left - 1) + [True] * (left > 0) + [
            False
        ]
        assert [each.is_after_loss for each in known[: left + 1]] == [False] * left + [True]
        with pytest.raises(CorruptFileError, match=r"is lost|has lost its lines"):
            version_at(tmp_path, "marks", known[left].known_at - timedelta(minutes=1))
        stored.append(store(MONDAY + timedelta(hours=4 + number), 99.0 + number, retention=few))


def test_damaged_kept_rows_are_named_and_never_read(tmp_path: Path, store: Store) -> None:
    first = store(MONDAY, 10.0)
    store(MONDAY + timedelta(hours=1), 20.0)
    kept = tmp_path / "marks" / f"{first.write_id}.parquet"
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    with pytest.raises(CorruptFileError, match=f"{first.write_id}.parquet is damaged"):
        lowest(tmp_path, MONDAY + timedelta(minutes=5))
    assert lowest(tmp_path, MONDAY + timedelta(hours=2)) == 25.0


def test_a_stored_file_that_was_damaged_and_mended_is_kept_whole(
    tmp_path: Path, store: Store, marks: DatasetSchema
) -> None:
    store(MONDAY, 10.0)
    stored = tmp_path / "marks.parquet"
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    repair(tmp_path, marks)
    store(MONDAY + timedelta(hours=1), 20.0)
    assert lowest(tmp_path, MONDAY) == 15.0
    assert lowest(tmp_path, MONDAY + timedelta(hours=2)) == 25.0


def test_a_clock_that_was_set_back_shows_nothing_from_later(tmp_path: Path, store: Store) -> None:
    store(MONDAY, 10.0)
    store(MONDAY + timedelta(hours=2), 20.0)
    store(MONDAY + timedelta(hours=1), 30.0)
    assert lowest(tmp_path, MONDAY + timedelta(minutes=30)) == 15.0
    assert lowest(tmp_path, MONDAY + timedelta(minutes=90)) == 35.0
    assert lowest(tmp_path, MONDAY + timedelta(hours=3)) == 25.0
    assert versions(tmp_path, "marks")[-1].is_current


def test_invented_rows_were_never_known_where_real_ones_are_stored(tmp_path: Path, store: Store) -> None:
    store(MONDAY, 10.0, is_simulated=True)
    store(MONDAY + timedelta(hours=1), 20.0, is_simulated=False)
    with pytest.raises(ConfigError, match="it is known since 2026-01-05T22:00:00"):
        version_at(tmp_path, "marks", MONDAY + timedelta(minutes=30))


def test_a_file_in_the_way_of_the_versions_stops_the_publication_and_what_is_stored_stays(
    tmp_path: Path, store: Store
) -> None:
    before = store(MONDAY, 10.0, retention=None)
    (tmp_path / "marks").write_text("mine")
    with pytest.raises(StorageError, match="marks"):
        store(MONDAY + timedelta(hours=1), 20.0)
    assert read_manifest(tmp_path, "marks") == before
    assert (tmp_path / "marks").read_text() == "mine"
