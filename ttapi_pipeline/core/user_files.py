# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads the small text files that a user writes by hand and settings name, in bounded memory whatever lies there.

What their lines mean is found where each is used. Files of prices: see `metastock.blocks`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import InvalidFormatError, StorageError
from ttapi_pipeline.core.plain_files import open_plain

MOST_BYTES: Final = 64 << 20
MOST_LINES: Final = 2_000_000
"""Thirty years of four announcements of each of 15,000 companies are fewer."""

MOST_BYTES_OF_A_LIST: Final = 8 << 20
MOST_LINES_OF_A_LIST: Final = 100_000
"""More than all symbols of a country, with a remark for each."""

_PACKED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")
"""How files of gzip, zstd, zip (and so of Excel), bzip2 and xz begin."""


def read_user_file(path: Path, subject: str, *, most_bytes: int = MOST_BYTES, most_lines: int = MOST_LINES) -> bytes:
    """The bytes of a text file, as they are in it.

    Args:
        path: The file.
        subject: How a message begins: the setting that names the file, and the file.
        most_bytes: A larger file is not read.
        most_lines: One with more lines is refused.

    Raises:
        InvalidFormatError: It is too large, has too many lines, is packed, or holds a NUL.
        StorageError: It is missing, may not be read, or is no plain file.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            # It may be growing.
            content = b"" if size > most_bytes else file.read(most_bytes)
    except OSError as error:
        raise StorageError(f"{subject} cannot be read: {error.strerror or error}") from error
    if size > most_bytes:
        raise InvalidFormatError(f"{subject} has {size:,} bytes; no more than {most_bytes:,} are read of such a file")
    if content.startswith(_PACKED):
        raise InvalidFormatError(f"{subject} is packed; unpack it, or save it as plain text")
    at = content.find(b"\0")
    if at >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise InvalidFormatError(f"{subject}, line {line}: a NUL, so it is no UTF-8 text; save it as UTF-8")
    lines = content.count(b"\n") + 1
    if lines > most_lines:
        raise InvalidFormatError(f"{subject} has {lines:,} lines; no more than {most_lines:,} are read of such a file")
    return content


def read_user_text(path: Path, subject: str) -> str:
    """The text of a list in UTF-8, without a byte order mark; arguments and errors as for `read_user_file`."""
    content = read_user_file(path, subject, most_bytes=MOST_BYTES_OF_A_LIST, most_lines=MOST_LINES_OF_A_LIST)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidFormatError(f"{subject}, line {line}: no UTF-8 text; save it as UTF-8") from error
