# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Sessions numbered, and daily log returns between consecutive sessions. Figures made of returns: see next door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

COMPLETE: Final = 0.9
"""Share of the returns of a window that have to be there for it to be measured. The bar that a halt or a feed leaves
out costs two returns: a window of 20 or more bears it, one of 5 says that it has a gap."""


def session_index(calendar: pl.LazyFrame) -> pl.LazyFrame:
    """Number the sessions of a trading calendar, so that a difference of numbers counts sessions.

    Args:
        calendar: `session` (Date), in any order; other columns are ignored.

    Returns:
        `session` ascending and without repetitions, `session_index` (Int32) from 0 without gaps.
    """
    sessions = calendar.select("session").unique().sort("session")
    return sessions.with_columns(session_index=pl.int_range(pl.len(), dtype=pl.Int32))


def last_index(calendar: pl.LazyFrame, *, as_of: date) -> int:
    """The `session_index` of the last session up to a day; -1 without such a session. The calendar is collected."""
    sessions = pl.col("session").filter(pl.col("session") <= as_of)
    return int(calendar.select(sessions.n_unique()).collect().item()) - 1


@dataclass(frozen=True, slots=True)
class SessionTable:
    """The number of every day's session, to look up: over millions of bars, a join takes as long as all that follows.

    Attributes:
        first_day: The first session, in days since 1970-01-01.
        index: The `session_index` (Int32) of each day from the first to the last session; null without a session.
    """

    first_day: int
    index: pl.Series


def session_table(calendar: pl.LazyFrame) -> SessionTable:
    """Make the table of a calendar, whose `session` (Date) is collected."""
    # So few rows that the streaming engine would take longer to start than to finish.
    days = calendar.select(pl.col("session").to_physical().unique().sort()).collect(engine="in-memory").to_series()
    first = 0 if days.is_empty() else days[0]
    is_session = pl.int_range(first, days[-1] + 1 if len(days) else first, eager=True).is_in(days.implode())
    return SessionTable(first, (is_session.cum_sum().cast(pl.Int32) - 1).set(~is_session, None))


def on_sessions(bars: pl.LazyFrame, calendar: pl.LazyFrame) -> pl.LazyFrame:
    """Number the sessions of bars, as `session_index` does, and drop the bars on other days; the order stays.

    Args:
        bars: `session` (Date) and any other columns.
        calendar: `session`, covering the bars; it is collected.
    """
    table = session_table(calendar)
    place = pl.col("session").to_physical() - table.first_day
    # A negative place would count from the end.
    index = pl.lit(table.index).gather(pl.when(place >= 0).then(place), null_on_oob=True)
    return bars.with_columns(session_index=index).filter(pl.col("session_index").is_not_null())


def usable_price(name: str) -> pl.Expr:
    """A price column with null for everything that is not a positive number: it has no logarithm."""
    price = pl.col(name)
    # Polars orders NaN above every number, so "greater than 0" alone lets it through.
    return pl.when(price.is_finite() & (price > 0)).then(price)


def log_returns(bars: pl.LazyFrame, calendar: pl.LazyFrame) -> pl.LazyFrame:
    """Add the log return between consecutive sessions, ``ln(C_i / C_{i-1})``, per symbol.

    A return spans exactly one step of the calendar: without a usable close on the session before, there is no return.
    The jump over a halt, counted as a return of one session, would look like a single violent day.

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), in any order, one row per symbol and session.
        calendar: `session`, covering the bars.

    Returns:
        `bars` in their order, plus

        - `log_return`: dimensionless; null on a symbol's first bar, after a gap, at or after a close that is not a
          positive number, and on a day that is not a session.
        - `gap_sessions` (Int32): sessions skipped since the symbol's last usable close, 0 when it was the session
          before; null on the first bar and where this close is not usable itself.
    """
    # A close on a day that is not a session lies between two sessions, and must not come between their closes.
    close = pl.when(pl.col("session_index").is_not_null()).then(usable_price("close"))
    numbered = bars.join(session_index(calendar), on="session", how="left", maintain_order="left").with_columns(
        usable_close=close, usable_index=pl.when(close.is_not_null()).then("session_index")
    )
    previous = pl.col("usable_close", "usable_index").forward_fill().shift().over("symbol", order_by="session")
    return (
        numbered.with_columns(previous.name.prefix("previous_"))
        .with_columns(gap_sessions=pl.col("usable_index") - pl.col("previous_usable_index") - 1)
        .with_columns(
            log_return=pl.when(pl.col("gap_sessions") == 0).then(
                (pl.col("usable_close") / pl.col("previous_usable_close")).log()
            )
        )
        .drop("session_index", "usable_close", "usable_index", "previous_usable_close", "previous_usable_index")
    )
