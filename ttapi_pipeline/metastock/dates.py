# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads dates as MetaStock files write them: by their value, whatever the field is called.

Some are another day in another order of day, month and year. Which order is theirs: see `date_orders`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final, Literal, NamedTuple, get_args

DateOrder = Literal["dmy", "mdy", "ymd"]

ORDERS: Final[tuple[DateOrder, ...]] = get_args(DateOrder)
"""All orders of day, month and year."""

DateForm = Literal["3/4/2021", "20/09/01", "20-09-01", "20.09.01", "200901", "20 Sep 01"]
"""How a date is written that may have several orders, by an example. Dates of one form have one order in a file."""

WHOLE_YEAR: Final[DateForm] = "3/4/2021"

CONVENTIONS: Final[Mapping[DateForm, DateOrder]] = {"200901": "ymd", "20 Sep 01": "dmy"}
"""The order that a form has unless the dates contradict it: MetaStock documents DTYYMMDD, and a number before the name
of a month is the day."""

_FORM_ORDERS: Final[Mapping[DateForm, Sequence[DateOrder]]] = {
    WHOLE_YEAR: ("dmy", "mdy"),
    "20/09/01": ORDERS,
    "20-09-01": ORDERS,
    # Nobody writes the month first in front of a dot.
    "20.09.01": ("dmy", "ymd"),
    "200901": ORDERS,
    "20 Sep 01": ("dmy", "ymd"),
}
_BY_MARK: Final[Mapping[str, DateForm]] = {"/": "20/09/01", "-": "20-09-01", ".": "20.09.01"}

EARLIEST: Final = date(1800, 1, 1)
"""No exchange has daily bars of an earlier date, so that such a date is a mistake."""

AMBIGUOUS: Final = "day and month of the date cannot be told apart; set TT_METASTOCK_DATE_ORDER to dmy or mdy"
AMBIGUOUS_YEAR: Final = (
    "day, month and year of the date cannot be told apart; set TT_METASTOCK_DATE_ORDER to dmy, mdy or ymd"
)
NOT_A_DATE: Final = "the date is not a date"
DAYS_OF_A_SPREADSHEET: Final = "the date is a number, as a spreadsheet counts days; format the column as 2026-01-31"
SECONDS: Final = "the date is a number of seconds or milliseconds; write it as 2026-01-31"

PLACEHOLDERS: Final = (
    date(1858, 11, 17),
    date(1899, 12, 30),
    date(1899, 12, 31),
    date(1900, 1, 1),
    date(1904, 1, 1),
    date(1970, 1, 1),
    date(1980, 1, 1),
    date(2000, 1, 1),
)
"""What programs make of a missing date, since they count days and seconds from it: VMS, Excel and OLE, a Mac, Unix, DOS
and PostgreSQL. Of those after 1899 all are New Year's Days, on which no exchange trades."""

_LONGEST: Final = 40
"""Letters of a date: ``Wednesday, September 30, 2026`` and less."""

# By the number of digits; eight are a date.
_COUNTS: Final = {5: DAYS_OF_A_SPREADSHEET, 10: SECONDS, 13: SECONDS}
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_YEAR_FIRST: Final = re.compile(r"(\d{4})(?:(\d\d)(\d\d)|[-/.](\d{1,2})[-/.](\d{1,2}))", re.ASCII)
_SIX_DIGITS: Final = re.compile(r"(\d\d)(\d\d)(\d\d)", re.ASCII)
_YEAR_LAST: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4})", re.ASCII)
_SHORT_YEAR: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{1,2})", re.ASCII)
_MONTH_NAME: Final = re.compile(r"(?:[a-z]{3,9},? )?(\d{1,2})[ -]([a-z]{3,9})\.?[ -](\d{4}|\d{1,2})", re.ASCII)
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
    """The dates of some texts.

    Attributes:
        dates: The date of each text that can be read.
        faults: The reason for each other text.
    """

    dates: Mapping[str, date]
    faults: Mapping[str, str]


class OpenDate(NamedTuple):
    """A text of a form that may have several orders.

    Attributes:
        form: How it is written.
        readings: The date in each order in which it is one.
    """

    form: DateForm
    readings: Mapping[DateOrder, date]

    @property
    def is_same(self) -> bool:
        """Whether it is the same day in every order of its form."""
        return len(self.readings) == len(orders_of(self.form)) and len(set(self.readings.values())) == 1


def orders_of(form: DateForm) -> Sequence[DateOrder]:
    """The orders that dates of a form may have."""
    return _FORM_ORDERS[form]


