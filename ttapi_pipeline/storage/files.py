# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Putting one file of this machine in place, whole or not at all. The renaming: see `core.files`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from xxhash import xxh3_128

from ttapi_pipeline.core.files import abandoned, put_in_place, remove_abandoned, remove_abandoned_in, staging
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.layout import CHANGES, PUBLICATIONS, STATE_FOLDER, DatasetFiles, NoteKind

_CHUNK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class StagedFile:
    """A file on its way to its target: write it at `path`, then `commit`. Without a commit it is removed.

    Attributes:
        path: A hidden file on the target's disk.
        target: Where it goes.
    """

    path: Path
    target: Path

    def commit(self, facts: FileFacts | None = None) -> FileFacts:
        """Make the file durable and put it in the target's place; a reader sees the old file or the new one.

        Args:
            facts: Size and hash of the file, if they are known; otherwise the file is read for them.

        Returns:
            Size and hash of the file.

        Raises:
            StorageError: The disk is full, the folder cannot be written; the target is as it was.
        """
        try:
            facts = file_facts(self.path) if facts is None else facts
            put_in_place(self.path, self.target)
        except OSError as error:
            raise storage_error(self.target, error) from error
        return facts


@contextmanager
def staged(target: Path) -> Iterator[StagedFile]:
    """Give a file to write and commit; at the end of the block it is in place or removed."""
    with ExitStack() as stack:
        try:
            path = stack.enter_context(staging(target))
        except OSError as error:
            raise storage_error(target, error) from error
        yield StagedFile(path, target)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for files on their way to another machine; it is removed at the end of the block.

    Raises:
        StorageError: None can be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="ttapi-"))
    except OSError as error:
        raise storage_error(Path(tempfile.gettempdir()), error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_for_polars(path: Path) -> IO[bytes]:
    """Open a staged file that Polars writes the rows of a frame to: OSError when that fails.

    Polars opens a file that it is given by name at a moment of its own. Where the rows are refused while they are
    written, that can be after the file was removed, and then it is there again.
    """
    return path.open("wb")


def write_file(target: Path, content: str | bytes) -> FileFacts:
    """Put a small file in place; text is written as UTF-8.

    Returns:
        Size and hash of the file.

    Raises:
        StorageError: The disk is full, the folder cannot be written; the target is as it was.
    """
    with staged(target) as file:
        try:
            file.path.write_bytes(content.encode() if isinstance(content, str) else content)
        except OSError as error:
            raise storage_error(target, error) from error
        return file.commit()


def stale_files(files: DatasetFiles) -> list[Path]:
    """What writers of a dataset that died have staged: its files, and notes about them."""
    return sorted(path for target in _local_targets(files) for path in abandoned(target))


def remove_stale_files(files: DatasetFiles) -> None:
    """Remove what writers of a dataset that died have staged."""
    for target in _local_targets(files):
        remove_abandoned(target)


def remove_left_over(folder: Path) -> None:
    """Remove what writers that died have staged in a data folder and among its notes and caches.

    The next writer of each file would do it too, which can be days away.
    """
    state = folder / STATE_FOLDER
    # Where this user may not look, there is nothing that this user could remove.
    with suppress(PermissionError):
        versions = [log.parent for log in folder.glob(f"*/{PUBLICATIONS}")]
        changes = [each / CHANGES for each in versions]
        # A cache of MetaStock files has a folder for each way of reading them.
        for each in (folder, state, *state.glob("*/"), *state.glob("*/*/"), *versions, *changes):
            remove_abandoned_in(each)


def _local_targets(files: DatasetFiles) -> Sequence[Path]:
    """Every file that is staged for a dataset."""
    return (files.parquet, files.csv, files.manifest, *map(files.note, NoteKind))


def file_facts(path: Path) -> FileFacts:
    """Size and XXH3-128 of a file; OSError when it cannot be read."""
    with path.open("rb") as file:
        return hashed(file)


def hashed(file: IO[bytes]) -> FileFacts:
    """Size and XXH3-128 of an open file from its position on; OSError when it cannot be read."""
    digest, size = xxh3_128(), 0
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return FileFacts(bytes=size, xxh3_128=digest.hexdigest())
