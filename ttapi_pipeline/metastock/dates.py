# SPDX-License-Identifier: MIT
"""Reads dates as MetaStock files write them: by their value, whatever the field is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final, Literal, NamedTuple

DateOrder = Literal["mdy", "dmy"]

EARLIEST: Final = date(1800, 1, 1)
"""No exchange has daily bars of an earlier date, so that such a date is a mistake."""

AMBIGUOUS: Final = "day and month of the date cannot be told apart; set TT_METASTOCK_DATE_ORDER to dmy or mdy"
NOT_A_DATE: Final = "the date is not a date"
DAYS_OF_A_SPREADSHEET: Final = "the date is a number, as a spreadsheet counts days; format the column as 2026-01-31"
SECONDS: Final = "the date is a number of seconds or milliseconds; write it as 2026-01-31"

PLACEHOLDERS: Final = (date(1900, 1, 1), date(1970, 1, 1))
"""What programs make of a missing date. Both are New Year's Days, on which no exchange trades."""

_LONGEST: Final = 40
"""Letters of a date: ``Wednesday, September 30, 2026`` and less."""

# By the number of digits; eight are a date.
_COUNTS: Final = {5: DAYS_OF_A_SPREADSHEET, 10: SECONDS, 13: SECONDS}
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_YEAR_FIRST: Final = re.compile(r"(\d{4})(?:(\d\d)(\d\d)|[-/.](\d{1,2})[-/.](\d{1,2}))", re.ASCII)
_TWO_DIGIT_YEAR: Final = re.compile(r"(\d\d)(\d\d)(\d\d)", re.ASCII)
_YEAR_LAST: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4}|\d\d)", re.ASCII)
_MONTH_NAME: Final = re.compile(r"(?:[a-z]{3,9},? )?(\d{1,2})[ -]([a-z]{3,9})\.?[ -](\d{4}|\d\d)", re.ASCII)
_MONTH_FIRST: Final = re.compile(r"(?:[a-z]{3,9},? )?([a-z]{3,9})\.? (\d{1,2}),? (\d{4})", re.ASCII)

DATE_AND_TIME: Final = (
    r"^(?:(.+?)[ T](\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: ?[AaPp][Mm])?)|(\d{8}) ?(\d{6}))"
    r" ?(?:Z|UTC|[-+]\d\d:?\d\d)?$"
)
"""A date with a time of day, with or without a zone: date and time are groups 1 and 2, or 3 and 4. The date is that of
the writer, whatever the zone."""

_COMPACT_DATE: Final = re.compile(r"(?:1[89]|2[0-9])\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_ISO_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LIKE_A_DATE: Final = re.compile(r"\d{6}|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}", re.ASCII)
_WITH_TIME: Final = re.compile(DATE_AND_TIME, re.ASCII)


class Dates(NamedTuple):
    """The dates of one file.

    Attributes:
        dates: The date of each text that can be read.
        faults: The reason for each other text.
        proven: The orders of day and month that some of its dates prove.
        is_open: Whether some of its dates could not be told apart without being told the order by other files.
    """

    dates: Mapping[str, date]
    faults: Mapping[str, str]
    proven: frozenset[DateOrder]
    is_open: bool


def read_dates(
    texts: Iterable[str],
    *,
    order: DateOrder | None,
    beside: DateOrder | None = None,
    proven: frozenset[DateOrder] | None = None,
) -> Dates:
    """Read the distinct date texts of one file, or of a part of it.

    Years of two digits are 1950 to 2049. ``3/4/2021`` is read in the configured order; without one, in the order that
    another date of the same file proves (``12/21/2008`` can only be month first), and dots mean day first. A file that
    proves none takes the order that other files prove; one that proves either stays open.

    Args:
        texts: As the file writes them.
        order: As it is configured.
        beside: As other files prove it.
        proven: The orders that the dates of the whole file prove; by default, those that these texts prove.
    """
    distinct = set(texts)
    if proven is None:
        proven = proven_orders(distinct)
    own = next(iter(proven)) if order is None and len(proven) == 1 else order
    is_open = own is None and any(parse_date(text, None) == AMBIGUOUS for text in distinct)
    if own is None and not proven:
        own = beside
    dates: dict[str, date] = {}
    faults: dict[str, str] = {}
    for text in distinct:
        parsed = parse_date(text, own)
        if isinstance(parsed, date):
            dates[text] = parsed
        else:
            faults[text] = parsed
    return Dates(dates, faults, proven, is_open)


