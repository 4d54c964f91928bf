# SPDX-License-Identifier: MIT
"""What a MetaStock ASCII file looks like, from its first 4 KiB and its last bytes. Rows are read in `reader`.

There is no one MetaStock format but a grammar (a header that names the fields) and a dozen dialects. The rules here
are those of docs/protocols/metastock.md, "What varies, and the rule".
"""

from __future__ import annotations

import csv
import os
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.errors import InvalidFormatError

HEAD_BYTES: Final = 4096
SAMPLE_LINES: Final = 8

ROLES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "ticker": ("TICKER", "SYMBOL"),
        "name": ("NAME",),
        "period": ("PER",),
        "date": ("DTYYYYMMDD", "DTYYMMDD", "DATE"),
        "time": ("TIME", "HHMMSS"),
        # TSETMC keeps the open in FIRST and a reference price in OPEN, hence the order.
        "open": ("FIRST", "OPEN"),
        "high": ("HIGH", "MAX"),
        "low": ("LOW", "MIN"),
        "close": ("CLOSE", "LAST"),
        "volume": ("VOL", "VOLUME"),
        "open_interest": ("OPENINT", "O/I", "OI", "OPENINTEREST"),
    }
)
"""Field names of each column that we read, the preferred one first."""

IGNORED: Final = ""
"""The role of a column that is not read."""

_FIELD_NAMES: Final = frozenset(name for names in ROLES.values() for name in names)
_PRICES: Final = ("open", "high", "low", "close")
_NUMBERS: Final = (*_PRICES, "volume", "open_interest")

# Column names after stripping and upper-casing, by docs/protocols/metastock.md, "Dialects".
_DIALECTS: Final[Mapping[tuple[str, ...], str]] = MappingProxyType(
    {
        tuple(names.split()): letter
        for letter, names in (
            ("A", "TICKER PER DTYYYYMMDD TIME OPEN HIGH LOW CLOSE VOL OPENINT"),
            ("B", "TICKER DTYYYYMMDD OPEN HIGH LOW CLOSE VOL"),
            ("C", "TICKER PER DATE TIME OPEN HIGH LOW CLOSE VOL OPENINT"),
            ("D", "TICKER DATE OPEN HIGH LOW CLOSE VOL"),
            ("H", "TICKER DTYYYYMMDD OPEN HIGH LOW CLOSE VOLUME"),
            ("J", "TICKER DTYYYYMMDD FIRST HIGH LOW CLOSE VALUE VOL OPENINT PER OPEN LAST"),
            ("K", "TICKER PER DATE TIME OPEN HIGH LOW CLOSE VOL"),
            ("L", "TICKER DTYYYYMMDD TIME OPEN HIGH LOW CLOSE VOL"),
        )
    }
)

_DELIMITERS: Final = (",", ";", "\t", " ")
_TAILS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {1: ("close",), 4: _PRICES, 5: (*_PRICES, "volume"), 6: (*_PRICES, "volume", "open_interest")}
)
_HEADERLESS: Final[Mapping[tuple[str, ...], str]] = MappingProxyType(
    {
        ("ticker", "date", *_PRICES, "volume", "open_interest"): "E",
        ("ticker", "date", *_PRICES, "volume"): "F",
        ("ticker", "period", "date", *_PRICES, "volume"): "G",
    }
)

