# SPDX-License-Identifier: MIT
"""Reads dates as MetaStock files write them: by their value, whatever the field is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Final, Literal

DateOrder = Literal["mdy", "dmy"]

EARLIEST: Final = date(1800, 1, 1)
"""No exchange has daily bars of an earlier date, so that such a date is a mistake."""

AMBIGUOUS: Final = "day and month of the date cannot be told apart; set the date order"
NOT_A_DATE: Final = "the date is not a date"

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_YEAR_FIRST: Final = re.compile(r"(\d{4})(?:(\d\d)(\d\d)|[-/.](\d{1,2})[-/.](\d{1,2}))", re.ASCII)
_TWO_DIGIT_YEAR: Final = re.compile(r"(\d\d)(\d\d)(\d\d)", re.ASCII)
_YEAR_LAST: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})", re.ASCII)
_MONTH_NAME: Final = re.compile(r"(?:[a-z]{3},? )?(\d{1,2})[ -]([a-z]{3})[ -](\d{4})", re.ASCII)


def read_dates(texts: Iterable[str], *, order: DateOrder | None) -> tuple[Mapping[str, date], Mapping[str, str]]:
    """Read the distinct date texts of one file.

    Years of two digits are 1950 to 2049. ``3/4/2021`` is read in the configured order; without one, in the order that
    another date of the same file proves (``12/21/2008`` can only be month first), and dots mean day first.

    Returns:
        The date of each text that can be read, and the reason for each other text.
    """
    distinct = set(texts)
    if order is None:
        order = _proven_order(distinct)
    dates: dict[str, date] = {}
    faults: dict[str, str] = {}
    for text in distinct:
        parsed = parse_date(text, order)
        if isinstance(parsed, date):
            dates[text] = parsed
        else:
            faults[text] = parsed
    return dates, faults


@lru_cache(maxsize=65_536)
def parse_date(text: str, order: DateOrder | None) -> date | str:
    """One date, or the reason why the text is not a date."""
    if match := _YEAR_FIRST.fullmatch(text):
        return _date(match[1], match[2] or match[4], match[3] or match[5])
    if match := _TWO_DIGIT_YEAR.fullmatch(text):
        century = "20" if match[1] < "50" else "19"
        return _date(century + match[1], match[2], match[3])
    if match := _YEAR_LAST.fullmatch(text):
        first, mark, second, year = match.groups()
        if mark == "." or order == "dmy":
            return _date(year, second, first)
        if order is None and first != second and int(first) <= 12 and int(second) <= 12:
            return AMBIGUOUS
        return _date(year, second, first) if order is None and int(first) > 12 else _date(year, first, second)
    if (match := _MONTH_NAME.fullmatch(text.lower())) and match[2] in _MONTHS:
        return _date(match[3], str(_MONTHS[match[2]]), match[1])
    return NOT_A_DATE


def _date(year: str, month: str, day: str) -> date | str:
    try:
        parsed = date(int(year), int(month), int(day))
    except ValueError:
        return NOT_A_DATE
    return parsed if parsed >= EARLIEST else NOT_A_DATE


def _proven_order(texts: Iterable[str]) -> DateOrder | None:
    """The order that some of the dates prove; None when no date proves one, or when two contradict each other."""
    proven: set[DateOrder] = set()
    for text in texts:
        match = _YEAR_LAST.fullmatch(text)
        if match is not None and match[2] != ".":
            if int(match[1]) > 12:
                proven.add("dmy")
            elif int(match[3]) > 12:
                proven.add("mdy")
    return proven.pop() if len(proven) == 1 else None
