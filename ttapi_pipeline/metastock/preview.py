# SPDX-License-Identifier: MIT
"""Tells what an import of a folder would give, from a first look at all files and from reading some of each layout.

Nothing is written. `terminal.import_report` puts it in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.candidates import Candidate, by_layout, cut
from ttapi_pipeline.metastock.fingerprint import printable
from ttapi_pipeline.metastock.folder import Folder
from ttapi_pipeline.metastock.frames import FilesRead
from ttapi_pipeline.metastock.identity import Symbols
from ttapi_pipeline.metastock.layout import Layout
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions
from ttapi_pipeline.metastock.reader import read_files

_DIALECTS: Final = pl.Schema(
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


@dataclass(frozen=True, slots=True)
class FolderPreview:
    """What an import of a folder would give.

    Attributes:
        dialects: One row per dialect: dialect, files, bytes, files_read, rows and rejected. Where not all files were
            read, rows and rejected are estimates, by the share of the bytes that was read.
        reasons: Why rows are rejected, the most frequent reason first: reason, rows and an example, of the files that
            were read.
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
    most_bytes: int = limits.PREVIEW_BYTES,
) -> FolderPreview:
    """Look at every file below a folder and read some of each layout.

    Args:
        folder: Read recursively, without hidden files.
        symbol_map: See `import_folder`.
        options: Likewise.
        most_bytes: How much is read, evenly spread over the files; everything where there is no more than that.

    Raises:
        StorageError: The folder is missing or cannot be read.
    """
    files = Folder(folder, options, by_content=False)
    total = sum(fact.size for fact in files.facts)
    share = min(1.0, most_bytes / total) if total else 1.0
    seen = _Seen(folder, Symbols({} if symbol_map is None else symbol_map, options.exchange_suffixes), options)
    for layout, candidates in by_layout(files.candidates(files.facts)).items():
        seen.look(layout, candidates, share)
    return seen.preview(is_complete=share == 1.0)


class _Seen:
    """What has been seen of a folder so far."""

    def __init__(self, folder: Path, symbols: Symbols, options: ImportOptions) -> None:
        self._folder = folder
        self._symbols = symbols
        self._options = options
        self._dialects = [pl.DataFrame(schema=_DIALECTS)]
        self._reasons = [pl.DataFrame(schema=_REASONS)]
        self._names: set[str] = set()
        self._sessions: list[date | None] = []

    def look(self, layout: Layout | None, candidates: Sequence[Candidate], share: float) -> None:
        """Count the files of one layout, and read about that share of them."""
        sample = _evenly(candidates, share)
        size, read_bytes = _bytes(candidates), _bytes(sample)
        factor = size / read_bytes if read_bytes else 1.0
        if layout is not None:
            # Of files that are scanned the first look has told dialect and ticker, whether they are read or not.
            symbols = {self._symbols.canonical(each.ticker) for each in candidates}
            self._names.update(symbol for symbol in symbols if symbol is not None)
            counted = (layout.dialect, len(candidates), size, 0, 0, 0)
            self._dialects.append(pl.DataFrame([counted], schema=_DIALECTS, orient="row"))
        for batch in cut(layout, sample):
            read = read_files(self._folder, batch, self._symbols, self._options)
            self._names.update(read.contents["symbol"])
            self._sessions.extend(read.rows.select(pl.min("session"), last=pl.max("session")).row(0))
            self._dialects.append(_dialects(batch, read, factor, is_counted=layout is not None))
            self._reasons.append(_reasons(batch, read))

    def preview(self, *, is_complete: bool) -> FolderPreview:
        """Put together what has been seen."""
        sessions = [session for session in self._sessions if session is not None]
        return FolderPreview(
            dialects=pl.concat(self._dialects).group_by("dialect").agg(pl.all().sum()).sort("dialect"),
            reasons=pl.concat(self._reasons)
            .group_by("reason", maintain_order=True)
            .agg(pl.col("rows").sum(), pl.col("example").first())
            .sort("rows", "reason", descending=[True, False]),
            symbols=sorted(self._names),
            first=min(sessions, default=None),
            last=max(sessions, default=None),
            is_complete=is_complete,
        )


def _dialects(batch: Sequence[Candidate], read: FilesRead, factor: float, *, is_counted: bool) -> pl.DataFrame:
    """Counts per dialect of a batch; files and bytes are 0 where the files have been counted before."""
    sizes = pl.Series("bytes", [each.fact.size for each in batch], dtype=pl.Int64)
    return (
        read.accounts.with_columns(sizes)
        .group_by("dialect")
        .agg(
            files=pl.len().cast(pl.Int64) * (not is_counted),
            bytes=pl.col("bytes").sum() * (not is_counted),
            files_read=pl.len().cast(pl.Int64),
            rows=(pl.col("rows_read").sum() * factor).round().cast(pl.Int64),
            rejected=(pl.col("rejected").sum() * factor).round().cast(pl.Int64),
        )
        .select(_DIALECTS.names())
    )


def _reasons(batch: Sequence[Candidate], read: FilesRead) -> pl.DataFrame:
    names = pl.Series([printable(each.fact.name) for each in batch])
    place = pl.format("{}, line {}", pl.lit(names).gather(pl.col("file")), pl.col("line").fill_null(0))
    return read.rejects.select("reason", rows=pl.lit(1, pl.Int64), example=place)


def _bytes(candidates: Sequence[Candidate]) -> int:
    return sum(each.fact.size for each in candidates)


def _evenly(candidates: Sequence[Candidate], share: float) -> Sequence[Candidate]:
    """About that share of the files, at least one, from all over."""
    count = max(1, round(len(candidates) * share))
    return [candidates[index * len(candidates) // count] for index in range(count)]
