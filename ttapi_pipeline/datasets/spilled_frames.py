# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows in a temporary file instead of memory, from the time they are made until they are stored."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.storage.scratch import ScratchFile


class SpilledFrames:
    """Frames by the functions that read them again, from any thread and as often as wanted.

    Args:
        folder: Of the temporary file; see `ScratchFile`.

    Raises:
        StorageError: It cannot be made.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file: Final = ScratchFile(folder)

    def add(self, frame: pl.DataFrame) -> Callable[[], pl.DataFrame]:
        """Put a frame away; what reads it again.

        Raises:
            StorageError: The disk is full. What reads it raises that as well, where it cannot.
        """
        content = io.BytesIO()
        # Read once or twice, and soon: speed counts for more than size.
        frame.write_ipc(content, compression="lz4")
        written = content.getvalue()
        return partial(self._read, self._file.append(written), len(written))

    def _read(self, start: int, size: int) -> pl.DataFrame:
        return pl.read_ipc(io.BytesIO(self._file.read(start, size)))
