# SPDX-License-Identifier: MIT
"""The report of `tt import --dry-run`: what an import of a MetaStock folder would give.

The folder is examined in `metastock.preview`.
"""

from __future__ import annotations

from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ttapi_pipeline.metastock.preview import FolderPreview

_MOST_REASONS: Final = 20


def import_report(preview: FolderPreview) -> RenderableType:
    """Files and rows per dialect, symbols, first and last session, and the commonest reasons for rejected rows."""
    files = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    files.add_column("dialect", no_wrap=True)
    for name in ("files", "MB", "read", "rows", "rejected"):
        files.add_column(name, justify="right", no_wrap=True)
    for dialect, count, size, read, rows, rejected in preview.dialects.iter_rows():
        files.add_row(dialect, f"{count:,}", f"{size / 1e6:,.1f}", f"{read:,}", f"{rows:,}", f"{rejected:,}")
    lines: list[RenderableType] = [Text(_headline(preview)), files]
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
    }


def _headline(preview: FolderPreview) -> str:
    totals = preview.dialects.sum()
    files, read, rows = (totals[name].item() or 0 for name in ("files", "files_read", "rows"))
    span = f", {preview.first} to {preview.last}" if preview.first and preview.last else ""
    sampled = "" if preview.is_complete else f"; rows and rejects are estimates from {read:,} files read"
    about = "" if preview.is_complete else "about "
    return f"{files:,} files, {about}{rows:,} rows, {len(preview.symbols):,} symbols{span}{sampled}"
