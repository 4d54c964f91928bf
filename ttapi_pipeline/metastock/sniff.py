# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Finds the layout of a MetaStock ASCII file from its first 4 KiB and its last byte.

The names and headers to compare with are in `dialects`. Rows are read in `scan` and `careful`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.plain_files import open_plain
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.dates import common_format, is_date
from ttapi_pipeline.metastock.dialects import ACCEPTED, AFTER_DATE, BY_COLUMNS, DELIMITERS
from ttapi_pipeline.metastock.file_sizes import size_of
from ttapi_pipeline.metastock.headers import Columns, find_header
from ttapi_pipeline.metastock.layout import IGNORED, NUMBERS, PRICES, Layout
from ttapi_pipeline.metastock.text import decode, split_lines, split_row

SAMPLE_LINES: Final = 8
"""How many rows are looked at. A later row that is different sends its file to the careful reading."""

_TIME_OF_DAY: Final = re.compile(r"0000|(?:[01]\d|2[0-3])[0-5]\d[0-5]\d|\d\d:\d\d(?::\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sniffed:
    """The layout of a file, and the first ticker in it.

    Attributes:
        layout: None for a file without a line of text.
        ticker: The first row's ticker, or the one that the header names for all rows; None without a ticker column or
            without rows.
    """

    layout: Layout | None
    ticker: str | None


def sniff_file(path: Path, *, code_page: str) -> Sniffed:
    """Look at a file's first 4 KiB and its last byte.

    Raises:
        InvalidFormatError: The file is not MetaStock ASCII, or too large.
        OSError: The file cannot be read. The caller knows its folder, and makes the message.
    """
    with open_plain(path) as file:
        size_of(file)
        head = file.read(limits.HEAD_BYTES)
        is_whole = len(head) < limits.HEAD_BYTES
        last = head[-1:]
        if not is_whole:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
    if not is_whole:
        # The sample ends with its last whole line, so that no value and no character is cut.
        head = head[: head.rfind(b"\n") + 1] or head
    text, is_utf8 = decode(head, code_page=code_page)
    is_plain = is_utf8 and last != b"\x1a" and "\r" not in text.replace("\r\n", "")
    return sniff_lines(split_lines(text), is_plain=is_plain)


def sniff_lines(lines: Sequence[str], *, is_plain: bool = False) -> Sniffed:
    """Look at the first lines of a file; blank ones are passed over.

    Args:
        lines: All lines of the file, or some of its first ones.
        is_plain: Whether Polars could read the rest of the file: its encoding, its line ends and its last byte.

    Raises:
        InvalidFormatError: The lines are not MetaStock ASCII rows.
    """
    filled = [line for line in lines[: 4 * SAMPLE_LINES] if line.strip()] or [line for line in lines if line.strip()]
    if not filled:
        return Sniffed(None, None)
    found = find_header(filled) or _read_headerless(filled[:SAMPLE_LINES])
    rows = filled[found.header_lines :][:SAMPLE_LINES]
    columns, delimiter, dialect = found.roles, found.delimiter, found.dialect
    values = [split_row(row, delimiter) for row in rows]
    overflow = max((len(row) - len(columns) for row in values), default=0)
    if dialect == "A" and any("".join(row[len(columns) :]) for row in values):
        # Rahavard exports put a price under the name of open interest and go on with fields that have no name.
        dialect = "I"
        columns = tuple(IGNORED if role == "open_interest" else role for role in columns)
    has_bare_values = all(
        '"' not in row and delimiter.join(cells) == row for row, cells in zip(rows, values, strict=True)
    )
    layout = Layout(
        dialect=dialect,
        delimiter=delimiter,
        columns=columns,
        overflow=max(overflow, 0),
        header_lines=found.header_lines,
        unknown_fields=found.unknown_fields,
        date_format=common_format([row[columns.index("date")] for row in values if len(row) > columns.index("date")]),
        decimal_comma=delimiter != "," and _has_decimal_comma(columns, values),
        is_plain=is_plain
        and delimiter != " "
        and has_bare_values
        and bool(lines[0].strip())
        and found.header_lines <= 1,
    )
    return Sniffed(layout, found.ticker or _first_ticker(columns, values))


def _has_decimal_comma(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    numbers = "".join(value for row in rows for role, value in zip(columns, row, strict=False) if role in NUMBERS)
    return "," in numbers and "." not in numbers


def _read_headerless(rows: Sequence[str]) -> Columns:
    """The columns of a file without a header, by the position of its date and the number of values after it.

    Raises:
        InvalidFormatError: No known form fits.
    """
    for delimiter in DELIMITERS:
        cut = [split_row(row, delimiter) for row in rows]
        (count, frequency), *_ = Counter(map(len, cut)).most_common(1)
        if count < 4 or 2 * frequency < len(cut):
            continue
        sample = [row for row in cut if len(row) == count]
        position = _date_position(sample)
        if position is None:
            continue
        after = [[row[index] for row in sample] for index in range(position + 1, count)]
        while len(after) > 5 and not any(after[-1]):
            after.pop()
        has_time = len(after) > 4 and all(_TIME_OF_DAY.fullmatch(value) for value in after[0])
        tail = AFTER_DATE.get(len(after) - has_time)
        if tail is None:
            continue
        columns = (*("ticker", "period")[:position], "date", *(("time",) if has_time else ()), *tail)
        dialect = BY_COLUMNS.get(columns, "other")
        if delimiter == ";" and columns == ("date", *PRICES, "volume"):
            dialect = "NinjaTrader"
        return Columns(columns, delimiter, dialect)
    raise InvalidFormatError(f"it has neither a header nor rows of ticker, date and prices; {ACCEPTED}")


def _date_position(rows: Sequence[Sequence[str]]) -> int | None:
    """Index of the date column, 0 to 2; None without one.

    Six digits may be a ticker or a price too, so that clearer dates are looked for first.
    """
    for is_clear in (True, False):
        # By how usual they are: after a ticker, after ticker and period, in front.
        for position in (1, 2, 0):
            dates = sum(is_date(row[position], is_clear=is_clear) for row in rows)
            if 2 * dates > len(rows):
                return position
    return None


def _first_ticker(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    if "ticker" not in columns or not rows:
        return None
    index = columns.index("ticker")
    return rows[0][index] if index < len(rows[0]) else None
