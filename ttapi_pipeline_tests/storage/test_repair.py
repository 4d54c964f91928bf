# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Whatever cut a publication short, `repair` ends with files that agree, made from the Parquet file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from polars.testing import assert_frame_equal
from xxhash import xxh3_128

from ttapi_pipeline.core.errors import CorruptFileError, LockTimeoutError
from ttapi_pipeline.core.files import staging
from ttapi_pipeline.core.manifest import FileFacts, Provenance
from ttapi_pipeline.storage import repair as repair_module
from ttapi_pipeline.storage.files import file_facts, remove_left_over
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.scan import read_csv_back, scan
from ttapi_pipeline.storage.stored import read_manifest, read_stored
from ttapi_pipeline.storage.verification import find_damage
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline_tests.support.flips import flip_bit

Make = Callable[..., pl.DataFrame]


class Crash(BaseException):
    """The end of the process, as far as the code under test can tell."""


def crash(*_: object) -> None:
    raise Crash


def assert_sound(folder: Path, schema: DatasetSchema) -> None:
    """The three files agree, and nothing else is there."""
    assert check(folder, schema) == []
    stored = read_stored(folder, schema.name)
    assert stored.manifest is not None
    assert not stored.is_lagging
    assert_frame_equal(read_csv_back(folder, schema), scan(folder, schema).collect())
    names = {path.name for path in folder.iterdir()} - {f".{schema.name}.lock"}
    assert names == {f"{schema.name}.{ending}" for ending in ("parquet", "csv", "json")}


@pytest.fixture
def stored(tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make) -> Path:
    """A folder with a sound dataset."""
    publish(marks_frame(), marks, tmp_path, provenance)
    return tmp_path


def findings(folder: Path, schema: DatasetSchema) -> list[tuple[str, bool]]:
    return [(problem.path.name, problem.is_repairable) for problem in check(folder, schema)]


def test_a_sound_dataset_is_left_alone(stored: Path, marks: DatasetSchema) -> None:
    before = {path: path.stat().st_mtime_ns for path in stored.iterdir() if not path.name.startswith(".")}
    assert repair(stored, marks) == []
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_where_nothing_is_stored_nothing_is_wrong_or_made(tmp_path: Path, marks: DatasetSchema) -> None:
    assert check(tmp_path / "data", marks) == []
    assert repair(tmp_path / "data", marks) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda folder: (folder / "marks.csv").unlink(), "marks.csv"),
        (lambda folder: (folder / "marks.csv").write_text("symbol\r\n"), "marks.csv"),
        (lambda folder: (folder / "marks.json").unlink(), "marks.json"),
        (lambda folder: (folder / "marks.json").write_text("{"), "marks.json"),
        (lambda folder: (folder / "marks.json").write_bytes(b"\xff\xfe"), "marks.json"),
    ],
)
def test_a_lost_or_damaged_csv_or_manifest_is_rebuilt(
    stored: Path, marks: DatasetSchema, spoil: Callable[[Path], object], name: str
) -> None:
    before = read_manifest(stored, "marks")
    spoil(stored)
    assert (name, True) in findings(stored, marks)
    assert name in {problem.path.name for problem in repair(stored, marks)}
    assert_sound(stored, marks)
    assert read_manifest(stored, "marks") == before


