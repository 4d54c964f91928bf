# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Cells of `tt show SYMBOL` as text, and the largest of some tables that a terminal has room for."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


def fitting(tables: Sequence[Table], console: Console, width: int) -> Table:
    """The first of some tables that a terminal of this width has room for; if none, the last, which is the smallest."""
    return next((table for table in tables if _needed(table, console) <= width), tables[-1])


def _needed(table: Table, console: Console) -> int:
    """The least width of a table; words at the end of a row may go on in the next line."""
    words = table.columns[-1]
    words.max_width = words.min_width
    # Columns that may not wrap count as a whole only while there is room for them.
    needed = Measurement.get(console, console.options.update(max_width=1_000), table).maximum
    words.max_width = None
    return needed


def named_table(title: str) -> Table:
    """A table with a title and a line below its head."""
    return Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold", padding=(0, 1)
    )


def in_words(reason: str | None) -> str:
    """A reason of a table in words; empty for none."""
    return "" if reason is None else reason.replace("_", " ")


def number(value: float | None) -> str:
    """With two digits; a dash for null."""
    return "–" if value is None else f"{value:.2f}"


def percent(value: float | None, *, digits: int = 1) -> str:
    """A fraction in percent; a dash for null."""
    return "–" if value is None else f"{value:.{digits}%}"


def points(value: float | None) -> str:
    """A fraction in percentage points with its sign; a dash for null."""
    return "–" if value is None else f"{value * 100:+.1f}".replace("-", "−")
