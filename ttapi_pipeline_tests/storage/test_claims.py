# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Files in the places of a dataset that nothing of ours claims stay as they are; ours are recognised, also damaged."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.files import put_in_place
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.claims import foreign_files
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.tables.schema import DatasetSchema

Make = Callable[..., pl.DataFrame]

THEIRS = {
    "marks.csv": b"name,mark\nAnn,1\n",
    "marks.json": b'{"name": "Ann", "mark": 1, "dataset": "school", "rows": 1}',
    "marks.parquet": b"",
}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("names", [["marks.csv"], ["marks.json"], ["marks.parquet"], list(THEIRS)])
def test_a_file_of_the_user_stops_a_publication_and_nothing_is_made_beside_it(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, names: list[str]
) -> None:
    pl.DataFrame({"name": ["Ann"], "mark": [1]}).write_parquet(tmp_path / "theirs")
    theirs = {**THEIRS, "marks.parquet": (tmp_path / "theirs").read_bytes()}
    (tmp_path / "theirs").unlink()
    for name in names:
        (tmp_path / name).write_bytes(theirs[name])
    before = content(tmp_path)
    with pytest.raises(StorageError, match=r"move (it|them) away, or set TT_DATA_DIR") as refusal:
        publish(marks_frame(), marks, tmp_path, provenance)
    assert [name for name in names if str(tmp_path / name) not in str(refusal.value)] == []
    problems = check(tmp_path, marks)
    assert {problem.path.name for problem in problems} == set(names)
    assert not any(problem.is_repairable for problem in problems)
    assert repair(tmp_path, marks) == problems
    assert content(tmp_path) == before


def test_a_link_of_the_user_that_leads_nowhere_is_not_replaced(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make
) -> None:
    (tmp_path / "marks.csv").symlink_to(tmp_path / "disk" / "marks.csv")
    with pytest.raises(StorageError, match=r"marks\.csv is in the place"):
        publish(marks_frame(), marks, tmp_path, provenance)
    assert (tmp_path / "marks.csv").readlink() == tmp_path / "disk" / "marks.csv"


@pytest.mark.parametrize("appearing", ["marks.parquet", "marks.json", "marks.csv"])
def test_a_file_that_appears_during_the_first_publication_is_not_replaced(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, appearing: str
) -> None:
    def rows(frame: pl.DataFrame) -> pl.DataFrame:
        (tmp_path / appearing).write_bytes(b"theirs")
        return frame

    lazy = marks_frame().lazy().map_batches(rows, streamable=True, schema=marks.polars)
    if appearing == "marks.csv":
        # The Parquet file is ours by then, and good.
        published = publish(lazy, marks, tmp_path, provenance)
        assert "marks.csv is in the place of a dataset" in str(published.csv_error)
        assert read_manifest(tmp_path, "marks") == published.parquet_manifest
    else:
        with pytest.raises(StorageError, match=f"{appearing} is in the place of a dataset"):
            publish(lazy, marks, tmp_path, provenance)
    assert (tmp_path / appearing).read_bytes() == b"theirs"
    assert not list(tmp_path.glob("*.staged"))


@pytest.mark.parametrize("kept", [["json"], ["parquet"], ["json", "csv"], ["parquet", "csv"]])
def test_what_is_left_of_a_dataset_of_ours_is_replaced(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, kept: list[str]
) -> None:
    publish(marks_frame(), marks, tmp_path, provenance)
    for ending in {"json", "parquet", "csv"} - set(kept):
        (tmp_path / f"marks.{ending}").unlink()
    if "csv" in kept:
        # A person has saved it from a spreadsheet.
        (tmp_path / "marks.csv").write_text("symbol;session\n")
    publish(marks_frame(close=20.0), marks, tmp_path, provenance).wait()
    assert check(tmp_path, marks) == []


@pytest.mark.parametrize("damage", ["json cut", "footer length", "footer text"])
def test_damage_does_not_make_our_files_somebody_elses(
    tmp_path: Path, marks: DatasetSchema, provenance: Provenance, marks_frame: Make, damage: str
) -> None:
    publish(marks_frame(), marks, tmp_path, provenance)
    parquet, manifest = tmp_path / "marks.parquet", tmp_path / "marks.json"
    if damage == "json cut":
        parquet.unlink()
        manifest.write_bytes(manifest.read_bytes()[: manifest.stat().st_size // 2])
    else:
        manifest.unlink()
        whole = parquet.read_bytes()
        of_the_text = whole.replace(b"ttapi_pipeline", b"ttapi_pipelime")
        of_the_length = whole[:-8] + b"\xff\xff\xff\xff" + whole[-4:]
        parquet.write_bytes(of_the_text if damage == "footer text" else of_the_length)
    assert foreign_files(tmp_path, "marks") == []
    publish(marks_frame(close=20.0), marks, tmp_path, provenance).wait()
    assert check(tmp_path, marks) == []


class Killed(BaseException):
    """The end of the process, as far as the code under test can tell."""


@pytest.mark.parametrize("step", range(1, 5))
def test_a_first_publication_that_is_killed_leaves_files_that_the_next_one_knows(
    tmp_path: Path,
    marks: DatasetSchema,
    provenance: Provenance,
    marks_frame: Make,
    *,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    steps: list[str] = []

    def killed(staging: Path, target: Path, **options: bool) -> None:
        steps.append(target.name)
        put_in_place(staging, target, **options)
        if len(steps) == step:
            raise Killed

    monkeypatch.setattr("ttapi_pipeline.storage.files.put_in_place", killed)
    with ThreadPoolExecutor(1) as executor, pytest.raises(Killed):
        publish(marks_frame(), marks, tmp_path, provenance, executor=executor)._csv.result()
    monkeypatch.undo()
    assert steps == ["marks.parquet", "marks.json", "marks.csv", "marks.json"][:step]
    # A process that is really killed leaves the file on which it was writing, too.
    (tmp_path / ".marks.csv.0123456789abcdef0123456789abcdef.staged").write_text("half")
    assert foreign_files(tmp_path, "marks") == []
    publish(marks_frame(), marks, tmp_path, provenance).wait()
    assert check(tmp_path, marks) == []
