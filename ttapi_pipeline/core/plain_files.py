# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Opens files that others write to, which may be anything by now: a pipe, a device or a folder is refused, not read."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, Final

# A pipe without a writer is opened at once then, instead of when there is one.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        OSError: It is missing, may not be read, or is no plain file.
    """
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "a folder, a pipe, a socket or a device is no file to read")
    return _Reader(FileIO(descriptor))


class _Reader(BufferedReader):
    """Reads what is there. A file that has something to read at times, such as a log of the kernel, may fail."""

    def read(self, size: int | None = -1, /) -> bytes:
        content: bytes | None = super().read(size)
        if content is None:
            raise BlockingIOError(errno.EAGAIN, "there is nothing to read in it now")
        return content
