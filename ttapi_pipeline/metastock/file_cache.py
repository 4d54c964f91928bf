# SPDX-License-Identifier: MIT
"""What was read from MetaStock files, kept in parts so that a file is read once; `importer` decides what is read.

A part is what one call of `reader.read_files` gave. It never changes: what becomes of its files later is known by
comparing the facts that it keeps with those of the folder. On disk it is a folder of four Parquet files, made under
another name and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

import polars as pl

from ttapi_pipeline.core.files import STAGED_SUFFIX, replacing_folder
from ttapi_pipeline.metastock.reader import (
    ACCOUNTS,
    CONTENTS,
    REJECTED_ROWS,
    ROWS,
    FilesRead,
    ImportOptions,
)
from ttapi_pipeline.storage.errors import storage_error

FORMAT: Final = 1
"""Of the parts; another one makes what is stored void."""

KNOWN: Final = pl.Schema(
    {
        # As the file system spells it, which need not be text.
        "name": pl.Binary(),
        "size": pl.Int64(),
        "mtime_ns": pl.Int64(),
        "sha256": pl.String(),
        "index": pl.String(),
        **ACCOUNTS,
    }
)
"""One row per file of a part: what it was when it was read, and its account. sha256 is null unless it was asked for;
`index` stands for the files that say what a binary data file is, and is empty for text."""

_ROW_GROUP_ROWS: Final = 65_536
_PIECES: Final = {"known": KNOWN, "contents": CONTENTS, "rejects": REJECTED_ROWS}


class Parts(Protocol):
    """Where parts are kept."""

    def names(self) -> Sequence[str]:
        """The parts that are there, the oldest first."""

    def add(self, read: FilesRead, known: pl.DataFrame) -> str:
        """Keep what was read; `known` has the schema KNOWN. Returns the new part's name."""

    def piece(self, part: str, piece: str) -> pl.DataFrame:
        """`known`, `contents` or `rejects` of a part."""

    def rows(self, part: str) -> pl.LazyFrame:
        """Its rows, schema ROWS."""

    def remove(self, parts: Collection[str]) -> None:
        """Forget some parts."""


class PartsInMemory:
    """Parts that live as long as the process: for a folder that is read once."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[FilesRead, pl.DataFrame]] = {}
        self._count = 0

    def names(self) -> Sequence[str]:
        return list(self._parts)

    def add(self, read: FilesRead, known: pl.DataFrame) -> str:
        self._count += 1
        name = str(self._count)
        self._parts[name] = (read, known)
        return name

    def piece(self, part: str, piece: str) -> pl.DataFrame:
        read, known = self._parts[part]
        return {"known": known, "contents": read.contents, "rejects": read.rejects}[piece]

    def rows(self, part: str) -> pl.LazyFrame:
        return self._parts[part][0].rows.lazy()

    def remove(self, parts: Collection[str]) -> None:
        for part in parts:
            del self._parts[part]


class PartsInFolder:
    """Parts in a folder, for one way of reading files; those of another way are removed.

    One process at a time may use it: `importer` holds a lock.

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
        self._pieces: dict[tuple[str, str], pl.DataFrame] = {}

    def names(self) -> Sequence[str]:
        found = sorted(path.name for path in self._folder.iterdir() if path.suffix != STAGED_SUFFIX)
        broken = [part for part in found if not self._is_sound(part)]
        # The files of a part that was damaged are read again.
        self.remove(broken)
        return [part for part in found if part not in broken]

    def add(self, read: FilesRead, known: pl.DataFrame) -> str:
        last = max((path.name for path in self._folder.iterdir() if path.suffix != STAGED_SUFFIX), default="0")
        name = f"{int(last.partition('-')[0]) + 1:08}-{uuid4().hex[:8]}"
        try:
            with replacing_folder(self._folder / name) as staged:
                # Without compression, writing and reading take a third of the time for twice the space.
                read.rows.write_parquet(
                    staged / "rows.parquet", compression="uncompressed", row_group_size=_ROW_GROUP_ROWS
                )
                for piece, frame in (("known", known), ("contents", read.contents), ("rejects", read.rejects)):
                    frame.write_parquet(staged / f"{piece}.parquet", compression="lz4")
        except OSError as error:
            raise storage_error(self._folder, error) from error
        self._pieces[name, "known"] = known
        self._pieces[name, "contents"] = read.contents
        return name

    def piece(self, part: str, piece: str) -> pl.DataFrame:
        if (part, piece) not in self._pieces:
            self._pieces[part, piece] = pl.read_parquet(self._folder / part / f"{piece}.parquet", glob=False)
        return self._pieces[part, piece]

    def rows(self, part: str) -> pl.LazyFrame:
        return pl.scan_parquet(self._folder / part / "rows.parquet", glob=False)

    def remove(self, parts: Collection[str]) -> None:
        for part in parts:
            # Not there any more under its name first, so that half a part is never seen.
            doomed = self._folder / f"{part}{STAGED_SUFFIX}"
            with suppress(FileNotFoundError):
                (self._folder / part).rename(doomed)
                shutil.rmtree(doomed)
            for piece in _PIECES:
                self._pieces.pop((part, piece), None)

    def _is_sound(self, part: str) -> bool:
        try:
            for piece, schema in _PIECES.items():
                if self.piece(part, piece).schema != schema:
                    return False
            rows = self.rows(part)
            if rows.collect_schema() != ROWS:
                return False
            kept = self.piece(part, "known").select(
                (pl.col("rows_read") - pl.col("duplicates") - pl.col("rejected")).sum()
            )
            return bool(rows.select(pl.len()).collect().item() == kept.item())
        except (OSError, pl.exceptions.PolarsError):
            return False


def reading_key(symbol_map: Mapping[str, str], options: ImportOptions) -> str:
    """Stands for everything besides the files that what is read depends on."""
    facts = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(options).items()}
    text = json.dumps([FORMAT, sorted(symbol_map.items()), facts], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
