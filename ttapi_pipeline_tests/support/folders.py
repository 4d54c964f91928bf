# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Copies of data folders whose files keep their second names, as `cp -a` makes them. `cp -r` makes two files of one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def copy_with_links(source: Path, target: Path, *, dirs_exist_ok: bool = False) -> None:
    """Copy a folder: files that are one file under two names are one in the copy, too."""
    known: dict[int, str] = {}

    def copy(file: str, name: str) -> str:
        first = known.setdefault(Path(file).lstat().st_ino, name)
        if first == name:
            return str(shutil.copy2(file, name, follow_symlinks=False))
        os.link(first, name)
        return name

    shutil.copytree(source, target, symlinks=True, copy_function=copy, dirs_exist_ok=dirs_exist_ok)