_SPACE: Final = re.compile(r"\s")
_COMPACT_DATE: Final = re.compile(r"(?:1[89]|2[0-9])\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_ISO_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLEAR_DATE: Final = re.compile(f"{_COMPACT_DATE.pattern}|{_ISO_DATE.pattern}", re.ASCII)
_OTHER_DATE: Final = re.compile(
    r"\d{6}|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
    r"|(?:[A-Za-z]{3},? )?\d{1,2}[ -][A-Za-z]{3}[ -]\d{4}",
    re.ASCII,
)
_TIME_OF_DAY: Final = re.compile(r"0000|(?:[01]\d|2[0-3])[0-5]\d[0-5]\d|\d\d:\d\d(?::\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file's rows are cut and what their values are; files with equal layouts are scanned together.

    Attributes:
        dialect: Letter of the dialect, or ``other``.
        delimiter: One of ``, ; tab space``.
        columns: Role per column (a key of ROLES, or IGNORED), as the header or the headerless form has them.
        overflow: Values beyond `columns` on the rows that were seen, empty ones included.
        has_header: Whether the first line names the fields.
        unknown_fields: Header names that no role knows; their values are not read.
        date_format: strptime format of all dates that were seen, or None when they need more than that.
        decimal_comma: Whether numbers have a comma for the decimal point; never with a comma as delimiter.
        is_plain: Whether lines can be cut without care: UTF-8, no quotes, no spaces to strip, no blank first line.
    """

    dialect: str
    delimiter: str
    columns: tuple[str, ...]
    overflow: int
    has_header: bool
    unknown_fields: tuple[str, ...]
    date_format: str | None
    decimal_comma: bool
    is_plain: bool

    @property
    def roles(self) -> frozenset[str]:
        """The roles that have a column."""
        return frozenset(self.columns) - {IGNORED}


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the first look at a file gave.

    Attributes:
        layout: None for a file without a line of text.
        ticker: The first row's ticker; None without a ticker column or without rows.
        has_rows: Whether a row follows the header, as far as the sample shows.
    """

    layout: Layout | None
    ticker: str | None
    has_rows: bool


def sniff_file(path: Path, *, code_page: str) -> Sniffed:
    """Look at a file's first 4 KiB and its last byte.

    Raises:
        InvalidFormatError: It is no MetaStock ASCII file.
        OSError: It cannot be read; the caller knows the folder and says so.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        is_whole = len(head) < HEAD_BYTES
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


def decode(content: bytes, *, code_page: str) -> tuple[str, bool]:
    """Bytes to text, and whether Polars could have read them as they are.

    A BOM decides; UTF-16 without one is known by its zero bytes; then UTF-8 is tried, then the code page, in which a
    byte that means nothing becomes U+FFFD.

    Raises:
        InvalidFormatError: The bytes are binary.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace"), False
    if b"\0" in content:
        half = max(1, len(content) // 2)
        for encoding, zeros in (("utf-16-le", content[1::2]), ("utf-16-be", content[::2])):
            if zeros.count(0) > 0.9 * half:
                return content.decode(encoding, errors="replace"), False
        raise InvalidFormatError("it holds zero bytes, so it is a binary file and no text")
    try:
        return content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        if content.startswith(BOM_UTF8):
            return content.decode("utf-8-sig", errors="replace"), False
        return content.decode(code_page, errors="replace"), False


def split_lines(text: str) -> list[str]:
    """Lines without their ends: LF, CRLF or CR. A Ctrl-Z at the end of the file, a DOS habit, is dropped."""
    return text.rstrip("\x1a").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def sniff_lines(lines: Sequence[str], *, is_plain: bool = False) -> Sniffed:
    """Look at the first lines of a file; blank ones are passed over.

    Args:
        lines: The file's lines, or as many of the first ones as there are at hand.
        is_plain: Whether everything outside of these lines' text allows a plain scan.

    Raises:
        InvalidFormatError: The lines are no MetaStock ASCII rows.
    """
    filled = [line for line in lines[: 4 * SAMPLE_LINES] if line.strip()] or [line for line in lines if line.strip()]
    if not filled:
        return Sniffed(None, None, has_rows=False)
    header = _read_header(filled[0])
    rows = filled[1 if header else 0 :][:SAMPLE_LINES]
    columns, delimiter, dialect, unknown = header or _read_headerless(rows)
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
        has_header=header is not None,
        unknown_fields=unknown,
        date_format=_date_format([row[columns.index("date")] for row in values if len(row) > columns.index("date")]),
        decimal_comma=delimiter != "," and _has_decimal_comma(columns, values),
        is_plain=is_plain and delimiter != " " and has_bare_values and bool(lines[0].strip()),
    )
    return Sniffed(layout, _first_ticker(columns, values), has_rows=bool(rows))


def split_row(row: str, delimiter: str) -> list[str]:
    """Cut one line into values without surrounding space; double quotes may hold a delimiter."""
    if '"' in row:
        try:
            return [value.strip() for value in next(csv.reader([row], delimiter=delimiter, skipinitialspace=True), [])]
        except csv.Error:  # an unbalanced quote is a part of the value
            pass
    if delimiter == " ":
        return row.split()
    values = row.split(delimiter)
    # Most rows have no space, and to ask once is faster than to strip every value.
    return [value.strip() for value in values] if _SPACE.search(row) else values


def _has_decimal_comma(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    numbers = "".join(value for row in rows for role, value in zip(columns, row, strict=False) if role in _NUMBERS)
    return "," in numbers and "." not in numbers


_Columns = tuple[tuple[str, ...], str, str, tuple[str, ...]]  # roles, delimiter, dialect, unknown fields


@lru_cache(maxsize=1024)
def _read_header(line: str) -> _Columns | None:
    """The columns that a header names; None when the line is no header.

    A row may hold a field's name, since OPEN and LOW are tickers; but only a row holds a date.
    """
    delimiter, names = max(
        ((delimiter, _field_names(line, delimiter)) for delimiter in _DELIMITERS),
        key=lambda cut: sum(name in _FIELD_NAMES for name in cut[1]),
    )
    if _FIELD_NAMES.isdisjoint(names) or any(_is_date(name) for name in names):
        return None
    roles = {
        role: next(names.index(name) for name in aliases if name in names)
        for role, aliases in ROLES.items()
        if not set(aliases).isdisjoint(names)
    }
    for role in ("date", "close"):
        if role not in roles:
            raise InvalidFormatError(f"its header names no {role}: {line.strip()[:200]!r}")
    columns = [IGNORED] * len(names)
    for role, index in roles.items():
        columns[index] = role
    unknown = tuple(name for name in names if name not in _FIELD_NAMES)
    dialect = _DIALECTS.get(tuple(names), "M" if "name" in roles else "other")
    return tuple(columns), delimiter, dialect, unknown


def _field_names(line: str, delimiter: str) -> list[str]:
    names = [cell.strip().strip('<>[]"').strip().upper() for cell in split_row(line, delimiter)]
    # A comma at the end of the header names no field.
    while names and not names[-1]:
        names.pop()
    return names


def _read_headerless(rows: Sequence[str]) -> _Columns:
    """The columns of a file without a header, by where its date stands and how many values there are.

    Raises:
        InvalidFormatError: No rule fits.
    """
    for delimiter in _DELIMITERS:
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
        tail = _TAILS.get(len(after) - has_time)
        if tail is None:
            continue
        columns = (*("ticker", "period")[:position], "date", *(("time",) if has_time else ()), *tail)
        return columns, delimiter, _HEADERLESS.get(columns, "other"), ()
    raise InvalidFormatError(f"it has neither a header nor rows of ticker, date and prices: {rows[0].strip()[:200]!r}")


def _date_position(rows: Sequence[Sequence[str]]) -> int | None:
    """Index of the date column, 0 to 2. Six digits may be a ticker or a price too, so clearer dates go first."""
    for pattern in (_CLEAR_DATE, _OTHER_DATE):
        for position in (1, 2, 0):
            dates = sum(pattern.fullmatch(row[position]) is not None for row in rows)
            if 2 * dates > len(rows):
                return position
    return None


def _is_date(value: str) -> bool:
    return _CLEAR_DATE.fullmatch(value) is not None or _OTHER_DATE.fullmatch(value) is not None


def _date_format(dates: Sequence[str]) -> str | None:
    if dates and all(_COMPACT_DATE.fullmatch(value) for value in dates):
        return "%Y%m%d"
    if dates and all(_ISO_DATE.fullmatch(value) for value in dates):
        return "%Y-%m-%d"
    return None


def _first_ticker(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    if "ticker" not in columns or not rows:
        return None
    index = columns.index("ticker")
    return rows[0][index] if index < len(rows[0]) else None
