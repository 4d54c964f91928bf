# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Packing the last version of each session that is over, of tables of which these are kept.

The first version of a run stays whole. Each later one, the n-th, is packed against the one whose number in the run is n
without its lowest binary 1: the 6th against the 4th, that against the whole one. So at most six files are read for a
version, a damaged one is missed by few others, and half of all versions are packed against the session before.

A version is packed while the newest publication is of a later session, so that it is final. Of estimates, the digits
that count are packed (see `tables.digits`), and the data version is that of these. So a version is packed only if the
rows with these digits have the data version of its manifest: one that was published before a rule for digits, or under
another version of Polars, stays whole. The packed rows are read back and compared, all of them, before the whole file
goes. The format: see `packing`; its place is that of other steps
from one version to another, see `steps`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.files import make_folders, put_in_place, remove_abandoned_in, staging
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.layout import CHANGES, DatasetFiles
from ttapi_pipeline.storage.versions.keeping import LOOKED_AT, Retention, session_of_publication, version_file
from ttapi_pipeline.storage.versions.log import Publication, PublicationLog
from ttapi_pipeline.storage.versions.packing import pack, unpacked
from ttapi_pipeline.storage.versions.restoring import led_back
from ttapi_pipeline.storage.versions.steps import packed_file, steps_of, trails
from ttapi_pipeline.tables.rounding import rounded
from ttapi_pipeline.tables.schema import DatasetSchema

_LOGGER: Final = logging.getLogger(__name__)

RUN_VERSIONS: Final = 64
"""One whole file for a quarter of a year."""

_LARGEST_SHARE: Final = 0.7
"""Of the whole file: what is hardly smaller stays whole, and begins another run."""


def pack_last_of_session(files: DatasetFiles, schema: DatasetSchema, retention: Retention | None) -> None:
    """Pack the last version of the session before that of the newest publication, unless that was done.

    Called under the dataset's lock, after what is stored was entered into the log.

    Args:
        files: Of the dataset.
        schema: Of the dataset.
        retention: Its policy; nothing is packed but under LAST_OF_SESSION.

    Raises:
        StorageError: A file cannot be read, written or removed.
    """
    if retention is None or retention.keeps is not Keeps.LAST_OF_SESSION:
        return
    count, log = retention.newest + LOOKED_AT, PublicationLog.of(files.folder, files.dataset)
    while True:
        known = log.tail(count)
        lasts = _lasts(known)
        if not lasts or not version_file(files.folder, files.dataset, lasts[-1]).exists():
            return
        run = _run(files, lasts[:-1])
        if run or len(known) < count or len(lasts) > RUN_VERSIONS:
            break
        # Where much is published within a session, the whole version that the run begins with is farther back.
        count *= 4
    if not 0 < len(run) < RUN_VERSIONS:
        return
    manifests = {each.manifest.write_id: each.manifest for each in known}
    try:
        _pack(files, schema, lasts[-1], run, manifests)
    except CorruptFileError as error:
        _LOGGER.warning("a version of %s stays whole, since others are damaged: %s", files.dataset, error)


def _lasts(known: Sequence[Publication]) -> list[str]:
    """The versions that were the last of a session that is over, oldest first; not what is stored now."""
    if not known:
        return []
    rows = {session_of_publication(each): each.rows_of for each in known}
    now = session_of_publication(known[-1])
    found = dict.fromkeys(rows_of for session, rows_of in rows.items() if session != now)
    return [rows_of for rows_of in found if rows_of is not None and rows_of != known[-1].rows_of]


def _run(files: DatasetFiles, lasts: Sequence[str]) -> list[str]:
    """The versions since the newest whole one of some, with that one first; none if there is no whole one."""
    packed = {step.before for step in steps_of(files.folder, files.dataset) if step.is_packed}
    run: list[str] = []
    for write_id in lasts:
        if version_file(files.folder, files.dataset, write_id).exists():
            run = [write_id]
        elif run and write_id in packed:
            run.append(write_id)
    return run


def _pack(
    files: DatasetFiles, schema: DatasetSchema, write_id: str, run: Sequence[str], manifests: Mapping[str, Manifest]
) -> None:
    """Pack a version as the next one of a run, if it is much smaller then."""
    first, against = run[0], run[len(run) & (len(run) - 1)]
    folder, whole = files.folder, version_file(files.folder, files.dataset, write_id)
    place = folder / files.dataset / CHANGES
    try:
        if not {write_id, first} <= manifests.keys():
            return
        rows = _whole_rows(whole, manifests[write_id])
        if data_version(rows) != manifests[write_id].data_version:
            return
        other = _whole_rows(version_file(folder, files.dataset, first), manifests[first])
        trail = trails(steps_of(folder, files.dataset), {first}).get(against)
        if trail is None or rows.schema != other.schema or not {*schema.key} <= {*rows.columns}:
            return
        other = led_back(other.lazy(), list(trail.steps()), schema.key).collect()
        make_folders(place)
        remove_abandoned_in(place)
        with staging(place / f"{against}-{write_id}.packed.parquet") as path:
            with storage_errors(path, is_writing=True):
                pack(path, rows, other, schema.key, schema.digits)
                is_same = unpacked(path, other).equals(rows)
            facts = file_facts(path)
            if not is_same:
                _LOGGER.warning("%s stays whole, since its packed rows are not the same", whole)
                return
            if facts.bytes > _LARGEST_SHARE * whole.stat().st_size:
                return
            put_in_place(path, packed_file(folder, files.dataset, against, write_id, facts))
        whole.unlink()
    except OSError as error:
        raise storage_error(place, error) from error


def _whole_rows(path: Path, manifest: Manifest) -> pl.DataFrame:
    """The rows of a kept file, with the digits that count.

    Raises:
        CorruptFileError: It has other bytes than were written.
        OSError: It cannot be read.
    """
    if file_facts(path) != manifest.parquet:
        raise CorruptFileError(f"{path} has other bytes than were written")
    with storage_errors(path):
        return rounded(pl.read_parquet(path, glob=False))
