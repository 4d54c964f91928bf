# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Knows the lines among rows that are no rows: a site's words at the end of a file, and dividends between the bars.

Such a line is neither a bar nor a reject. The account of its file counts it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ttapi_pipeline.metastock.dates import is_date

TEXT: Final = "text"
"""A line of words. At the end of a file it is a footer; before a row it is a row that cannot be read."""

EVENT: Final = "event"
"""A date with a dividend or a split instead of prices, as the page of Yahoo has them between its rows."""

MOST_FOOTER_LINES: Final = 12
"""Sites write one line to ten: where the file is from, and disclaimers."""

_LEAST_WORDS: Final = 3
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_NUMBER: Final = re.compile(r"[-+$€]?\d[\d.,]*[%KMB]?")
_EVENT: Final = re.compile(
    r"[\d.,:/ -]*(?:(?:cash|special|ordinary|stock) )*(?:dividends?|splits?|capital gains?|distributions?)[\d.,:/ -]*",
    re.IGNORECASE,
)


def aside_of(cells: Sequence[str], closes: int) -> str | None:
    """What a line is if it is no row: TEXT or EVENT; None for a row, also for one that cannot be read.

    Args:
        cells: The values of the line.
        closes: Where a row has its close.
    """
    # Most lines are rows, and to ask for the close is cheap.
    if closes < len(cells) and cells[closes][:1].isdigit():
        return None
    filled = [cell for cell in cells if cell]
    if not filled:
        return None
    if len(filled) > 1 and is_date(filled[0]) and _EVENT.fullmatch(" ".join(filled[1:])):
        return EVENT
    has_words = len(_WORD.findall(" ".join(filled))) >= _LEAST_WORDS
    return TEXT if has_words and not is_date(filled[0]) and not any(map(_NUMBER.fullmatch, filled)) else None
