# SPDX-License-Identifier: MIT
"""Realised volatility without the sessions on which earnings were news; with them it is `volatility`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
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

    A report before the open moves its own session; one after the close, or at a time that nobody knows, is given its
    own session and the next one.

    Args:
        announcements: `symbol`; `announced_date`, the day on which the results were published, not the end of the
            fiscal quarter; `time_of_day`, BTO (before the open), AMC (after the close) or null.
        calendar: `session`, covering the announcements.

    Returns:
        `symbol`, `session`, distinct, by both. A day that is no session counts as the last one before it, except
        before the open, where it counts as the next. Announcements that the calendar does not reach are left out.
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
    """Close-to-close volatility of the last n sessions, less those of `earnings_sessions`.

    Only what is in `announcements` can be left out. The broker names the next report and, in its history, ends of
    fiscal quarters; where the dates of past reports are wanted, they come from the caller.

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), one row per symbol and session, in any order.
        calendar: `session`, covering the bars and `as_of`.
        announcements: As for `earnings_sessions`; those after `as_of` change nothing.
        as_of: The last day that counts; when it is not a session, the last one before it.
        windows: Sessions, each 2 or more, before any is left out.
        annualization: Sessions per year.

    Returns:
        One row per symbol with a bar up to `as_of`, by symbol: `symbol`, and per window n

        - `close_to_close_{n}_ex_earnings`: the annualised sample deviation (n - 1) of the returns that are left.
        - `earnings_sessions_left_out_{n}` (Int32): null when no announcement is known.
        - `close_to_close_{n}_ex_earnings_reason`: a key of REASONS where it is null.
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
    kept = (
        log_returns(recent, calendar)
        .join(left_out.select("symbol", "session"), on=["symbol", "session"], how="anti")
        .join(ages, on="session")
        .group_by("symbol")
        .agg(
            each
            for window in windows
            for each in (
                pl.col("log_return").filter(age < window).std().alias(f"stddev_{window}"),
                pl.col("log_return").filter(age < window).count().cast(pl.Int32).alias(f"count_{window}"),
            )
        )
    )
    columns: list[pl.Expr] = []
    for window in windows:
        left = pl.col(f"earnings_sessions_left_out_{window}")
        is_complete = (pl.col(f"count_{window}") == window - left) & (pl.col(f"count_{window}") >= 2)
        name = f"close_to_close_{window}_ex_earnings"
        columns += [
            pl.when(is_complete).then(pl.col(f"stddev_{window}") * annualization**0.5).alias(name),
            left,
            pl.when(left.is_null())
            .then(pl.lit("no_announcement"))
            .when(~is_complete.fill_null(value=False))
            .then(pl.lit("gap"))
            .alias(f"{name}_reason"),
        ]
    return (
        past.select("symbol")
        .unique()
        .join(counts, on="symbol", how="left")
        .join(kept, on="symbol", how="left")
        .select("symbol", *columns)
        .sort("symbol")
    )
