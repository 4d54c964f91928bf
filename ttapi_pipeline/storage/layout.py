# SPDX-License-Identifier: MIT
"""Where a dataset's files are and what its manifest says; reading the tables is in `scan`, writing in `publish`.

Standard library only, so that a verdict over every dataset takes milliseconds; UPath is imported for a URL alone.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest

if TYPE_CHECKING:
    from upath import UPath

Folder: TypeAlias = "Path | UPath"
"""The data folder, or a file in it: a local path, or an fsspec URL such as ``s3://bucket/prefix``."""

FOOTER_KEY: Final = "ttapi_pipeline"
"""Key of the manifest's facts in a Parquet footer."""

_PARQUET_MAGIC: Final = b"PAR1"
_FOOTER_TAIL: Final = 8
"""The last bytes of a Parquet file: four for the footer's length, little endian, and the magic."""


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The paths of one dataset.

    Attributes:
        folder: The data folder.
        dataset: Its name.
        parquet: The truth; its footer repeats the manifest's facts.
        csv: The same rows for a spreadsheet.
        manifest: What the verdict reads.
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


@dataclass(frozen=True, slots=True)
class Stored:
    """What is there of a dataset.

    Attributes:
        manifest: None when there is none, which is how nothing stored looks.
        lost_files: Names of the Parquet and CSV files that should be there and are not.
        is_lagging: Whether a manifest or a CSV is behind its Parquet file, which `storage.repair.repair` mends: a
            publication was cut short, or its CSV is being written right now.
    """

    manifest: Manifest | None
    lost_files: tuple[str, ...] = ()
    is_lagging: bool = False


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
        return UPath(location)
    except (ImportError, ValueError) as error:
        raise StorageError(f"TT_DATA_DIR {location}: {error}") from error


def state_folder(location: str) -> Path | None:
    """Where programs remember things beside the data (breakers, caches, spools); None where that is not local."""
    root = open_folder(location)
    return root / ".state" if isinstance(root, Path) else None


def check_writable(folder: Folder) -> None:
    """Make sure, before anything is fetched, that the data folder can be written; it is created when it is not there.

    Raises:
        StorageError: It cannot be created or written.
    """
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise storage_error(folder, error) from error


def read_manifest(folder: Folder, dataset: str) -> Manifest | None:
    """The manifest of a dataset; None when it has none.

    Raises:
        CorruptFileError: The file is not a manifest.
        StorageError: It cannot be read.
    """
    path = folder / f"{dataset}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path} is not a manifest: {error}; `tt doctor --repair` rebuilds it") from error
    except OSError as error:
        raise storage_error(path, error) from error
    return Manifest.from_json(text, name=str(path))


def read_stored(folder: Folder, dataset: str) -> Stored:
    """The manifest of a dataset and whether its files agree with it, by a look at names, sizes and the Parquet footer.

    Raises:
        CorruptFileError: The manifest is not one.
        StorageError: The folder cannot be read.
    """
    files = DatasetFiles.of(folder, dataset)
    manifest = read_manifest(folder, dataset)
    parquet_bytes, csv_bytes = _size(files.parquet), _size(files.csv)
    if manifest is None:
        return Stored(None, is_lagging=parquet_bytes is not None)
    lost = [
        path.name
        for path, size in ((files.parquet, parquet_bytes), (files.csv, csv_bytes))
        # A CSV that the manifest does not describe yet is behind, not lost.
        if size is None and (path is files.parquet or manifest.csv is not None)
    ]
    is_lagging = parquet_bytes is not None and (
        manifest.csv is None
        or csv_bytes != manifest.csv.bytes
        or parquet_bytes != manifest.parquet.bytes
        or not _footer_has(files.parquet, manifest.write_id)
    )
    return Stored(manifest, tuple(lost), is_lagging)


def storage_error(path: Folder, error: OSError) -> StorageError:
    """What the operating system said, with the file and the way out."""
    if error.errno is None:
        error = os_error_in(error) or error
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(f"{path}: {reason}; {_WAYS_OUT.get(error.errno or 0, _CHECK_THE_FOLDER)}")


def os_error_in(error: Exception) -> OSError | None:
    """What the operating system said, where a library (Polars) has put it into words: ``… (os error 28)``."""
    found = _OS_ERROR.search(str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


_OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")
_CHECK_THE_FOLDER: Final = "check the folder, or set TT_DATA_DIR to another one"
_FREE_SPACE: Final = "free some space, or set TT_DATA_DIR to another disk"
_ALLOW_WRITING: Final = "give this user the right to read and write there, or set TT_DATA_DIR to another folder"
_NOT_A_FOLDER: Final = "a file is where the data folder should be: move it, or set TT_DATA_DIR to a folder"
_WAYS_OUT: Final = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: _FREE_SPACE,
    errno.EACCES: _ALLOW_WRITING,
    errno.EPERM: _ALLOW_WRITING,
    errno.EROFS: _ALLOW_WRITING,
    errno.ENOTDIR: _NOT_A_FOLDER,
    errno.EEXIST: _NOT_A_FOLDER,
}


def _size(path: Folder) -> int | None:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise storage_error(path, error) from error


def _footer_has(path: Folder, write_id: str) -> bool:
    """Whether the footer of a Parquet file carries this write id.

    The id is a random hex string and stands in the footer as it is, so that finding its bytes is proof enough, and the
    verdict needs no Parquet reader.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < _FOOTER_TAIL:
                return False
            file.seek(size - _FOOTER_TAIL)
            tail = file.read(_FOOTER_TAIL)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != _PARQUET_MAGIC or length > size - _FOOTER_TAIL:
                return False
            file.seek(size - _FOOTER_TAIL - length)
            return write_id.encode() in file.read(length)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_error(path, error) from error
