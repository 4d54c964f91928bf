# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The names of a dataset's objects. What is in them: see the package."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from ttapi_pipeline.core.manifest import FileFacts, Manifest
from ttapi_pipeline.storage.layout import CHANGES, STATE_FOLDER, NoteKind
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.versions.steps import Step, step_of

_LOG: Final = "log"
_INSTANT: Final = "%Y%m%dT%H%M%S%fZ"
_ENTRY: Final = re.compile(r"(?P<instant>\d{8}T\d{12}Z)-(?P<write_id>[0-9a-f]{32})-(?P<data_version>[0-9a-f]+)\.json")
_ROWS: Final = re.compile(r"(?P<write_id>[0-9a-f]{32})\.(parquet|csv)")


@dataclass(frozen=True, slots=True)
class ObjectNames:
    """Where the objects of one dataset are.

    Attributes:
        folder: The data folder.
        dataset: Name of the dataset.
    """

    folder: ObjectPath
    dataset: str

    @property
    def manifest(self) -> ObjectPath:
        return self.folder / f"{self.dataset}.json"

    @property
    def kept(self) -> ObjectPath:
        """The beginning of the names of everything that is never changed."""
        return self.folder / self.dataset

    @property
    def damage(self) -> ObjectPath:
        """What a reader has noted about the rows."""
        return self.folder / STATE_FOLDER / NoteKind.DAMAGED / f"{self.dataset}.json"

    def rows(self, write_id: str, ending: str = "parquet") -> ObjectPath:
        """The rows of a publication."""
        return self.kept / f"{write_id}.{ending}"

    def copy(self, ending: str) -> ObjectPath:
        """The copy for people."""
        return self.folder / f"{self.dataset}.{ending}"

    def log(self, manifest: Manifest) -> ObjectPath:
        """The entry of a publication: the same whoever enters it."""
        return self.entry(LogEntry.of(manifest))

    def entry(self, entry: LogEntry) -> ObjectPath:
        """An entry of the log."""
        return self.kept / _LOG / entry.name

    @property
    def changes(self) -> ObjectPath:
        """The beginning of the names of what publications changed."""
        return self.kept / CHANGES

    def step(self, after: str, before: str, facts: FileFacts) -> ObjectPath:
        """What a publication changed."""
        return self.changes / f"{after}-{before}-{facts.xxh3_128}.parquet"

    def parquet_of(self, manifest: Manifest) -> ObjectPath:
        """The rows that a manifest names; those beside it where it is of an earlier version, which named none."""
        return self.folder / (manifest.parquet.name or f"{self.dataset}.parquet")

    def csv_of(self, manifest: Manifest) -> ObjectPath | None:
        """The CSV that a manifest names; None where it has none."""
        if manifest.csv is None:
            return None
        return self.folder / (manifest.csv.name or f"{self.dataset}.csv")

    def named(self, facts: FileFacts, write_id: str, ending: str = "parquet") -> FileFacts:
        """The facts with the name that a manifest gives the file."""
        return FileFacts(facts.bytes, facts.xxh3_128, f"{self.dataset}/{write_id}.{ending}")


@dataclass(frozen=True, slots=True, order=True)
class LogEntry:
    """What the name of an entry says, so that a listing is enough to know what is kept.

    Attributes:
        instant: When its rows were computed.
        write_id: Of the publication.
        data_version: Of its rows.
    """

    instant: datetime
    write_id: str
    data_version: str

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        facts = manifest.provenance
        computed = (facts.began_at or facts.fetched_at) + timedelta(seconds=facts.fetch_seconds)
        return cls(computed.astimezone(UTC), manifest.write_id, manifest.data_version)

    @property
    def name(self) -> str:
        return f"{self.instant.strftime(_INSTANT)}-{self.write_id}-{self.data_version}.json"

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """The inverse of `name`; None for another name."""
        found = _ENTRY.fullmatch(name)
        if found is None:
            return None
        instant = datetime.strptime(found["instant"], _INSTANT).replace(tzinfo=UTC)
        return cls(instant, found["write_id"], found["data_version"])


def log_entries(paths: Iterable[ObjectPath]) -> list[LogEntry]:
    """What the names of objects say of the log, oldest first; other objects are passed over."""
    return sorted(entry for path in paths if (entry := LogEntry.from_name(path.name)) is not None)


def step_at(path: ObjectPath) -> Step | None:
    """What the name of an object says of changes; None for another object."""
    step = step_of(Path(path.name))
    return None if step is None else replace(step, is_elsewhere=True)


def write_id_of(path: ObjectPath) -> str | None:
    """The publication whose rows or CSV an object is; None for another object."""
    found = _ROWS.fullmatch(path.name)
    return None if found is None else found["write_id"]
