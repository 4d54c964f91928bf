# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Today's implied volatility among its own past: rank, percentile, changes, z-score. Option prices: see `implied`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.implied import rank_in_range
from ttapi_pipeline.analytics.returns import session_index

YEAR: Final = 252
"""Sessions that rank, percentile and z-score look back on, today's included."""

CHANGES: Final[Sequence[int]] = (5, 21)
"""Sessions that the changes go back."""

REASONS: Final = {
    "no_implied_volatility": "no session of the year has an implied volatility",
    "not_current": "the as-of session has no implied volatility",
    "short_history": "fewer than half of the year's sessions have one",
    "unchanged": "it was the same all year: a figure that nobody updates",
}
"""What each word of the reason column means."""


def implied_volatility_history(
    implied: pl.LazyFrame, calendar: pl.LazyFrame, *, as_of: date, span: int = YEAR, least: int = YEAR // 2
) -> pl.LazyFrame:
    """Place each symbol's implied volatility of one session among those of a year.

    Args:
        implied: `symbol`, `session`, `implied_volatility` (annualised), one row per symbol and session, in any order.
            What is not a positive number counts as missing.
        calendar: `session`, covering the rows and `as_of`.
        as_of: Today: this session, or the last one before it. Later rows change nothing.
        span: Sessions that count, today's among them.
        least: With fewer values than this in the span, rank, percentile and z-score are null.

    Returns:
        One row per symbol with a value in the span or in the sessions just before it, sorted by symbol:

        - `symbol`, `implied_volatility`: today's; null when today has none.
        - `iv_rank`: ``(today - low) / (high - low)``, 0 to 1.
        - `iv_percentile`: share of the values of the span, today's included, that are below today's, 0 to 1.
        - `iv_zscore`: ``(today - mean) / stddev`` of the span, with the sample deviation (n - 1).
        - `iv_values_used` (Int32): values in the span; `iv_reason`: a key of REASONS where the rank is null.
        - `iv_5_day_change`, `iv_21_day_change`: today's less the one so many sessions ago; null without either.
    """
    value, age = pl.col("implied_volatility"), pl.col("age")
    sessions = session_index(calendar.filter(pl.col("session") <= as_of))
    ages = sessions.select("session", age=pl.col("session_index").max() - pl.col("session_index")).filter(
        age <= max(span - 1, *CHANGES)
    )
    year = value.filter(age < span)
    today = value.filter(age == 0).first()
    measured = (
        implied.filter(value.is_finite() & (value > 0))
        .join(ages, on="session")
        .sort("symbol", "age")  # the last digit of a sum depends on the order, and a join gives any
        .group_by("symbol")
        .agg(
            implied_volatility=today,
            low=year.min(),
            high=year.max(),
            iv_percentile=(year < today).mean(),
            iv_zscore=(today - year.mean()) / pl.when(year.max() > year.min()).then(year.std()),
            iv_values_used=year.count().cast(pl.Int32),
            **{f"iv_{days}_day_change": today - value.filter(age == days).first() for days in CHANGES},
        )
    )
    is_placed = pl.col("iv_reason").is_null()
    return (
        measured.with_columns(iv_reason=_reason(least))
        .select(
            "symbol",
            "implied_volatility",
            iv_rank=pl.when(is_placed).then(rank_in_range(value, pl.col("low"), pl.col("high"))),
            iv_percentile=pl.when(is_placed).then("iv_percentile"),
            iv_zscore=pl.when(is_placed).then("iv_zscore"),
            iv_values_used="iv_values_used",
            **{f"iv_{days}_day_change": pl.col(f"iv_{days}_day_change") for days in CHANGES},
            iv_reason="iv_reason",
        )
        .sort("symbol")
    )


def _reason(least: int) -> pl.Expr:
    """A key of REASONS, from the figures of the year; null when today can be placed in it."""
    return (
        pl.when(pl.col("iv_values_used") == 0)
        .then(pl.lit("no_implied_volatility"))
        .when(pl.col("implied_volatility").is_null())
        .then(pl.lit("not_current"))
        .when(pl.col("iv_values_used") < least)
        .then(pl.lit("short_history"))
        .when(pl.col("high") == pl.col("low"))
        .then(pl.lit("unchanged"))
    )
