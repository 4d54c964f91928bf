# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A target is the old one or the new one, whatever interrupts the writer."""

from __future__ import annotations

import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ttapi_pipeline.core.files import (
    abandoned,
    remove_abandoned,
    remove_abandoned_in,
    replacing,
    replacing_folder,
    staging,
    staging_path,
)


def test_the_target_changes_at_the_end_of_the_block(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    target.write_text("old")
    with replacing(target) as staging:
        staging.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("is_durable", [True, False])
def test_what_is_durable_is_synced_before_it_is_renamed_and_its_name_after(
    *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_durable: bool
) -> None:
    steps: list[str] = []

    def sync(descriptor: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")

    rename = Path.replace

    def replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    with replacing(tmp_path / "state.json", is_durable=is_durable) as staging:
        staging.write_text("new")
    assert steps == (["sync file", "rename", "sync folder"] if is_durable else ["rename"])
    steps.clear()
    with replacing_folder(tmp_path / "part", is_durable=is_durable) as folder:
        (folder / "rows").write_text("1")
    assert steps == (["sync file", "sync folder", "rename", "sync folder"] if is_durable else ["rename"])


def test_after_an_exception_the_target_is_as_it_was_and_nothing_is_left(tmp_path: Path) -> None:
    file, folder = tmp_path / "state.json", tmp_path / "part"
    file.write_text("old")

    def interrupted(writing: AbstractContextManager[Path], name: str) -> None:
        with writing as staging:
            (staging / name if name else staging).write_text("half")
            raise KeyboardInterrupt

    for writing, name in ((replacing(file), ""), (replacing_folder(folder), "rows")):
        with pytest.raises(KeyboardInterrupt):
            interrupted(writing, name)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_takes_the_place_of_none_or_of_an_empty_one_only(tmp_path: Path) -> None:
    target = tmp_path / "part"
    target.mkdir()
    with replacing_folder(target) as staging:
        (staging / "rows").write_text("1")
    assert (target / "rows").read_text() == "1"
    with pytest.raises(OSError, match="not empty"), replacing_folder(target) as staging:
        (staging / "rows").write_text("2")
    assert [path.name for path in target.iterdir()] == ["rows"]
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_writer_left_is_told_from_what_is_being_written(tmp_path: Path) -> None:
    target, neighbour = tmp_path / "bars[1].json", tmp_path / "bars[1].jsonl"
    left = sorted(staging_path(target) for _ in range(2))
    for path in (*left, staging_path(neighbour)):
        path.write_text("half")
    with staging(target, is_tidied=False) as mine:
        assert abandoned(target) == left
        remove_abandoned(target)
        assert abandoned(target) == []
        assert mine.exists()
        # The next writer of the target leaves it alone, too.
        with replacing(target) as other:
            other.write_text("whole")
        assert mine.exists()
    assert sorted(path.name[:14] for path in tmp_path.iterdir()) == [".bars[1].jsonl", "bars[1].json"]


def test_what_killed_writers_left_in_a_folder_goes_and_what_is_being_written_there_stays(tmp_path: Path) -> None:
    for number in range(2):
        left = staging_path(tmp_path / f"part{number}")
        left.mkdir()
        (left / "rows").write_text("half")
    staging_path(tmp_path / "bars.json").write_text("half")
    with replacing_folder(tmp_path / "part") as folder, replacing(tmp_path / "state.json") as file:
        (folder / "rows").write_text("1")
        file.write_text("new")
        remove_abandoned_in(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([folder, file])
    assert (tmp_path / "part" / "rows").read_text() == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part", "state.json"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_that_is_replaced_hands_on_who_may_read_it(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "accounts.csv"
    target.write_text("old")
    target.chmod(mode)
    with replacing(target) as staging:
        staging.write_text("new")
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", mode)
