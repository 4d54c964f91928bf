# SPDX-License-Identifier: MIT
"""Writing a file, or a folder of files, beside its target and renaming it: a reader sees the old one or the new one.

Local paths and the standard library only. Object stores, and our errors in place of the system's: see `storage.files`.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

STAGED_SUFFIX: Final = ".staged"
"""Ends the name of every file or folder that is being written; after a crash, these can be removed."""


def staging_path(target: Path) -> Path:
    """A hidden name beside `target`, on the same disk, that no other writer uses."""
    return target.with_name(f".{target.name}.{uuid4().hex}{STAGED_SUFFIX}")


def left_over(target: Path) -> list[Path]:
    """What writers of `target` have staged and not put in place. If you hold its lock, those writers have died."""
    return sorted(target.parent.glob(f".{target.name}.*{STAGED_SUFFIX}"))


@contextmanager
def replacing(target: Path, *, is_durable: bool = True) -> Iterator[Path]:
    """Give a path to write; at the end of the block the file takes the place of `target`.

    After an exception the target is as it was, and the staged file is gone.

    Args:
        target: In a folder that exists.
        is_durable: Whether the file survives a loss of power from here on. Without it, the file can be empty then.

    Raises:
        OSError: The disk is full, the folder cannot be written.
    """
    staging = staging_path(target)
    try:
        yield staging
        put_in_place(staging, target, is_durable=is_durable)
    finally:
        with suppress(OSError):
            staging.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path, *, is_durable: bool = True) -> Iterator[Path]:
    """Give a new folder to fill; at the end of the block it becomes `target`, which must be missing or empty.

    Arguments and exceptions as for `replacing`. Folders inside of the folder are not synced.
    """
    staging = staging_path(target)
    try:
        staging.mkdir(parents=True)
        yield staging
        if is_durable:
            for path in staging.iterdir():
                sync(path)
        put_in_place(staging, target, is_durable=is_durable)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def put_in_place(staging: Path, target: Path, *, is_durable: bool = True) -> None:
    """Rename a staged file or folder to its target; OSError when that fails. A replaced file hands on its mode."""
    with suppress(OSError):
        # Whoever may read a file may read the one in its place, and nobody else.
        if target.is_file():
            staging.chmod(stat.S_IMODE(target.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)
    if is_durable:
        # The content first: after a loss of power, the new name must not lead to half a file.
        sync(staging)
    staging.replace(target)
    if is_durable:
        sync(target.parent)


def sync(path: Path) -> None:
    """Have a file's content, or the names in a folder, on the disk; OSError when that fails."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
