# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Puts a chart in place as a whole, and never over a picture that is not one of ours. Drawing it: see `canvas`."""

from __future__ import annotations

import struct
from typing import Final

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.store import open_store

SOFTWARE: Final = "ttapi_pipeline"
"""Every chart says in its PNG metadata that this program drew it."""

EARLIER_WIDTH: Final = 972
"""Charts of earlier versions say nothing. They are pictures with a palette, of this width in points."""

_HEAD_BYTES: Final = 4096
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PALETTE: Final = 3


def put_chart(target: Folder, png: bytes) -> None:
    """Write a chart in place of the one before.

    Raises:
        StorageError: The file there is not a chart of ours, or the folder cannot be written.
    """
    store = open_store(target.parent)
    there = store.read_file(target.name)
    if there is not None and not _is_ours(there[:_HEAD_BYTES]):
        raise StorageError(
            f"{target} is not a chart of this program, and is left as it is; move it away, or set TT_DATA_DIR to "
            "another folder"
        )
    store.write_file(target.name, png)


def _is_ours(head: bytes) -> bool:
    """Whether a file that begins so is a chart of ours."""
    if f"Software\0{SOFTWARE}".encode() in head:
        return True
    # The signature, then length and name of the first chunk, width, height, depth and kind of colours.
    if len(head) < 26 or not head.startswith(_SIGNATURE):
        return False
    (width,) = struct.unpack(">I", head[16:20])
    return bool(width == EARLIER_WIDTH and head[25] == _PALETTE)
