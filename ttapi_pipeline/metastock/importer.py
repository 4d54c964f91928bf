# SPDX-License-Identifier: MIT
"""Imports a folder of MetaStock files: reads what is new, and gives the bars of all files and an account of every row.

How one batch of files is read: see `reader`. What was read stays in a cache (`file_cache`), so that the next import
reads only what was added or changed. The bars are put together from there (`current_bars`): memory does not grow with
the number of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.collection import ProgressCallback, no_progress
from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.candidates import Candidate, batches
from ttapi_pipeline.metastock.current_bars import CurrentBars, SymbolRange, cut_into_ranges
from ttapi_pipeline.metastock.file_cache import DiskCache, FileCache, MemoryCache, reading_key
from ttapi_pipeline.metastock.folder import Folder
from ttapi_pipeline.metastock.frames import BARS, LOST_FIELDS, REJECTED_ROWS, FilesRead
from ttapi_pipeline.metastock.identity import Symbols
from ttapi_pipeline.metastock.known_files import KnownFiles
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions
from ttapi_pipeline.metastock.reader import read_files
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.lock import locked

REJECTS: Final = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.UInt32(),
        "symbol": pl.String(),
        "reason": pl.String(),
        "raw": pl.String(),
    }
)
"""One row per row that was not kept: 1-based line (null: the whole file), the ticker as the file spells it, the reason,
and the row's text."""

FILES: Final = pl.Schema(
    {
        "file": pl.String(),
        "dialect": pl.String(),
        "rows_read": pl.UInt32(),
        "rows_kept": pl.UInt32(),
        "duplicates": pl.UInt32(),
        "rejected": pl.UInt32(),
        **LOST_FIELDS,
    }
)
"""One row per file, by name; rows_read = rows_kept + duplicates + rejected."""


