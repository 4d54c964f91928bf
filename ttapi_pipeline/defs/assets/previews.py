# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The preview of a stored table in the web UI: its extreme rows, as a Markdown table."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import dagster as dg
import polars as pl

from ttapi_pipeline.datasets.dataset import Preview

SHOWN_ROWS: Final = 10
_SHOWN_COLUMNS: Final = 8
"""Of a table that declares none: as many as the window of the web UI has room for."""
_LONGEST_CELL: Final = 60
_WHOLE_FROM: Final = 1e5
"""Numbers from here on are shown without decimals."""


def preview(frame: pl.LazyFrame, declared: Preview | None) -> dg.MetadataValue[Any]:
    """Some rows as a Markdown table under a sentence that says which they are.

    Args:
        frame: The stored rows.
        declared: Which rows and columns; None for rows at even distances, and the first columns.
    """
    if declared is None or declared.by is None:
        names = list(declared.columns) if declared is not None else frame.collect_schema().names()[:_SHOWN_COLUMNS]
        return _shown(*_spread(frame.select(names)))
    latest = ""
    if declared.latest is not None:
        day = frame.select(pl.col(declared.latest).max()).collect(engine="streaming").item()
        frame = frame.filter(pl.col(declared.latest) == pl.lit(day))
        latest = "" if day is None else f" with `{declared.latest}` {day}"
    rows, count = _extremes(frame.select(declared.columns), declared.by)
    which = "by" if rows.height == count else "with the highest and the lowest"
    first, *others = (name for name in declared.columns if name != declared.by)
    # At 1,280 pixels the last columns are cut off.
    rows = rows.select(first, declared.by, *others)
    return _shown(rows, f"{rows.height} of {count:,} rows{latest}, {which} `{declared.by}`")


def _extremes(frame: pl.LazyFrame, by: str) -> tuple[pl.DataFrame, int]:
    """The rows with the highest and the lowest values, highest first; and how many rows have one."""
    known = frame.filter(pl.col(by).is_not_null())
    count = int(known.select(pl.len()).collect(engine="streaming").item())
    # Of rows that are equal by the column, always the same are shown.
    order = [by, *(name for name in frame.collect_schema().names() if name != by)]
    half = SHOWN_ROWS // 2
    if count <= SHOWN_ROWS:
        rows = known.collect()
    else:
        rows = pl.concat([known.top_k(half, by=order), known.bottom_k(half, by=order)]).collect(engine="streaming")
    return rows.sort(order, descending=True), count


def _spread(frame: pl.LazyFrame) -> tuple[pl.DataFrame, str]:
    """Rows at even distances: the first ones of a sorted table are all of one symbol."""
    count = int(frame.select(pl.len()).collect().item())
    rows = frame.gather_every(max(1, count // SHOWN_ROWS)).head(SHOWN_ROWS).collect(engine="streaming")
    return rows, f"{rows.height} of {count:,} rows, at even distances"


def _shown(rows: pl.DataFrame, sentence: str) -> dg.MetadataValue[Any]:
    lines = [_line(rows.columns), "|" + " --- |" * rows.width, *(_line(map(_cell, row)) for row in rows.iter_rows())]
    return dg.MetadataValue.md("\n".join([f"{sentence}:\n", *lines]))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            text = f"{value:,.0f}" if abs(value) >= _WHOLE_FROM else f"{value:.6g}"
        case datetime():
            text = f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            text = str(value)
    text = text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 3]}..."
    return text.replace("|", "\\|")
