# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The pipeline reads rows by their own name, whatever a person does to the files that are there for people."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.scan import open_table
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.stored import read_stored
from ttapi_pipeline.storage.verification import find_damage
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.storage.versions.reading import open_version, versions
from ttapi_pipeline.storage.versions.usage import usage
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.marks import FETCHED_AT, MARKS

Publish = Callable[..., Manifest]


@pytest.fixture(params=[Keeps.EVERY_CHANGE, Keeps.LAST_OF_SESSION, Keeps.CHANGES], ids=lambda keeps: keeps.name.lower())
def store(
    request: pytest.FixtureRequest, tmp_path: Path, marks_frame: Callable[..., pl.DataFrame], provenance: Provenance
) -> Publish:
    """Publish prices, the n-th an hour after the one before."""

    def publish_at(hour: int, *, is_kept: bool = True) -> Manifest:
        facts = replace(provenance, fetched_at=FETCHED_AT + timedelta(hours=hour))
        retention = Retention(request.param, newest=20) if is_kept else None
        # One of three symbols changes: few enough rows for their changes to be kept.
        rows = marks_frame().with_columns(
            close=pl.when(pl.col("symbol") == "S0000").then(10.0 + hour).otherwise("close")
        )
        return publish(rows, MARKS, tmp_path, facts, retention=retention).wait()

    return publish_at


def delete(path: Path) -> None:
    path.unlink()


def replace_by_another_table(path: Path) -> None:
    path.unlink()
    pl.DataFrame({"a": [1]}).write_parquet(path)


def replace_by_a_note(path: Path) -> None:
    path.unlink()
    path.write_text("see the other folder")


@pytest.mark.parametrize("harm", [delete, replace_by_another_table, replace_by_a_note])
def test_what_a_person_does_to_the_file_for_people_is_no_loss_and_is_mended(
    tmp_path: Path, marks: DatasetSchema, store: Publish, harm: Callable[[Path], None]
) -> None:
    first, manifest = store(0), store(1)
    rows = open_table(tmp_path, marks).frame.collect()
    for_people = tmp_path / "marks.parquet"
    content = for_people.read_bytes()
    harm(for_people)
    assert open_table(tmp_path, marks).manifest == manifest
    assert open_table(tmp_path, marks).frame.collect().equals(rows)
    assert find_damage(tmp_path, "marks") == []
    stored = read_stored(tmp_path, "marks")
    assert stored.lost_files == (("marks.parquet",) if harm is delete else ())
    assert stored.is_lagging == (harm is not delete)
    assert stored.replaced_files == (() if harm is delete else ("marks.parquet",))
    assert not stored.damage
    assert stored.is_repairable
    assert open_store(tmp_path).has_rows("marks")
    assert [problem.path.name for problem in check(tmp_path, marks)] == ["marks.parquet"]
    assert [problem.path.name for problem in repair(tmp_path, marks)] == ["marks.parquet"]
    assert for_people.read_bytes() == content
    assert for_people.samefile(tmp_path / "marks" / f"{manifest.write_id}.parquet")
    assert check(tmp_path, marks) == []
    assert not read_stored(tmp_path, "marks").is_repairable
    for each, known in zip((first, manifest), versions(tmp_path, "marks"), strict=True):
        assert open_version(tmp_path, marks, known).data_version == each.data_version


def test_a_deleted_csv_is_made_again_from_the_rows(tmp_path: Path, marks: DatasetSchema, store: Publish) -> None:
    store(0)
    csv = tmp_path / "marks.csv"
    content = csv.read_bytes()
    csv.unlink()
    stored = read_stored(tmp_path, "marks")
    assert (stored.lost_files, stored.is_repairable) == (("marks.csv",), True)
    repair(tmp_path, marks)
    assert csv.read_bytes() == content


