# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import run

import pytest

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.metastock.fingerprint import FileFact, folder_fingerprint, list_files


def write(path: Path, text: str, *, mtime_ns: int = 1_700_000_000_000_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def test_files_are_listed_by_name_below_every_folder_but_hidden_ones(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "12", mtime_ns=7)
    write(tmp_path / "us" / "nasdaq stocks" / "a.txt", "1", mtime_ns=8)
    write(tmp_path / ".git" / "config", "1")
    write(tmp_path / "us" / ".hidden.txt", "1")
    assert list_files(tmp_path) == [FileFact("b.txt", 2, 7), FileFact("us/nasdaq stocks/a.txt", 1, 8)]


def test_a_fingerprint_changes_with_a_name_a_size_and_a_time(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "12")
    seen = {folder_fingerprint(tmp_path)}
    assert folder_fingerprint(tmp_path) in seen
    write(tmp_path / "a.txt", "123")
    seen.add(folder_fingerprint(tmp_path))
    write(tmp_path / "a.txt", "123", mtime_ns=5)
    seen.add(folder_fingerprint(tmp_path))
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    seen.add(folder_fingerprint(tmp_path))
    write(tmp_path / "deep" / "c.txt", "1")
    seen.add(folder_fingerprint(tmp_path))
    (tmp_path / "deep" / "c.txt").unlink()
    assert folder_fingerprint(tmp_path) in seen
    assert len(seen) == 5


def test_a_fingerprint_without_times_is_that_of_a_copy(tmp_path: Path) -> None:
    write(tmp_path / "first" / "a.txt", "12", mtime_ns=5)
    write(tmp_path / "copy" / "a.txt", "12", mtime_ns=6)
    write(tmp_path / "other" / "a.txt", "123", mtime_ns=5)
    first, copy, other = (folder_fingerprint(tmp_path / each, is_by_time=False) for each in ("first", "copy", "other"))
    assert first == copy != other


def test_a_fingerprint_does_not_see_hidden_files(tmp_path: Path) -> None:
    before = folder_fingerprint(tmp_path)
    write(tmp_path / ".DS_Store", "1")
    assert folder_fingerprint(tmp_path) == before


def test_a_link_that_leads_back_is_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "1")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself.csv").symlink_to(tmp_path / "itself.csv")
    (tmp_path / "one.csv").symlink_to(tmp_path / "other.csv")
    (tmp_path / "other.csv").symlink_to(tmp_path / "one.csv")
    assert [fact.name for fact in list_files(tmp_path)] == ["a.txt"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere cannot be read: No such file"):
        folder_fingerprint(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "1")
    with pytest.raises(StorageError, match=r"a\.txt cannot be read: Not a directory"):
        list_files(tmp_path / "a.txt")


def test_the_verdict_can_import_it_without_polars() -> None:
    code = "import sys, ttapi_pipeline.metastock.fingerprint; print('polars' in sys.modules)"
    done = run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "False"
