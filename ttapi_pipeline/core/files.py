# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writing a file, or a folder of files, beside its target and renaming it: a reader sees the old one or the new one.

Local paths and the standard library only. Object stores, and our errors in place of the system's: see `storage.files`.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Final
from uuid import uuid4

from ttapi_pipeline.core.file_locks import lock_exclusively, lock_shared

STAGED_SUFFIX: Final = ".staged"
"""Ends the name of every file or folder that is being written; after a crash, these can be removed."""


def staging_path(target: Path) -> Path:
    """A hidden name beside `target`, on the same disk, that no other writer uses."""
    return target.with_name(f".{target.name}.{uuid4().hex}{STAGED_SUFFIX}")


def abandoned(target: Path) -> list[Path]:
    """What writers of `target` that died have staged; what living ones stage now is not among it."""
    return [path for path in _staged_for(target) if _is_abandoned(path)]


def remove_abandoned(target: Path) -> None:
    """Remove what writers of `target` that died have staged. What cannot be removed stays."""
    for path in _staged_for(target):
        _is_abandoned(path, is_removed=True)


def remove_abandoned_in(folder: Path) -> None:
    """Remove all that writers that died have staged in a folder, files and folders.

    Nothing happens without the folder. A staged folder stays where the system has no locks.
    """
    for path in list(folder.glob(f".*{STAGED_SUFFIX}")):
        if path.is_file():
            _is_abandoned(path, is_removed=True)
        else:
            _remove_abandoned_folder(path)


@contextmanager
def staging(target: Path, *, mode: int = 0o666, is_tidied: bool = True) -> Iterator[Path]:
    """Give an empty staged file for `target`; at the end of the block it has been put in place, or is removed.

    It is locked meanwhile, and the system drops the lock with the process. So the next writer of the target can tell
    what others stage now from what dead ones have left, and removes the latter.

    Args:
        target: In a folder that exists.
        mode: Who may read and write the file, less what the umask takes away.
        is_tidied: Whether to look for what dead writers of the target have left. That lists the folder.

    Raises:
        OSError: The file cannot be made.
    """
    if is_tidied:
        remove_abandoned(target)
    path = staging_path(target)
    held = _made_and_held(path, mode)
    if os.name == "nt":
        # An open file cannot be renamed there, and it holds no lock.
        os.close(held)
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if os.name != "nt":
            with suppress(OSError):
                os.close(held)


def _staged_for(target: Path) -> list[Path]:
    return sorted(target.parent.glob(f".{escape(target.name)}.*{STAGED_SUFFIX}"))


def _is_abandoned(path: Path, *, is_removed: bool = False) -> bool:
    """Whether no process holds a staged file; then it may be removed at the same time."""
    try:
        descriptor = os.open(path, os.O_RDWR)
        try:
            lock_exclusively(descriptor, is_waiting=False)
            if is_removed:
                path.unlink()
        finally:
            os.close(descriptor)
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:
        # It is another user's, or the file system has no locks.
        return True
    return True


def _remove_abandoned_folder(path: Path) -> None:
    """Remove a staged folder that no process holds. One that cannot be locked stays, as nobody can tell."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            lock_exclusively(descriptor, is_waiting=False)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


def _folder_made_and_held(path: Path) -> int | None:
    """Make an empty folder and lock it; returns the descriptor that holds the lock, None without locks on folders."""

    def make() -> int:
        while True:
            path.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                return os.open(path, os.O_RDONLY)

    try:
        return _held(path, make)
    except OSError:
        # Windows opens no folders.
        if not path.is_dir():
            raise
        return None


def _made_and_held(path: Path, mode: int) -> int:
    """Make an empty file and lock it; returns the descriptor that holds the lock."""
    return _held(path, lambda: os.open(path, os.O_RDONLY | os.O_CREAT, mode))


def _held(path: Path, make: Callable[[], int]) -> int:
    """Lock what `make` makes at a path and opens; returns the descriptor."""
    while True:
        descriptor = make()
        # Where a file system has no locks, it is taken for abandoned by the next writer of the same target.
        with suppress(OSError):
            lock_shared(descriptor)
        # Before it was locked, another process may have taken it for abandoned.
        if path.exists():
            return descriptor
        os.close(descriptor)


@contextmanager
def replacing(target: Path, *, is_durable: bool = True, mode: int = 0o666, is_tidied: bool = True) -> Iterator[Path]:
    """Give a path to write; at the end of the block the file takes the place of `target`.

    After an exception the target is as it was, and the staged file is gone.

    Args:
        target: In a folder that exists.
        is_durable: Whether the file survives a loss of power from here on. Without it, the file can be empty then.
        mode: Of a new file; see `staging`. A replaced file hands on its own.
        is_tidied: See `staging`.

    Raises:
        OSError: The disk is full, the folder cannot be written.
    """
    with staging(target, mode=mode, is_tidied=is_tidied) as path:
        yield path
        put_in_place(path, target, is_durable=is_durable)


@contextmanager
def replacing_folder(target: Path, *, is_durable: bool = True) -> Iterator[Path]:
    """Give a new folder to fill; at the end of the block it becomes `target`, which must be missing or empty.

    Arguments and exceptions as for `replacing`. Folders inside of the folder are not synced. The folder is locked
    meanwhile, as a staged file is; see `staging`.
    """
    staging = staging_path(target)
    held = _folder_made_and_held(staging)
    try:
        yield staging
        if is_durable:
            for path in staging.iterdir():
                sync(path)
        put_in_place(staging, target, is_durable=is_durable)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if held is not None:
            os.close(held)


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


def make_folders(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing; their names are durable then.

    Raises:
        OSError: One cannot be made; FileExistsError where a file has its name.
    """
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        # A folder that this user may pass and not list cannot be synced.
        with suppress(PermissionError):
            sync(each.parent)


def sync(path: Path) -> None:
    """Have a file's content, or the names in a folder, on the disk; OSError when that fails."""
    if os.name == "nt" and path.is_dir():
        # Windows opens no folder, and has its names on the disk by itself.
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
