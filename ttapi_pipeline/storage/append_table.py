# SPDX-License-Identifier: MIT
"""A table that grows by small files, merged in steps as it does; whose rows they are is `datasets`'.

Every write adds a part, a whole Parquet file, and has the next number. Rewriting one growing file would cost the
square of its size, and thousands of small files are slow to read: so sixteen parts become one, sixteen of those one
again, and the parts of a group that has ended (an hour) become one altogether; each row is rewritten about three times.

A part's name is ``<group>~<first>-<last>.parquet``, the numbers of the writes that are in it. Of the parts that are
there, one that is contained in another one counts for nothing, and the others tile the numbers from 1 on. That is all
that a reader has to know: a merge is there whole under its own name before what it was made from goes, at the earliest
with the next write, and a crash at any moment leaves nothing but files to be tidied up.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Final

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.files import STAGED_SUFFIX
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import staged
from ttapi_pipeline.storage.layout import make_folder

FAN_IN: Final = 16
"""Parts of one size that are merged into one."""

DAMAGED_SUFFIX: Final = ".damaged"

_NAME: Final = re.compile(r"([0-9A-Za-z-]+)~(\d+)-(\d+)\.parquet")
_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Part:
    """One file: the writes `first` to `last`, all of one group."""

    group: str
    first: int
    last: int

    @property
    def name(self) -> str:
        """Of the file."""
        return f"{self.group}~{self.first:09}-{self.last:09}.parquet"

    @property
    def level(self) -> int:
        """How often its oldest rows were merged: 0 below FAN_IN writes, 1 below its square, and so on."""
        level, writes = 0, self.last - self.first + 1
        while writes >= FAN_IN:
            level, writes = level + 1, writes // FAN_IN
        return level

    @classmethod
    def read_name(cls, name: str) -> Part | None:
        """The part that a file name stands for; None for any other file."""
        match = _NAME.fullmatch(name)
        return None if match is None else cls(match[1], int(match[2]), int(match[3]))


@dataclass(frozen=True, slots=True)
class Tiling:
    """What is there of a table.

    Attributes:
        parts: Those that count, by number.
        superseded: Those contained in another one.
        holes: Numbers that no part has, first and last of each hole.
    """

    parts: Sequence[Part]
    superseded: Sequence[Part]
    holes: Sequence[tuple[int, int]]

    @property
    def last(self) -> int:
        """The highest number; 0 when nothing was written."""
        return self.parts[-1].last if self.parts else 0


def tiling(found: Sequence[Part]) -> Tiling:
    """Sort parts out, in whatever order they come."""
    parts, superseded, holes, covered = [], [], [], 0
    # The widest of those that begin alike comes first, and so before what it contains.
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
    """What to merge into one now, neighbours all; empty when nothing is worth it.

    Args:
        parts: Those that count, by number. The last one's group still grows.
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
    """The writer of a table; there may be one at a time, in one thread at a time.

    Args:
        folder: Of this table alone; it is created with the first write.
        schema: Of every frame that is appended.
    """

    def __init__(self, folder: Path, schema: pl.Schema) -> None:
        self.folder = folder
        self._schema = schema
        self._last: int | None = None

    def recover(self) -> Sequence[str]:
        """Tidy up after a writer that died, and put away what cannot be read.

        Returns:
            A sentence per damage: a part that is no Parquet file is renamed, and one that is missing is replaced by an
            empty one, so that the rest can be read. A killed writer leaves none of either.

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
            # What a damaged merge was made from may still be there.
            for part in sorted(list_parts(self.folder), key=lambda part: (part.first, -part.last)):
                path = self.folder / part.name
                if not _is_readable(path, self._schema):
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
        """Add rows as one more part; when this returns they are durable.

        Raises:
            StorageError: The disk is full, the folder cannot be written; nothing was added.
        """
        # A column of another type would make everything that is merged with it unreadable.
        frame = frame.match_to_schema(self._schema)
        make_folder(self.folder)
        if self._last is None:
            self._last = tiling(list_parts(self.folder)).last
        part = Part(group, self._last + 1, self._last + 1)
        with staged(self.folder / part.name) as staging:
            with storage_errors(self.folder):
                # It is merged soon, so speed counts for more than size.
                frame.write_parquet(staging.path, compression="lz4")
            staging.commit()
        self._last = part.last
        return part

    def tidy(self) -> bool:
        """Remove what the last merge has made superfluous, or else merge what should be; at most one of both.

        Returns:
            Whether there was something to do, so that there may be more.

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
            with storage_errors(self.folder):
                rows.sink_parquet(staging.path, compression="zstd", statistics=True, maintain_order=True)
            staging.commit()


def scan_parts(folder: Path, schema: pl.Schema) -> pl.LazyFrame:
    """Every row that is durable now, once, in the order of the writes, whatever the writer does meanwhile.

    The frame keeps the files that it was made from.

    Raises:
        CorruptFileError: A part is missing or damaged; the writer's `recover` mends what can be.
        StorageError: The folder cannot be read.
    """
    found = Tiling((), (), ())
    for _ in range(_ATTEMPTS):
        found = tiling(list_parts(folder))
        with storage_errors(folder), suppress(FileNotFoundError):
            if not found.holes:
                return _scan(folder, found.parts, schema)
        # Listing a folder is no snapshot: a merge came between, and next time its result is there.
        time.sleep(_PAUSE_SECONDS)
    missing = ", ".join(f"{first} to {last}" for first, last in found.holes) or "some"
    raise CorruptFileError(f"{folder}: the writes {missing} are missing; the next start of the writer goes on without")


def list_parts(folder: Path) -> Sequence[Part]:
    """The parts that are there now, in any order; none where there is no folder.

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
        # Polars keeps the open files: what takes their place, or removes them, does not disturb it.
        return pl.scan_parquet(files, schema=schema)


def _is_readable(path: Path, schema: pl.Schema) -> bool:
    try:
        return pl.read_parquet_schema(path) == dict(schema)
    except pl.exceptions.PolarsError:
        return False
