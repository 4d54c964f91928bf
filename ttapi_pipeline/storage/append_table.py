# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table that grows by small files, which are merged in steps. The tables that grow so: see `quote_recorder.schemas`.

Every write adds a part, a whole Parquet file, and gets the next number. Rewriting one growing file would cost the
square of its size, and thousands of small files are slow to read. Therefore sixteen parts become one, sixteen of the
results become one again, and when a group (an hour) has ended, all of its parts become one. Each row is rewritten about
three times.

A part's name is ``<group>~<first>-<last>~<hash>.parquet``: the numbers of the writes that are in it, and the first
digits of the XXH3-128 of the file, which is compared before its rows are read. (Older parts have none.) A part that is
contained in another one is ignored; the others tile the numbers from 1 on. A reader need not know more: a merged part
is in place, whole and under its own name, before the parts that it was made from are removed, which happens with the
next write at the earliest. A crash at any moment leaves nothing but files to be tidied up.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import IO, Final

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.files import STAGED_SUFFIX
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import StagedFile, file_facts, file_for_polars, staged
from ttapi_pipeline.storage.layout import make_folder
from ttapi_pipeline.storage.verification import facts_of

FAN_IN: Final = 16
"""This many parts of one size are merged into one."""

DAMAGED_SUFFIX: Final = ".damaged"

_NAME: Final = re.compile(r"([0-9A-Za-z-]+)~(\d+)-(\d+)(?:~([0-9a-f]{16}))?\.parquet")
_HASH_DIGITS: Final = 16
_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Part:
    """One file: the writes `first` to `last`, all of one group (in the quote log, an hour).

    `checksum` are the first digits of the hash of the file; empty for a part from before parts had one.
    """

    group: str
    first: int
    last: int
    checksum: str = ""

    @property
    def name(self) -> str:
        """The name of its file."""
        checksum = f"~{self.checksum}" if self.checksum else ""
        return f"{self.group}~{self.first:09}-{self.last:09}{checksum}.parquet"

    @property
    def level(self) -> int:
        """How often its oldest rows were merged: 0 below FAN_IN writes, 1 below the square of FAN_IN, and so on."""
        level, writes = 0, self.last - self.first + 1
        while writes >= FAN_IN:
            level, writes = level + 1, writes // FAN_IN
        return level

    @classmethod
    def read_name(cls, name: str) -> Part | None:
        """The part that a file name stands for; None for any other file."""
        match = _NAME.fullmatch(name)
        return None if match is None else cls(match[1], int(match[2]), int(match[3]), match[4] or "")


@dataclass(frozen=True, slots=True)
class Tiling:
    """The parts of a table, sorted out.

    Attributes:
        parts: The parts to read, by number.
        superseded: Parts that are contained in another part.
        holes: The first and the last number of each range of numbers that no part has.
    """

    parts: Sequence[Part]
    superseded: Sequence[Part]
    holes: Sequence[tuple[int, int]]

    @property
    def last(self) -> int:
        """The highest number; 0 when nothing was written."""
        return self.parts[-1].last if self.parts else 0


def tiling(found: Sequence[Part]) -> Tiling:
    """Sort parts out; they may come in any order."""
    parts, superseded, holes, covered = [], [], [], 0
    # Of parts with the same first number the widest comes first, and so before the parts that it contains.
    for part in sorted(found, key=lambda part: (part.first, -part.last)):
        if part.last <= covered:
            superseded.append(part)
            continue
        if part.first > covered + 1:
            holes.append((covered + 1, part.first - 1))
        parts.append(part)
        covered = part.last
    return Tiling(parts, superseded, holes)


def next_merge(parts: Sequence[Part]) -> Sequence[Part]:
    """Choose neighbouring parts to merge into one now; empty when no merge is worth it.

    Args:
        parts: The parts to read, by number. The group of the last part still grows.
    """
    runs = [list(run) for _, run in groupby(parts, key=lambda part: part.group)]
    for ended in runs[:-1]:
        if len(ended) > 1:
            return ended
    for _, alike in groupby(runs[-1] if runs else (), key=lambda part: part.level):
        same = list(alike)
        if len(same) >= FAN_IN:
            return same
    return ()


