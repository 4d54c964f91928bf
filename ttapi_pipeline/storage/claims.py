# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Whether files in the places of a dataset are ours. A file that nothing of ours claims belongs to the user, and stays.

A manifest of ours, or a Parquet file with our footer, claims the three files of its dataset. A publication puts the
Parquet file in place first, so that a writer that was killed never leaves a CSV without one of the two. Damage must not
make a file somebody else's, so that traces are enough. Standard library only, since `tt status` asks too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.footer import FOOTER_KEY, read_footer_bytes
from ttapi_pipeline.storage.layout import DatasetFiles, Folder, absolute
from ttapi_pipeline.storage.store import open_store

_TRACES: Final = (b'"code_version"', b'"data_version"', b'"write_id"', b'"is_simulated"')
"""In every manifest and every footer of ours, since the first version."""

_LEAST_TRACES: Final = 2
"""One alone may stand in the JSON file of another program."""

NOT_OURS: Final = (
    "is in the place of a dataset, and no manifest or Parquet footer says that this program wrote it: it is left as it "
    "is; move it away, or set TT_DATA_DIR to another folder"
)
_NOT_OURS_OF_SEVERAL: Final = (
    "are in the places of datasets, and no manifest or Parquet footer says that this program wrote them: they are left "
    "as they are; move them away, or set TT_DATA_DIR to another folder"
)

_SEVERAL: Final = 3

_TAIL_BYTES: Final = 1 << 20
"""Where the footer of a Parquet file is looked for when its length is damaged."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The places of a dataset as they were before a publication: each of them empty, or with a file of ours.

    Attributes:
        files: The places.
        empty: Those without a file.
    """

    files: DatasetFiles
    empty: frozenset[str]

    @classmethod
    def of(cls, files: DatasetFiles) -> Claim:
        """Look at the places; the caller holds the dataset's lock.

        Raises:
            StorageError: A file there is not ours.
        """
        if found := foreign_in(files):
            raise StorageError(in_the_way(found))
        return cls(files, frozenset(path.name for path in _places(files) if not _exists(path)))

    def check(self, path: Path) -> None:
        """Check that nobody has put a file into an empty place meanwhile; to be called before ours is put there.

        Raises:
            StorageError: Somebody has.
        """
        if path.name in self.empty and _exists(path):
            raise StorageError(in_the_way([path]))


def foreign_files(folder: Folder, dataset: str) -> Sequence[Folder]:
    """The files in the places of a dataset that are not ours; none where nothing is stored.

    Raises:
        StorageError: A file cannot be read.
    """
    return open_store(folder).foreign_files(dataset)


def foreign_in(files: DatasetFiles) -> Sequence[Path]:
    """As `foreign_files`, in a folder of this machine."""
    if _has_traces(files.manifest) or is_published(files.parquet):
        return []
    return [path for path in _places(files) if _exists(path)]


def refuse_foreign_files(folder: Folder, datasets: Iterable[str]) -> None:
    """Keep publications away from files that are not ours.

    Args:
        folder: The data folder.
        datasets: Names of datasets, and of the tables that are published with them.

    Raises:
        StorageError: There are such files; the message names them all.
    """
    store, names = open_store(folder), list(datasets)
    if len(names) > _SEVERAL:
        store.look_around()
    found = [path for dataset in names for path in store.foreign_files(dataset)]
    if found:
        raise StorageError(in_the_way(found))


def in_the_way(paths: Sequence[Folder]) -> str:
    """What to say of files that are not ours and in our places."""
    names = ", ".join(str(absolute(path)) for path in paths)
    return f"{names} {NOT_OURS if len(paths) == 1 else _NOT_OURS_OF_SEVERAL}"


def is_published(parquet: Path) -> bool:
    """Whether a Parquet file has our footer, or what damage has left of it; False where there is no such file.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        with parquet.open("rb") as file:
            try:
                end, _ = read_footer_bytes(file)
            except CorruptFileError:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                end = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        raise storage_error(parquet, error) from error
    return FOOTER_KEY.encode() in end or _count(end) >= _LEAST_TRACES


def _has_traces(manifest: Path) -> bool:
    try:
        return has_traces(manifest.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        raise storage_error(manifest, error) from error


def has_traces(content: bytes) -> bool:
    """Whether a file that should be a manifest of ours is one, or what damage has left of it."""
    return _count(content) >= _LEAST_TRACES


def _count(content: bytes) -> int:
    return sum(trace in content for trace in _TRACES)


def _places(files: DatasetFiles) -> Sequence[Path]:
    return (files.parquet, files.csv, files.manifest)


def _exists(path: Path) -> bool:
    try:
        # A link that leads nowhere is somebody's file, too.
        return os.path.lexists(path)
    except OSError as error:
        raise storage_error(path, error) from error
