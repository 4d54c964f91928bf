# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Imports a folder of MetaStock files: reads what is new, and gives the bars of all files and an account of every row.

How one batch of files is read: see `reader`. What was read stays in a cache (`file_cache`), so that the next import
reads only what was added or changed. The bars are put together from there (`current_bars`): memory does not grow with
the number of files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.collection import ProgressCallback, no_progress
from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.candidates import Candidate, batches
from ttapi_pipeline.metastock.current_bars import CurrentBars
from ttapi_pipeline.metastock.dates import DateForm, DateOrder
from ttapi_pipeline.metastock.file_cache import DiskCache, FileCache, MemoryCache, reading_key
from ttapi_pipeline.metastock.folder import Folder
from ttapi_pipeline.metastock.frames import BARS, LOST_FIELDS, FilesRead
from ttapi_pipeline.metastock.identity import Symbols
from ttapi_pipeline.metastock.known_files import KnownFiles
from ttapi_pipeline.metastock.notices import notices, unknown_symbols
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions
from ttapi_pipeline.metastock.reader import read_files
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.lock import locked
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, cut_into_ranges

REJECTS: Final = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.UInt32(),
        "symbol": pl.String(),
        "reason": pl.String(),
        "rows": pl.UInt32(),
        "raw": pl.String(),
    }
)
"""Rows that were not kept, one by one: 1-based line, the ticker as the file spells it, the reason, and the row's text.
Without a line it is a whole file, which counts as one row, or all `rows` of a ticker in a file, or one
bar, which the reason names."""

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
        rows_per_symbol: symbol and rows, those that another file replaces and bars that are set aside included, by
            symbol; symbols without rows have 0.
        notices: Schema NOTICES: what was assumed, left out, doubted and set aside, in sentences.
        schemes: Schema `claims.SCHEMES`: how the tickers of each dialect were read.
        files_read: How many files were read; the others were in the cache.
        written_at: When each file was last changed, UTC, by its position in `files`.
    """

    rejects: pl.DataFrame
    files: pl.DataFrame
    rows_per_symbol: pl.DataFrame
    notices: pl.DataFrame
    schemes: pl.DataFrame
    files_read: int
    written_at: pl.Series
    _bars: CurrentBars

    @property
    def lost(self) -> Mapping[str, int]:
        """How many values of each field came and could not be believed; fields without any are left out."""
        counts = self.files.select(pl.col(LOST_FIELDS.names()).cast(pl.Int64).sum()).row(0, named=True)
        return {name.removeprefix("lost_"): count for name, count in counts.items() if count}

    def unknown_symbols(self, symbols: Collection[str], where: str) -> pl.DataFrame:
        """A notice about symbols that are not among these; see `notices.unknown_symbols`."""
        return unknown_symbols(self._bars.contents, self.files["file"], symbols, where)

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
        return cut_into_ranges(
            rows.iter_rows(),
            most_rows=limits.RANGE_ROWS if most_rows is None else most_rows,
            symbols=limits.RANGE_SYMBOLS,
        )

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
    is_cache_trusted: bool = True,
    today: date | None = None,
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
        is_cache_trusted: Whether what the cache has may be used; otherwise every file is read again.
        today: The exchange's date: rows of later dates are rejected, until it has come. None accepts any date.
        progress: Told how many files are read, of those that have to be.

    Raises:
        StorageError: The folder is missing or cannot be read, or the cache cannot be written. What is wrong with a
            single file is in `rejects`.
        LockTimeoutError: Another process is importing.
    """
    names = {} if symbol_map is None else symbol_map
    if cache is None:
        files = Folder(folder, options, by_content=by_content)
        return import_files(files, MemoryCache(), names, options, by_content=by_content, today=today, progress=progress)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(cache, error) from error
    with locked(cache, "import"):
        on_disk = DiskCache(cache, names, options)
        if not is_cache_trusted:
            on_disk.remove(on_disk.names())
        files = Folder(folder, options, by_content=by_content)
        return import_files(files, on_disk, names, options, by_content=by_content, today=today, progress=progress)


