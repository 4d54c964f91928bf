# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Waiting for another writer of a dataset: who it is, and for how long, on the board and in the log."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from ttapi_pipeline.core.errors import LockTimeoutError
from ttapi_pipeline.core.processes import this_process
from ttapi_pipeline.core.progress import Phase, ProgressBoard, watched
from ttapi_pipeline.storage import lock
from ttapi_pipeline.storage.lock import DatasetLock, locked


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_QUIET_SECONDS", 0.01)


def test_a_writer_that_waits_says_for_which_process_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    board, first = ProgressBoard(), DatasetLock(tmp_path, "marks")
    board.set_phase("marks", Phase.RUNNING, "expired")
    first.acquire()
    seen = []

    def watch() -> None:
        while board.snapshot()["marks"].phase is not Phase.WAITING:
            pass
        seen.append(board.snapshot()["marks"].note)
        first.release()

    watcher = threading.Thread(target=watch)
    watcher.start()
    with watched(board), caplog.at_level(logging.WARNING), locked(tmp_path, "marks"):
        assert (board.snapshot()["marks"].phase, board.snapshot()["marks"].note) == (Phase.RUNNING, "expired")
    watcher.join()
    named = f"waiting for process {this_process().pid} on {this_process().host} since "
    assert [note.startswith(named) for note in seen] == [True]
    assert named in caplog.text


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b'{"pid": "x"}'])
def test_a_holder_that_did_not_say_who_it_is_is_another_process(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / ".marks.lock"
    file.write_bytes(content)
    with FileLock(file), pytest.raises(LockTimeoutError, match=r"was being written by another process for 0\.02 s"):
        DatasetLock(tmp_path, "marks").acquire(timeout_seconds=0.02)
