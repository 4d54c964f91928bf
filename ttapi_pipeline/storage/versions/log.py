# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The log of a dataset's publications: one line of JSON for each, with its manifest and a checksum.

A line is appended and never changed. A line that a crash has cut, or a disk has damaged, is left out when it is read.
Where the rows of that publication are kept, the footer of their file takes its place; see `reading`. Each line, and the
manifest of what is stored now, name the publication that was replaced: so lost lines are missed, also at the end. The
log is written under the dataset's lock. Standard library only, as `tt history` of a large log takes long enough.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.files import make_folders, sync
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.seals import check_document, with_checksum
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.layout import PUBLICATIONS

_TAIL_BYTES: Final = 1 << 18
"""Some fifty lines; a line that does not fit doubles it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One publication of a dataset.

    Attributes:
        manifest: As it was when the Parquet file was in place, without the facts of the CSV.
        known_at: When readers could see the rows: when they were computed, and what was spent until they were stored.
        rows_of: Write id of the kept publication that has these rows: its own, or that of an earlier one with the same
            content; None where the dataset's rows are not kept.
        after: Write id of the publication that this one replaced, by which a lost line is noticed; None for the first
            one, and where nobody knows.
    """

    manifest: Manifest
    known_at: datetime
    rows_of: str | None
    after: str | None = None

    @classmethod
    def of(cls, manifest: Manifest, *, rows_of: str | None, after_seconds: float = 0.0) -> Publication:
        """The publication of a manifest whose rows were stored so long after they had been computed."""
        facts = manifest.provenance
        spent = timedelta(seconds=facts.fetch_seconds + after_seconds)
        known_at = (facts.began_at or facts.fetched_at) + spent
        return cls(manifest=manifest, known_at=known_at, rows_of=rows_of, after=manifest.after)

    def to_line(self) -> bytes:
        """One line of JSON with its end."""
        document = {
            "known_at": self.known_at.astimezone(UTC).isoformat(),
            "rows_of": self.rows_of,
            "after": self.after,
            "manifest": json.loads(self.manifest.to_json()),
        }
        return json.dumps(with_checksum(document), ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes, *, name: str) -> Publication:
        """The inverse of `to_line`.

        Raises:
            CorruptFileError: The line is not one of a log, or differs from its checksum.
            StorageError: A later version of the program wrote it.
        """
        try:
            document = json.loads(line)
            check_document(document, keys_without=())
            return cls(
                manifest=Manifest.from_json(json.dumps(document["manifest"]), name=name),
                known_at=datetime.fromisoformat(document["known_at"]).astimezone(UTC),
                rows_of=document["rows_of"],
                # Lines from before lost ones were noticed have none.
                after=document.get("after"),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CorruptFileError(f"{name} has a line that is none of its own: {error!r}") from error


@dataclass(frozen=True, slots=True)
class PublicationLog:
    """The log of one dataset.

    Attributes:
        path: Of the file; it and its folder need not exist.
    """

    path: Path

    @classmethod
    def of(cls, folder: Path, dataset: str) -> PublicationLog:
        """The log of a dataset in a data folder."""
        return cls(folder / dataset / PUBLICATIONS)

    def append(self, publication: Publication) -> None:
        """Add a line, durably. What a crash has left of a line before it is ended first.

        Raises:
            StorageError: It cannot be written.
        """
        try:
            make_folders(self.path.parent)
            is_new = not self.path.exists()
            with self.path.open("ab+") as file:
                if not _is_ended(file.fileno()):
                    file.write(b"\n")
                file.write(publication.to_line())
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                sync(self.path.parent)
        except OSError as error:
            raise storage_error(self.path, error) from error

    def newest(self) -> Publication | None:
        """The last line that can be read; None without one.

        Raises:
            StorageError: The file cannot be read.
        """
        return next(reversed(self.tail(1)), None)

    def first(self) -> Publication | None:
        """The first line, if it can be read; the file's beginning alone is read.

        Raises:
            StorageError: The file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                line = file.readline()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise storage_error(self.path, error) from error
        return next(self._read([line.rstrip(b"\n")]), None)

    def tail(self, count: int) -> list[Publication]:
        """At least the last `count` publications if there are so many, oldest first; the file's end alone is read.

        Raises:
            StorageError: The file cannot be read.
        """
        size = _TAIL_BYTES
        while True:
            content, is_whole = self._end(size)
            lines = content.split(b"\n")
            # The first line may have lost its beginning.
            found = list(self._read(lines if is_whole else lines[1:]))
            if is_whole or len(found) >= count:
                return found
            size *= 2

    def read(self) -> list[Publication]:
        """Every publication that can be read, in the order of writing.

        Raises:
            StorageError: The file cannot be read.
        """
        return self.tail(1 << 62)

    def _end(self, size: int) -> tuple[bytes, bool]:
        try:
            with self.path.open("rb") as file:
                whole = file.seek(0, os.SEEK_END)
                file.seek(max(0, whole - size))
                return file.read(), whole <= size
        except (FileNotFoundError, NotADirectoryError):
            return b"", True
        except OSError as error:
            raise storage_error(self.path, error) from error

    def _read(self, lines: list[bytes]) -> Iterator[Publication]:
        for line in lines:
            if not line:
                continue
            try:
                yield Publication.from_line(line, name=str(self.path))
            except CorruptFileError:
                continue
            except StorageError as error:
                raise StorageError(f"{self.path}: {error}") from error


def _is_ended(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
