# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A folder of files that a cache keeps, with a seal: one more file, with the size and hash of each of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.storage.files import file_facts

SEAL: Final = "seal"
"""The name of the file."""


def seal_folder(folder: Path, *, by: str) -> None:
    """Seal the files that are in a folder now; OSError when that fails.

    Args:
        folder: With files and no folders in it.
        by: A name of the code that wrote the files.
    """
    (folder / SEAL).write_bytes(seal(json.dumps(_facts(folder)).encode(), by=by))


def is_folder_sealed(folder: Path, *, by: str) -> bool:
    """Whether the files of a folder are those that the same code sealed, to the last bit; each is read for that."""
    try:
        content = unseal((folder / SEAL).read_bytes(), by=by)
        return content is not None and json.loads(content) == _facts(folder)
    except (OSError, ValueError):
        return False


def _facts(folder: Path) -> dict[str, list[object]]:
    files = [path for path in sorted(folder.iterdir()) if path.name != SEAL]
    facts = {path.name: file_facts(path) for path in files}
    return {name: [each.bytes, each.xxh3_128] for name, each in facts.items()}
