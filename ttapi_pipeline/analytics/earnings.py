# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Realised volatility without the sessions on which earnings were news. With these sessions: see `volatility`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from itertools import chain
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.returns import COMPLETE, log_returns, session_index

REASONS: Final = {
    "unknown_announcements": "announcements inside of the window may be missing: see LONGEST_QUARTER",
    "not_current": "the symbol has no bar of the as-of session",
    "gap": "more than a tenth of the returns of the window are missing, or fewer than 2 are left",
}
"""What each word of the reason columns means."""

LONGEST_QUARTER: Final = timedelta(days=120)
"""A company reports every 13 weeks or so. Where two announcements in a row are further apart, one between them is not
known. A window is covered when one is known before it, one after it, and none is missing between these."""


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
    silent: Collection[str] = (),
) -> pl.LazyFrame:
    """Close-to-close volatility of the last n sessions without the sessions of `earnings_sessions`.

    The function leaves out the reports in `announcements` and no others. The broker names the next report and, in its
    history, ends of fiscal quarters, so the caller has to bring the dates of past reports.

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), one row per symbol and session, in any order.
        calendar: `session`, covering the bars and `as_of`.
        announcements: As for `earnings_sessions`; those after `as_of` tell that none before them is missing.
        as_of: Windows end here, or at the last session before it.
        windows: Sessions, each 2 or more; sessions that are left out are counted too.
        annualization: Sessions per year.
        silent: Symbols that report nothing, such as funds and indices; every window of theirs is covered.

    Returns:
        One row per symbol with a bar up to `as_of`, sorted by symbol: `symbol`, and per window n

        - `close_to_close_{n}_ex_earnings`: the annualised sample deviation (n - 1) of the returns that are left.
        - `earnings_sessions_left_out_{n}` (Int32): their number; null where the window is not covered.
        - `close_to_close_{n}_ex_earnings_reason`: a key of REASONS where the deviation is null.
    """
    # Reads better in one piece: the counts, the returns and the cover of every window meet in one query.
    sessions = session_index(calendar).filter(pl.col("session") <= as_of)
    ages = sessions.select("session", age=pl.col("session_index").max() - pl.col("session_index")).collect().lazy()
    past = bars.select("symbol", "session", "close").filter(pl.col("session") <= as_of)
    recent = past.join(ages.filter(pl.col("age") <= max(windows)), on="session", how="semi")
    left_out = earnings_sessions(announcements.filter(pl.col("announced_date") <= as_of), calendar).join(
        ages, on="session"
    )
    age, returns = pl.col("age"), pl.col("log_return")
    counts = left_out.group_by("symbol").agg(
        (age < window).sum().cast(pl.Int32).alias(f"out_{window}") for window in windows
    )
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
    known_ages = dict(ages.filter(age.is_in([0, *windows])).select("age", "session").collect().rows())
    last = known_ages.get(0)
    return (
        past.group_by("symbol")
        .agg(last=pl.col("session").max())
        .with_columns(is_current=pl.col("last") == last)
        .join(counts, on="symbol", how="left")
        .join(kept, on="symbol", how="left")
        .join(_covered_from(announcements, as_of=as_of), on="symbol", how="left")
        .with_columns(is_silent=pl.col("symbol").is_in(list(silent)))
        .select(
            "symbol",
            *chain.from_iterable(_columns(window, known_ages.get(window), annualization) for window in windows),
        )
        .sort("symbol")
    )


def _covered_from(announcements: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """`symbol`, `covered_from`: the announcement since which none is missing, up to the first one after `as_of`.

    Null where no announcement lies ahead within LONGEST_QUARTER of the last one.
    """
    day = pl.col("announced_date")
    is_ahead = day > as_of
    known = announcements.select("symbol", "announced_date").drop_nulls().unique().sort("symbol", "announced_date")
    gap = (day - day.shift()).over("symbol")
    # Up to the first announcement ahead, a row for each; a chain is broken where the step from the row before is long.
    upto = known.with_columns(gap=gap, ahead=is_ahead.cum_sum().over("symbol")).filter(pl.col("ahead") <= 1)
    is_broken = (pl.col("gap") > LONGEST_QUARTER).fill_null(value=True)
    return (
        upto.with_columns(chain=is_broken.cum_sum().over("symbol"))
        .filter(pl.col("chain") == pl.col("chain").last().over("symbol"))
        .group_by("symbol")
        .agg(
            covered_from=pl.when(is_ahead.any()).then(day.min()),
        )
    )


def _columns(window: int, begin: date | None, annualization: int) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Volatility, sessions left out and reason of a window, from the deviation and the number of the returns left.

    `begin` is the session before the window's first.
    """
    is_covered = pl.col("is_silent") | (pl.col("covered_from") <= pl.lit(begin, pl.Date)).fill_null(value=False)
    left_out = pl.when(is_covered).then(pl.col(f"out_{window}").fill_null(0))
    count = pl.col(f"count_{window}")
    is_complete = (count >= COMPLETE * (window - left_out)) & (count >= 2)
    name = f"close_to_close_{window}_ex_earnings"
    reason = (
        pl.when(~is_covered)
        .then(pl.lit("unknown_announcements"))
        .when(~pl.col("is_current"))
        .then(pl.lit("not_current"))
        .when(~is_complete.fill_null(value=False))
        .then(pl.lit("gap"))
    )
    volatility = pl.when(reason.is_null()).then(pl.col(f"stddev_{window}") * annualization**0.5)
    return (
        volatility.alias(name),
        left_out.alias(f"earnings_sessions_left_out_{window}"),
        reason.alias(f"{name}_reason"),
    )
