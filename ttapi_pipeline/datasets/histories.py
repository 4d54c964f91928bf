# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Stored bars and implied volatilities as the arrays that forecasts are made of, some symbols at a time.

Used by the datasets that score forecasts, and for pictures of one symbol. The forecasts: see `analytics.forecasts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Self, TypeVar

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from ttapi_pipeline.analytics.forecasts import History
    from ttapi_pipeline.analytics.kernels import Rows

SYMBOLS_AT_A_TIME: Final = 32
"""Symbols whose bars a thread holds at a time: 32 with 9,000 sessions are 20 MB."""

_EPOCH: Final = date(1970, 1, 1).toordinal()
_PRICES: Final = ("open", "high", "low", "close")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of the calendar by number.

    Attributes:
        days: Every session in days since 1970, ascending.
        last: The number of the as-of session.
    """

    days: Rows
    last: int

    @classmethod
    def of(cls, calendar: pl.LazyFrame, *, as_of: date) -> Self:
        """From `trading_calendar`."""
        days = calendar.select(pl.col("session").unique().sort().to_physical()).collect().to_series()
        numbers = days.to_numpy().astype(np.int64)
        return cls(numbers, int(np.searchsorted(numbers, _number(as_of), side="right")) - 1)

    def date(self, number: int) -> date:
        """The date of a session."""
        return date.fromordinal(_EPOCH + int(self.days[number]))

    def dates(self, numbers: Rows) -> pl.Series:
        """The dates of sessions."""
        return pl.Series("session", self.days[numbers].astype(np.int32)).cast(pl.Date)


@dataclass(frozen=True, slots=True)
class SymbolHistory:
    """One symbol's arrays, which end at the as-of session.

    Attributes:
        symbol: Whose.
        first: The number of the session of the first place.
        history: The arrays.
    """

    symbol: str
    first: int
    history: History


def for_each_history(
    snapshot: pl.LazyFrame,
    candles: pl.LazyFrame,
    sessions: Sessions,
    symbols: Sequence[str],
    work: Callable[[SymbolHistory], _Result],
    *,
    at_a_time: int = SYMBOLS_AT_A_TIME,
) -> Sequence[_Result]:
    """Call a function with the arrays of each symbol that has a bar, in threads; the results are in that order.

    Args:
        snapshot: `eod_snapshot`; final bars up to the as-of session count.
        candles: `daily_candles`, for its implied volatilities; likewise.
        sessions: Of the calendar. Bars on other days count for nothing.
        symbols: Whose.
        work: Gets one symbol's arrays.
        at_a_time: Changes nothing but the memory that it takes.
    """
    as_of = sessions.date(sessions.last)
    counts = pl.col("is_final") & (pl.col("session") <= as_of)
    bars = snapshot.filter(counts).select("symbol", "session", *_PRICES)
    implied = candles.filter(counts).select("symbol", "session", "implied_volatility")

    def batch(names: Sequence[str]) -> list[_Result]:
        # By the bounds, a reader of Parquet skips the row groups of other symbols.
        wanted = pl.col("symbol").is_between(pl.lit(names[0]), pl.lit(names[-1])) & pl.col("symbol").is_in(names)
        both = bars.filter(wanted).join(implied.filter(wanted), on=["symbol", "session"], how="left")
        # A batch is too small to stream, and threads run side by side here.
        tables = both.sort("symbol", "session").collect(engine="in-memory").partition_by("symbol", maintain_order=True)
        made = (_history(table, sessions) for table in tables)
        return [work(each) for each in made if each is not None]

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return [result for results in pool.map(batch, list(_batches(symbols, at_a_time))) for result in results]


def _batches(symbols: Sequence[str], size: int) -> Sequence[Sequence[str]]:
    ordered = sorted(symbols)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _history(table: pl.DataFrame, sessions: Sessions) -> SymbolHistory | None:
    """The arrays of one symbol's rows, which are sorted by session; None when no row is on a session."""
    from ttapi_pipeline.analytics.forecasts import History  # noqa: PLC0415 - imports Numba

    days = table["session"].to_physical().to_numpy()
    numbers = np.searchsorted(sessions.days, days)
    is_session = sessions.days[np.minimum(numbers, len(sessions.days) - 1)] == days
    numbers = numbers[is_session]
    if not len(numbers):
        return None
    first = int(numbers[0])
    count = sessions.last - first + 1
    arrays = np.full((len(_PRICES) + 1, count), math.nan)
    for row, name in zip(arrays, (*_PRICES, "implied_volatility"), strict=True):
        row[numbers - first] = table[name].cast(pl.Float64).to_numpy()[is_session]
    implied = np.where(arrays[-1] > 0, arrays[-1], math.nan)
    return SymbolHistory(str(table["symbol"][0]), first, History(arrays[:-1], implied, sessions.days[first:]))


def _number(day: date) -> int:
    return day.toordinal() - _EPOCH
