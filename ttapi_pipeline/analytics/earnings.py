# SPDX-License-Identifier: MIT
"""Realised volatility without the sessions on which earnings were news. With these sessions: see `volatility`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import chain
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.returns import log_returns, session_index

REASONS: Final = {
    "no_announcement": "no announcement of the symbol up to the as-of session is known",
    "gap": "a session of the window that is not left out has no return, or fewer than 2 are left",
}
"""What each word of the reason columns means."""


def earnings_sessions(announcements: pl.LazyFrame, calendar: pl.LazyFrame) -> pl.LazyFrame:
    """The sessions to leave out around announcements.

    A report before the open moves its own session. A report after the close, or at an unknown time, takes out its own
    session and the next one.

    Args:
        announcements: `symbol`; `announced_date`, the day on which the results were published, not the end of the
            fiscal quarter; `time_of_day`, BTO (before the open), AMC (after the close) or null.
        calendar: `session`, covering the announcements.

    Returns:
        `symbol`, `session`, distinct, sorted by both. A day that is not a session counts as the last session before it;
        for a report before the open, as the next session. Announcements outside of the calendar are ignored.
    """
    sessions = session_index(calendar).with_columns(pl.col("session").set_sorted())
    known = announcements.select("symbol", "announced_date", is_early=pl.col("time_of_day") == "BTO").drop_nulls(
        ["symbol", "announced_date"]
    )
    is_early = pl.col("is_early").fill_null(value=False)
    early = (
        known.filter(is_early)
        .sort("announced_date")
        .join_asof(sessions, left_on="announced_date", right_on="session", strategy="forward")
    )
    late = (
        known.filter(~is_early)
        .sort("announced_date")
        .join_asof(sessions, left_on="announced_date", right_on="session", strategy="backward")
    )
    next_index = pl.col("session_index") + 1
    indices = pl.concat(
        each.select("symbol", "session_index") for each in (early, late, late.with_columns(session_index=next_index))
    )
    return indices.join(sessions, on="session_index").select("symbol", "session").unique().sort("symbol", "session")


def volatility_without_earnings(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    announcements: pl.LazyFrame,
    *,
    as_of: date,
    windows: Sequence[int],
    annualization: int = 252,
) -> pl.LazyFrame:
    """Close-to-close volatility of the last n sessions without the sessions of `earnings_sessions`.

    The function leaves out the reports in `announcements` and no others. The broker names the next report and, in its
    history, ends of fiscal quarters, so the caller has to bring the dates of past reports.

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), one row per symbol and session, in any order.
        calendar: `session`, covering the bars and `as_of`.
        announcements: As for `earnings_sessions`; announcements after `as_of` change nothing.
        as_of: Windows end here, or at the last session before it.
        windows: Sessions, each 2 or more; sessions that are left out are counted too.
        annualization: Sessions per year.

    Returns:
        One row per symbol with a bar up to `as_of`, sorted by symbol: `symbol`, and per window n

        - `close_to_close_{n}_ex_earnings`: the annualised sample deviation (n - 1) of the returns that are left.
        - `earnings_sessions_left_out_{n}` (Int32): their number; null when no announcement is known.
        - `close_to_close_{n}_ex_earnings_reason`: a key of REASONS where the deviation is null.
    """
    sessions = session_index(calendar).filter(pl.col("session") <= as_of)
    ages = sessions.select("session", age=pl.col("session_index").max() - pl.col("session_index"))
    past = bars.select("symbol", "session", "close").filter(pl.col("session") <= as_of)
    recent = past.join(ages.filter(pl.col("age") <= max(windows)), on="session", how="semi")
    left_out = earnings_sessions(announcements.filter(pl.col("announced_date") <= as_of), calendar).join(
        ages, on="session"
    )
    age = pl.col("age")
    counts = left_out.group_by("symbol").agg(
        (age < window).sum().cast(pl.Int32).alias(f"earnings_sessions_left_out_{window}") for window in windows
    )
    returns = pl.col("log_return")
    kept = (
        log_returns(recent, calendar)
        .join(left_out.select("symbol", "session"), on=["symbol", "session"], how="anti")
        .join(ages, on="session")
        .group_by("symbol")
        .agg(
            *(returns.filter(age < window).std().alias(f"stddev_{window}") for window in windows),
            *(returns.filter(age < window).count().cast(pl.Int32).alias(f"count_{window}") for window in windows),
        )
    )
    return (
        past.select("symbol")
        .unique()
        .join(counts, on="symbol", how="left")
        .join(kept, on="symbol", how="left")
        .select("symbol", *chain.from_iterable(_columns(window, annualization) for window in windows))
        .sort("symbol")
    )


def _columns(window: int, annualization: int) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Volatility, sessions left out and reason of a window, from the deviation and the number of the returns left."""
    left_out = pl.col(f"earnings_sessions_left_out_{window}")
    is_complete = (pl.col(f"count_{window}") == window - left_out) & (pl.col(f"count_{window}") >= 2)
    name = f"close_to_close_{window}_ex_earnings"
    reason = (
        pl.when(left_out.is_null())
        .then(pl.lit("no_announcement"))
        .when(~is_complete.fill_null(value=False))
        .then(pl.lit("gap"))
    )
    volatility = pl.when(is_complete).then(pl.col(f"stddev_{window}") * annualization**0.5)
    return volatility.alias(name), left_out, reason.alias(f"{name}_reason")
