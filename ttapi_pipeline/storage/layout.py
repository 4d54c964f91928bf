# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Where data is: the data folder, and the files of a dataset in it. Their content: see `stored` and `scan`.

Standard library only, so that a verdict over every dataset takes milliseconds.
"""

from __future__ import annotations

import errno
import os
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.files import make_folders
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.objects.location import SCHEME, ObjectPath

Folder: TypeAlias = Path | ObjectPath
"""The data folder, or a file in it: a local path, or a name in an object store such as ``s3://bucket/prefix``."""


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
    """The paths of one dataset on a local disk.

    Attributes:
        folder: The data folder.
        dataset: The name of the dataset.
        parquet: The rows, for people; its footer repeats the manifest's facts.
        csv: The same rows for a spreadsheet.
        manifest: The verdict reads this one.
    """

    folder: Path
    dataset: str
    parquet: Path
    csv: Path
    manifest: Path

    @classmethod
    def of(cls, folder: Path, dataset: str) -> DatasetFiles:
        """The files of `dataset` in `folder`, whether they exist or not."""
        return cls(
            folder, dataset, folder / f"{dataset}.parquet", folder / f"{dataset}.csv", folder / f"{dataset}.json"
        )

    def rows_of(self, write_id: str) -> Path:
        """The rows of a publication under a name of their own, which never change; see `own_rows`."""
        return self.folder / self.dataset / f"{write_id}.parquet"

    def rows_file(self, write_id: str) -> Path:
        """The file to read the rows of a publication from.

        An earlier version of the program, and a publication without a policy for its versions, gave them no own name.
        Then they are in the file for people.
        """
        own = self.rows_of(write_id)
        return own if own.exists() else self.parquet

    def note(self, kind: NoteKind) -> Path:
        """Where something is noted about the files; the pipeline can do without it."""
        return self.folder / STATE_FOLDER / kind / f"{self.dataset}.json"


def open_folder(location: str) -> Folder:
    """The data folder that TT_DATA_DIR names: a local path, or ``s3://bucket/prefix``; nothing is read or created.

    Raises:
        StorageError: It is another URL, or names no bucket; or what an object store needs is not installed.
    """
    if location.startswith("file://"):
        return Path(location.removeprefix("file://"))
    if "://" not in location:
        return Path(location).expanduser()
    from ttapi_pipeline.storage.objects.bucket import check_installed  # noqa: PLC0415 - only a URL needs it

    try:
        folder = ObjectPath.of(location)
        check_installed()
    except (ValueError, StorageError) as error:
        raise StorageError(f"TT_DATA_DIR {location}: {error}; it accepts a path, or {SCHEME}bucket/prefix") from error
    return folder


def parquet_uri(folder: Folder, table: str) -> str:
    """Where the Parquet file of a table is, for other programs: an absolute path, or the URL on an object store."""
    return str(absolute(folder) / f"{table}.parquet")


def absolute(folder: Folder) -> Folder:
    """The same place, whatever the current folder is."""
    return folder.absolute()


def make_folder(folder: Path) -> None:
    """Create a folder where it is not there yet; it survives a loss of power from here on.

    Raises:
        StorageError: It cannot be created, or it is a file.
    """
    try:
        make_folders(folder)
    except OSError as error:
        raise storage_error(folder, error) from error


def check_folder_rights(folder: Path) -> None:
    """As `Store.check_rights`, for a folder of this machine."""
    nearest = next(each for each in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise storage_error(folder, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise storage_error(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def check_folder_writable(folder: Path) -> None:
    """As `Store.check_writable`, for a folder of this machine."""
    make_folder(folder)
    try:
        # It has no name where the system can do that, so that a kill leaves nothing.
        with tempfile.TemporaryFile(dir=folder) as nameless:
            nameless.write(b"?")
    except OSError as error:
        raise storage_error(folder, error) from error
