# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Keeps what was read from MetaStock files, so that a file is read once. Which files are read: see `importer`.

The cache holds batches: each is what one call of `reader.read_files` gave. A batch never changes. Whether its files are
still as they were is found by comparing their identities, which it keeps, with the folder (see `known_files`). On disk
a batch is a folder of four Parquet files, made under another name and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final, Literal, Protocol
from uuid import uuid4

import polars as pl

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.files import STAGED_SUFFIX, replacing_folder, staging_path
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.frames import ACCOUNTS, CONTENTS, REJECTED_ROWS, ROWS, FilesRead
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.sealed_folder import is_folder_sealed, seal_folder

FORMAT: Final = 9
"""Of the cached batches. Another number makes all stored batches void."""

SEALED_BY: Final = f"metastock {FORMAT}"
"""Seals each batch: see `storage.sealed_folder`."""

IDENTITY: Final = pl.Schema(
    {
        # As the file system spells it, which need not be text.
        "name": pl.Binary(),
        "size": pl.Int64(),
        "mtime_ns": pl.Int64(),
        "sha256": pl.String(),
        "index": pl.String(),
    }
)
"""What identifies a file. sha256 is null unless files are known by their content. `index` stands for the files that
describe a binary data file, and is empty for text."""

KNOWN: Final = pl.Schema({**IDENTITY, **ACCOUNTS})
"""One row per file of a batch: what identified it when it was read, and its account."""

FrameName = Literal["known", "contents", "rejects"]
_SCHEMAS: Final[Mapping[FrameName, pl.Schema]] = {"known": KNOWN, "contents": CONTENTS, "rejects": REJECTED_ROWS}
"""The frames of a batch besides its rows; these are small, and are kept in memory once they are read."""


class FileCache(Protocol):
    """A store of batches."""

    def names(self) -> Sequence[str]:
        """The batches that are there, the oldest first."""

    def add(self, read: FilesRead, known: pl.DataFrame) -> None:
        """Keep what was read; `known` has the schema KNOWN."""

    def frame(self, batch: str, name: FrameName) -> pl.DataFrame:
        """One of the small frames of a batch."""

    def rows(self, batch: str) -> pl.LazyFrame:
        """The rows of a batch, schema ROWS."""

    def remove(self, batches: Collection[str]) -> None:
        """Forget some batches."""


class MemoryCache:
    """Batches that live as long as the process: for a folder that is read once."""

    def __init__(self) -> None:
        self._batches: dict[str, tuple[FilesRead, pl.DataFrame]] = {}
        self._count = 0

    def names(self) -> Sequence[str]:
        return list(self._batches)

    def add(self, read: FilesRead, known: pl.DataFrame) -> None:
        self._count += 1
        self._batches[str(self._count)] = (read, known)

    def frame(self, batch: str, name: FrameName) -> pl.DataFrame:
        read, known = self._batches[batch]
        match name:
            case "known":
                return known
            case "contents":
                return read.contents
            case "rejects":
                return read.rejects

    def rows(self, batch: str) -> pl.LazyFrame:
        return self._batches[batch][0].rows.lazy()

    def remove(self, batches: Collection[str]) -> None:
        for batch in batches:
            del self._batches[batch]