class PartTable:
    """The writer of a table. A table has one writer at a time, in one thread at a time.

    Args:
        folder: Of this table alone; it is created with the first write.
        schema: The columns of every frame that is appended.
    """

    def __init__(self, folder: Path, schema: pl.Schema) -> None:
        self.folder = folder
        self._schema = schema
        self._last: int | None = None

    def recover(self) -> Sequence[str]:
        """Tidy up after a writer that died, and put damaged parts away.

        Returns:
            A sentence per damage. A part that has other bytes than were written is renamed, and a part that is missing
            is replaced by an empty one, so that the rest can be read. A killed writer causes neither.

        Raises:
            StorageError: The folder cannot be read or written.
        """
        if not self.folder.is_dir():
            return []
        damages = []
        with storage_errors(self.folder):
            for path in list(self.folder.iterdir()):
                if path.name.endswith(STAGED_SUFFIX):
                    path.unlink()
            # The widest parts first: the parts that a damaged merge was made from may still be there.
            for part in sorted(list_parts(self.folder), key=lambda part: (part.first, -part.last)):
                path = self.folder / part.name
                if not _is_readable(self.folder, part, self._schema):
                    path.rename(path.with_name(path.name + DAMAGED_SUFFIX))
                    damages.append(f"{path} cannot be read and was put away as {path.name}{DAMAGED_SUFFIX}")
            found = tiling(list_parts(self.folder))
            for part in found.superseded:
                (self.folder / part.name).unlink()
        for first, last in found.holes:
            self._write(self._schema.to_frame(eager=True).lazy(), Part("lost", first, last))
            damages.append(f"{self.folder}: the writes {first} to {last} are lost")
        self._last = found.last
        return damages

    def append(self, frame: pl.DataFrame, group: str) -> Part:
        """Add rows as one more part; the rows are durable when this returns.

        Raises:
            StorageError: The disk is full, the folder cannot be written; nothing was added.
        """
        # A column of another type would make every part unreadable that it is merged into.
        frame = frame.match_to_schema(self._schema)
        make_folder(self.folder)
        if self._last is None:
            self._last = tiling(list_parts(self.folder)).last
        part = Part(group, self._last + 1, self._last + 1)
        with staged(self.folder / part.name) as staging:
            with storage_errors(self.folder, is_writing=True):
                # The part is merged soon, so speed counts for more than size.
                frame.write_parquet(staging.path, compression="lz4")
            part = self._commit(staging, part)
        self._last = part.last
        return part

    def tidy(self) -> bool:
        """Remove the parts that the last merge superseded; when there are none, merge some parts.

        Returns:
            Whether there was something to do; then there may be more.

        Raises:
            StorageError: The folder cannot be read or written; every row is where it was.
        """
        found = tiling(list_parts(self.folder))
        if found.superseded:
            with storage_errors(self.folder):
                for part in found.superseded:
                    (self.folder / part.name).unlink()
            return True
        merge = next_merge(found.parts)
        if not merge:
            return False
        with storage_errors(self.folder):
            rows = _scan(self.folder, merge, self._schema)
        self._write(rows, Part(merge[0].group, merge[0].first, merge[-1].last))
        return True

    def _write(self, rows: pl.LazyFrame, part: Part) -> None:
        with staged(self.folder / part.name) as staging:
            with storage_errors(self.folder, is_writing=True), file_for_polars(staging.path) as file:
                rows.sink_parquet(file, compression="zstd", statistics=True, maintain_order=True)
            self._commit(staging, part)

    def _commit(self, staging: StagedFile, part: Part) -> Part:
        """Put a part that was written in place, under the name that has its hash."""
        with storage_errors(self.folder):
            facts = file_facts(staging.path)
        part = replace(part, checksum=facts.xxh3_128[:_HASH_DIGITS])
        staging.target = self.folder / part.name
        staging.commit(facts)
        return part


def scan_parts(folder: Path, schema: pl.Schema) -> pl.LazyFrame:
    """Scan every row that is durable now, once and in the order of the writes; the writer may go on meanwhile.

    The frame keeps the files that it was made from.

    Raises:
        CorruptFileError: A part is missing or damaged; see `PartTable.recover`.
        StorageError: The folder cannot be read.
    """
    found = Tiling((), (), ())
    for _ in range(_ATTEMPTS):
        found = tiling(list_parts(folder))
        with storage_errors(folder), suppress(FileNotFoundError):
            if not found.holes:
                return _scan(folder, found.parts, schema)
        # A merge came between listing the folder and opening the parts; the next listing has its result.
        time.sleep(_PAUSE_SECONDS)
    missing = ", ".join(f"{first} to {last}" for first, last in found.holes) or "some"
    raise CorruptFileError(f"{folder}: the writes {missing} are missing; the next start of the writer goes on without")


def list_parts(folder: Path) -> Sequence[Part]:
    """The parts that are there now, in any order; none without a folder.

    Raises:
        StorageError: The folder cannot be read.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(folder, error) from error
    return [part for part in map(Part.read_name, names) if part is not None]


def _scan(folder: Path, parts: Sequence[Part], schema: pl.Schema) -> pl.LazyFrame:
    if not parts:
        return schema.to_frame(eager=True).lazy()
    with ExitStack() as stack:
        files: list[IO[bytes]] = [stack.enter_context((folder / part.name).open("rb")) for part in parts]
        for part, file in zip(parts, files, strict=True):
            if not _is_as_written(part, file):
                raise CorruptFileError(
                    f"{folder / part.name} is damaged: it has other bytes than were written; the next start of the "
                    "writer puts it away and goes on without"
                )
        # Polars keeps the open files, so that removing them does not disturb it.
        return pl.scan_parquet(files, schema=schema)


def _is_readable(folder: Path, part: Part, schema: pl.Schema) -> bool:
    path = folder / part.name
    try:
        with path.open("rb") as file:
            return _is_as_written(part, file) and pl.read_parquet_schema(path) == dict(schema)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return False


def _is_as_written(part: Part, file: IO[bytes]) -> bool:
    """Whether an open part has the hash that its name says; what has none is believed. Read once per process."""
    return not part.checksum or facts_of(file).xxh3_128.startswith(part.checksum)
