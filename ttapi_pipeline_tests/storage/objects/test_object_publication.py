# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Datasets in an object store, on a server of this machine: publishing, reading, versions, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import ConflictError, CorruptFileError, DataError, StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.claims import foreign_files
from ttapi_pipeline.storage.layout import Folder, open_folder
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.scan import open_table, scan
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.stored import read_manifest, read_stored
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.storage.versions.reading import open_version, version_at, versions
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline_tests.support.slow_proxy import Traffic

Make = Callable[..., pl.DataFrame]

KEPT = Retention(Keeps.EVERY_CHANGE, 20)


@pytest.fixture(params=["disk", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """A folder of this machine, and a prefix in an object store."""
    if request.param == "disk":
        return tmp_path
    found = request.getfixturevalue("prefix")
    assert isinstance(found, ObjectPath)
    return found


def names(prefix: ObjectPath) -> list[str]:
    return sorted(each.path.key.removeprefix(f"{prefix.key}/") for each in bucket.listed(prefix))


def later(provenance: Provenance, **spent: float) -> Provenance:
    return replace(provenance, fetched_at=provenance.fetched_at + timedelta(**spent))


def test_rows_have_names_of_their_own_and_copies_for_people(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    complete = publish(marks_frame(), marks, prefix, provenance, retention=KEPT).wait()
    rows = f"marks/{complete.write_id}"
    assert (complete.parquet.name, complete.csv and complete.csv.name) == (f"{rows}.parquet", f"{rows}.csv")
    entry = f"marks/log/20260105T213001500000Z-{complete.write_id}-{complete.data_version}.json"
    people = ["marks.csv", "marks.json", "marks.parquet"]
    assert names(prefix) == sorted([".state/manifests.json", entry, f"{rows}.csv", f"{rows}.parquet", *people])
    for ending in ("csv", "parquet"):
        copied, original = bucket.read(prefix / f"marks.{ending}"), bucket.read(prefix / f"{rows}.{ending}")
        assert copied is not None
        assert original is not None
        assert copied.content == original.content
    stored = read_stored(prefix, "marks")
    assert (stored.manifest, stored.lost_files, stored.is_lagging, stored.damage) == (complete, (), False, {})
    assert_frame_equal(scan(prefix, marks).collect(), marks_frame())
    assert check(prefix, marks) == []


def test_what_a_reader_has_opened_stays_what_it_was(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    publish(marks_frame(), marks, prefix, provenance)
    opened = open_table(prefix, marks)
    second = publish(marks_frame(close=20.0), marks, prefix, later(provenance, hours=1)).wait()
    assert_frame_equal(opened.frame.collect(), marks_frame())
    assert opened.manifest is not None
    assert opened.manifest.write_id != second.write_id
    assert_frame_equal(scan(prefix, marks).collect(), marks_frame(close=20.0))


def test_of_two_publications_after_the_same_one_the_second_is_refused(
    place: Folder, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    folder = place
    publish(marks_frame(close=5.0), marks, folder, provenance, replaces=None)
    with pytest.raises(ConflictError, match="marks was refreshed by another program meanwhile"):
        publish(marks_frame(), marks, folder, provenance, replaces=None)
    first = read_manifest(folder, "marks")
    assert first is not None
    second = publish(marks_frame(close=20.0), marks, folder, provenance, replaces=first.write_id).wait()
    with pytest.raises(ConflictError):
        publish(marks_frame(close=30.0), marks, folder, provenance, replaces=first.write_id)
    assert read_manifest(folder, "marks") == second
    assert_frame_equal(scan(folder, marks).collect(), marks_frame(close=20.0))
    assert check(folder, marks) == []


def test_a_manifest_takes_the_place_of_exactly_one_version(
    place: Folder, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    store = open_store(place)
    complete = publish(marks_frame(), marks, place, provenance).wait()
    found = store.read_manifest("marks")
    assert found is not None
    assert found.manifest == complete
    other = replace(complete, provenance=replace(provenance, why="forced: by a test"))
    version = store.commit(other, if_version=found.version)
    for refused in (found.version, None):
        with pytest.raises(ConflictError):
            store.commit(complete, if_version=refused)
    assert store.commit(complete, if_version=version) == found.version
    assert store.read_manifests(["marks", "none"])["none"] is None


def test_many_writers_at_the_same_time_lose_no_row(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    """Each of four threads adds four rows one by one, to whatever is stored when it does."""
    one = marks_frame(symbols=1).head(1)

    def add(number: int) -> None:
        while True:
            store = open_store(prefix)
            found = store.read_manifest("marks")
            before = None if found is None else store.open_table(marks)
            # The rows and the manifest of one publication, whatever was published since `found` was read.
            manifest = None if before is None else before.manifest
            row = one.with_columns(symbol=pl.lit(f"T{number:04d}"))
            frame = row if before is None else pl.concat([before.frame.collect(), row])
            try:
                after = None if manifest is None else manifest.write_id
                publish(frame, marks, prefix, provenance, replaces=after, csv_choice=CsvChoice.OFF).wait()
                return
            except ConflictError:
                continue

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(16)))
    assert scan(prefix, marks).collect()["symbol"].to_list() == [f"T{number:04d}" for number in range(16)]
    assert check(prefix, marks) == []


def test_versions_are_told_compared_and_read_as_of_an_instant(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    for number, close in enumerate((10.0, 20.0, 20.0, 30.0)):
        publish(marks_frame(close=close), marks, prefix, later(provenance, days=number), retention=KEPT).wait()
    known = versions(prefix, "marks")
    assert [each.is_current for each in known] == [False, False, False, True]
    assert [each.manifest.provenance.fetched_at.day for each in known] == [5, 6, 7, 8]
    for number, close in enumerate((10.0, 20.0, 20.0, 30.0)):
        at = provenance.fetched_at + timedelta(days=number, hours=1)
        rows = open_version(prefix, marks, version_at(prefix, "marks", at)).frame.collect()
        assert_frame_equal(rows, marks_frame(close=close))
        assert_frame_equal(open_store(prefix).source(marks, as_of=at).collect(), rows)


def test_a_publication_that_a_dead_writer_did_not_enter_is_entered_by_the_next(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    first = publish(marks_frame(), marks, prefix, provenance, retention=KEPT).wait()
    bucket.remove([each.path for each in bucket.listed(prefix / "marks" / "log")])
    assert [each.manifest for each in versions(prefix, "marks")] == [first]
    second = publish(marks_frame(close=20.0), marks, prefix, later(provenance, days=1), retention=KEPT)
    written = [each.manifest.write_id for each in versions(prefix, "marks")]
    assert written == [first.write_id, second.parquet_manifest.write_id]
    # It was not known before it was written, which is now and not in January.
    assert datetime.now(tz=UTC) - versions(prefix, "marks")[0].known_at < timedelta(minutes=5)


def test_rows_that_an_earlier_version_of_the_program_has_stored_are_read_and_carried_on(
    prefix: ObjectPath, tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    complete = publish(marks_frame(), marks, tmp_path, provenance).wait()
    for ending in ("parquet", "csv", "json"):
        bucket.write(prefix / f"marks.{ending}", (tmp_path / f"marks.{ending}").read_bytes())
    assert read_stored(prefix, "marks").manifest == complete
    assert_frame_equal(scan(prefix, marks).collect(), marks_frame())
    assert check(prefix, marks) == []
    publish(marks_frame(close=20.0), marks, prefix, later(provenance, days=1), retention=KEPT).wait()
    before, now = versions(prefix, "marks")
    assert_frame_equal(open_version(prefix, marks, before).frame.collect(), marks_frame())
    assert_frame_equal(open_version(prefix, marks, now).frame.collect(), marks_frame(close=20.0))


def test_rows_that_are_gone_are_noted_and_everybody_is_told(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    complete = publish(marks_frame(), marks, prefix, provenance).wait()
    rows = prefix / "marks" / f"{complete.write_id}.parquet"
    bucket.remove([rows])
    stored = read_stored(prefix, "marks")
    assert (stored.lost_files, stored.is_repairable) == (("marks.parquet",), False)
    with pytest.raises(CorruptFileError, match=r"marks\.parquet is damaged"):
        scan(prefix, marks)
    survey = open_store(prefix).read_all_stored(["marks"], is_survey=True)["marks"]
    assert not isinstance(survey, CorruptFileError)
    assert list(survey.damage) == ["marks.parquet"]
    with pytest.raises(CorruptFileError, match="is gone; refresh it with"):
        repair(prefix, marks)
    publish(marks_frame(), marks, prefix, later(provenance, hours=1)).wait()
    assert read_stored(prefix, "marks").damage == {}
    assert check(prefix, marks) == []


def test_a_csv_that_is_gone_or_cut_is_repairable_and_made_again_from_the_rows(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    complete = publish(marks_frame(), marks, prefix, provenance).wait()
    csv = prefix / "marks" / f"{complete.write_id}.csv"
    found = bucket.read(csv)
    assert found is not None
    bucket.remove([csv])
    stored = read_stored(prefix, "marks")
    assert (stored.lost_files, stored.is_lagging, stored.is_repairable) == (("marks.csv",), False, True)
    repair(prefix, marks)
    assert not read_stored(prefix, "marks").is_repairable
    bucket.write(csv, found.content[:-5])
    stored = read_stored(prefix, "marks")
    assert (stored.lost_files, stored.is_lagging, stored.is_repairable) == ((), True, True)
    repair(prefix, marks)
    mended = bucket.read(csv)
    assert mended is not None
    assert mended.content == found.content
    assert read_stored(prefix, "marks").manifest == complete


def test_manifest_csv_and_copies_are_made_again_from_the_rows_and_the_log(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    complete = publish(marks_frame(), marks, prefix, provenance, retention=KEPT).wait()
    lost = ["marks.json", "marks.csv", f"marks/{complete.write_id}.csv"]
    bucket.remove([prefix / name for name in lost])
    assert {each.path.name for each in check(prefix, marks)} >= {"marks.json"}
    assert all(each.is_repairable for each in repair(prefix, marks))
    assert check(prefix, marks) == []
    assert read_manifest(prefix, "marks") == complete
    assert set(lost) <= set(names(prefix))


def test_a_choice_of_no_csv_has_none(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    publish(marks_frame(), marks, prefix, provenance).wait()
    publish(marks_frame(close=20.0), marks, prefix, provenance, csv_choice=CsvChoice.OFF).wait()
    assert "marks.csv" not in names(prefix)
    assert check(prefix, marks, csv_choice=CsvChoice.OFF) == []
    assert repair(prefix, marks, csv_choice=CsvChoice.FULL)
    assert "marks.csv" in names(prefix)
    assert check(prefix, marks) == []


@pytest.mark.parametrize("name", ["marks.csv", "marks.json", "marks.parquet"])
def test_an_object_of_the_user_is_not_replaced(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, name: str
) -> None:
    bucket.write(prefix / name, b"theirs")
    with pytest.raises(StorageError, match=rf"s3://.*{name} is in the place of a dataset"):
        publish(marks_frame(), marks, prefix, provenance)
    assert [path.name for path in foreign_files(prefix, "marks")] == [name]
    assert names(prefix) == [name]
    assert [str(each.path) for each in check(prefix, marks)] == [str(prefix / name)]


def test_rows_that_are_refused_leave_nothing(
    prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    twice = pl.concat([marks_frame(), marks_frame()])
    with pytest.raises(DataError):
        publish(twice, marks, prefix, provenance)
    assert names(prefix) == []


def test_a_look_at_everything_takes_three_requests_at_the_same_time(
    counted: Traffic, prefix: ObjectPath, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    schemas = [replace(marks, name=f"marks_{number}") for number in range(6)]
    for schema in schemas:
        publish(marks_frame(), schema, prefix, replace(provenance, dataset=schema.name)).wait()
    counted.reset()
    found = open_store(prefix).read_all_stored([schema.name for schema in schemas], is_survey=True)
    assert all(not isinstance(each, CorruptFileError) and each.manifest is not None for each in found.values())
    assert len(counted.requests) == 3
    assert counted.waves == 1


def test_without_bucket_or_server_one_sentence_says_what_is_missing(
    prefix: ObjectPath,
    marks: DatasetSchema,
    provenance: Provenance,
    marks_frame: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = ObjectPath("no-such-bucket", "tables")
    for ask in (
        lambda: read_manifest(nowhere, "marks"),
        lambda: publish(marks_frame(), marks, nowhere, provenance),
        open_store(nowhere).check_writable,
        open_store(nowhere).check_rights,
    ):
        with pytest.raises(StorageError, match=r"has no bucket no-such-bucket; correct TT_DATA_DIR") as error:
            ask()
        assert "canary" not in str(error.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match=r"no answer from http://127.0.0.1:9; check AWS_ENDPOINT_URL"):
        read_manifest(prefix, "marks")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.example.com")
    with pytest.raises(StorageError, match="keys would go to another machine without encryption"):
        read_manifest(prefix, "marks")


def test_a_place_in_an_object_store_is_a_url_with_a_bucket() -> None:
    folder = open_folder("s3://bucket/a/b/")
    assert str(folder / "marks.json") == "s3://bucket/a/b/marks.json"
    assert ((folder / "marks.json").parent, (folder / "marks.json").stem) == (folder, "marks")
