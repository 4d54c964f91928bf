# SPDX-License-Identifier: MIT
"""A folder of MetaStock files in, its daily bars and an account of every row out; what one file says is `reader`'s.

Files are read in chunks, each of which becomes a part (see `file_cache`). What is in a part is not read again while its
file is unchanged, so that the next import reads what was added or changed. The bars are merged from the parts one range
of symbols at a time: memory does not grow with the number of files, only with the largest file and the longest series.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from ttapi_pipeline.core.collection import ProgressCallback, no_progress
from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.metastock.binary import INDEX_NAMES, Security, data_file_number, is_index, read_index
from ttapi_pipeline.metastock.file_cache import KNOWN, Parts, PartsInFolder, PartsInMemory, reading_key
from ttapi_pipeline.metastock.fingerprint import FileFact, list_files
from ttapi_pipeline.metastock.layout import Layout
from ttapi_pipeline.metastock.reader import (
    BARS,
    CONTENTS,
    DEFAULT_OPTIONS,
    REJECTED_ROWS,
    ROWS,
    Candidate,
    FilesRead,
    ImportOptions,
    Symbols,
    look_at,
    printable,
    read_files,
)
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.lock import locked
from ttapi_pipeline.tables.sorting import sort_keys

REJECTS: Final = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.UInt32(),
        "symbol": pl.String(),
        "reason": pl.String(),
        "raw": pl.String(),
    }
)
"""One row per row that was not kept: 1-based line (null: the whole file), the file's ticker, the text."""

FILES: Final = pl.Schema(
    {
        "file": pl.String(),
        "dialect": pl.String(),
        "rows_read": pl.UInt32(),
        "rows_kept": pl.UInt32(),
        "duplicates": pl.UInt32(),
        "rejected": pl.UInt32(),
    }
)
"""One row per file, by name; rows_read = rows_kept + duplicates + rejected."""

SymbolRange = tuple[str, str | None]
"""Symbols from the first up to, and without, the second; None is the end."""

_CHUNK_BYTES: Final = 64 << 20
"""Text that is read at a time: about a million rows, 200 MB in memory."""

_READERS: Final = 2
"""So many chunks are read at once, while another is stored."""

_CAREFUL_CHUNK_BYTES: Final = 16 << 20
"""The same for files that are read line by line, which takes more memory."""

_RANGE_ROWS: Final = 1 << 20
_RANGE_SYMBOLS: Final = 128
"""Of a range on average; most ranges hold a few hundred thousand rows, and one changed file costs that many."""

_MOST_SMALL_PARTS: Final = 16


