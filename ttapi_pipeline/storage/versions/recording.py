# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Recording what a publication changes, before its Parquet file takes the place of the one that is stored.

Called under the dataset's lock, with the new file staged: a writer that is killed has changed nothing that an earlier
version is read by. The changes are proven to lead back to the stored rows, by their data version, before they are
kept; where they do not, the stored file is kept whole.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.files import make_folders, put_in_place, remove_abandoned_in, staging
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.hashing import HASHED_BY, ContentHash, data_version, rule
from ttapi_pipeline.storage.layout import CHANGES, DatasetFiles
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.verification import facts_of, footer_facts, footer_manifest
from ttapi_pipeline.storage.versions.keeping import Retention, keep_whole
from ttapi_pipeline.storage.versions.log import PublicationLog
from ttapi_pipeline.storage.versions.row_changes import Changes, Range, batches
from ttapi_pipeline.storage.versions.steps import step_file, steps_of
from ttapi_pipeline.tables.schema import DatasetSchema

_LOGGER: Final = logging.getLogger(__name__)

_LARGEST_SHARE: Final = 0.5
"""Of the stored rows: when more of them changed, the file takes hardly more room than the changes would."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A Parquet file that is about to take the place of the stored one.

    Attributes:
        staged: Where it is.
        footer: Its facts, as its footer has them.
        content: The hash of its rows.
        ranges: The rows of the stored file, and those of this one, that can differ; all without it.
    """

    staged: Path
    footer: Mapping[str, Any]
    content: ContentHash
    ranges: tuple[Sequence[Range], Sequence[Range]] | None = None

    @property
    def write_id(self) -> str:
        """Of the publication."""
        return str(self.footer["write_id"])


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records what a publication of a dataset changes.

    Attributes:
        files: Of the dataset.
        schema: Of the dataset.
        restored: The manifest of the stored file, if it is damaged and the new file has its rows.
    """

    files: DatasetFiles
    schema: DatasetSchema
    restored: Manifest | None = None

    @classmethod
    def of(cls, files: DatasetFiles, schema: DatasetSchema, retention: Retention | None) -> Recorder | None:
        """The recorder of a dataset; None where changes of rows are not kept."""
        is_kept = retention is not None and retention.keeps is Keeps.CHANGES
        return cls(files, schema) if is_kept else None

    def record(self, new: NewFile) -> None:
        """Keep what a staged file changes.

        Raises:
            StorageError: The changes cannot be kept, or the stored file cannot be read.
        """
        folder = self.files.folder
        if self.restored is not None:
            self._tidy(folder, self.restored.write_id)
            if new.footer["data_version"] == self.restored.data_version:
                self._write_same(folder, new.write_id, self.restored.write_id)
            return
        stored = _stored(self.files)
        # Invented rows are no knowledge once there are real ones.
        if stored is None or (stored.provenance.is_simulated and not new.footer["is_simulated"]):
            return
        self._tidy(folder, stored.write_id)
        parquet = self.files.rows_file(stored.write_id)
        with storage_errors(parquet):
            is_alike = pl.scan_parquet(parquet, glob=False).collect_schema() == self.schema.polars
        if not is_alike or not self._write(folder, parquet, stored, new):
            keep_whole(parquet, folder, stored)

    def _write(self, folder: Path, parquet: Path, stored: Manifest, new: NewFile) -> bool:
        """Write the changes; False when they do not lead back, or are hardly smaller than the file."""
        first, second = new.ranges or ([(0, stored.rows)], [(0, new.content.rows)])
        changes = Changes(self.schema, most_rows=int(stored.rows * _LARGEST_SHARE))
        place = _place(folder, self.schema.name)
        try:
            with staging(place / f"{new.write_id}-{stored.write_id}.parquet", is_tidied=False) as path:
                with storage_errors(path, is_writing=True):
                    changes.write(path, batches(parquet, first), batches(new.staged, second))
                if changes.has_too_many or changes.first_version(new.content) != stored.data_version:
                    return False
                target = step_file(folder, self.schema.name, new.write_id, stored.write_id, file_facts(path))
                put_in_place(path, target)
        except CorruptFileError as error:
            # Both files have the bytes that were written, so that this is no damage.
            _LOGGER.warning("%s: its changes could not be found, so that it is kept whole: %s", parquet, error)
            return False
        except OSError as error:
            raise storage_error(place, error) from error
        return True

    def _write_same(self, folder: Path, after: str, before: str) -> None:
        changes = Changes(self.schema)
        try:
            place = _place(folder, self.schema.name)
            with staging(place / f"{after}-{before}.parquet") as path:
                with storage_errors(path, is_writing=True):
                    changes.write(path, [], [])
                put_in_place(path, step_file(folder, self.schema.name, after, before, file_facts(path)))
        except OSError as error:
            raise storage_error(folder, error) from error

    def _tidy(self, folder: Path, stored: str) -> None:
        """Remove what writers that died have left: files half written, and changes to what never took its place."""
        remove_abandoned_in(folder / self.schema.name / CHANGES)
        left = [step for step in steps_of(folder, self.schema.name) if step.before == stored]
        if not left:
            return
        known = {each.manifest.write_id for each in PublicationLog.of(folder, self.schema.name).read()}
        for step in left:
            if step.after not in known:
                try:
                    step.path.unlink(missing_ok=True)
                except OSError as error:
                    raise storage_error(step.path, error) from error


def _place(folder: Path, dataset: str) -> Path:
    place = folder / dataset / CHANGES
    make_folders(place)
    return place


def _stored(files: DatasetFiles) -> Manifest | None:
    """What is stored, if it is as it was written; None for nothing, and for what nothing can be read from.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        manifest = read_manifest(files.folder, files.dataset)
    except CorruptFileError:
        manifest = None
    path = files.parquet if manifest is None else files.rows_file(manifest.write_id)
    try:
        with path.open("rb") as file:
            seen = facts_of(file)
            truth = footer_manifest(file, seen)
            if manifest is not None and manifest.write_id == truth.write_id:
                if manifest.parquet == seen:
                    return manifest
                raise CorruptFileError(f"it has XXH3-128 {seen.xxh3_128}, and {manifest.parquet.xxh3_128} was written")
            # Its manifest was never written.
            is_comparable = footer_facts(file).get("hashed_by") == HASHED_BY + rule(truth.schema)
            file.seek(0)
            with storage_errors(path):
                if not is_comparable or data_version(pl.scan_parquet(file)) == truth.data_version:
                    return truth
            raise CorruptFileError("its rows are not those of its footer")
    except FileNotFoundError:
        return None
    except CorruptFileError as error:
        _LOGGER.warning(
            "%s is damaged, so that it and the versions before it cannot be read as of their time: %s",
            path,
            error,
        )
        return None
    except OSError as error:
        raise storage_error(path, error) from error
