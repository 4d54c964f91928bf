# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Where data is: the data folder, and the files of a dataset in it. Their content: see `stored` and `scan`.

Standard library only, so that a verdict over every dataset takes milliseconds; UPath is imported for a URL alone.
"""

from __future__ import annotations

import errno
import os
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.files import make_folders
from ttapi_pipeline.storage.errors import storage_error

if TYPE_CHECKING:
    from upath import UPath

Folder: TypeAlias = "Path | UPath"
"""The data folder, or a file in it: a local path, or an fsspec URL such as ``s3://bucket/prefix``."""


STATE_FOLDER: Final = ".state"
"""In the data folder: caches and notes that programs can do without, and states of breakers."""


PUBLICATIONS: Final = "publications.jsonl"
"""In the folder of a dataset's versions: the log of its publications."""

CHANGES: Final = "changes"
"""In the folder of a dataset's versions: the folder of the changes from one to the next."""


class NoteKind(StrEnum):
    """Notes beside a dataset; the value is the name of a folder."""

    DAMAGED = "damaged"
    PIECES = "pieces"


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The paths of one dataset.

    Attributes:
        folder: The data folder.
        dataset: The name of the dataset.
        parquet: The truth; its footer repeats the manifest's facts.
        csv: The same rows for a spreadsheet.
        manifest: The verdict reads this one.
    """

    folder: Folder
    dataset: str
    parquet: Folder
    csv: Folder
    manifest: Folder

    @classmethod
    def of(cls, folder: Folder, dataset: str) -> DatasetFiles:
        """The files of `dataset` in `folder`, whether they exist or not."""
        return cls(
            folder, dataset, folder / f"{dataset}.parquet", folder / f"{dataset}.csv", folder / f"{dataset}.json"
        )

    def note(self, kind: NoteKind) -> Folder:
        """Where something is noted about the files; the pipeline can do without it."""
        return self.folder / STATE_FOLDER / kind / f"{self.dataset}.json"


def open_folder(location: str) -> Folder:
    """The data folder that TT_DATA_DIR names: a local path, or an fsspec URL; nothing is read or created.

    Raises:
        StorageError: No installed package speaks the URL's protocol.
    """
    if location.startswith("file://"):
        return Path(location.removeprefix("file://"))
    if "://" not in location:
        return Path(location).expanduser()
    from upath import UPath  # noqa: PLC0415 - only a URL needs it

    try:
        folder = UPath(location)
        _ = folder.fs  # What a protocol needs is imported here, and where it is not installed the error is ours.
        return folder
    except (ImportError, ValueError) as error:
        raise StorageError(f"TT_DATA_DIR {location}: {error}") from error


def parquet_uri(folder: Folder, table: str) -> str:
    """Where the Parquet file of a table is, for other programs: an absolute path, or the URL on an object store."""
    file = folder / f"{table}.parquet"
    return str(file.absolute()) if isinstance(file, Path) else file.as_uri()


def state_folder(location: str) -> Path | None:
    """The folder of state beside the data (breakers, caches, spools); None when the data is not on this machine."""
    root = open_folder(location)
    return root / STATE_FOLDER if isinstance(root, Path) else None


def make_folder(folder: Folder) -> None:
    """Create a folder where it is not there yet; on a disk, it survives a loss of power from here on.

    Raises:
        StorageError: It cannot be created, or it is a file.
    """
    try:
        if isinstance(folder, Path):
            make_folders(folder)
        else:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


def check_rights(folder: Folder) -> None:
    """Check that the data folder could be written, or made where it is missing, by looking at it alone.

    Of an object store this looks at nothing: only writing can tell.

    Raises:
        StorageError: It could not.
    """
    if not isinstance(folder, Path):
        return
    nearest = next(each for each in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise storage_error(folder, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise storage_error(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def check_writable(folder: Folder) -> None:
    """Check that the data folder can be written, before anything is fetched; it is created where it is missing.

    Raises:
        StorageError: It cannot be created or written.
    """
    make_folder(folder)
    try:
        if isinstance(folder, Path):
            # It has no name where the system can do that, so that a kill leaves nothing.
            with tempfile.TemporaryFile(dir=folder) as nameless:
                nameless.write(b"?")
        else:
            probe = folder / f".writable-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
    except OSError as error:
        raise storage_error(folder, error) from error
