# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads the header of a file: which column is what, by the names of `dialects`.

Most headers are one line. Excel puts ``sep=;`` above it, yfinance writes three lines, and some downloads a title.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.dates import is_date
from ttapi_pipeline.metastock.dialects import (
    ACCEPTED,
    BY_FIRST_NAMES,
    BY_HEADER,
    DELIMITERS,
    FIELD_NAMES,
    ROLES,
    UNREAD_NAMES,
)
from ttapi_pipeline.metastock.layout import IGNORED, PRICES
from ttapi_pipeline.metastock.text import split_row

_MOST_TITLE_LINES: Final = 10
"""Macrotrends puts eight lines of text above its header."""

# A header that is copied from the page of Yahoo has the hints that the page shows.
_HINT: Final = re.compile(r"(CLOSE|ADJ CLOSE) (?:CLOSE PRICE|ADJUSTED CLOSE PRICE) ADJUSTED FOR .*")
_SEPARATOR: Final = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# Letters that Unicode does not take for an accented one.
_LETTERS: Final = str.maketrans({"Ł": "L", "Ø": "O", "Đ": "D", "_": " ", "*": ""})


class Columns(NamedTuple):
    """The columns of a file, by its header or by its first rows.

    Attributes:
        roles: The role of each column.
        delimiter: What separates them.
        dialect: Its name.
        unknown_fields: Names in the header that stand for no role.
        header_lines: How many lines with text come before the first row.
        ticker: Where the header names the ticker of all rows; else None.
    """

    roles: tuple[str, ...]
    delimiter: str
    dialect: str
    unknown_fields: tuple[str, ...] = ()
    header_lines: int = 0
    ticker: str | None = None


def find_header(lines: Sequence[str]) -> Columns | None:
    """The columns that the first lines name; None where they name none.

    A row may hold a field's name, since OPEN and LOW are tickers, but a header never holds a date.

    Args:
        lines: The first lines that have text, a few more than a header has.

    Raises:
        InvalidFormatError: There is a header, without a date or without a close, or for several tickers side by side.
    """
    separator = _SEPARATOR.fullmatch(lines[0].strip().strip("\ufeff"))
    if separator is not None:
        columns = find_header(lines[1:]) if len(lines) > 1 else None
        return None if columns is None else columns._replace(header_lines=columns.header_lines + 1)
    side_by_side = _header_of_three_lines(lines[:3])
    if side_by_side is not None:
        return side_by_side
    if (columns := _read_header(lines[0])) is not None and {"date", "close"} <= set(columns.roles):
        return columns
    for above, line in enumerate(lines[1 : 1 + _MOST_TITLE_LINES], start=1):
        if any(_holds_date(each) for each in lines[: above + 1]):
            break
        below = _read_header(line)
        if below is not None and {"date", *PRICES} <= set(below.roles):
            return below._replace(header_lines=above + 1)
    if columns is not None:
        known = ", ".join(name for name in field_names(lines[0], columns.delimiter) if name in FIELD_NAMES)
        role = "date" if "date" not in columns.roles else "close"
        raise InvalidFormatError(f"its header names no {role}, only {known}; {ACCEPTED}")
    return None


def field_names(line: str, delimiter: str) -> list[str]:
    """The names in a header: upper case, without brackets, quotes and accents."""
    names = [_plain(cell.strip().strip('<>[]"').strip()) for cell in split_row(line, delimiter)]
    # A comma at the end of the header names no field.
    while names and not names[-1]:
        names.pop()
    return names


@lru_cache(maxsize=1024)
def _read_header(line: str) -> Columns | None:
    """The columns that one line names; None when it names none."""
    cuts = [(delimiter, field_names(line, delimiter)) for delimiter in DELIMITERS]
    # A name may hold spaces, so that these delimit only where nothing else does.
    clear = [cut for cut in cuts if cut[0] != " " and sum(name in FIELD_NAMES for name in cut[1]) > 1]
    delimiter, names = max(clear or cuts, key=lambda cut: sum(name in FIELD_NAMES for name in cut[1]))
    if FIELD_NAMES.isdisjoint(names) or _holds_date(line, (delimiter,)):
        return None
    return _columns(names, delimiter)


def _columns(names: Sequence[str], delimiter: str) -> Columns:
    roles = {
        role: next(names.index(name) for name in aliases if name in names)
        for role, aliases in ROLES.items()
        if not set(aliases).isdisjoint(names)
    }
    if "date" not in roles and "time" in roles:
        # TradingView and Barchart call the date so.
        roles["date"] = roles.pop("time")
    dialect = _dialect(names) or ("M" if "name" in roles else "other")
    if dialect == "Kaggle 500":
        # A much-copied set of S&P 500 bars ends its rows with the ticker, under this name.
        roles["ticker"] = roles.pop("name")
    columns = [IGNORED] * len(names)
    for role, index in roles.items():
        columns[index] = role
    return Columns(tuple(columns), delimiter, dialect, _unknown_fields(names), header_lines=1)


def _unknown_fields(names: Sequence[str]) -> tuple[str, ...]:
    """Those that stand for no role, for people to read."""
    unknown = [name for name in names if name and name not in FIELD_NAMES and name not in UNREAD_NAMES]
    told = [one_line(name[: limits.TICKER_CHARACTERS]) for name in unknown[: limits.UNKNOWN_FIELDS]]
    left = len(unknown) - len(told)
    return (*told, f"(and {left:,} others)") if left else tuple(told)


def _dialect(names: Sequence[str]) -> str | None:
    """The dialect of a header; None of one that none is known to write."""
    # A program that numbers its rows puts a column without a name in front.
    named = tuple(names[1:] if names and not names[0] else names)
    return BY_HEADER.get(named) or next(
        (dialect for first, dialect in BY_FIRST_NAMES.items() if named[: len(first)] == first), None
    )


def _header_of_three_lines(lines: Sequence[str]) -> Columns | None:
    """The header of yfinance: the names of fields and the tickers, in either order, above ``Date`` with nothing else.

    Raises:
        InvalidFormatError: It has several tickers.
    """
    if len(lines) < 3 or any(map(str.isdigit, lines[2])):
        return None
    for delimiter in DELIMITERS[:3]:
        cells = [split_row(line, delimiter) for line in lines]
        if len(cells[2]) > 1 and _plain(cells[2][0]) in ROLES["date"] and not any(cells[2][1:]):
            named, tickers = sorted(cells[:2], key=lambda row: -sum(_plain(cell) in FIELD_NAMES for cell in row[1:]))
            several = sorted({ticker for ticker in tickers[1:] if ticker})
            if len(several) != 1:
                raise InvalidFormatError(
                    f"its header has {len(several)} tickers side by side; write one file per ticker, "
                    "or one row per ticker and session"
                )
            columns = _columns(["DATE", *map(_plain, named[1:])], delimiter)
            if "close" in columns.roles:
                return columns._replace(dialect="yfinance", header_lines=3, ticker=several[0])
    return None


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.upper())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    words = " ".join(letters.translate(_LETTERS).split())
    return _HINT.sub(r"\1", words) if words.startswith(("CLOSE ", "ADJ CLOSE ")) else words


def _holds_date(line: str, delimiters: Sequence[str] = DELIMITERS[:3]) -> bool:
    return any(is_date(cell) for delimiter in delimiters for cell in split_row(line, delimiter))
