# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What sources write where they know nothing: those values become null where a table is built, and all of them here.

A placeholder is no loss: the source has no value. A value that is there and cannot be read: see `client.mending`.

- 1970-01-01 and everything before it: the zero of a clock. So tastytrade dates the last dividend of a company that
  never paid one. No listed company's next dividend or report lies there.
- From the year 2100 on: the greatest date of a database, such as 9999-12-31.
- Zero as a price-earnings ratio or a market capitalisation: neither can be zero.
- Zero, and less, as a volatility: a price that moves has one.
- Zero as the earnings per share of something that earns nothing: an index, a fund, or a row whose other company figures
  are placeholders.
- A blank text, and "N/A": some servers write them for every field of a row that they know nothing of.
- A next dividend before the last ex-date: it has become the last one.
- An earnings report that is not ``visible``: tastytrade fills the fields of a fund that reports nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

_FIRST_DATE: Final = date(1970, 1, 2)
_LAST_DATE: Final = date(2099, 12, 31)
_NO_TEXTS: Final = frozenset({"", "n/a", "nan", "null"})


def known_date(day: date | None) -> date | None:
    """The date; None for a placeholder."""
    return day if day is not None and _FIRST_DATE <= day <= _LAST_DATE else None


def known_moment(moment: datetime | None) -> datetime | None:
    """The moment; None for a placeholder."""
    return moment if moment is not None and known_date(moment.astimezone(UTC).date()) is not None else None


def known_text(text: str | None) -> str | None:
    """The text without blanks around it; None for a placeholder."""
    stripped = "" if text is None else text.strip()
    return None if stripped.casefold() in _NO_TEXTS else stripped


def positive(number: float | None) -> float | None:
    """A quantity that is never zero or less; None for a placeholder."""
    return number if number is not None and number > 0 else None


def is_impossible(number: float | None) -> bool:
    """Whether a quantity that is never negative came as a negative number other than -1, which stands for "unknown"."""
    return number is not None and number < 0 and number != -1


def not_zero(number: float | None) -> float | None:
    """A quantity that may be negative and is never zero; None for a placeholder."""
    return number or None


def next_dividend(next_date: date | None, ex_date: date | None) -> date | None:
    """The date of the next dividend; None for a placeholder, and for one before the last ex-date."""
    known, last = known_date(next_date), known_date(ex_date)
    return None if known is not None and last is not None and known < last else known
