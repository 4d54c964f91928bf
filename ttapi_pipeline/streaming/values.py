# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Columns of a feed's values as arrays, and which of their numbers are believed.

Nothing here raises: a value that cannot be read costs itself, and not the event, the frame or the link. The meaning of
the columns is in `candles` and `market_data`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

UNREADABLE: Final = -np.inf
"""Stands for a value that came and is not a number. No range has it, so it is never believed."""

NO_INTEGER: Final = int(np.iinfo(np.int64).min)
"""Stands for a value that is not a whole number of 64 bits."""

_WORDS: Final = MappingProxyType({"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf})


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a field can have.

    Attributes:
        most: Far above every number that was ever seen there, so that only nonsense is beyond it.
        has_zero: Whether zero is a number of that field. Otherwise it is a placeholder: it means that there is none.
    """

    most: float
    has_zero: bool

    def believed(self, numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The numbers that can be, with NaN in place of the others, and which of those came with a value.

        A placeholder is no value, so it is not among them.
        """
        with np.errstate(invalid="ignore"):
            can_be = (numbers >= 0.0 if self.has_zero else numbers > 0.0) & (numbers <= self.most)
        if can_be.all():
            return numbers, np.zeros(len(numbers), dtype=np.bool_)
        return np.where(can_be, numbers, np.nan), ~can_be & ~np.isnan(numbers) & (numbers != 0.0)


PRICE: Final = Range(1e9, has_zero=False)
"""US dollars or index points. The least increment of a share is 0.0001 dollars (Regulation NMS, rule 612)."""

OPTION_BID: Final = Range(1e9, has_zero=True)
"""US dollars. A contract that is worth nothing to buyers is bid at zero, beside an ask that is not."""

AMOUNT: Final = Range(1e15, has_zero=True)
"""Shares, contracts or trades."""

VOLATILITY: Final = Range(100.0, has_zero=False)
"""Implied volatility, a fraction. A price that moves has one."""


FAR: Final = 10.0
"""No share has gone up tenfold and come back, or down to a tenth and come back, within one session. Trades at such
prices are clearly erroneous ones, which exchanges cancel: 0.01 dollars for shares of 40 on 2010-05-06, for example."""


def believed_range(
    opened: NDArray[np.float64], high: NDArray[np.float64], low: NDArray[np.float64], close: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Open, high and low of bars, with NaN where they contradict the bar, and the closes that fit in what is left.

    Of a low above its high, those count that hold open and close on their side. An open outside of low and high is not
    one. A high more than FAR times above both open and close is not one, and neither is a low as far below both. Of a
    close outside of low and high and these two, any may be the wrong one.

    Args:
        opened, high, low: Prices, NaN where there is none. A price that is not there contradicts nothing.
        close: Prices.
    """
    # Comparisons with NaN are false, and `fmin` and `fmax` pass over it.
    is_crossed = low > high
    if is_crossed.any():
        high, low = (
            np.where(is_crossed & ~(high >= np.fmax(opened, close)), np.nan, high),
            np.where(is_crossed & ~(low <= np.fmin(opened, close)), np.nan, low),
        )
    is_outside = (opened < low) | (opened > high)
    if is_outside.any():
        opened = np.where(is_outside, np.nan, opened)
    is_far = high / FAR > np.fmax(opened, close)
    if is_far.any():
        high = np.where(is_far, np.nan, high)
    is_far = low * FAR < np.fmin(opened, close)
    if is_far.any():
        low = np.where(is_far, np.nan, low)
    return opened, high, low, ~((close < low) | (close > high))


def floats(column: Sequence[Any]) -> NDArray[np.float64]:
    """Read a column of numbers.

    ``"NaN"`` and null become NaN, ``"Infinity"`` and ``"-Infinity"`` the infinities, and everything else that is not a
    JSON number, such as true or another text, becomes UNREADABLE.
    """
    if set(map(type, column)) <= {int, float}:
        try:
            return np.array(column, dtype=np.float64)
        except OverflowError:
            pass
    # A column without any value is common among candles, and is read without a look at each of them.
    if column.count("NaN") == len(column):
        return np.full(len(column), np.nan)
    return np.array([value if type(value) is float else _float(value) for value in column], dtype=np.float64)


def integers(column: Sequence[Any]) -> NDArray[np.int64]:
    """Read a column of whole numbers, such as times and flags; they may be written as ``5.0``.

    Everything else becomes NO_INTEGER.
    """
    if set(map(type, column)) <= {int}:
        try:
            return np.array(column, dtype=np.int64)
        except OverflowError:
            pass
    return np.array([_integer(value) for value in column], dtype=np.int64)


def _float(value: object) -> float:
    match value:
        case float():
            return value
        case bool():
            return UNREADABLE
        case int():
            try:
                return float(value)
            except OverflowError:
                return UNREADABLE
        case str():
            return _WORDS.get(value, UNREADABLE)
        case None:
            return np.nan
        case _:
            return UNREADABLE


def _integer(value: object) -> int:
    match value:
        case bool():
            return NO_INTEGER
        case int():
            return value if -(2**63) < value < 2**63 else NO_INTEGER
        # From 2^53 on, a float does not tell neighbouring whole numbers apart.
        case float() if abs(value) < 2.0**53 and value.is_integer():
            return int(value)
        case _:
            return NO_INTEGER
