# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How much is read of one file, whatever size it has: of one that goes on growing, no more than it had at first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.plain_files import open_plain
from ttapi_pipeline.metastock import limits


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
