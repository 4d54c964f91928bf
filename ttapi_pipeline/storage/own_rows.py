# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The two names of stored rows: the one that the pipeline reads, and the one for people.

``<dataset>/<write_id>.parquet`` never changes, and is the file that a manifest stands for. ``<dataset>.parquet`` is
another name of it (a hard link; a copy where the file system has none): whoever deletes or replaces it takes nothing
away. `repair` gives back whichever of the two is missing. A publication puts the file for people in place first, then
links the own name, then replaces the manifest: so a publication that was cut short is found in the file for people.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.files import put_in_place, staging, staging_path, sync
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.layout import PUBLICATIONS, DatasetFiles
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.verification import facts_at, is_of_a_later_publication, stored_footer

_WAY_OUT: Final = "and the next `tt refresh`, or `tt doctor --repair`, puts it back"


@dataclass(frozen=True, slots=True)
class MissingName:
    """Rows that one of their two names does not lead to.

    Attributes:
        source: The file with the rows that the manifest describes.
        target: The other name; nothing is there, or a file with other bytes.
        finding: What is wrong with the target; None for rows of an earlier version of the program, which gave them no
            name of their own.
    """

    source: Path
    target: Path
    finding: str | None

    def give(self) -> None:
        """Put the rows under the name, in place of what has it. The caller holds the dataset's lock.

        Raises:
            StorageError: That cannot be done.
        """
        try:
            self.target.parent.mkdir(exist_ok=True)
            _link(self.source, self.target)
        except OSError as error:
            raise storage_error(self.target, error) from error


def are_own_names_given(files: DatasetFiles) -> bool:
    """Whether rows of a dataset get a name of their own: those of which versions are kept do."""
    return (files.folder / files.dataset / PUBLICATIONS).exists()


def missing_name(files: DatasetFiles) -> MissingName | None:
    """What the rows that are stored now lack; None where both names lead to them, and where nothing leads to them.

    Nothing is hashed where both are names of one file.

    Raises:
        StorageError: The files cannot be read.
    """
    try:
        manifest = read_manifest(files.folder, files.dataset)
        return None if manifest is None else _missing_name(files, manifest)
    except CorruptFileError:
        return None
    except OSError as error:
        raise storage_error(files.parquet, error) from error


def _missing_name(files: DatasetFiles, manifest: Manifest) -> MissingName | None:
    own, for_people = files.rows_of(manifest.write_id), files.parquet
    is_own_there, is_other_there = own.exists(), for_people.exists()
    if is_own_there and is_other_there and own.samefile(for_people):
        return None
    if not is_own_there and not are_own_names_given(files):
        return None
    is_own_good, is_other_good = (facts_at(path) == manifest.parquet for path in (own, for_people))
    if is_own_good and not is_other_good and not is_of_a_later_publication(for_people, manifest):
        words = "is not what was written" if is_other_there else "is gone"
        return MissingName(own, for_people, f"{words}; its rows are there under the name {own.name}, {_WAY_OUT}")
    if is_other_good and not is_own_good:
        finding = f"is damaged; {for_people.name} has its rows, {_WAY_OUT}" if is_own_there else None
        return MissingName(for_people, own, finding)
    return None


def forget_cut_short(files: DatasetFiles) -> None:
    """Remove the own name of a publication that got no manifest, and that another one is about to replace.

    Nobody has read it: the manifest and the rows of the one before were there. The caller holds the dataset's lock.

    Raises:
        StorageError: The files cannot be read, or the name cannot be removed.
    """
    try:
        manifest = read_manifest(files.folder, files.dataset)
        if manifest is None:
            return
        own = files.rows_of(manifest.write_id)
        if not own.exists() or (files.parquet.exists() and own.samefile(files.parquet)):
            return
        footer = stored_footer(files.parquet)
        if footer is not None and manifest.is_followed_by(footer):
            files.rows_of(footer.write_id).unlink(missing_ok=True)
    except CorruptFileError:
        return
    except OSError as error:
        raise storage_error(files.parquet, error) from error


def _link(source: Path, target: Path) -> None:
    """Give a file another name, in place of what has it; where the file system has no links, make a copy."""
    staged = staging_path(target)
    try:
        os.link(source, staged)
    except OSError:
        with staging(target) as path:
            # Whoever may not read the one may not read the other.
            shutil.copy(source, path)
            put_in_place(path, target)
        return
    staged.replace(target)
    sync(target.parent)
