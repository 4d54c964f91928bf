# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How much room earlier versions take in an object store, by a listing of the data folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ttapi_pipeline.storage.layout import STATE_FOLDER
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.bucket import ObjectFacts
from ttapi_pipeline.storage.objects.history import versions
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.names import LogEntry, log_entries, step_at, write_id_of
from ttapi_pipeline.storage.versions.keeping import session_at
from ttapi_pipeline.storage.versions.usage import Usage


def usage(folder: ObjectPath) -> Sequence[Usage]:
    """As `Store.usage`."""
    by_dataset = listed_by_dataset(folder)
    entries = {name: _entries(listed) for name, listed in by_dataset.items()}
    sessions: set[date] = {session_at(entry.instant) for known in entries.values() for entry in known}
    return [
        Usage(name, history_bytes(listed), len(entries[name]), len(sessions))
        for name, listed in sorted(by_dataset.items())
        if entries[name]
    ]


def damaged_versions(folder: ObjectPath) -> Sequence[str]:
    """As `Store.damaged_versions`: kept rows that have another size than was written. No row is read."""
    found = []
    for name, listed in sorted(listed_by_dataset(folder).items()):
        if not _entries(listed):
            continue
        sizes = {each.path: each.bytes for each in listed}
        written = {
            version.file: version.manifest.parquet.bytes
            for version in versions(folder, name)
            if version.file is not None and version.written_by.write_id == version.manifest.write_id
        }
        found += [
            f"{path} is damaged; this version of {name} is lost, others are not touched by it"
            for path, size in written.items()
            if isinstance(path, ObjectPath) and sizes.get(path, size) != size
        ]
    return found


def listed_by_dataset(folder: ObjectPath) -> Mapping[str, Sequence[ObjectFacts]]:
    """The objects below each dataset's name."""
    found: dict[str, list[ObjectFacts]] = {}
    start = len(f"{folder.key}/") if folder.key else 0
    for each in bucket.listed(folder):
        name, slash, _ = each.path.key[start:].partition("/")
        if slash and name != STATE_FOLDER:
            found.setdefault(name, []).append(each)
    return found


def history_bytes(listed: Sequence[ObjectFacts]) -> int:
    """Bytes of a dataset's rows, changes and log, without the newest rows, which are those that are stored now."""
    rows = [each for each in listed if write_id_of(each.path) is not None]
    entries = _entries(listed)
    now = entries[-1].write_id if entries else None
    kept = [each.bytes for each in rows if write_id_of(each.path) != now]
    beside = [
        each.bytes
        for each in listed
        if step_at(each.path) is not None or LogEntry.from_name(each.path.name) is not None
    ]
    return sum(kept) + sum(beside)


def _entries(listed: Sequence[ObjectFacts]) -> Sequence[LogEntry]:
    return log_entries(each.path for each in listed)
