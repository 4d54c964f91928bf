# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The end of a Parquet file: finding the bytes of its footer. Their meaning: see `incremental.row_groups`.

Standard library only, since `tt status` looks for write ids in footers.
"""

from __future__ import annotations

import os
from typing import BinaryIO, Final

from ttapi_pipeline.core.errors import CorruptFileError

FOOTER_KEY: Final = "ttapi_pipeline"
"""Key of the manifest's facts among the key-value pairs of a footer."""

MAGIC: Final = b"PAR1"
"""The first and the last four bytes of a Parquet file."""

TAIL_BYTES: Final = 8
"""Behind the footer: its length in four bytes, little endian, and the magic."""


def read_footer_bytes(file: BinaryIO) -> tuple[bytes, int]:
    """The footer of an open Parquet file, and the position where it begins.

    Raises:
        CorruptFileError: The file is not a Parquet file.
        OSError: It cannot be read.
    """
    size = file.seek(0, os.SEEK_END)
    if size < len(MAGIC) + TAIL_BYTES:
        raise CorruptFileError("it is too short for a Parquet file")
    file.seek(size - TAIL_BYTES)
    tail = file.read(TAIL_BYTES)
    start = size - TAIL_BYTES - int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or start < len(MAGIC):
        raise CorruptFileError("it does not end as a Parquet file does")
    file.seek(start)
    return file.read(size - TAIL_BYTES - start), start
