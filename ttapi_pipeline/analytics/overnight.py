# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The share of the variance that happens overnight, and the time that is left to an option that settles on an open."""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.returns import last_index, on_sessions, usable_price

TYPICAL_SHARE: Final = 0.36
"""Stands in where opens cannot be believed: the middle of the 30 to 43% that shares and funds have over a year."""

_MOST_REPEATED: Final = 0.1
"""Share of opens that repeat the close before. Those of a cash index are made up before its members have traded; 40% of
the S&P 500's repeat it, so that its nights look calm."""


def overnight_share(
    bars: pl.LazyFrame, calendar: pl.LazyFrame, *, as_of: date, sessions: int = 252, least: int = 126
) -> pl.LazyFrame:
    """Estimate the share of the variance that happens overnight.

    Args:
        bars: `symbol`, `session`, `open`, `close` (adjusted for splits), in any order.
        calendar: `session`, covering the bars and `as_of`.
        as_of: Later bars change nothing.
        sessions: How many sessions count.
        least: How many of them have to be there.

    Returns:
        `symbol`, `overnight_share`: ``sum o^2 / sum (o^2 + c^2)`` with o from close to open and c from open to close,
        0 to 1; null with fewer sessions, or where a tenth of the opens or more repeat the close before.
    """
    calendar = calendar.select("session").collect().lazy()
    last = last_index(calendar, as_of=as_of)
    recent = on_sessions(bars.filter(pl.col("session") <= as_of), calendar).filter(
        pl.col("session_index") >= last - sessions
    )
    index, open_, close = pl.col("session_index"), usable_price("open").log(), usable_price("close").log()
    is_next = (pl.col("symbol") == pl.col("symbol").shift()) & (index == index.shift() + 1)
    night, day = pl.col("night"), pl.col("day")
    steps = (
        recent.select("symbol", "session_index", open=open_, close=close)
        .sort("symbol", "session_index")
        .select(
            "symbol",
            night=pl.when(is_next).then(pl.col("open") - pl.col("close").shift()),
            day=pl.col("close") - pl.col("open"),
        )
        .drop_nulls()
    )
    total = (night**2 + day**2).sum()
    is_known = (pl.len() >= least) & ((night == 0).mean() < _MOST_REPEATED) & (total > 0)
    return steps.group_by("symbol").agg(overnight_share=pl.when(is_known).then((night**2).sum() / total))


def sessions_left(horizon: pl.Expr, is_settled_at_open: pl.Expr, share: pl.Expr) -> pl.Expr:
    """Sessions' worth of variance until settlement: the horizon, or for AM settlement ``h - 1 + overnight share``.

    The last session of an option that settles on the open is one night. Null where the horizon is 0 or null.
    """
    left = pl.when(is_settled_at_open).then(horizon - 1 + share).otherwise(horizon.cast(pl.Float64))
    return pl.when(horizon > 0).then(left)