class DiskCache:
    """Batches in a folder, for one way of reading files. Batches of any other way are removed.

    One process at a time may look for batches, add and remove them; `importer` holds a lock. Their rows are read after
    that, too: the file of each batch is opened meanwhile, and stays readable when another process removes the batch.

    Raises:
        StorageError: The folder cannot be written, here and in every method.
    """

    def __init__(self, folder: Path, symbol_map: Mapping[str, str], options: ImportOptions) -> None:
        self._folder = folder / reading_key(symbol_map, options)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for other in folder.iterdir():
                if other.is_dir() and other != self._folder:
                    shutil.rmtree(other)
            for left_over in self._folder.glob(f"*{STAGED_SUFFIX}"):
                shutil.rmtree(left_over)
        except OSError as error:
            raise storage_error(folder, error) from error
        self._frames: dict[tuple[str, FrameName], pl.DataFrame] = {}
        self._sound: set[str] = set()
        self._rows: dict[str, pl.LazyFrame] = {}

    def names(self) -> Sequence[str]:
        found = self._found()
        # The files of a damaged batch are read again. A batch is hashed once, and only the importer writes here.
        broken = [batch for batch in found if batch not in self._sound and not self._is_sound(batch)]
        self.remove(broken)
        whole = [batch for batch in found if batch not in broken]
        self._sound.update(whole)
        return whole

    def add(self, read: FilesRead, known: pl.DataFrame) -> None:
        last = max(self._found(), default="0")
        # The number orders batches by age; the rest is there because a number may be given again.
        name = f"{int(last.partition('-')[0]) + 1:08}-{uuid4().hex[:8]}"
        frames: Mapping[FrameName, pl.DataFrame] = {
            "known": known,
            "contents": read.contents,
            "rejects": read.rejects,
        }
        with storage_errors(self._folder, is_writing=True), replacing_folder(self._folder / name) as staged:
            # Without compression, writing and reading take a third of the time for twice the space.
            read.rows.write_parquet(
                staged / "rows.parquet", compression="uncompressed", row_group_size=limits.ROW_GROUP_ROWS
            )
            for frame_name, frame in frames.items():
                frame.write_parquet(staged / f"{frame_name}.parquet", compression="lz4")
            seal_folder(staged, by=SEALED_BY)
        self.rows(name)
        self._sound.add(name)
        self._frames[name, "known"] = known
        self._frames[name, "contents"] = read.contents

    def frame(self, batch: str, name: FrameName) -> pl.DataFrame:
        if (batch, name) not in self._frames:
            with storage_errors(self._folder):
                self._frames[batch, name] = pl.read_parquet(self._folder / batch / f"{name}.parquet", glob=False)
        return self._frames[batch, name]

    def rows(self, batch: str) -> pl.LazyFrame:
        if batch not in self._rows:
            with storage_errors(self._folder), (self._folder / batch / "rows.parquet").open("rb") as file:
                # Polars keeps the open file.
                self._rows[batch] = pl.scan_parquet(file)
        return self._rows[batch]

    def remove(self, batches: Collection[str]) -> None:
        for batch in batches:
            # Renamed first, so that half a batch is never seen under its name.
            doomed = staging_path(self._folder / batch)
            with storage_errors(self._folder), suppress(FileNotFoundError):
                (self._folder / batch).rename(doomed)
                shutil.rmtree(doomed)
            self._sound.discard(batch)
            self._rows.pop(batch, None)
            for name in _SCHEMAS:
                self._frames.pop((batch, name), None)

    def _found(self) -> Sequence[str]:
        """The batches that are there, the oldest first, damaged ones included."""
        with storage_errors(self._folder):
            return sorted(path.name for path in self._folder.iterdir() if path.suffix != STAGED_SUFFIX)

    def _is_sound(self, batch: str) -> bool:
        """Whether a batch is what was written; its frames can be read, and have as many rows as its accounts say."""
        if not is_folder_sealed(self._folder / batch, by=SEALED_BY):
            return False
        try:
            for name, schema in _SCHEMAS.items():
                if self.frame(batch, name).schema != schema:
                    return False
            rows = self.rows(batch)
            if rows.collect_schema() != ROWS:
                return False
            kept = self.frame(batch, "known").select(
                (pl.col("rows_read") - pl.col("duplicates") - pl.col("rejected")).sum()
            )
            return bool(rows.select(pl.len()).collect().item() == kept.item())
        except (StorageError, OSError, pl.exceptions.PolarsError):
            return False


def reading_key(symbol_map: Mapping[str, str], options: ImportOptions) -> str:
    """A digest of everything besides the files that decides what is read from them."""
    facts = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(options).items()}
    text = json.dumps([FORMAT, sorted(symbol_map.items()), facts], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