@dataclass(frozen=True, slots=True)
class FolderImport:
    """The bars of a folder, and an account of each of its rows.

    Attributes:
        rejects: Schema REJECTS, by file and line.
        files: Schema FILES. A file that cannot be read counts as one row, which is rejected.
        symbols: Canonical symbol of each spelling of a ticker, those of files without rows included.
        rows_per_symbol: symbol and rows, duplicates included, by symbol; symbols without rows have 0.
        extra_values: Number of rows that have more values than their file has columns, per file with any; the values
            are dropped.
        warnings: Other oddities in words: a file name that disagrees with its ticker, two spellings of one symbol,
            unknown fields.
        files_read: How many files were read; the others were in the cache.
        written_at: When each file was last changed, UTC, by its position in `files`.
    """

    rejects: pl.DataFrame
    files: pl.DataFrame
    symbols: Mapping[str, str]
    rows_per_symbol: pl.DataFrame
    extra_values: Mapping[str, int]
    warnings: Sequence[str]
    files_read: int
    written_at: pl.Series
    _bars: CurrentBars

    @property
    def lost(self) -> Mapping[str, int]:
        """How many values of each field came and could not be believed; fields without any are left out."""
        counts = self.files.select(pl.col(LOST_FIELDS.names()).cast(pl.Int64).sum()).row(0, named=True)
        return {name.removeprefix("lost_"): count for name, count in counts.items() if count}

    @property
    def bars(self) -> pl.LazyFrame:
        """Schema BARS, sorted by symbol and session, unique; streamed from the cache, which the next import changes."""
        return self._bars.scan(self.ranges())

    def ranges(self, *, others: pl.DataFrame | None = None, most_rows: int | None = None) -> Sequence[SymbolRange]:
        """Cut all symbols into ranges (see `cut_into_ranges`), to read them one by one.

        Args:
            others: Another source's symbol and rows, to be counted in.
            most_rows: Of a range; `limits.RANGE_ROWS` by default.
        """
        rows = self.rows_per_symbol if others is None else pl.concat([self.rows_per_symbol, others])
        rows = rows.group_by("symbol").agg(pl.col("rows").sum()).sort("symbol")
        return cut_into_ranges(rows, most_rows=limits.RANGE_ROWS if most_rows is None else most_rows)

    def versions(self, ranges: Sequence[SymbolRange]) -> Sequence[str]:
        """A digest of the bars of each range: it changes when one of the files that they are from does."""
        return self._bars.versions([start for start, _ in ranges])

    def read(self, symbols: SymbolRange, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The bars of a range of symbols, sorted by symbol and session.

        Args:
            symbols: The range.
            columns: Some columns of BARS, or `file`: the position in `files` of the file that a bar is from.
        """
        return self._bars.read(symbols, BARS.names() if columns is None else columns)


def import_folder(
    folder: Path,
    *,
    cache: Path | None = None,
    symbol_map: Mapping[str, str] | None = None,
    options: ImportOptions = DEFAULT_OPTIONS,
    by_content: bool = False,
    progress: ProgressCallback = no_progress,
) -> FolderImport:
    """Read what is new of the MetaStock files below a folder.

    Where a symbol has a session twice, the last row by file name and line is kept and the others are counted as
    duplicates. Only daily rows are kept. The result does not depend on what was in the cache.

    Args:
        folder: Read recursively, without hidden files.
        cache: Where what was read is kept from one import to the next; without it, in memory for this import.
        symbol_map: Canonical symbol per ticker as the files spell it; goes before the rules of symbology.
        options: How to read what the files leave open.
        by_content: A file is known by its SHA-256 instead of its size and time of change; every file is read for that.
        progress: Told how many files are read, of those that have to be.

    Raises:
        StorageError: The folder is missing or cannot be read, or the cache cannot be written. What is wrong with a
            single file is in `rejects`.
        LockTimeoutError: Another process is importing.
    """
    names = {} if symbol_map is None else symbol_map
    if cache is None:
        return _import(folder, MemoryCache(), names, options, by_content=by_content, progress=progress)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(cache, error) from error
    with locked(cache, "import"):
        on_disk = DiskCache(cache, names, options)
        return _import(folder, on_disk, names, options, by_content=by_content, progress=progress)


def _import(
    path: Path,
    cache: FileCache,
    symbol_map: Mapping[str, str],
    options: ImportOptions,
    *,
    by_content: bool,
    progress: ProgressCallback,
) -> FolderImport:
    folder = Folder(path, options, by_content=by_content)
    known = KnownFiles(cache, folder.identities(), by_content=by_content)
    unknown = [folder.facts[rank] for rank in known.unknown_ranks()]
    symbols = Symbols(symbol_map, options.exchange_suffixes)

    def read(batch: Sequence[Candidate]) -> tuple[Sequence[Candidate], FilesRead]:
        return batch, read_files(path, batch, symbols, options)

    done = 0
    progress(done, len(unknown))
    # The next batches are read while one is stored.
    for batch, files in map_in_order(read, batches(folder.candidates(unknown), symbols), workers=limits.READERS):
        known.add(batch, files)
        done += len(batch)
        progress(done, len(unknown))
    if unknown:
        known.refresh()
    known.tidy()
    bars = CurrentBars(cache, known.frame, reading_key(symbol_map, options))
    return _result(folder, cache, known.frame, bars, files_read=len(unknown))


def _result(
    folder: Folder, cache: FileCache, known: pl.DataFrame, bars: CurrentBars, *, files_read: int
) -> FolderImport:
    names = folder.names()
    extra = known.filter(pl.col("extra_values") > 0)
    spellings = bars.contents.select("spelling", "symbol").unique().sort("spelling")
    return FolderImport(
        rejects=_rejects(cache, known, names),
        files=_files(known, bars.duplicates, names),
        symbols=dict(spellings.iter_rows()),
        rows_per_symbol=bars.contents.group_by("symbol").agg(pl.col("rows").sum().cast(pl.Int64)).sort("symbol"),
        extra_values=dict(zip(names.gather(extra["rank"]), extra["extra_values"], strict=True)),
        warnings=(*_several_spellings(spellings), *known["warnings"].explode(empty_as_null=False)),
        files_read=files_read,
        written_at=pl.Series([fact.mtime_ns // 1_000 for fact in folder.facts], dtype=pl.Int64).cast(
            pl.Datetime("us", "UTC")
        ),
        _bars=bars,
    )


def _rejects(cache: FileCache, known: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    rejects = [
        cache.frame(str(batch), "rejects")
        .join(files.select("file", "rank"), on="file", maintain_order="left")
        .select(pl.lit(names).gather(pl.col("rank")).alias("file"), *REJECTED_ROWS.names()[1:])
        for (batch,), files in known.filter(pl.col("rejected") > 0).group_by("batch", maintain_order=True)
    ]
    return pl.concat([pl.DataFrame(schema=REJECTS), *rejects]).sort("file", "line", maintain_order=True)


def _files(known: pl.DataFrame, lost: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """The account of each file; `lost` counts the rows that a later file replaces."""
    duplicates = pl.col("duplicates") + pl.col("lost").fill_null(0)
    return (
        known.join(lost, on="rank", how="left", maintain_order="left")
        .with_columns(names.gather(known["rank"]).alias("file"), duplicates=duplicates)
        .with_columns(rows_kept=pl.col("rows_read") - pl.col("duplicates") - pl.col("rejected"))
        .select(pl.col(name).cast(dtype) for name, dtype in FILES.items())
    )


def _several_spellings(spellings: pl.DataFrame) -> Iterator[str]:
    several = (
        spellings.group_by("symbol", maintain_order=True).agg("spelling").filter(pl.col("spelling").list.len() > 1)
    )
    for symbol, names in several.sort("symbol").iter_rows():
        yield f"{symbol} is spelled in several ways, which are read as one symbol: {', '.join(names)}"