def test_what_was_deleted_before_a_publication_costs_no_version(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    stored = [store(0), store(1)]
    (tmp_path / "marks.parquet").unlink()
    stored.append(store(2))
    known = versions(tmp_path, "marks")
    assert [each.manifest.write_id for each in known] == [each.write_id for each in stored]
    for hour, each in enumerate(known):
        rows = open_version(tmp_path, marks, each).frame.filter(symbol="S0000").collect()
        assert rows["close"].to_list() == [10.0 + hour] * 4


def test_a_reader_in_the_middle_of_a_publication_gets_the_rows_of_the_manifest_that_is_there(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    first = store(0)
    before = (tmp_path / "marks.json").read_bytes()
    own = tmp_path / "marks" / f"{first.write_id}.parquet"
    content = own.read_bytes()
    store(1)
    # As it is between the Parquet file and the manifest of the second publication.
    (tmp_path / "marks.json").write_bytes(before)
    own.write_bytes(content)
    table = open_table(tmp_path, marks)
    assert table.manifest is not None
    assert table.manifest.write_id == first.write_id


def test_the_own_name_takes_no_room_and_goes_with_its_publication(tmp_path: Path, store: Publish) -> None:
    manifest = store(0)
    own = tmp_path / "marks" / f"{manifest.write_id}.parquet"
    assert own.samefile(tmp_path / "marks.parquet")
    later = store(1)
    is_whole = own.exists()
    assert is_whole == (not (tmp_path / "marks" / "changes").exists())
    assert (tmp_path / "marks" / f"{later.write_id}.parquet").samefile(tmp_path / "marks.parquet")


def test_the_same_rows_again_get_an_own_name_too_which_takes_no_room(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    stored = [store(0), store(0), store(0)]
    own = [tmp_path / "marks" / f"{each.write_id}.parquet" for each in stored]
    assert not own[1].exists()
    assert own[2].samefile(tmp_path / "marks.parquet")
    (tmp_path / "marks.parquet").unlink()
    assert open_table(tmp_path, marks).manifest == stored[2]
    assert all(each.file is not None for each in versions(tmp_path, "marks"))


def test_a_folder_of_an_earlier_version_of_the_program_is_read_and_gets_own_names(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    before = store(0, is_kept=False)
    assert not (tmp_path / "marks").exists()
    assert open_table(tmp_path, marks).manifest == before
    stored = read_stored(tmp_path, "marks")
    assert (stored.lost_files, stored.is_lagging) == ((), False)
    after = store(1)
    assert [each.manifest.write_id for each in versions(tmp_path, "marks")] == [before.write_id, after.write_id]
    (tmp_path / "marks.parquet").unlink()
    assert open_table(tmp_path, marks).manifest == after


def test_a_copy_of_the_folder_is_whole(tmp_path: Path, marks: DatasetSchema, store: Publish) -> None:
    manifest = store(0)
    copy = tmp_path.parent / f"{tmp_path.name} copy"
    shutil.copytree(tmp_path, copy)
    assert (copy / "marks.parquet").stat().st_nlink == 1
    stored = read_stored(copy, "marks")
    assert (stored.lost_files, stored.is_lagging) == ((), False)
    assert open_table(copy, marks).manifest == manifest
    assert check(copy, marks) == []


def test_damage_of_the_rows_is_damage_though_the_file_for_people_is_gone(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    manifest = store(0)
    (tmp_path / "marks.parquet").unlink()
    flip_bit(tmp_path / "marks" / f"{manifest.write_id}.parquet", 60, 1)
    assert [damage.file for damage in find_damage(tmp_path, "marks")] == ["marks.parquet"]
    assert list(read_stored(tmp_path, "marks").damage) == ["marks.parquet"]
    repair(tmp_path, marks)
    assert open_table(tmp_path, marks).data_version == manifest.data_version


def test_rows_that_lack_their_own_name_are_taken_from_the_file_for_people(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    manifest = store(0)
    own = tmp_path / "marks" / f"{manifest.write_id}.parquet"
    own.unlink()
    assert open_table(tmp_path, marks).manifest == manifest
    stored = read_stored(tmp_path, "marks")
    assert (stored.lost_files, stored.is_lagging, stored.is_repairable) == ((), False, True)
    # As in a folder of an earlier version of the program, nothing is wrong.
    assert check(tmp_path, marks) == []
    assert repair(tmp_path, marks) == []
    assert own.samefile(tmp_path / "marks.parquet")
    assert not read_stored(tmp_path, "marks").is_repairable


def test_damaged_rows_are_taken_from_a_sound_copy_for_people(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    manifest = store(0)
    for_people, own = tmp_path / "marks.parquet", tmp_path / "marks" / f"{manifest.write_id}.parquet"
    content = for_people.read_bytes()
    for_people.unlink()
    for_people.write_bytes(content)
    flip_bit(own, 60, 1)
    assert open_table(tmp_path, marks).data_version == manifest.data_version
    assert [damage.file for damage in find_damage(tmp_path, "marks")] == ["marks.parquet"]
    assert [problem.path for problem in repair(tmp_path, marks)] == [own]
    assert own.read_bytes() == content
    assert not read_stored(tmp_path, "marks").is_repairable


def test_rows_that_are_gone_under_both_names_are_lost(tmp_path: Path, marks: DatasetSchema, store: Publish) -> None:
    manifest = store(0)
    (tmp_path / "marks.parquet").unlink()
    (tmp_path / "marks" / f"{manifest.write_id}.parquet").unlink()
    stored = read_stored(tmp_path, "marks")
    assert (stored.lost_files, stored.is_repairable) == (("marks.parquet",), False)
    assert not open_store(tmp_path).has_rows("marks")
    assert [problem.is_repairable for problem in check(tmp_path, marks)] == [False]


def cut_short(folder: Path, store: Publish) -> tuple[Manifest, Manifest]:
    """Leave the second publication without its manifest and its line in the log, with all that the first one had."""
    first = store(0)
    own = folder / "marks" / f"{first.write_id}.parquet"
    before = {path: path.read_bytes() for path in (own, folder / "marks.json", folder / "marks" / "publications.jsonl")}
    second = store(1)
    for path, content in before.items():
        path.write_bytes(content)
    return first, second


def test_a_publication_that_was_cut_short_is_completed_by_a_repair(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    first, second = cut_short(tmp_path, store)
    assert open_table(tmp_path, marks).data_version == first.data_version
    assert read_stored(tmp_path, "marks").is_lagging
    repair(tmp_path, marks)
    table = open_table(tmp_path, marks)
    assert table.manifest is not None
    assert (table.manifest.write_id, table.data_version) == (second.write_id, second.data_version)
    assert not read_stored(tmp_path, "marks").is_repairable
    assert [each.data_version for each in (first, second)] == readable(tmp_path, marks)


def test_a_publication_that_was_cut_short_leaves_nothing_once_another_one_takes_its_place(
    tmp_path: Path, marks: DatasetSchema, store: Publish
) -> None:
    first, second = cut_short(tmp_path, store)
    third = store(2)
    assert [first.data_version, third.data_version] == readable(tmp_path, marks)
    assert not (tmp_path / "marks" / f"{second.write_id}.parquet").exists()
    assert check(tmp_path, marks) == []


def test_what_is_stored_counts_for_no_version_also_where_the_file_for_people_is_gone(
    tmp_path: Path, store: Publish
) -> None:
    store(0)
    log = (tmp_path / "marks" / "publications.jsonl").stat().st_size
    assert [each.bytes for each in usage(tmp_path)] == [log]
    (tmp_path / "marks.parquet").unlink()
    assert [each.bytes for each in usage(tmp_path)] == [log]


def readable(folder: Path, marks: DatasetSchema) -> list[str]:
    """The data versions of the publications that are known, whose rows are all there."""
    found = []
    for each in versions(folder, "marks"):
        assert data_version(open_version(folder, marks, each).frame.collect()) == each.manifest.data_version
        found.append(each.manifest.data_version)
    return found