@lru_cache(maxsize=65_536)
def parse_date(text: str, order: DateOrder | None) -> date | str:
    """One date, or the reason why the text is not a date."""
    if match := _YEAR_FIRST.fullmatch(text):
        return _date(match[1], match[2] or match[4], match[3] or match[5])
    if match := _TWO_DIGIT_YEAR.fullmatch(text):
        return _date(_with_century(match[1]), match[2], match[3])
    if match := _YEAR_LAST.fullmatch(text):
        first, mark, second, year = match.groups()
        year = _with_century(year)
        if mark == "." or order == "dmy":
            return _date(year, second, first)
        if order is None and first != second and int(first) <= 12 and int(second) <= 12:
            return AMBIGUOUS
        return _date(year, second, first) if order is None and int(first) > 12 else _date(year, first, second)
    if match := _MONTH_NAME.fullmatch(text.lower()):
        return _date(_with_century(match[3]), _month(match[2]), match[1])
    if match := _MONTH_FIRST.fullmatch(text.lower()):
        return _date(match[3], _month(match[1]), match[2])
    if text.isascii() and text.isdecimal() and len(text) in _COUNTS:
        return _COUNTS[len(text)]
    return NOT_A_DATE


def is_date(text: str, *, is_clear: bool = False) -> bool:
    """Whether a text may be a date, with or without a time of day.

    Args:
        text: A value of a file.
        is_clear: Whether it has to be one that is nothing else: six digits may be a ticker or a price too.
    """
    if match := _WITH_TIME.fullmatch(text):
        text = match[1] or match[3]
    if _COMPACT_DATE.fullmatch(text) or _ISO_DATE.fullmatch(text):
        return True
    if is_clear or len(text) > _LONGEST:
        return False
    parsed = parse_date(text, None)
    return isinstance(parsed, date) or parsed == AMBIGUOUS or _LIKE_A_DATE.fullmatch(text) is not None


def common_format(texts: Sequence[str]) -> str | None:
    """The strptime format of dates that are all ``20260102`` or all ``2026-01-02``; None for any others."""
    for pattern, strptime_format in ((_COMPACT_DATE, "%Y%m%d"), (_ISO_DATE, "%Y-%m-%d")):
        if texts and all(pattern.fullmatch(text) for text in texts):
            return strptime_format
    return None


def _with_century(year: str) -> str:
    if len(year) == 4:
        return year
    return ("20" if year < "50" else "19") + year


def _month(name: str) -> str:
    """The number of a month by its name or the first letters of it; 0 for another word."""
    return str(next((at for at, month in enumerate(_MONTHS, start=1) if month.startswith(name)), 0))


def _date(year: str, month: str, day: str) -> date | str:
    try:
        parsed = date(int(year), int(month), int(day))
    except ValueError:
        return NOT_A_DATE
    return parsed if parsed >= EARLIEST else NOT_A_DATE


def proven_orders(texts: Iterable[str]) -> frozenset[DateOrder]:
    """The orders that some of the dates prove; two of them contradict each other."""
    proven: set[DateOrder] = set()
    for text in texts:
        match = _YEAR_LAST.fullmatch(text)
        if match is not None and match[2] != "." and match[1] != match[3]:
            orders: tuple[DateOrder, ...] = ("dmy", "mdy")
            possible = [order for order in orders if isinstance(parse_date(text, order), date)]
            if len(possible) == 1:
                proven.update(possible)
    return frozenset(proven)
