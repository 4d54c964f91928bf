# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What falls between the as-of session and an expiration: a report of the company, an ex-dividend date."""

from __future__ import annotations

from datetime import date

import polars as pl

BEFORE_OPEN = "BTO"
AFTER_CLOSE = "AMC"


def with_earnings(series: pl.LazyFrame, earnings: pl.LazyFrame, symbols: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """Add whether a report comes before settlement.

    Args:
        series: `symbol`, `expiration_date` and any other columns.
        earnings: `earnings`.
        symbols: `symbols`; funds and indices report nothing.
        as_of: A report before its open is in its close; one after its close lies ahead.

    Returns:
        `series` in its order and `has_earnings_before_expiration`: null where no report ahead is known, and where it
        falls on the as-of session or the expiration at an unknown time of day.
    """
    day, time = pl.col("announced_date"), pl.col("time_of_day")
    is_ahead = (day > as_of) | ((day == as_of) & (time == AFTER_CLOSE)).fill_null(value=False)
    following = (
        earnings.filter(is_ahead)
        .sort("symbol", "announced_date")
        .group_by("symbol")
        .agg(next_report=day.first(), next_time=time.first())
    )
    doubtful = earnings.filter((day == as_of) & time.is_null()).select("symbol", is_doubtful=True).unique()
    silent = symbols.filter(pl.col("is_etf") | pl.col("is_index")).select("symbol", is_silent=True)
    expiration, report = pl.col("expiration_date"), pl.col("next_report")
    has = (
        pl.when(pl.col("is_silent"))
        .then(pl.lit(value=False))
        .when(report < expiration)
        .then(pl.lit(value=True))
        .when(pl.col("is_doubtful"))
        .then(None)
        .when(report > expiration)
        .then(pl.lit(value=False))
        # On the day itself: trading ends before a report that comes after the close.
        .when(pl.col("next_time") == BEFORE_OPEN)
        .then(pl.lit(value=True))
        .when(pl.col("next_time") == AFTER_CLOSE)
        .then(pl.lit(value=False))
    )
    joined = series
    for facts in (following, doubtful, silent):
        joined = joined.join(facts, on="symbol", how="left", maintain_order="left")
    return joined.with_columns(has_earnings_before_expiration=has).drop(
        "next_report", "next_time", "is_doubtful", "is_silent"
    )


def with_dividend(series: pl.LazyFrame, symbols: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """Add the dividend that is known to go ex before settlement.

    The broker names the ex-date and a next date, which may be the payment of the same dividend. An ex-date ahead
    counts; without one the next date, unless it is the day of payment.

    Args:
        series: `symbol`, `expiration_date` and any other columns.
        symbols: `symbols`.
        as_of: An ex-date lies ahead when it is later.

    Returns:
        `series` in its order and `dividend_before_expiration`, US dollars per share, at most the next one, as large as
        the last one; 0 when the next ex-date comes later; null when none ahead is known.
    """
    ex, following = pl.col("dividend_ex_date"), pl.col("dividend_next_date")
    is_payment = (following == pl.col("dividend_pay_date")).fill_null(value=False)
    known = symbols.select(
        "symbol",
        ex_date=pl.coalesce(
            pl.when(ex > as_of).then(ex),
            pl.when((following > as_of) & ~is_payment).then(following),
        ),
        rate="dividend_rate_per_share",
    )
    amount = pl.when(pl.col("ex_date") <= pl.col("expiration_date")).then("rate").when(pl.col("ex_date").is_not_null())
    return (
        series.join(known, on="symbol", how="left", maintain_order="left")
        .with_columns(dividend_before_expiration=amount.then(0.0))
        .drop("ex_date", "rate")
    )
