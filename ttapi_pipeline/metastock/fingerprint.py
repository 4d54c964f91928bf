# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Lists the files of a MetaStock folder, and makes one digest of the list. Their content is read in `reader`.

Standard library only: the cache verdict imports this, and it has to answer in milliseconds.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.metastock import limits

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What is no longer there, or never was: a link that arrives nowhere, a folder that became a file."""

_CLOSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})
"""What may not be looked at, or whose path is longer than the system takes. Any other error may be gone by the next
run, and what was stored should stay until then."""


@dataclass(frozen=True, slots=True, order=True)
class FileFact:
    """One data file, as its folder lists it.

    Attributes:
        name: Path below the folder, with ``/`` between folders.
        size: Bytes.
        mtime_ns: Time of the last change, nanoseconds since 1970.
    """

    name: str
    size: int
    mtime_ns: int


def list_files(folder: Path) -> Sequence[FileFact]:
    """Every file below `folder`, recursively, by name; hidden files and folders are left out.

    Links to files and folders are followed, but no folder is entered twice, and none that holds `folder` itself. A link
    that leads nowhere is left out, and so is what vanishes meanwhile. What may not be looked at is listed with 0 bytes:
    reading it will say why.

    Raises:
        StorageError: The folder is missing or cannot be read, or the disk fails; or there is no end of files in it.
    """
    found: list[FileFact] = []
    pending = [(os.fspath(folder), "")]
    try:
        entered = _above(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    while pending:
        path, prefix = pending.pop()
        try:
            status = os.stat(path)  # noqa: PTH116 - os.DirEntry.path is a string, and there may be 15,000 of them
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                for entry in entries:
                    _note(entry, prefix, found, pending)
                    if len(found) + len(entered) + len(pending) > limits.MOST_FOUND:
                        raise StorageError(
                            f"MetaStock folder {folder} holds more than {limits.MOST_FOUND:,} files and folders, with"
                            f" those that links lead to, such as {path}; point TT_METASTOCK_DIR to price files alone"
                        )
        except OSError as error:
            if prefix and error.errno in _GONE:
                continue
            if not prefix or error.errno not in _CLOSED:
                raise _unreadable(path, error) from error
            found.append(FileFact(prefix, 0, 0))
    return sorted(found)


def folder_fingerprint(folder: Path, *, is_by_time: bool = True) -> str:
    """A SHA-256 over relative name, size and mtime_ns of every data file: it changes when a file does.

    Args:
        folder: With the files.
        is_by_time: Whether times count. Without them, a copy of the folder has the same fingerprint.

    Raises:
        StorageError: The folder, or one below it, is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for fact in list_files(folder):
        # A name holds no NUL and no number follows without one, so no two lists give the same bytes.
        digest.update(b"%s\0%d\0%d\0" % (os.fsencode(fact.name), fact.size, fact.mtime_ns if is_by_time else 0))
    return digest.hexdigest()


def printable(name: str) -> str:
    """A file name as one line of text, whatever its bytes are.

    What is not UTF-8 becomes U+FFFD, and what is not visible an escape such as ``\\n``.
    """
    return one_line(os.fsencode(name).decode(errors="replace"))


def _above(folder: Path) -> set[tuple[int, int]]:
    """What identifies the folders that hold a folder: a link to one of them leads to the rest of the disk."""
    parents = folder.resolve().parents
    return {(status.st_dev, status.st_ino) for status in map(os.stat, parents)}


def _note(entry: os.DirEntry[str], prefix: str, found: list[FileFact], pending: list[tuple[str, str]]) -> None:
    """Add an entry of a folder to the files that were found, or to the folders to be entered."""
    if entry.name.startswith("."):
        return
    name = f"{prefix}{entry.name}"
    try:
        if entry.is_dir():
            pending.append((entry.path, f"{name}/"))
        elif entry.is_file():
            status = entry.stat()
            found.append(FileFact(name, status.st_size, status.st_mtime_ns))
    except OSError as error:
        if error.errno in _CLOSED:
            found.append(FileFact(name, 0, 0))
        elif error.errno not in _GONE:
            raise


def _unreadable(path: Path | str, error: OSError) -> StorageError:
    return StorageError(f"MetaStock folder {path} cannot be read: {error.strerror or error}")
