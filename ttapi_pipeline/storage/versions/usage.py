# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How much room the earlier versions of datasets take, and how much more it will be in a year. Standard library only.

What is stored now is among the files of the versions, and does not count: it takes no room twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.layout import CHANGES, PUBLICATIONS, DatasetFiles
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.versions.keeping import session_of_publication
from ttapi_pipeline.storage.versions.log import PublicationLog
from ttapi_pipeline.storage.versions.steps import steps_of

SESSIONS_PER_YEAR: Final = 252
_FEWEST_SESSIONS: Final = 3
"""Before there are so many, what a year costs cannot be told."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The room that the versions of a dataset take.

    Attributes:
        dataset: Its name.
        bytes: Of kept rows, changes and the log.
        versions: How many publications are in the log.
        sessions: In how many different sessions anything was published, of whatever dataset.
    """

    dataset: str
    bytes: int
    versions: int
    sessions: int

    @property
    def bytes_per_year(self) -> int | None:
        """By what it was so far; None when that is too little to tell."""
        if self.sessions < _FEWEST_SESSIONS:
            return None
        # What is stored now is not among the bytes yet.
        return self.bytes * SESSIONS_PER_YEAR // (self.sessions - 1)


def usage(folder: Path) -> Sequence[Usage]:
    """The room that versions take, by dataset, in the order of the names.

    Raises:
        StorageError: A file cannot be read.
    """
    sizes = history_bytes(folder)
    logs = {dataset: PublicationLog.of(folder, dataset).read() for dataset in sizes}
    sessions = len({session_of_publication(each) for known in logs.values() for each in known})
    return [Usage(dataset, size, len(logs[dataset]), sessions) for dataset, size in sizes.items()]


def damaged_versions(folder: Path) -> Sequence[str]:
    """A sentence for each kept file that has other bytes than were written. All of them are read.

    Raises:
        StorageError: A log or a manifest cannot be read.
        CorruptFileError: A manifest is damaged.
    """
    found = []
    for log in sorted(folder.glob(f"*/{PUBLICATIONS}")):
        dataset = log.parent.name
        written = {each.manifest.write_id: each.manifest.parquet for each in PublicationLog(log).read()}
        for path in sorted(log.parent.glob("*.parquet")):
            facts = written.get(path.stem)
            if facts is not None and file_facts(path) != facts:
                found.append(f"{path} is damaged; this version of {dataset} is lost, others are not touched by it")
        for step in steps_of(folder, dataset):
            try:
                step.verify()
            except CorruptFileError as error:
                found.append(str(error))
    return found


def history_bytes(folder: Path) -> Mapping[str, int]:
    """Bytes of kept rows, changes and logs, by dataset.

    Raises:
        StorageError: A file cannot be read.
    """
    logs = sorted(folder.glob(f"*/{PUBLICATIONS}"))
    return {log.parent.name: _bytes(DatasetFiles.of(folder, log.parent.name)) for log in logs}


def _bytes(files: DatasetFiles) -> int:
    total, kept = 0, files.folder / files.dataset
    try:
        now = {path.stat().st_ino for path in _stored(files) if path.exists()}
        for path in (*kept.glob("*.parquet"), *(kept / CHANGES).glob("*.parquet"), kept / PUBLICATIONS):
            found = path.stat()
            total += 0 if found.st_ino in now else found.st_size
    except FileNotFoundError:
        # A writer is at work: what it has removed takes no room.
        return total
    except OSError as error:
        raise storage_error(kept, error) from error
    return total


def _stored(files: DatasetFiles) -> Sequence[Path]:
    """The file for people, and the one that is read, which is another one if somebody has changed the former."""
    try:
        manifest = read_manifest(files.folder, files.dataset)
    except CorruptFileError:
        manifest = None
    return [files.parquet, *([] if manifest is None else [files.rows_of(manifest.write_id)])]