def test_a_crash_before_the_manifest_is_mended(
    stored: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttapi_pipeline.storage.publish.write_manifest", crash)
    with pytest.raises(Crash):
        publish(marks_frame(close=77.0), marks, stored, provenance)
    monkeypatch.undo()
    assert read_stored(stored, "marks").is_lagging
    assert findings(stored, marks) == [("marks.json", True), ("marks.csv", True)]
    assert "does not describe its Parquet file" in str(repair(stored, marks)[0])
    assert_sound(stored, marks)
    assert_frame_equal(scan(stored, marks).collect(), marks_frame(close=77.0))


def test_a_crash_before_the_csv_is_mended(
    stored: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttapi_pipeline.storage.publish.publish_csv", crash)
    with pytest.raises(Crash):
        publish(marks_frame(close=77.0), marks, stored, provenance)
    monkeypatch.undo()
    assert read_stored(stored, "marks").is_lagging
    assert findings(stored, marks) == [("marks.csv", True)]
    repair(stored, marks)
    assert_sound(stored, marks)
    assert read_csv_back(stored, marks)["close"][0] == 82.0


def test_staged_files_of_dead_writers_go(stored: Path, marks: DatasetSchema) -> None:
    (stored / ".marks.parquet.0123.staged").write_bytes(b"half")
    (stored / ".marksmen.parquet.0123.staged").write_bytes(b"another dataset's")
    assert [str(problem) for problem in repair(stored, marks)] == [
        f"{stored / '.marks.parquet.0123.staged'} was left by a writer that died"
    ]
    (stored / ".marksmen.parquet.0123.staged").unlink()
    assert_sound(stored, marks)


def test_staged_files_of_dead_writers_go_before_the_next_publication_and_those_of_living_ones_stay(
    stored: Path, marks: DatasetSchema
) -> None:
    (stored / ".marks.csv.0123.staged").write_bytes(b"half")
    cached = stored / ".state" / "metastock" / "0123"
    (cached / ".00000002-45.67.staged").mkdir(parents=True)
    (cached / ".00000002-45.67.staged" / "rows.parquet").write_bytes(b"half")
    with staging(stored / "marks.json") as living:
        remove_left_over(stored)
        assert living.exists()
    assert list(cached.iterdir()) == []
    shutil.rmtree(stored / ".state")
    assert_sound(stored, marks)


def test_staged_files_go_with_the_next_publication_too(
    stored: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    (stored / ".marks.csv.0123.staged").write_bytes(b"half")
    publish(marks_frame(), marks, stored, provenance)
    assert_sound(stored, marks)


def damage_data(path: Path) -> None:
    """Overwrite bytes in the first column chunk, leaving size and footer."""
    content = bytearray(path.read_bytes())
    content[8:60] = bytes(52)
    path.write_bytes(content)


SPOILT = pytest.mark.parametrize(
    "spoil",
    [
        damage_data,
        lambda path: path.write_bytes(path.read_bytes()[:-50]),
        lambda path: path.write_bytes(b""),
        lambda path: pl.read_parquet(path).write_parquet(path),
        lambda path: pl.read_parquet(path).drop("note").write_parquet(path, metadata=pl.read_parquet_metadata(path)),
        lambda path: (
            pl.read_parquet(path)
            .with_columns(close=1.0)
            .write_parquet(path, metadata={"ttapi_pipeline": pl.read_parquet_metadata(path)["ttapi_pipeline"]})
        ),
    ],
    ids=["damaged", "cut", "empty", "foreign", "other columns", "other rows"],
)


@SPOILT
def test_a_damaged_parquet_file_is_made_from_its_csv_and_its_bytes_are_remembered(
    stored: Path, marks: DatasetSchema, spoil: Callable[[Path], object], marks_frame: Make
) -> None:
    path, before = stored / "marks.parquet", read_manifest(stored, "marks")
    assert before is not None
    spoil(path)
    damaged = xxh3_128(path.read_bytes()).hexdigest()
    assert findings(stored, marks) == [("marks.parquet", True)]
    assert "makes it from its CSV" in str(repair(stored, marks)[0])
    assert_frame_equal(scan(stored, marks).collect(), marks_frame())
    after = read_manifest(stored, "marks")
    assert after is not None
    assert (after.data_version, after.rows) == (before.data_version, before.rows)
    assert after.provenance == replace(before.provenance, damaged_files=(damaged,))
    assert check(stored, marks) == []


@pytest.mark.parametrize("is_csv_good", [True, False])
def test_a_damaged_file_is_hashed_once(
    stored: Path, marks: DatasetSchema, monkeypatch: pytest.MonkeyPatch, is_csv_good: bool
) -> None:
    inodes = {(stored / f"marks.{kind}").stat().st_ino: kind for kind in ("parquet", "csv")}
    hashed: list[str] = []
    facts = file_facts

    def counted(path: Path) -> FileFacts:
        hashed.append(inodes.get(path.stat().st_ino, "new"))
        return facts(path)

    monkeypatch.setattr(repair_module, "file_facts", counted)
    damage_data(stored / "marks.parquet")
    if is_csv_good:
        repair(stored, marks)
    else:
        flip_bit(stored / "marks.csv", 100, 0)
        with pytest.raises(CorruptFileError):
            repair(stored, marks)
    assert sorted(hashed) == ["csv", "parquet"]


@SPOILT
def test_a_parquet_file_that_is_damaged_beside_its_csv_is_named_and_left(
    stored: Path, marks: DatasetSchema, spoil: Callable[[Path], object]
) -> None:
    path, csv = stored / "marks.parquet", stored / "marks.csv"
    flip_bit(csv, 100, 0)
    spoil(path)
    damaged = path.read_bytes()
    assert ("marks.parquet", False) in findings(stored, marks)
    with pytest.raises(CorruptFileError, match=r"marks\.parquet is damaged .*`tt refresh marks --force`"):
        repair(stored, marks)
    assert path.read_bytes() == damaged
    assert read_stored(stored, "marks").damage["marks.parquet"].seen == xxh3_128(damaged).hexdigest()


@pytest.fixture
def put_back(stored: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make) -> Path:
    """A folder with a second publication, and the Parquet file of the first one in its place."""
    before = (stored / "marks.parquet").read_bytes()
    later = replace(provenance, fetched_at=provenance.fetched_at + timedelta(hours=1))
    publish(marks_frame(close=77.0), marks, stored, later)
    (stored / "marks.parquet").write_bytes(before)
    return stored


def test_a_parquet_file_as_it_was_before_is_no_publication_that_was_cut_short(
    put_back: Path, marks: DatasetSchema, marks_frame: Make
) -> None:
    with pytest.raises(CorruptFileError, match=r"marks\.parquet is damaged"):
        scan(put_back, marks)
    assert findings(put_back, marks) == [("marks.parquet", True)]
    assert find_damage(put_back, "marks")[0].file == "marks.parquet"
    repair(put_back, marks)
    assert_frame_equal(scan(put_back, marks).collect(), marks_frame(close=77.0))
    assert check(put_back, marks) == []


def test_without_a_good_csv_rows_of_before_are_better_than_none(
    put_back: Path, marks: DatasetSchema, marks_frame: Make
) -> None:
    flip_bit(put_back / "marks.csv", 100, 0)
    repair(put_back, marks)
    assert_sound(put_back, marks)
    assert_frame_equal(scan(put_back, marks).collect(), marks_frame())


def test_the_file_of_another_dataset_is_damage(
    stored: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    others = replace(marks, name="others")
    publish(marks_frame(close=1.0), others, stored, replace(provenance, dataset="others"))
    (stored / "marks.parquet").write_bytes((stored / "others.parquet").read_bytes())
    with pytest.raises(CorruptFileError, match=r"marks\.parquet is damaged"):
        scan(stored, marks)
    assert find_damage(stored, "marks")[0].file == "marks.parquet"
    repair(stored, marks)
    assert_frame_equal(scan(stored, marks).collect(), marks_frame())


def test_a_copied_parquet_file_brings_its_dataset_along(
    stored: Path, tmp_path_factory: pytest.TempPathFactory, marks: DatasetSchema
) -> None:
    elsewhere = tmp_path_factory.mktemp("restored")
    (elsewhere / "marks.parquet").write_bytes((stored / "marks.parquet").read_bytes())
    assert read_stored(elsewhere, "marks").manifest is None
    assert read_stored(elsewhere, "marks").is_lagging
    repair(elsewhere, marks)
    assert_sound(elsewhere, marks)
    assert read_manifest(elsewhere, "marks") == read_manifest(stored, "marks")


def test_a_lost_parquet_file_needs_a_refresh(stored: Path, marks: DatasetSchema) -> None:
    (stored / "marks.parquet").unlink()
    assert read_stored(stored, "marks").lost_files == ("marks.parquet",)
    assert findings(stored, marks) == [("marks.parquet", False)]
    assert "is gone; refresh marks" in str(repair(stored, marks)[0])


def test_a_file_hashed_by_another_polars_is_not_taken_for_damaged(
    stored: Path, marks: DatasetSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_manifest(stored, "marks")
    (stored / "marks.json").unlink()
    monkeypatch.setattr("ttapi_pipeline.storage.repair.HASHED_BY", "polars 99")
    monkeypatch.setattr("ttapi_pipeline.storage.repair.data_version", lambda _: "another")
    repair(stored, marks)
    assert read_manifest(stored, "marks") == before


def test_repair_waits_for_a_writer(stored: Path, marks: DatasetSchema) -> None:
    with FileLock(stored / ".marks.lock"), pytest.raises(LockTimeoutError):
        repair(stored, marks, lock_timeout_seconds=0.01)
