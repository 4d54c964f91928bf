# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Keeping the earlier versions of all datasets within a number of bytes.

Each publication looks at the room that all versions take, and makes some by those of its own dataset, whose lock it
holds. What is stored now, and what was the last of its session, is never removed. If the rest is not enough, a warning
says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.files import put_in_place, staging
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.layout import CHANGES, DatasetFiles
from ttapi_pipeline.storage.parquet import COMPRESSION_LEVEL
from ttapi_pipeline.storage.versions.keeping import (
    Retention,
    removable,
    session_of_publication,
    version_file,
    without_leading,
)
from ttapi_pipeline.storage.versions.log import Publication, PublicationLog
from ttapi_pipeline.storage.versions.restoring import merged
from ttapi_pipeline.storage.versions.steps import Step, step_file, steps_of, trails
from ttapi_pipeline.storage.versions.usage import history_bytes
from ttapi_pipeline.tables.schema import DatasetSchema

_LOGGER: Final = logging.getLogger(__name__)


def keep_within(files: DatasetFiles, schema: DatasetSchema, retention: Retention | None) -> None:
    """Make room by the versions of a dataset if all versions take more than the policy allows.

    Called under the dataset's lock, after what is stored was entered into the log.

    Args:
        files: Of the dataset.
        schema: Of the dataset.
        retention: Its policy; nothing is done where it has no budget.

    Raises:
        StorageError: A file cannot be read, written or removed.
        CorruptFileError: Changes that were to be merged are damaged.
    """
    folder = files.folder
    if retention is None or retention.most_bytes is None:
        return
    excess = sum(history_bytes(folder).values()) - retention.most_bytes
    if excess <= 0:
        return
    known = PublicationLog.of(folder, files.dataset).read()
    thin = _merge if retention.keeps is Keeps.CHANGES else _remove
    for freed in thin(folder, schema, known):
        excess -= freed
        if excess <= 0:
            return
    _LOGGER.warning(
        "%s: earlier versions take %.1f MB more than TT_KEEP_BYTES allows; what is left of %s is stored now, or the "
        "last of its session",
        folder,
        excess / 1e6,
        files.dataset,
    )


def _remove(folder: Path, schema: DatasetSchema, known: Sequence[Publication]) -> Iterator[int]:
    """Remove the rows of publications, oldest first; the bytes that each has freed."""
    for write_id in without_leading(folder, schema.name, removable(known, 1)):
        yield _unlink(version_file(folder, schema.name, write_id))


def _merge(folder: Path, schema: DatasetSchema, known: Sequence[Publication]) -> Iterator[int]:
    """Merge the changes of publications within a session with those after them; the bytes that each has freed.

    The publication in between can no longer be read then. A writer that is killed has left both ways, or the short one.
    """
    if not known:
        return
    _remove_superseded(folder, schema.name, known[-1].manifest.write_id)
    last = {session_of_publication(each): each.manifest.write_id for each in known}
    stays = {*last.values(), known[-1].manifest.write_id}
    for write_id in (each.manifest.write_id for each in known):
        steps = steps_of(folder, schema.name)
        later, own = _only(steps, before=write_id), _only(steps, after=write_id)
        is_whole = version_file(folder, schema.name, write_id).exists()
        if write_id in stays or is_whole or later is None:
            continue
        if own is None:
            # Nothing is before it.
            yield _unlink(later.path)
            continue
        place = folder / schema.name / CHANGES
        with storage_errors(place, is_writing=True):
            changes = merged([own, later], schema.key)
            with staging(place / f"{later.after}-{own.before}.parquet") as path:
                changes.write_parquet(path, compression="zstd", compression_level=COMPRESSION_LEVEL, statistics=False)
                facts = file_facts(path)
                put_in_place(path, step_file(folder, schema.name, later.after, own.before, facts))
        # In this order: what leads to the publication in between goes first.
        yield _unlink(later.path) + _unlink(own.path) - facts.bytes


def _remove_superseded(folder: Path, dataset: str, stored: str) -> None:
    """Remove changes that a merge has replaced and a killed writer has left.

    They lead to the same rows as others, from a publication that nothing leads to any more.
    """
    steps = steps_of(folder, dataset)
    heads = {stored, *(path.stem for path in (folder / dataset).glob("*.parquet"))}
    reached = trails(steps, heads)
    led_to = {step.before for step in steps if step.after in reached}
    for step in steps:
        if step.after not in reached and step.before in led_to:
            _unlink(step.path)


def _only(steps: Sequence[Step], *, after: str | None = None, before: str | None = None) -> Step | None:
    """The step that begins, or ends, at a publication, if it is one."""
    found = [step for step in steps if after in {None, step.after} and before in {None, step.before}]
    return found[0] if len(found) == 1 else None


def _unlink(path: Path) -> int:
    """Remove a file; how many bytes that has freed."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise storage_error(path, error) from error
    return size
