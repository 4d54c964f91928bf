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

from ttapi_pipeline.core.errors import StorageError


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

    Links to files and folders are followed, but no folder is entered twice. A link that leads nowhere is left out.

    Raises:
        StorageError: The folder, or one below it, is missing or cannot be read.
    """
    found: list[FileFact] = []
    entered: set[tuple[int, int]] = set()
    pending = [(os.fspath(folder), "")]
    while pending:
        path, prefix = pending.pop()
        try:
            status = os.stat(path)  # noqa: PTH116 - os.DirEntry.path is a string, and there may be 15,000 of them
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or _leads_to_itself(entry):
                        continue
                    if entry.is_dir():
                        pending.append((entry.path, f"{prefix}{entry.name}/"))
                    elif entry.is_file():
                        fact = _fact(entry, prefix)
                        if fact is not None:
                            found.append(fact)
        except OSError as error:
            raise StorageError(f"MetaStock folder {path} cannot be read: {error.strerror or error}") from error
    return sorted(found)


def folder_fingerprint(folder: Path) -> str:
    """A SHA-256 over relative name, size and mtime_ns of every data file: it changes when a file does.

    Raises:
        StorageError: The folder, or one below it, is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for fact in list_files(folder):
        # A name holds no NUL and no number follows without one, so no two lists give the same bytes.
        digest.update(b"%s\0%d\0%d\0" % (os.fsencode(fact.name), fact.size, fact.mtime_ns))
    return digest.hexdigest()


def printable(name: str) -> str:
    """A file name as text, whatever its bytes are: what is not UTF-8 becomes U+FFFD."""
    return os.fsencode(name).decode(errors="replace")


def _leads_to_itself(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link that never arrives anywhere, which is as good as one to a missing file."""
    try:
        entry.is_dir()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _fact(entry: os.DirEntry[str], prefix: str) -> FileFact | None:
    try:
        status = entry.stat()
    except FileNotFoundError:  # deleted since the folder was listed
        return None
    return FileFact(f"{prefix}{entry.name}", status.st_size, status.st_mtime_ns)
