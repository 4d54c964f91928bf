# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A temporary file without a name, for what a process has no room for in memory: it goes with the process."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from threading import Lock

from ttapi_pipeline.core.files import make_folders
from ttapi_pipeline.storage.errors import storage_error


class ScratchFile:
    """Byte strings, each at a place of its own; written and read from any thread.

    Args:
        folder: Where the file is; made if it is not there. Without one, where the system has temporary files.

    Raises:
        StorageError: It cannot be made.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._lock = Lock()
        self._size = 0
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        try:
            make_folders(self._folder)
            # It outlives whoever fills it: the rows of a dataset are made of it while they are stored.
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        except OSError as error:
            raise storage_error(self._folder, error) from error
        weakref.finalize(self, self._file.close)

    def append(self, content: bytes) -> int:
        """Put something at the end; where it begins.

        Raises:
            StorageError: The disk is full.
        """
        with self._lock:
            start = self._size
            try:
                self._file.seek(start)
                self._file.write(content)
                self._file.flush()
            except OSError as error:
                raise storage_error(self._folder, error) from error
            self._size += len(content)
            return start

    def read(self, start: int, size: int) -> bytes:
        """So many bytes from there.

        Raises:
            StorageError: They cannot be read.
        """
        with self._lock:
            try:
                self._file.seek(start)
                return self._file.read(size)
            except OSError as error:
                raise storage_error(self._folder, error) from error
