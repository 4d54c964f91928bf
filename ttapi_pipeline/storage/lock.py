# SPDX-License-Identifier: MIT
"""One writer per dataset: the file lock. Writing under it: see `publish` and `repair`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ttapi_pipeline.core.errors import LockTimeoutError
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.layout import Folder

DEFAULT_LOCK_TIMEOUT_SECONDS: Final = 600.0
"""Long enough for the CSV of 29 million rows on a slow disk."""


class DatasetLock:
    """The lock that a thread holds while it writes a dataset; another thread may release it.

    The operating system drops the lock with its process, so a killed writer does not block the next one. Object stores
    have no locks: there, `acquire` returns at once.
    """

    def __init__(self, folder: Folder, dataset: str) -> None:
        self._dataset = dataset
        self._path = folder / f".{dataset}.lock"
        # Not thread-local: the publishing thread takes the lock, and the thread that writes the CSV releases it.
        self._lock = FileLock(self._path, thread_local=False) if isinstance(self._path, Path) else None

    def acquire(self, *, timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS) -> None:
        """Wait until no other writer has the dataset.

        Raises:
            LockTimeoutError: Another writer still had it at the deadline.
            StorageError: The lock file cannot be made.
        """
        if self._lock is None:
            return
        try:
            self._lock.acquire(timeout=timeout_seconds)
        except Timeout as error:
            raise LockTimeoutError(
                f"{self._dataset} was being written by another process for {timeout_seconds:g} s ({self._path}); "
                "try again when it is done"
            ) from error
        except OSError as error:
            raise storage_error(self._path, error) from error

    def release(self) -> None:
        """Let the next writer in."""
        if self._lock is not None:
            self._lock.release()


@contextmanager
def locked(
    folder: Folder, dataset: str, *, timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS
) -> Iterator[DatasetLock]:
    """Hold a dataset's lock for a block; see `DatasetLock.acquire` for the errors."""
    lock = DatasetLock(folder, dataset)
    lock.acquire(timeout_seconds=timeout_seconds)
    try:
        yield lock
    finally:
        lock.release()
