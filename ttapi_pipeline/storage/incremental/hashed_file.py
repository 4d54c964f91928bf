# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writing a file from bytes in memory and bytes of other files, and hashing it meanwhile."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import BinaryIO, Final, Self

from xxhash import xxh3_64, xxh3_64_intdigest, xxh3_128

from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.storage.incremental.note import Extent

_SYNCED_BYTES: Final = 256 * 2**20
"""Start an fsync in the background after this many bytes, so that less is left to sync when the file is committed."""

_BLOCK_BYTES: Final = 1 << 20
"""Copied at a time; a block stays in the processor's cache while it is read, hashed and written."""

_BLOCKS: Final = 3
"""One is written while the next are read. They are used over and over: to fill new memory costs more than to copy."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes of an open file, to be copied."""

    file: BinaryIO
    extent: Extent

    def read(self) -> bytes | None:
        """The bytes; None when they cannot be read, or are not the bytes that were noted."""
        try:
            content = os.pread(self.file.fileno(), self.extent.size, self.extent.start)
        except (OSError, AttributeError):
            # Windows has no such function: nothing is copied there, and everything made anew.
            return None
        is_noted = len(content) == self.extent.size and xxh3_64_intdigest(content) == self.extent.checksum
        return content if is_noted else None


class HashedFile:
    """Writes a file and knows its size and hash; reading ahead and syncing go on in threads of their own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = xxh3_128()
        self._blocks = [memoryview(bytearray(_BLOCK_BYTES)) for _ in range(_BLOCKS)]
        self._threads = ThreadPoolExecutor(max_workers=2)
        self._synced: Future[None] | None = None
        self._unsynced = 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()

    def append(self, content: bytes | Stretch) -> bool:
        """Write at the end of the file; False, with nothing written, when a stretch is not as noted."""
        if isinstance(content, bytes):
            self._digest.update(content)
            self._write(content)
            return True
        start, digest = self.size, self._digest.copy()
        checksum = self._copy(content)
        if self.size - start == content.extent.size and checksum == content.extent.checksum:
            return True
        self._file.seek(start)
        self._file.truncate()
        self.size, self._digest = start, digest
        return False

    def _copy(self, stretch: Stretch) -> int:
        """Write the stretch, as far as it can be read; returns the checksum of the bytes that were written.

        Another thread reads and hashes the next blocks while one is written.
        """
        free: SimpleQueue[memoryview | None] = SimpleQueue()
        filled: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        for block in self._blocks:
            free.put(block)
        reading = self._threads.submit(self._read, stretch, free, filled)
        try:
            while (read := filled.get()) is not None:
                block, count = read
                self._write(block[:count])
                free.put(block)
        finally:
            free.put(None)
        return reading.result()

    def _read(
        self,
        stretch: Stretch,
        free: SimpleQueue[memoryview | None],
        filled: SimpleQueue[tuple[memoryview, int] | None],
    ) -> int:
        """Fill blocks with the stretch until it ends or cannot be read; None among the filled ones says so."""
        descriptor, at, left = stretch.file.fileno(), stretch.extent.start, stretch.extent.size
        checksum = xxh3_64()
        try:
            while left and (block := free.get()) is not None:
                count = os.preadv(descriptor, [block[:left]], at)
                if not count:
                    break
                checksum.update(block[:count])
                self._digest.update(block[:count])
                filled.put((block, count))
                at, left = at + count, left - count
        except (OSError, AttributeError):
            pass  # The caller makes the missing bytes anew.
        finally:
            filled.put(None)
        return checksum.intdigest()

    def _write(self, content: bytes | memoryview) -> None:
        self._file.write(content)
        self.size += len(content)
        self._unsynced += len(content)
        if self._unsynced >= _SYNCED_BYTES and (self._synced is None or self._synced.done()):
            self._raise_from_disk()
            self._synced = self._threads.submit(os.fsync, self._file.fileno())
            self._unsynced = 0

    @property
    def facts(self) -> FileFacts:
        """Size and hash of the file; OSError when a sync in the background has failed."""
        self._raise_from_disk()
        return FileFacts(bytes=self.size, xxh3_128=self._digest.hexdigest())

    def _raise_from_disk(self) -> None:
        """Raise the OSError of the last sync: the system tells an error once, so a later sync would not hear of it."""
        if self._synced is not None:
            self._synced.result()
