# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The newest sessions of a table that a spreadsheet opens. Whether they are wanted: see `core.csv_choice`."""

from __future__ import annotations

import polars as pl

from ttapi_pipeline.core.csv_choice import MOST_SHEET_ROWS

_SESSION = "session"


def recent_rows(table: pl.LazyFrame, *, most: int = MOST_SHEET_ROWS) -> tuple[pl.LazyFrame, int]:
    """As many of the newest sessions as a spreadsheet has rows for, each of them whole, and the number of their rows.

    Args:
        table: In the order of its file, which the rows keep.
        most: The most rows.

    Returns:
        The whole table where it has no more rows, or no column `session` to choose by.
    """
    rows = int(table.select(pl.len()).collect().item())
    if rows <= most or _SESSION not in table.collect_schema():
        return table, rows
    sessions = table.group_by(_SESSION).len().sort(_SESSION, descending=True).collect(engine="streaming")
    fitting = sessions.filter(pl.col("len").cast(pl.Int64).cum_sum() <= most)
    first = fitting[_SESSION].min()
    kept = table.filter(pl.col(_SESSION) >= first) if first is not None else table.clear()
    return kept, int(fitting["len"].sum())
