# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tells what an import of a folder would give, from a first look at all files and an import of some of each layout.

Nothing is written. `terminal.import_report` puts it in words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.extra_symbols import VARIABLE
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.candidates import Candidate, by_layout
from ttapi_pipeline.metastock.evidence import Scheme
from ttapi_pipeline.metastock.file_cache import MemoryCache
from ttapi_pipeline.metastock.fingerprint import FileFact
from ttapi_pipeline.metastock.folder import Folder
from ttapi_pipeline.metastock.identity import Symbols
from ttapi_pipeline.metastock.importer import FolderImport, import_files
from ttapi_pipeline.metastock.layout import Layout
from ttapi_pipeline.metastock.notices import absent_symbols, left_out_symbols
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions

_DIALECTS: Final = pl.Schema(
    {
        "dialect": pl.String(),
        "files": pl.Int64(),
        "bytes": pl.Int64(),
        "files_read": pl.Int64(),
        "rows": pl.Int64(),
        "duplicates": pl.Int64(),
        "rejected": pl.Int64(),
    }
)
NOT_READ: Final = "not read"
"""Stands for the dialect of a file that only reading would tell, and that is not in the sample."""

_REASONS: Final = pl.Schema({"reason": pl.String(), "rows": pl.Int64(), "example": pl.String()})


@dataclass(frozen=True, slots=True)
class FolderPreview:
    """What an import of a folder would give.

    Attributes:
        dialects: One row per dialect: dialect, files, bytes, files_read, rows, duplicates and rejected. Where not all
            files were read, the last three are estimates, by the share of the bytes that was read.
        reasons: Why rows are rejected, the most frequent reason first: reason, rows and an example, of the files that
            were read.
        lost: How many values of each field could not be believed, in rows that are kept of the files that were read.
        notices: Schema `notices.NOTICES`, of the files that were read.
        symbols: Canonical symbols that were seen, by symbol.
        first: Earliest session that was seen; None without any.
        last: Latest one.
        is_complete: Whether every file was read to its end.
    """

    dialects: pl.DataFrame
    reasons: pl.DataFrame
    lost: Mapping[str, int]
    notices: pl.DataFrame
    symbols: Sequence[str]
    first: date | None
    last: date | None
    is_complete: bool

    @property
    def has_losses(self) -> bool:
        """Whether a value is lost, a row is rejected or set aside, or a person should look at something."""
        return (
            bool(self.lost) or not self.reasons.is_empty() or self.notices["kind"].is_in(["warning", "conflict"]).any()
        )


def preview_folder(
    folder: Path,
    *,
    symbol_map: Mapping[str, str] | None = None,
    options: ImportOptions = DEFAULT_OPTIONS,
    today: date | None = None,
    universe: Collection[str] | None = None,
    extra: Collection[str] | None = None,
    most_bytes: int = limits.PREVIEW_BYTES,
) -> FolderPreview:
    """Look at every file below a folder and import some of each layout.

    Args:
        folder: Read recursively, without hidden files.
        symbol_map: See `import_folder`.
        options: Likewise.
        today: Likewise.
        universe: Symbols that the broker is asked about; others are named. None says nothing of it.
        extra: Symbols that are wanted besides the universe; None for all of them.
        most_bytes: How much is read, evenly spread over the files; everything where there is no more than that.

    Raises:
        StorageError: The folder is missing or cannot be read.
    """
    files = Folder(folder, options, by_content=False)
    # What is too large is not read, and says nothing of how much there is to read.
    total = sum(fact.size for fact in files.facts if fact.size <= limits.MOST_FILE_BYTES)
    is_complete = total <= most_bytes
    groups: Sequence[tuple[Layout | None, Sequence[Candidate]]] = ()
    sample = files.facts
    if not is_complete:
        groups = tuple(by_layout(files.candidates(files.facts)).items())
        sample = sorted(fact for _, group in groups for fact in _evenly(group, most_bytes / total))
    names = {} if symbol_map is None else symbol_map
    imported = import_files(files.part(sample), MemoryCache(), names, options, today=today)
    first, last = imported.bars.select(pl.min("session"), last=pl.max("session")).collect(engine="streaming").row(0)
    unknown = [] if universe is None else list(_outside(imported, universe, extra))
    return FolderPreview(
        dialects=_dialects(imported, sample, groups),
        reasons=_reasons(imported),
        lost=imported.lost,
        notices=pl.concat([imported.notices, *unknown]),
        symbols=_symbols(imported, groups, Symbols(names, options.exchange_suffixes)),
        first=first,
        last=last,
        is_complete=is_complete,
    )