def import_files(
    folder: Folder,
    cache: FileCache,
    symbol_map: Mapping[str, str],
    options: ImportOptions,
    *,
    by_content: bool = False,
    today: date | None = None,
    progress: ProgressCallback = no_progress,
) -> FolderImport:
    """Import some or all files of a folder; the arguments are those of `import_folder`."""
    known = KnownFiles(cache, folder.identities(), by_content=by_content, today=today)
    symbols = Symbols(symbol_map, options.exchange_suffixes)

    def read(batch: Sequence[Candidate]) -> tuple[Sequence[Candidate], FilesRead]:
        return batch, read_files(folder.path, batch, symbols, options, today=today)

    def read_all(ranks: Mapping[int, Mapping[DateForm, DateOrder]]) -> None:
        facts = {folder.facts[rank]: orders for rank, orders in ranks.items()}
        looked = (replace(each, date_orders=facts[each.fact]) for each in folder.candidates(list(facts)))
        done = 0
        progress(done, len(facts))
        # The next batches are read while one is stored.
        for batch, files in map_in_order(read, batches(looked), workers=limits.READERS):
            known.add(batch, files)
            done += len(batch)
            progress(done, len(facts))
        if facts:
            known.refresh()

    unknown: Mapping[int, Mapping[DateForm, DateOrder]] = {rank: {} for rank in known.unknown_ranks()}
    read_all(unknown)
    # Files that were added or removed may have changed what the dates of others mean.
    again = known.ranks_read_otherwise()
    read_all(again)
    known.tidy()
    names = folder.names()
    bars = CurrentBars(cache, known.frame, names=names, symbols=symbols, reading_key=reading_key(symbol_map, options))
    return FolderImport(
        rejects=_rejects(cache, known.frame, bars, names),
        files=_files(known.frame, bars, names),
        rows_per_symbol=bars.contents.filter(pl.col("symbol").is_not_null())
        .group_by("symbol")
        .agg(pl.col("rows").sum().cast(pl.Int64))
        .sort("symbol"),
        notices=notices(bars, known.frame, names, symbols, options),
        schemes=bars.schemes,
        files_read=len(unknown.keys() | again.keys()),
        written_at=pl.Series([fact.mtime_ns // 1_000 for fact in folder.facts], dtype=pl.Int64).cast(
            pl.Datetime("us", "UTC")
        ),
        _bars=bars,
    )


def _rejects(cache: FileCache, known: pl.DataFrame, bars: CurrentBars, names: pl.Series) -> pl.DataFrame:
    rejects = [
        cache.frame(str(batch), "rejects").join(files.select("file", "rank"), on="file", maintain_order="left")
        for (batch,), files in known.filter(pl.col("rejected") > 0).group_by("batch", maintain_order=True)
    ]
    rejects = [each.with_columns(rows=pl.lit(1, pl.UInt32)) for each in rejects]
    named = [
        each.with_columns(pl.lit(names).gather(pl.col("rank")).alias("file")).select(REJECTS.names())
        for each in [*rejects, _set_aside(bars), _slipped(bars)]
    ]
    return pl.concat([pl.DataFrame(schema=REJECTS), *named]).sort("file", "line", maintain_order=True)


def _set_aside(bars: CurrentBars) -> pl.DataFrame:
    """The tickers of which all rows in a file are set aside."""
    return bars.contents.filter(pl.col("reason").is_not_null(), pl.col("rows") > 0).with_columns(
        symbol="spelling", line=pl.lit(None, pl.UInt32), raw=pl.lit(None, pl.String)
    )


def _slipped(bars: CurrentBars) -> pl.DataFrame:
    """The bars that are set aside one by one."""
    spellings = bars.contents.drop_nulls("symbol").unique(["rank", "symbol"], keep="first", maintain_order=True)
    slips = bars.slips.rename({"file": "rank"}).join(
        spellings.select("rank", "symbol", "spelling"), on=["rank", "symbol"]
    )
    return slips.select(
        "rank",
        "reason",
        line=pl.lit(None, pl.UInt32),
        symbol="spelling",
        rows=pl.lit(1, pl.UInt32),
        raw=pl.lit(None, pl.String),
    )


def _files(known: pl.DataFrame, bars: CurrentBars, names: pl.Series) -> pl.DataFrame:
    """The account of each file, with the rows that a later file replaces, and what is set aside."""
    aside = pl.concat([_set_aside(bars).select("rank", "rows"), _slipped(bars).select("rank", "rows")])
    set_aside = aside.group_by("rank").agg(set_aside=pl.col("rows").sum())
    return (
        known.join(bars.duplicates, on="rank", how="left", maintain_order="left")
        .join(set_aside, on="rank", how="left", maintain_order="left")
        .with_columns(
            file=names.gather(known["rank"]),
            duplicates=pl.col("duplicates") + pl.col("lost").fill_null(0),
            rejected=pl.col("rejected") + pl.col("set_aside").fill_null(0),
        )
        .with_columns(rows_kept=pl.col("rows_read") - pl.col("duplicates") - pl.col("rejected"))
        .select(pl.col(name).cast(dtype) for name, dtype in FILES.items())
    )
