# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows of a stored table as lines for a terminal of any width, for `tt show DATASET`. One symbol: see `show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.verdict import Verdict
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline.terminal.pen import Pen, wrapped
from ttapi_pipeline.terminal.table_cells import cells_of

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from ttapi_pipeline.storage.versions.reading import Version

ID_LETTERS: Final = 8
"""Of a version's id: enough to tell versions apart."""

CAUTIONS: Final = "cautions"
"""The column that says what is doubtful about a row. Where a shown row has one, it stands beside the key."""

_GAP: Final = 2
_SHARE: Final = 4
"""A column has at most this part of the width, so that a text leaves room for others; a longer one is cut."""

_NAMED_LINES: Final = 4
"""Lines for the names of columns that do not fit; a table has up to 127 columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTable:
    """Some rows of a stored table, and what is known of all of it.

    Attributes:
        schema: Of the table.
        rows: Those to show, with the columns to show, in order.
        chosen: Rows that meet the conditions, of which the shown ones are the first.
        stored: Rows of the whole table.
        verdict: On the dataset that the table is, or is published with.
        is_simulated: Whether any row is invented.
        data_version: Of the rows; ``unknown`` where no manifest says it.
        cautions: What is doubtful about subjects of the dataset, by subject.
        has_named_columns: Whether the user has named the columns.
        known: The instant that the table was asked for at, and the version that was known then; None for what is
            stored now.
    """

    schema: DatasetSchema
    rows: pl.DataFrame
    chosen: int
    stored: int
    verdict: Verdict
    is_simulated: bool
    data_version: str
    cautions: Mapping[str, str]
    has_named_columns: bool
    known: tuple[datetime, Version] | None = None


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that is laid out: its name in lines of at most `width` cells, cut at underscores, and its cells."""

    name: str
    titles: Sequence[str]
    cells: Sequence[str]
    width: int
    is_right: bool

    def padded(self, text: str) -> str:
        spaces = " " * (self.width - cell_len(text))
        return spaces + text if self.is_right else text + spaces


def table_lines(table: ShownTable, pen: Pen) -> list[str]:
    """The lines: dataset with verdict, column names, rows, and what of the table is not shown.

    Columns that the width has no room for are left out from the right, and named below.
    """
    order = list(table.rows.columns) if table.has_named_columns else _ordered(table)
    rows, shown = row_lines(table.rows.select(order), pen)
    return [*_head(table, pen), *rows, *_foot(table, order, shown, pen)]


def row_lines(rows: pl.DataFrame, pen: Pen) -> tuple[list[str], int]:
    """Column names and rows as lines, and how many of the columns the width has room for, from the left."""
    columns = [_laid_out(values, pen) for values in rows]
    shown = _fitting(columns, pen.width)
    height = max((len(column.titles) for column in shown), default=0)
    lines = []
    for at in range(height):
        # Names stand on the line above the rows, and what does not fit there above that.
        titles = [[""] * (height - len(column.titles)) + list(column.titles) for column in shown]
        lines.append(pen.styled(_joined(shown, [each[at] for each in titles]), "1"))
    lines += [_joined(shown, [column.cells[at] for column in shown], pen) for at in range(rows.height)]
    return lines, len(shown)


def _ordered(table: ShownTable) -> list[str]:
    """The key, then cautions where a shown row has one, then the rest."""
    names = list(table.rows.columns)
    has_cautions = CAUTIONS in names and table.rows[CAUTIONS].null_count() < table.rows.height
    first = [*table.schema.key, *([CAUTIONS] if has_cautions else [])]
    return [name for name in first if name in names] + [name for name in names if name not in first]


def _laid_out(values: pl.Series, pen: Pen) -> _Column:
    rows = values.to_list()
    # A beginning of a text says something; of an instant, which is typed into other commands, it does not.
    widest = pen.width if values.dtype.is_temporal() else max(pen.width // _SHARE, 1)
    cells = [pen.cut(cell, widest) for cell in cells_of(rows, null=pen.glyphs.null)]
    words = values.name.replace("_", "_\n").split("\n")
    width = max([min(max(map(cell_len, words)), widest), *map(cell_len, cells)])
    titles = [""]
    for word in words:
        if len(titles[-1]) + len(word) <= width:
            titles[-1] += word
        else:
            titles.append(pen.cut(word, width))
    return _Column(values.name, [each for each in titles if each], cells, width, values.dtype.is_numeric())


def _fitting(columns: Sequence[_Column], width: int) -> list[_Column]:
    """As many as fit, from the left; at least one."""
    used, shown = -_GAP, list[_Column]()
    for column in columns:
        used += _GAP + column.width
        if shown and used > width:
            break
        shown.append(column)
    return shown


def _joined(columns: Sequence[_Column], texts: Sequence[str], pen: Pen | None = None) -> str:
    cells = []
    for column, text in zip(columns, texts, strict=True):
        padded = column.padded(text)
        if pen is not None and text != pen.glyphs.null and column.name == CAUTIONS:
            padded = pen.styled(padded, "33")
        cells.append(padded)
    return (" " * _GAP).join(cells).rstrip()


def known_words(instant: datetime, version: Version) -> str:
    """What was known at an instant, in words that go on from the name of a table."""
    return (
        f"as it was known at {instant.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S} in New York: "
        f"version {version.manifest.write_id[:ID_LETTERS]} of {version.known_at:%Y-%m-%d %H:%M:%S}Z"
    )


def _head(table: ShownTable, pen: Pen) -> list[str]:
    verdict = table.verdict
    of = "" if verdict.dataset == table.schema.name else f"published with {verdict.dataset}, "
    words = f"{table.schema.name}: {of}{'hit' if verdict.is_hit else 'miss'}, {verdict.reason}"
    if table.known is not None:
        words = f"{table.schema.name} {known_words(*table.known)}"
    mark = "   SIMULATED DATA" if table.is_simulated else ""
    if cell_len(words + mark) <= pen.width:
        return [pen.styled(words, "1") + pen.styled(mark, "1;33"), ""]
    lines = [pen.styled(line, "1") for line in wrapped(one_line(words), pen.width)]
    return [*lines, *([pen.styled(mark.strip(), "1;33")] if mark else []), ""]


def _foot(table: ShownTable, columns: Sequence[str], shown: int, pen: Pen) -> Iterator[str]:
    yield ""
    is_whole = table.chosen == table.stored
    rows = f"{table.chosen:,} rows" if is_whole else f"{table.chosen:,} chosen rows of {table.stored:,}"
    if table.chosen == table.rows.height:
        rows = f"all {rows}"
    else:
        rows = f"the first {table.rows.height:,} of {rows}; --rows N shows more, `tt export` writes a file"
    yield from wrapped(rows, pen.width)
    if shown < len(columns):
        left = columns[shown:]
        text = f"{len(left)} more for a wider terminal, --columns or --json: {', '.join(left)}"
        lines = wrapped(text, pen.width)
        yield from lines[:_NAMED_LINES]
        if len(lines) > _NAMED_LINES:
            yield from wrapped(f"... `tt show {table.schema.name} --describe` says what each of them means", pen.width)
    for subject, sentence in table.cautions.items():
        yield from (pen.styled(line, "33") for line in wrapped(one_line(f"{subject}: {sentence}"), pen.width))