def _outside(
    imported: FolderImport, universe: Collection[str], extra: Collection[str] | None
) -> Iterator[pl.DataFrame]:
    """Notices about symbols that are not in the universe, schema `notices.NOTICES`."""
    left_out: Sequence[str] = ()
    if extra is not None:
        found = imported.rows_per_symbol.filter(pl.col("rows") > 0)["symbol"].to_list()
        left_out = sorted(set(found).difference(universe, extra))
        yield left_out_symbols(left_out, None, VARIABLE)
        yield absent_symbols(set(extra).difference(universe), found, VARIABLE)
    yield imported.unknown_symbols([*universe, *left_out], "the universe")


def _dialects(
    imported: FolderImport, sample: Sequence[FileFact], groups: Sequence[tuple[Layout | None, Sequence[Candidate]]]
) -> pl.DataFrame:
    """Schema _DIALECTS.

    Args:
        imported: The files that were read.
        sample: These files, by name.
        groups: All files by layout, where only some were read.
    """
    counts = ("rows_read", "duplicates", "rejected")
    accounts = dict(zip(sample, imported.files.select("dialect", *counts).iter_rows(), strict=True))
    files: list[tuple[str, int, bool, float, float, float]] = []
    for layout, group in groups or [(None, [Candidate(fact, None, "") for fact in sample])]:
        size = sum(each.fact.size for each in group)
        factor = size / max(1, sum(each.fact.size for each in group if each.fact in accounts))
        for each in group:
            if each.fact in accounts:
                dialect, *rows = accounts[each.fact]
                files.append((dialect, each.fact.size, True, *(count * (factor if groups else 1.0) for count in rows)))
            else:
                # Of files that are scanned the first look has told the dialect.
                files.append((NOT_READ if layout is None else layout.dialect, each.fact.size, False, 0.0, 0.0, 0.0))
    schema = {"dialect": pl.String(), "bytes": pl.Int64(), "is_read": pl.Boolean()} | dict.fromkeys(
        counts, pl.Float64()
    )
    return (
        pl.DataFrame(files, schema=schema, orient="row")
        .group_by("dialect")
        .agg(
            pl.col("bytes").sum(),
            pl.col("duplicates", "rejected").sum().round().cast(pl.Int64),
            files=pl.len().cast(pl.Int64),
            files_read=pl.col("is_read").sum().cast(pl.Int64),
            rows=pl.col("rows_read").sum().round().cast(pl.Int64),
        )
        .select(_DIALECTS.names())
        .sort("dialect")
    )


def _symbols(
    imported: FolderImport, groups: Sequence[tuple[Layout | None, Sequence[Candidate]]], symbols: Symbols
) -> Sequence[str]:
    """The symbols of the files that were read, and of those of which the first look has told the ticker."""
    found = set(imported.rows_per_symbol["symbol"])
    schemes = {dialect: Scheme[name] for dialect, name in imported.schemes.select("dialect", "scheme").iter_rows()}
    for layout, group in groups:
        if layout is not None:
            scheme = schemes.get(layout.dialect, Scheme.PLAIN)
            found.update(filter(None, (_symbol(each.ticker, layout, scheme, symbols) for each in group)))
    return sorted(found)


def _symbol(spelling: str, layout: Layout, scheme: Scheme, symbols: Symbols) -> str | None:
    """The symbol of a file by the first look: its first ticker, or its name where rows have none."""
    if "ticker" in layout.columns:
        return symbols.symbol(spelling, scheme)
    return symbols.symbol_of_file(spelling, symbols.file_name(spelling, layout.dialect), scheme)[0]


def _reasons(imported: FolderImport) -> pl.DataFrame:
    place = pl.coalesce(pl.format("{}, line {}", "file", "line"), "file")
    return (
        imported.rejects.group_by("reason", maintain_order=True)
        .agg(pl.col("rows").cast(pl.Int64).sum(), example=place.first())
        .select(_REASONS.names())
        .sort("rows", "reason", descending=[True, False])
    )


def _evenly(candidates: Sequence[Candidate], share: float) -> Sequence[FileFact]:
    """About that share of the files, at least one, from all over."""
    count = max(1, round(len(candidates) * share))
    return [candidates[index * len(candidates) // count].fact for index in range(count)]