def read_dates(texts: Iterable[str], orders: Mapping[DateForm, DateOrder]) -> Dates:
    """Read distinct date texts.

    Years of two digits are 1950 to 2049.

    Args:
        texts: As a file writes them.
        orders: The order of each form; dates of other forms are those that are the same in every order.
    """
    dates: dict[str, date] = {}
    faults: dict[str, str] = {}
    for text in set(texts):
        opened = open_date(text)
        parsed = parse_date(text, None if opened is None else orders.get(opened.form))
        if isinstance(parsed, date):
            dates[text] = parsed
        else:
            faults[text] = parsed
    return Dates(dates, faults)


@lru_cache(maxsize=65_536)
def parse_date(text: str, order: DateOrder | None) -> date | str:
    """One date, or the reason why the text is not a date.

    Args:
        text: As a file writes it.
        order: Of dates of its form. Without one, a date is what it is in every order, or by convention.
    """
    opened = open_date(text)
    if opened is not None:
        return _in_order(opened, order)
    if match := _YEAR_FIRST.fullmatch(text):
        return _date(match[1], match[2] or match[4], match[3] or match[5])
    if (match := _YEAR_LAST.fullmatch(text)) and match[2] == ".":
        return _date(match[4], match[3], match[1])
    if match := _MONTH_NAME.fullmatch(text.lower()):
        return _date(match[3], _month(match[2]), match[1])
    if match := _MONTH_FIRST.fullmatch(text.lower()):
        return _date(match[3], _month(match[1]), match[2])
    if text.isascii() and text.isdecimal() and len(text) in _COUNTS:
        return _COUNTS[len(text)]
    return NOT_A_DATE


@lru_cache(maxsize=65_536)
def open_date(text: str) -> OpenDate | None:
    """The dates that a text may be, where its form may have several orders; None for any other text."""
    if match := _YEAR_LAST.fullmatch(text):
        form, parts = WHOLE_YEAR, (match[1], match[3], match[4])
        if match[2] == ".":
            return None
    elif match := _SHORT_YEAR.fullmatch(text):
        form, parts = _BY_MARK[match[2]], (match[1], match[3], match[4])
    elif match := _SIX_DIGITS.fullmatch(text):
        form, parts = "200901", (match[1], match[2], match[3])
    elif (match := _MONTH_NAME.fullmatch(text.lower())) and len(match[3]) < 4:
        form, parts = "20 Sep 01", (match[1], _month(match[2]), match[3])
    else:
        return None
    dates = {order: _date_in(order, parts) for order in orders_of(form)}
    return OpenDate(form, {order: day for order, day in dates.items() if isinstance(day, date)})


def _in_order(opened: OpenDate, order: DateOrder | None) -> date | str:
    form, readings = opened
    if order is None or order not in orders_of(form):
        order = CONVENTIONS.get(form)
    if order is not None:
        return readings.get(order, NOT_A_DATE)
    days = set(readings.values())
    if len(days) > 1:
        return AMBIGUOUS if form == WHOLE_YEAR else AMBIGUOUS_YEAR
    return days.pop() if days else NOT_A_DATE


def _date_in(order: DateOrder, parts: tuple[str, str, str]) -> date | str:
    first, second, third = parts
    match order:
        case "dmy":
            return _date(_with_century(third), second, first)
        case "mdy":
            return _date(_with_century(third), first, second)
        case "ymd":
            return _date(_with_century(first), second, third)


def is_swapped(text: str) -> bool:
    """Whether a text of a form with a single order is no date in it, but one with day and month exchanged."""
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day = match[1], match[2] or match[4], match[3] or match[5]
    elif (match := _YEAR_LAST.fullmatch(text) or _SHORT_YEAR.fullmatch(text)) and match[2] == ".":
        year, month, day = _with_century(match[4]), match[3], match[1]
    else:
        return False
    return _date(year, month, day) == NOT_A_DATE and isinstance(_date(year, day, month), date)


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
    opened = open_date(text)
    if opened is not None and opened.readings:
        return True
    return isinstance(parse_date(text, None), date) or _LIKE_A_DATE.fullmatch(text) is not None


def common_format(texts: Sequence[str]) -> str | None:
    """The strptime format of dates that are all ``20260102`` or all ``2026-01-02``; None for any others."""
    for pattern, strptime_format in ((_COMPACT_DATE, "%Y%m%d"), (_ISO_DATE, "%Y-%m-%d")):
        if texts and all(pattern.fullmatch(text) for text in texts):
            return strptime_format
    return None


def _with_century(year: str) -> str:
    """The year in full; one digit alone is no year."""
    if len(year) != 2:
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
