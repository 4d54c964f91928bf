# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The report of `tt import --dry-run`: what an import of a MetaStock folder would give.

The folder is examined in `metastock.preview`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

from ttapi_pipeline.metastock.preview import FolderPreview
from ttapi_pipeline.terminal.symbol_cells import fitting

_MOST_REASONS: Final = 20
_MOST_NOTICES: Final = 40

_HEADINGS: Final = {
    "conflict": "tickers that lead to one symbol",
    "warning": "to look at",
    "left out": "left out",
    "assumption": "assumed",
}
"""What stands above the notices of each kind."""


_COLUMNS: Final = (
    ("files", "MB", "read", "rows", "duplicates", "rejected"),
    ("files", "rows", "duplicates", "rejected"),
)
"""What is said of each dialect, on wide and on narrow terminals."""


@dataclass(frozen=True, slots=True)
class _Files:
    """A row per dialect, with the columns that the terminal has room for."""

    dialects: pl.DataFrame

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield fitting([self._table(columns) for columns in _COLUMNS], console, options.max_width)

    def _table(self, columns: Sequence[str]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        table.add_column("dialect", no_wrap=True)
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
        for dialect, count, size, *rows in self.dialects.iter_rows():
            numbers = dict(zip(("read", "rows", "duplicates", "rejected"), (f"{each:,}" for each in rows), strict=True))
            cells = {"files": f"{count:,}", "MB": f"{size / 1e6:,.1f}", **numbers}
            table.add_row(dialect, *(cells[name] for name in columns))
        return table


def import_report(preview: FolderPreview) -> RenderableType:
    """Files and rows per dialect, symbols, first and last session, reasons for rejected rows, and what was assumed."""
    lines: list[RenderableType] = [Text(_headline(preview)), _Files(preview.dialects)]
    if not preview.reasons.is_empty():
        reasons = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        reasons.add_column("rejected", justify="right", no_wrap=True)
        reasons.add_column("reason", overflow="fold")
        reasons.add_column("for example", overflow="fold")
        for reason, rows, example in preview.reasons.head(_MOST_REASONS).iter_rows():
            reasons.add_row(f"{rows:,}", Text(reason), Text(example))
        lines.append(reasons)
        if preview.reasons.height > _MOST_REASONS:
            lines.append(Text(f"and {preview.reasons.height - _MOST_REASONS} other reasons"))
    if preview.lost:
        fields = ", ".join(f"{name} {count:,}" for name, count in preview.lost.items())
        lines.append(Text(f"values that cannot be believed, null in rows that are kept: {fields}"))
    for kind, heading in _HEADINGS.items():
        told = preview.notices.filter(kind=kind)["notice"]
        if told.is_empty():
            continue
        notices = Table(Column(heading, overflow="fold"), box=box.SIMPLE_HEAD, pad_edge=False)
        for notice in told.head(_MOST_NOTICES):
            notices.add_row(Text(notice))
        lines.append(notices)
        if len(told) > _MOST_NOTICES:
            lines.append(Text(f"and {len(told) - _MOST_NOTICES:,} others, which --json names"))
    lines.append(Text("nothing was written"))
    return Group(*lines)


def import_document(preview: FolderPreview) -> dict[str, Any]:
    """The report as plain values for JSON, with every reason; sessions are ISO dates, null for no rows."""
    return {
        "is_complete": preview.is_complete,
        "first_session": preview.first and preview.first.isoformat(),
        "last_session": preview.last and preview.last.isoformat(),
        "symbols": list(preview.symbols),
        "dialects": preview.dialects.to_dicts(),
        "reasons": preview.reasons.to_dicts(),
        "lost": dict(preview.lost),
        "notices": preview.notices.to_dicts(),
        "has_losses": preview.has_losses,
    }


def _headline(preview: FolderPreview) -> str:
    totals = preview.dialects.sum()
    files, read, rows = (totals[name].item() or 0 for name in ("files", "files_read", "rows"))
    span = f", {preview.first} to {preview.last}" if preview.first and preview.last else ""
    sampled = "" if preview.is_complete else f"; rows and rejects are estimates from {read:,} files read"
    about = "" if preview.is_complete else "about "
    return f"{files:,} files, {about}{rows:,} rows, {len(preview.symbols):,} symbols{span}{sampled}"
