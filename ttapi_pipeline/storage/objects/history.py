# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The log of publications in an object store: an object for each, and the versions that it tells of.

An entry is written after the manifest. A writer that is killed in between leaves none: the next one writes it, before
it replaces that manifest. So an entry is true, and every manifest that was ever replaced has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ttapi_pipeline.core.errors import ConflictError, CorruptFileError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.manifests import Current, read_current
from ttapi_pipeline.storage.objects.names import LogEntry, ObjectNames, step_at, write_id_of
from ttapi_pipeline.storage.versions.log import Publication
from ttapi_pipeline.storage.versions.reading import Version
from ttapi_pipeline.storage.versions.steps import Trail, trails

_SECOND: Final = timedelta(seconds=1)
_PARQUET: Final = ".parquet"


def enter(names: ObjectNames, publication: Publication) -> None:
    """Enter a publication into the log, unless it is there already."""
    with suppress(ConflictError):
        bucket.write_if(names.log(publication.manifest), publication.to_line(), None)


def keep_replaced(names: ObjectNames, stored: Current) -> None:
    """See to it that what is about to be replaced is in the log and has rows of its own."""
    manifest = stored.manifest
    if manifest is None or stored.content is None:
        return
    if manifest.parquet.name is None:
        # Earlier versions of the program had no other rows than those beside the manifest.
        bucket.copy(names.parquet_of(manifest), names.rows(manifest.write_id))
    if bucket.facts_of(names.log(manifest)) is None:
        enter(names, _unlogged(manifest, stored.content.written_at))


def _unlogged(manifest: Manifest, written_at: datetime) -> Publication:
    """The publication of a manifest whose writer has not entered it.

    It was written no later than at the end of the second that the store tells, so that nothing is told to have been
    known before it was.
    """
    return Publication(manifest=manifest, known_at=written_at + _SECOND, rows_of=manifest.write_id)


def read_log(names: ObjectNames, paths: Sequence[ObjectPath]) -> list[Publication]:
    """The publications of entries; one that cannot be read is left out."""
    found = []
    for path, content in bucket.read_all(paths).items():
        if content is not None:
            with suppress(CorruptFileError):
                found.append(Publication.from_line(content.content, name=str(path)))
    return [each for each in found if each.manifest.provenance.dataset == names.dataset]


def versions(folder: ObjectPath, dataset: str) -> Sequence[Version]:
    """As `Store.versions`: a listing, and a request for each entry, all at the same time."""
    names = ObjectNames(folder, dataset)
    stored = read_current(folder, dataset)
    listed = bucket.listed(names.kept)
    kept = {
        write_id: each.path
        for each in listed
        if each.path.name.endswith(_PARQUET) and (write_id := write_id_of(each.path)) is not None
    }
    entries = [each.path for each in listed if LogEntry.from_name(each.path.name) is not None]
    logged = publications_in(read_log(names, entries), stored)
    now = None if stored.manifest is None else stored.manifest.write_id
    files = kept if stored.manifest is None else {**kept, str(now): names.parquet_of(stored.manifest)}
    heads = {each.manifest.write_id: each for each in logged if each.manifest.write_id in files}
    steps = [step for each in listed if (step := step_at(each.path)) is not None]
    found = _Kept(files, heads, trails(steps, heads))
    return [_version(each, found, logged, is_current=each.manifest.write_id == now) for each in logged]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a dataset, by write id.

    Attributes:
        files: The objects with rows.
        heads: Their publications.
        trails: The way from one of them to each publication that can be read.
    """

    files: Mapping[str, ObjectPath]
    heads: Mapping[str, Publication]
    trails: Mapping[str, Trail]


def publications_in(logged: Sequence[Publication], stored: Current) -> Sequence[Publication]:
    """Publications of the log, oldest first, what is stored now last, whether it was entered or not."""
    current = stored.manifest
    known = list(logged)
    if (
        current is not None
        and stored.content is not None
        and current.write_id not in {each.manifest.write_id for each in known}
    ):
        known.append(_unlogged(current, stored.content.written_at))
    now = None if current is None else current.write_id
    return sorted(known, key=lambda each: (each.manifest.write_id == now, each.known_at))


def _version(
    publication: Publication,
    kept: _Kept,
    known: Sequence[Publication],
    *,
    is_current: bool,
) -> Version:
    """A publication with its rows: its own, those of an earlier one with the same content, or what leads back to it."""
    manifest = publication.manifest
    if manifest.write_id in kept.files:
        return Version(publication, kept.files[manifest.write_id], manifest, is_current)
    for each in reversed(known):
        is_same = each.manifest.data_version == manifest.data_version and each.known_at <= publication.known_at
        if is_same and each.manifest.write_id in kept.files:
            return Version(publication, kept.files[each.manifest.write_id], each.manifest, is_current)
    trail = kept.trails.get(manifest.write_id)
    if trail is None:
        return Version(publication, None, manifest, is_current)
    head = kept.heads[trail.head].manifest
    return Version(publication, kept.files[trail.head], head, is_current, trail=trail)


def newest_logged(names: ObjectNames) -> Manifest | None:
    """The manifest of the newest entry whose rows are there; None without one."""
    listed = bucket.listed(names.kept)
    kept = {write_id_of(each.path) for each in listed if each.path.name.endswith(_PARQUET)}
    entries = [(entry, each.path) for each in listed if (entry := LogEntry.from_name(each.path.name)) is not None]
    for entry, path in sorted(entries, reverse=True):
        if entry.write_id in kept and (found := read_log(names, [path])):
            return found[0].manifest
    return None