@dataclass(frozen=True, slots=True)
class FolderImport:
    """What a folder gave, and what became of each of its rows.

    Attributes:
        bars: Schema BARS, sorted by symbol and session, unique; streamed from the parts, which stay as they are until
            the next import.
        rejects: Schema REJECTS, by file and line.
        files: Schema FILES. A file that cannot be read counts as one row, which is rejected.
        symbols: Canonical symbol of each source spelling, those of files without rows included.
        rows_per_symbol: symbol and rows, duplicates included, by symbol; symbols without rows have 0.
        extra_values: Rows that have more values than the header has fields, per file; the values are dropped.
        warnings: Other oddities in words: a file name that disagrees with its ticker, two spellings of one symbol,
            unknown fields.
        files_read: How many files were read; the others were known.
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
    _merge: _Merge

    @property
    def bars(self) -> pl.LazyFrame:
        return self._merge.scan(self.ranges())

    def ranges(self, *, others: pl.DataFrame | None = None, most_rows: int | None = None) -> Sequence[SymbolRange]:
        """Cut all symbols into ranges of so many rows at most, or of one symbol that has more.

        Where a range begins depends on the name of its first symbol, unless it would grow too long, so that what
        changes about one symbol moves no other range.

        Args:
            others: Another source's symbol and rows, to be counted in.
            most_rows: Of a range.
        """
        most = _RANGE_ROWS if most_rows is None else most_rows
        rows = self.rows_per_symbol if others is None else pl.concat([self.rows_per_symbol, others])
        rows = rows.group_by("symbol").agg(pl.col("rows").sum()).sort("symbol")
        cuts, total = [""], 0
        for symbol, count in rows.iter_rows():
            if total and (total + count > most or crc32(symbol.encode()) % _RANGE_SYMBOLS == 0):
                cuts.append(symbol)
                total = 0
            total += count
        return list(zip(cuts, [*cuts[1:], None], strict=True))

    def versions(self, ranges: Sequence[SymbolRange]) -> Sequence[str]:
        """What stands for the bars of each range: it changes when one of the files that they are from does."""
        return self._merge.versions([start for start, _ in ranges])

    def read(self, symbols: SymbolRange, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The bars of a range of symbols, sorted by symbol and session.

        Args:
            symbols: The range.
            columns: Some columns of BARS, or `file`, which is the position in `files` of the file that a bar is from.
        """
        return self._merge.read(symbols, BARS.names() if columns is None else columns)


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
    duplicates. Only daily rows are kept. The result does not depend on what was known before.

    Args:
        folder: Read recursively, without hidden files.
        cache: Where parts are kept from one import to the next; without it they are in memory.
        symbol_map: Canonical symbol per ticker as the files spell it; goes before the rules of symbology.
        options: What the files do not say.
        by_content: A file is known by its SHA-256 instead of its size and time of change; every file is read for that.
        progress: Told how many files are read, of those that have to be.

    Raises:
        StorageError: The folder is missing or cannot be read, or the cache cannot be written. What is wrong with one
            file is in `rejects`.
        LockTimeoutError: Another process is importing.
    """
    names = {} if symbol_map is None else symbol_map
    if cache is None:
        return _Import(folder, PartsInMemory(), names, options, by_content=by_content).run(progress)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(cache, error) from error
    with locked(cache, "import"):
        parts = PartsInFolder(cache, names, options)
        return _Import(folder, parts, names, options, by_content=by_content).run(progress)


@dataclass(frozen=True, slots=True)
class FolderPreview:
    """What an import of a folder would give.

    Attributes:
        dialects: One row per dialect: dialect, files, bytes, files_read, rows and rejected. Where not all files were
            read, rows and rejected are estimates, by the share of the bytes that was.
        reasons: What is wrong with rejected rows, the most frequent first: reason, rows and an example, of the files
            that were read.
        symbols: Canonical symbols that were seen, by symbol.
        first: Earliest session that was seen; None without any.
        last: Latest one.
        is_complete: Whether every file was read to its end.
    """

    dialects: pl.DataFrame
    reasons: pl.DataFrame
    symbols: Sequence[str]
    first: date | None
    last: date | None
    is_complete: bool


def preview_folder(
    folder: Path,
    *,
    symbol_map: Mapping[str, str] | None = None,
    options: ImportOptions = DEFAULT_OPTIONS,
    most_bytes: int = 192 << 20,
) -> FolderPreview:
    """Look at every file below a folder and read some of each layout; nothing is written.

    Args:
        folder: Read recursively, without hidden files.
        symbol_map: See `import_folder`.
        options: Likewise.
        most_bytes: How much is read, evenly spread; all of it where there is no more.

    Raises:
        StorageError: The folder is missing or cannot be read.
    """
    names = {} if symbol_map is None else symbol_map
    return _Import(folder, PartsInMemory(), names, options, by_content=False).preview(most_bytes)


@dataclass(slots=True)
class _Indexed:
    """What the index files of one folder say; `version` stands for their content."""

    version: str = ""
    securities: dict[int, Security] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


class _Import:
    """One run over a folder."""

    def __init__(
        self,
        folder: Path,
        parts: Parts,
        symbol_map: Mapping[str, str],
        options: ImportOptions,
        *,
        by_content: bool,
    ) -> None:
        self._folder = folder
        self._parts = parts
        self._options = options
        self._symbols = Symbols(symbol_map, options.exchange_suffixes)
        self._reading_key = reading_key(symbol_map, options)
        self._by_content = by_content
        self._facts = list_files(folder)
        self._hashes = {fact.name: self._sha256(fact) if by_content else None for fact in self._facts}
        self._indexed = self._read_indexes()

    def run(self, progress: ProgressCallback) -> FolderImport:
        wanted = self._wanted()
        known = self._known(wanted)
        fresh = [self._facts[rank] for rank in self._ranks_without(known)]
        done = 0
        progress(done, len(fresh))
        # The next ones are read while a chunk is stored.
        for chunk, read in map_in_order(self._read, self._chunks(fresh), workers=_READERS):
            self._parts.add(read, self._known_files(chunk, read, wanted))
            done += len(chunk)
            progress(done, len(fresh))
        if fresh:
            known = self._known(wanted)
        known = self._tidied(known, wanted)
        return self._result(known, files_read=len(fresh))

    def _read(self, chunk: Sequence[Candidate]) -> tuple[Sequence[Candidate], FilesRead]:
        return chunk, read_files(self._folder, chunk, self._symbols, self._options)

    def preview(self, most_bytes: int) -> FolderPreview:
        groups = self._by_layout(self._facts)
        total = sum(fact.size for fact in self._facts)
        share = min(1.0, most_bytes / total) if total else 1.0
        dialects, reasons = [pl.DataFrame(schema=_PREVIEW)], [pl.DataFrame(schema=_REASONS)]
        symbols: set[str] = set()
        sessions: list[date | None] = []
        for layout, candidates in groups.items():
            sample = _evenly(candidates, share)
            read_bytes = sum(each.fact.size for each in sample)
            factor = sum(each.fact.size for each in candidates) / read_bytes if read_bytes else 1.0
            spelled = {self._symbols.canonical(each.ticker) for each in candidates if layout is not None}
            symbols.update(symbol for symbol in spelled if symbol is not None)
            for chunk in _cut(sample, _CAREFUL_CHUNK_BYTES if layout is None else _CHUNK_BYTES):
                read = read_files(self._folder, chunk, self._symbols, self._options)
                symbols.update(read.contents["symbol"])
                sessions.extend(read.rows.select(pl.min("session"), last=pl.max("session")).row(0))
                sizes = pl.Series("bytes", [each.fact.size for each in chunk], dtype=pl.Int64)
                dialects.append(
                    read.accounts.with_columns(sizes)
                    .group_by("dialect")
                    .agg(
                        # The layouts' files are counted below, whether they were read or not.
                        files=pl.len().cast(pl.Int64) * (layout is None),
                        bytes=pl.col("bytes").sum() * (layout is None),
                        files_read=pl.len().cast(pl.Int64),
                        rows=(pl.col("rows_read").sum() * factor).round().cast(pl.Int64),
                        rejected=(pl.col("rejected").sum() * factor).round().cast(pl.Int64),
                    )
                    .select(_PREVIEW.names())
                )
                names = pl.Series([printable(each.fact.name) for each in chunk])
                place = pl.format("{}, line {}", pl.lit(names).gather(pl.col("file")), pl.col("line").fill_null(0))
                reasons.append(read.rejects.select("reason", rows=pl.lit(1, pl.Int64), example=place))
            if layout is not None:
                row = (layout.dialect, len(candidates), sum(each.fact.size for each in candidates), 0, 0, 0)
                dialects.append(pl.DataFrame([row], schema=_PREVIEW, orient="row"))
        known = [session for session in sessions if session is not None]
        return FolderPreview(
            dialects=pl.concat(dialects).group_by("dialect").agg(pl.all().sum()).sort("dialect"),
            reasons=pl.concat(reasons)
            .group_by("reason", maintain_order=True)
            .agg(pl.col("rows").sum(), pl.col("example").first())
            .sort("rows", "reason", descending=[True, False]),
            symbols=sorted(symbols),
            first=min(known, default=None),
            last=max(known, default=None),
            is_complete=share == 1.0,
        )

    def _wanted(self) -> pl.DataFrame:
        """What identifies each file now, with its rank by name."""
        return pl.DataFrame(
            {
                "name": [os.fsencode(fact.name) for fact in self._facts],
                "size": [fact.size for fact in self._facts],
                "mtime_ns": [fact.mtime_ns for fact in self._facts],
                "sha256": list(self._hashes.values()),
                "index": [self._index_of(fact) for fact in self._facts],
            },
            schema={name: KNOWN[name] for name in _IDENTITY},
        ).with_row_index("rank")

    def _sha256(self, fact: FileFact) -> str | None:
        digest = hashlib.sha256()
        try:
            with (self._folder / fact.name).open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        except OSError:  # the reader says so
            return None
        return digest.hexdigest()

    def _known(self, wanted: pl.DataFrame) -> pl.DataFrame:
        """The files of the folder that are in a part, with part, position there and rank; the newest part counts."""
        identity = ["name", "index", "sha256"] if self._by_content else ["name", "index", "size", "mtime_ns"]
        parts = [self._parts.piece(part, "known").with_columns(part=pl.lit(part)) for part in self._parts.names()]
        known = pl.concat([pl.DataFrame(schema={**KNOWN, "part": pl.String()}), *parts])
        return (
            known.join(wanted.select("rank", *identity, changed="mtime_ns"), on=identity)
            .unique("rank", keep="last", maintain_order=True)
            .sort("rank")
            # A file that is known by its content may have been touched, which its bars tell in `fetched_at`.
            .with_columns(mtime_ns="changed")
            .drop("changed")
        )

    def _ranks_without(self, known: pl.DataFrame) -> Sequence[int]:
        return sorted(set(range(len(self._facts))) - set(known["rank"]))

    def _chunks(self, facts: Sequence[FileFact]) -> Iterator[Sequence[Candidate]]:
        """Files to be read together: of one layout, in the order of their symbols, so that the rows come out sorted."""
        for layout, candidates in self._by_layout(facts).items():
            candidates.sort(key=lambda candidate: (self._symbols.canonical(candidate.ticker) or "", candidate.fact))
            yield from _cut(candidates, _CAREFUL_CHUNK_BYTES if layout is None else _CHUNK_BYTES)

    def _by_layout(self, facts: Sequence[FileFact]) -> Mapping[Layout | None, list[Candidate]]:
        """Files that are scanned together; None has those that are read one by one."""
        by_layout: dict[Layout | None, list[Candidate]] = {}
        for fact in facts:
            candidate = self._binary(fact) or look_at(self._folder, fact, self._options)
            by_layout.setdefault(candidate.layout, []).append(candidate)
        return by_layout

    def _read_indexes(self) -> Mapping[str, _Indexed]:
        """What the index files of each folder say of its binary data files."""
        found: dict[str, _Indexed] = {}
        order = {name: rank for rank, name in enumerate(INDEX_NAMES)}
        indexes = [fact for fact in self._facts if is_index(_split(fact)[1])]
        for fact in sorted(indexes, key=lambda fact: order[_split(fact)[1].upper()]):
            indexed = found.setdefault(_split(fact)[0], _Indexed())
            indexed.version += f"{fact.name} {self._hashes[fact.name] or (fact.size, fact.mtime_ns)}\n"
            try:
                indexed.securities.update(read_index(self._folder / fact.name))
            except InvalidFormatError as error:
                indexed.faults[fact.name] = f"it is no binary MetaStock index: {error}"
            except OSError as error:
                indexed.faults[fact.name] = f"it cannot be read: {error.strerror or error}"
        return found

    def _index_of(self, fact: FileFact) -> str:
        """Stands for the index files that a data file depends on; empty for any other file."""
        folder, name = _split(fact)
        is_indexed = folder in self._indexed and data_file_number(name) is not None
        return hashlib.sha256(os.fsencode(self._indexed[folder].version)).hexdigest() if is_indexed else ""

    def _binary(self, fact: FileFact) -> Candidate | None:
        """A file of a binary folder; None for one that belongs to none."""
        folder, name = _split(fact)
        if folder not in self._indexed:
            return None
        indexed = self._indexed[folder]
        if is_index(name):
            return Candidate(fact, None, "", indexed.faults.get(fact.name), is_index=True)
        if name.upper().endswith(".DOP"):
            # The names of an F file's columns, which its index gives as well.
            return Candidate(fact, None, "", is_index=True)
        number = data_file_number(name)
        if number is None:
            return None
        security = indexed.securities.get(number)
        if security is None:
            return Candidate(fact, None, "", "no index file of its folder names it")
        return Candidate(fact, None, security.ticker, security=security)

    def _known_files(self, chunk: Sequence[Candidate], read: FilesRead, wanted: pl.DataFrame) -> pl.DataFrame:
        names = pl.DataFrame({"name": [os.fsencode(each.fact.name) for each in chunk]}, schema={"name": pl.Binary()})
        identities = names.join(wanted, on="name", how="left", maintain_order="left")
        return pl.concat([identities.select(_IDENTITY), read.accounts], how="horizontal").select(KNOWN.names())

    def _tidied(self, known: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
        """Remove parts of which nothing is left, and put small ones together when they are many."""
        names = self._parts.names()
        in_use = set(known["part"].unique())
        self._parts.remove([part for part in names if part not in in_use])
        sizes = dict(known.group_by("part").agg(pl.col("size").sum()).iter_rows())
        small = [part for part in names if part in in_use and sizes[part] < _CHUNK_BYTES // 4]
        if len(small) <= _MOST_SMALL_PARTS:
            return known
        group: list[str] = []
        total = 0
        for part in small:
            if group and total + sizes[part] > _CHUNK_BYTES:
                self._put_together(group, known)
                group, total = [], 0
            group.append(part)
            total += sizes[part]
        self._put_together(group, known)
        return self._known(wanted)

    def _put_together(self, parts: Sequence[str], known: pl.DataFrame) -> None:
        files = known.filter(pl.col("part").is_in(parts)).with_row_index("new_file")
        pieces: dict[str, list[pl.DataFrame]] = {"rows": [], "contents": [], "rejects": []}
        for part in parts:
            positions = files.filter(part=part).select("file", "new_file")
            for piece, frames in pieces.items():
                frame = self._parts.rows(part).collect() if piece == "rows" else self._parts.piece(part, piece)
                kept = frame.join(positions, on="file", maintain_order="left")
                frames.append(kept.with_columns(file="new_file").select(frame.columns))
        accounts = files.with_columns(file="new_file")
        read = FilesRead(
            rows=pl.concat(pieces["rows"]).sort("symbol", "session", "file"),
            contents=pl.concat(pieces["contents"]),
            accounts=accounts,
            rejects=pl.concat(pieces["rejects"]),
        )
        self._parts.add(read, accounts.select(KNOWN.names()))
        self._parts.remove(parts)

    def _result(self, known: pl.DataFrame, *, files_read: int) -> FolderImport:
        merge = _Merge(self._parts, known, self._reading_key)
        contents = merge.contents
        names = pl.Series([printable(fact.name) for fact in self._facts], dtype=pl.String)
        files = known.join(merge.duplicates, on="rank", how="left", maintain_order="left").select(
            names.gather(known["rank"]).alias("file"),
            "dialect",
            "rows_read",
            "rejected",
            duplicates=pl.col("duplicates") + pl.col("lost").fill_null(0),
        )
        rejects = [
            self._parts.piece(part, "rejects")
            .join(positions.select("file", "rank"), on="file", maintain_order="left")
            .select(pl.lit(names).gather(pl.col("rank")).alias("file"), *REJECTED_ROWS.names()[1:])
            for (part,), positions in known.filter(pl.col("rejected") > 0).group_by("part", maintain_order=True)
        ]
        extra = known.filter(pl.col("extra_values") > 0)
        spellings = contents.select("spelling", "symbol").unique().sort("spelling")
        return FolderImport(
            rejects=pl.concat([pl.DataFrame(schema=REJECTS), *rejects]).sort("file", "line", maintain_order=True),
            files=files.select(
                "file",
                "dialect",
                "rows_read",
                (pl.col("rows_read") - pl.col("duplicates") - pl.col("rejected")).alias("rows_kept"),
                "duplicates",
                "rejected",
            ).select(pl.col(name).cast(dtype) for name, dtype in FILES.items()),
            symbols=dict(spellings.iter_rows()),
            rows_per_symbol=contents.group_by("symbol").agg(pl.col("rows").sum().cast(pl.Int64)).sort("symbol"),
            extra_values=dict(zip(names.gather(extra["rank"]), extra["extra_values"], strict=True)),
            warnings=(*_several_spellings(spellings), *known["warnings"].explode(empty_as_null=False)),
            files_read=files_read,
            written_at=pl.Series([fact.mtime_ns // 1_000 for fact in self._facts], dtype=pl.Int64).cast(
                pl.Datetime("us", "UTC")
            ),
            _merge=merge,
        )


class _Merge:
    """The rows of the files that are there now, out of the parts."""

    def __init__(self, parts: Parts, known: pl.DataFrame, reading_key: str) -> None:
        self._parts = parts
        self._known = known
        self._reading_key = reading_key
        self._files: dict[str, pl.DataFrame] = {
            part: files.select("file", "rank")
            for (part,), files in known.group_by("part", maintain_order=True)
            if isinstance(part, str)
        }
        self._ranks: dict[str, pl.Series] = {
            part: _by_position(files["file"], files["rank"]) for part, files in self._files.items()
        }
        self._has_dead: dict[str, bool] = {
            part: files.height < parts.piece(part, "known").height for part, files in self._files.items()
        }
        contents = [
            parts.piece(part, "contents").join(files, on="file").with_columns(part=pl.lit(part))
            for part, files in self._files.items()
        ]
        empty = pl.DataFrame(schema={**CONTENTS, "rank": pl.UInt32(), "part": pl.String()})
        self.contents: Final = pl.concat([empty, *contents])

    @cached_property
    def duplicates(self) -> pl.DataFrame:
        """How many rows of each file lose against a later file's: rank and lost. Most folders have none to look at."""
        shared = (
            self.contents.filter(pl.col("rows") > 0)
            .group_by("symbol")
            .agg(pl.col("rank").n_unique().alias("files"), pl.col("rows").sum().cast(pl.Int64))
            .filter(pl.col("files") > 1)
            .sort("symbol")
        )
        lost = [pl.DataFrame(schema={"rank": pl.UInt32(), "lost": pl.UInt32()})]
        total = pl.col("rows").cum_sum() // _RANGE_ROWS
        for (_,), symbols in shared.group_by(total.alias("range"), maintain_order=True):
            names = symbols["symbol"]
            rows = self._rows((names[0], None), ("symbol", "session"), only=names).sort("symbol", "session", "file")
            is_last = pl.struct("symbol", "session").ne_missing(pl.struct("symbol", "session").shift(-1))
            lost.append(rows.filter(~is_last).group_by(rank="file").agg(lost=pl.len()))
        return pl.concat(lost).group_by("rank").agg(pl.col("lost").sum())

    def versions(self, starts: Sequence[str]) -> Sequence[str]:
        """What stands for the rows from each of these symbols up to the next."""
        digests = [hashlib.sha256(self._reading_key.encode()) for _ in starts]
        facts = dict(zip(self._known["rank"], self._known.select(_IDENTITY).iter_rows(), strict=True))
        used = self.contents.filter(pl.col("rows") > 0).select("symbol", "rank").unique().sort("rank", "symbol")
        for symbol, rank in used.iter_rows():
            # A file of many symbols is in several ranges: the facts alone would say that they hold the same rows.
            digests[bisect_right(starts, symbol) - 1].update(repr((symbol, facts[rank])).encode())
        return [digest.hexdigest() for digest in digests]

    def scan(self, ranges: Sequence[SymbolRange]) -> pl.LazyFrame:
        """All bars, a range at a time."""

        def batches(
            with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
        ) -> Iterator[pl.DataFrame]:
            left = n_rows
            for symbols in ranges:
                frame = self.read(symbols, BARS.names() if with_columns is None else with_columns)
                frame = frame if left is None else frame.head(left)
                left = None if left is None else left - frame.height
                yield frame if predicate is None else frame.filter(predicate)
                if left == 0:
                    return

        return register_io_source(batches, schema=BARS, is_pure=True)

    def read(self, symbols: SymbolRange, columns: Sequence[str]) -> pl.DataFrame:
        rows = self._rows(symbols, columns)
        keys = sort_keys(rows)
        if (keys.diff() > 0).all():
            return rows[list(columns)]
        order = keys.arg_sort()
        if (keys.gather(order).diff() != 0).all():
            return rows.select(pl.col(columns).gather(order))
        rows = rows.with_columns(key=keys).sort("key", "file")
        return rows.filter(pl.col("key").ne_missing(pl.col("key").shift(-1))).select(columns)

    def _rows(self, symbols: SymbolRange, columns: Sequence[str], *, only: pl.Series | None = None) -> pl.DataFrame:
        """The rows of a range with the rank of their file, part after part."""
        start, stop = symbols
        if only is not None:
            stop = None
        is_inside = pl.col("symbol") >= start
        if stop is not None:
            is_inside &= pl.col("symbol") < stop
        if only is not None:
            is_inside &= pl.col("symbol").is_in(only.implode()) & (pl.col("symbol") <= only[-1])
        parts = self.contents.filter(is_inside, pl.col("rows") > 0).group_by("part").agg(pl.col("symbol").min())
        frames = [pl.DataFrame(schema=ROWS).select(_with_keys(columns))]
        queries = []
        names = parts.sort("symbol", "part")["part"].to_list()
        for part in names:
            rows = self._parts.rows(part).filter(is_inside)
            if self._has_dead[part]:
                rows = rows.filter(pl.col("file").is_in(self._files[part]["file"].implode()))
            queries.append(rows.select(_with_keys(columns)))
        for part, frame in zip(names, pl.collect_all(queries), strict=True):
            frames.append(frame.with_columns(file=self._ranks[part].gather(frame["file"])))
        return pl.concat(frames)


