# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One writer per dataset: the file lock. Writing under it: see `publish` and `repair`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ttapi_pipeline.core.errors import LockTimeoutError
from ttapi_pipeline.core.processes import ProcessIdentity, this_process
from ttapi_pipeline.core.progress import Phase, current_board
from ttapi_pipeline.storage.errors import storage_error

DEFAULT_LOCK_TIMEOUT_SECONDS: Final = 600.0
"""Long enough for the CSV of 29 million rows on a slow disk."""

_QUIET_SECONDS: Final = 2.0
_SAY_SECONDS: Final = 15.0

_LOGGER = logging.getLogger(__name__)


class DatasetLock:
    """The lock that a thread holds while it writes a dataset; another thread may release it.

    Its file says which process has it, for those who wait. The file stays, and tells nothing once the lock is free.

    The operating system drops the lock with its process, so a killed writer does not block the next one.
    """

    def __init__(self, folder: Path, dataset: str) -> None:
        self._dataset = dataset
        self._path = _lock_file(folder, dataset)
        # Not thread-local: the publishing thread takes the lock, and the thread that writes the CSV releases it.
        self._lock = FileLock(self._path, thread_local=False)

    def acquire(self, *, timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS) -> None:
        """Wait until no other writer has the dataset.

        Raises:
            LockTimeoutError: Another writer still had it at the deadline.
            StorageError: The lock file cannot be made.
        """
        began = time.monotonic()
        patience = _QUIET_SECONDS
        before = current_board().snapshot().get(self._dataset)
        while not self._try(timeout_seconds - (time.monotonic() - began), patience):
            waited = time.monotonic() - began
            if waited >= timeout_seconds:
                raise LockTimeoutError(
                    f"{self._dataset} was being written by {self._holder()} for {timeout_seconds:g} s ({self._path}); "
                    "try again when it is done"
                )
            words = f"waiting for {self._holder()}, which writes it, for {waited:.0f} s now"
            _LOGGER.warning("%s: %s", self._dataset, words)
            # Where a run shows how far it is: its output goes elsewhere while a step runs.
            if before is not None:
                current_board().set_phase(self._dataset, Phase.WAITING, words)
            patience = _SAY_SECONDS
        if before is not None and patience == _SAY_SECONDS:
            current_board().set_phase(self._dataset, before.phase, before.note)

    def _try(self, left: float, patience: float) -> bool:
        """Whether the lock came within `left` and `patience` seconds."""
        try:
            self._lock.acquire(timeout=max(0.0, min(left, patience)))
            with suppress(OSError):
                self._path.write_text(f"{this_process().to_json()}\n", encoding="utf-8")
        except Timeout:
            return False
        except OSError as error:
            raise storage_error(self._path, error) from error
        return True

    def _holder(self) -> str:
        """Who has the lock, in words."""
        with suppress(OSError, UnicodeDecodeError):
            holder = ProcessIdentity.from_json(self._path.read_text(encoding="utf-8"))
            if holder is not None:
                return str(holder)
        return "another process"

    def release(self) -> None:
        """Let the next writer in."""
        self._lock.release()


def is_lockable(folder: Path, dataset: str) -> bool:
    """Whether the lock file of a dataset is there, so that taking the lock creates nothing."""
    return _lock_file(folder, dataset).is_file()


def _lock_file(folder: Path, dataset: str) -> Path:
    return folder / f".{dataset}.lock"


@contextmanager
def locked(
    folder: Path, dataset: str, *, timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS
) -> Iterator[DatasetLock]:
    """Hold a dataset's lock for a block; see `DatasetLock.acquire` for the errors."""
    lock = DatasetLock(folder, dataset)
    lock.acquire(timeout_seconds=timeout_seconds)
    try:
        yield lock
    finally:
        lock.release()
