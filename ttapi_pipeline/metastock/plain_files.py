# SPDX-License-Identifier: MIT
"""Opens the files of a folder that others write to, which may have become anything since the folder was listed.

A pipe, a device or a socket is refused instead of waited for, and of a file that goes on growing no more is read than
it had at first.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, Final

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock import limits

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


def size_of(file: BinaryIO) -> int:
    """The bytes that an open file has now.

    Raises:
        InvalidFormatError: They are too many to be read.
    """
    size = os.fstat(file.fileno()).st_size
    check_size(size)
    return size


def check_size(size: int) -> None:
    """Raise InvalidFormatError for a file of that many bytes if they are too many to be read."""
    if size > limits.MOST_FILE_BYTES:
        most = limits.MOST_FILE_BYTES
        raise InvalidFormatError(f"it has {size:,} bytes, and of one file no more than {most:,} are read; split it")


def read_at_most(path: Path, most: int) -> bytes:
    """The first bytes of a file, `most` of them or all; OSError as for `open_plain`."""
    with open_plain(path) as file:
        return file.read(most)