def _by_position(positions: pl.Series, values: pl.Series) -> pl.Series:
    """The value of each position, to be gathered; positions without one hold anything."""
    table = np.zeros(0 if positions.is_empty() else positions.to_numpy().max() + 1, dtype=np.uint32)
    table[positions.to_numpy()] = values.to_numpy()
    return pl.Series(table)


_IDENTITY: Final = ("name", "size", "mtime_ns", "sha256", "index")


def _with_keys(columns: Sequence[str]) -> list[str]:
    return [name for name in ROWS.names() if name in columns or name in {"symbol", "session", "file"}]


_PREVIEW: Final = pl.Schema(
    {
        "dialect": pl.String(),
        "files": pl.Int64(),
        "bytes": pl.Int64(),
        "files_read": pl.Int64(),
        "rows": pl.Int64(),
        "rejected": pl.Int64(),
    }
)
_REASONS: Final = pl.Schema({"reason": pl.String(), "rows": pl.Int64(), "example": pl.String()})


def _evenly(candidates: Sequence[Candidate], share: float) -> Sequence[Candidate]:
    """About that share of the files, at least one, from all over."""
    count = max(1, round(len(candidates) * share))
    return [candidates[index * len(candidates) // count] for index in range(count)]


def _split(fact: FileFact) -> tuple[str, str]:
    """Folder and name of a file."""
    folder, _, name = fact.name.rpartition("/")
    return folder, name


def _cut(candidates: Sequence[Candidate], most_bytes: int) -> Iterator[Sequence[Candidate]]:
    chunk: list[Candidate] = []
    total = 0
    for candidate in candidates:
        if chunk and total + candidate.fact.size > most_bytes:
            yield chunk
            chunk, total = [], 0
        chunk.append(candidate)
        total += candidate.fact.size
    if chunk:
        yield chunk


def _several_spellings(spellings: pl.DataFrame) -> Iterator[str]:
    several = (
        spellings.group_by("symbol", maintain_order=True).agg("spelling").filter(pl.col("spelling").list.len() > 1)
    )
    for symbol, names in several.sort("symbol").iter_rows():
        yield f"{symbol} is spelled in several ways, which are read as one symbol: {', '.join(names)}"
