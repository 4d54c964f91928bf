# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What publications change, in an object store: the way back from a table's rows to those that it replaced.

Objects ``<dataset>/changes/<after>-<before>-<hash>.parquet``, as on a disk; see `storage.versions.steps`. They are put
before the manifest is replaced, and are proven to lead back to what was stored. Of a writer that lost its race, changes
stay that lead from rows nobody has published: they count for nothing, and go with the next pruning after a day.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import file_facts, temporary_folder
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.names import ObjectNames
from ttapi_pipeline.storage.versions.recording import NewFile
from ttapi_pipeline.storage.versions.restoring import read_patch, restored
from ttapi_pipeline.storage.versions.row_changes import Changes, batches
from ttapi_pipeline.storage.versions.steps import Step, Trail

if TYPE_CHECKING:
    from ttapi_pipeline.storage.versions.keeping import Retention
    from ttapi_pipeline.tables.schema import DatasetSchema

_LOGGER: Final = logging.getLogger(__name__)

_LARGEST_SHARE: Final = 0.5
"""Of the stored rows: when more of them changed, the file takes hardly more room than the changes would."""


def record_changes(
    names: ObjectNames, schema: DatasetSchema, retention: Retention | None, before: Manifest | None, new: NewFile
) -> None:
    """Keep what rows that are about to be published change, where the policy wants it.

    Without changes, as when nearly all rows are others, the rows that are replaced stay whole: see `pruning`.

    Args:
        names: Of the dataset.
        schema: Of the dataset.
        retention: Its policy.
        before: What is stored; it is read as a whole.
        new: The local file of what takes its place.

    Raises:
        StorageError: What is stored cannot be read, or the changes cannot be put.
    """
    if retention is None or retention.keeps is not Keeps.CHANGES or before is None:
        return
    # Invented rows are no knowledge once there are real ones.
    if before.provenance.is_simulated and not new.footer["is_simulated"]:
        return
    with temporary_folder() as folder:
        stored, path = folder / "stored.parquet", folder / "changes.parquet"
        try:
            if not bucket.download(names.parquet_of(before), stored) or file_facts(stored) != before.parquet:
                _LOGGER.warning(
                    "%s is damaged, so that it and the versions before it cannot be read as of their time",
                    names.parquet_of(before),
                )
                return
            if _write(path, stored, schema, before, new):
                bucket.write(names.step(new.write_id, before.write_id, file_facts(path)), path)
        except CorruptFileError as error:
            _LOGGER.warning("%s: its changes could not be found, so that it is kept whole: %s", names.dataset, error)
        except OSError as error:
            raise storage_error(folder, error) from error


def _write(path: Path, stored: Path, schema: DatasetSchema, before: Manifest, new: NewFile) -> bool:
    """Write the changes; False when they do not lead back, or are hardly smaller than the rows."""
    with storage_errors(stored):
        if pl.scan_parquet(stored, glob=False).collect_schema() != schema.polars:
            return False
    changes = Changes(schema, most_rows=int(before.rows * _LARGEST_SHARE))
    with storage_errors(path, is_writing=True):
        changes.write(path, batches(stored, [(0, before.rows)]), batches(new.staged, [(0, new.content.rows)]))
    return not changes.has_too_many and changes.first_version(new.content) == before.data_version


def led_back_by(names: ObjectNames, trail: Trail, later: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """The rows of a publication, made from those of a later one.

    Raises:
        CorruptFileError: Changes are damaged.
        StorageError: They cannot be read.
    """
    with temporary_folder() as folder:
        # The changes are in memory then.
        return restored(later, read_patch([_fetched(names, step, folder) for step in trail.steps()], key))


def _fetched(names: ObjectNames, step: Step, folder: Path) -> Step:
    """A step whose changes are in a local folder."""
    source, path = names.changes / step.path.name, folder / step.path.name
    try:
        is_sound = bucket.download(source, path) and file_facts(path).xxh3_128 == step.xxh3_128
    except OSError as error:
        raise storage_error(path, error) from error
    if not is_sound:
        raise CorruptFileError(
            f"{source} is damaged or gone; the version before this change and those that are read through it are lost, "
            "and others are not touched by it"
        )
    return replace(step, path=path)
