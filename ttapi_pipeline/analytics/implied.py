# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Moves that options price in, next to moves that happened: expected move, move ratio, IV rank and IV percentile.

Volatilities are annualised fractions. Every function takes and returns expressions, over columns of any name.
"""

from __future__ import annotations

import polars as pl

DAYS_PER_YEAR = 365
"""Implied volatilities are annualised over calendar days, realised ones over sessions."""


def expected_move(price: pl.Expr, implied_volatility: pl.Expr, dte: pl.Expr) -> pl.Expr:
    """One standard deviation of the price until expiration, in US dollars: ``S IV sqrt(dte / 365)`` (tastytrade's).

    Args:
        price: Of the underlying.
        implied_volatility: Of this expiration.
        dte: Calendar days left; null when it has passed.
    """
    return price * implied_stddev(implied_volatility, dte)


def implied_stddev(implied_volatility: pl.Expr, dte: pl.Expr) -> pl.Expr:
    """The expected move as a fraction of the price: ``IV sqrt(dte / 365)``; null when `dte` is negative."""
    return implied_volatility * pl.when(dte >= 0).then((dte / DAYS_PER_YEAR).sqrt())


def move_ratio(implied_volatility: pl.Expr, dte: pl.Expr, forecast_move: pl.Expr) -> pl.Expr:
    """Priced move over expected one: ``IV sqrt(dte / 365) / forecast_move``.

    Both are deviations over the same span, so that 365 days never meet 252 sessions. Above 1, options price in more
    than the past lets expect; options that are priced fairly are above 1 as often as below it. Null when the forecast
    is 0 or null.
    """
    return implied_stddev(implied_volatility, dte) / pl.when(forecast_move > 0).then(forecast_move)


def clock_ratio(dte: pl.Expr, sessions: pl.Expr, *, annualization: int = 252) -> pl.Expr:
    """What calendar days add to a priced move: ``sqrt((dte / 365) / (sessions / annualization))``.

    An implied volatility is spread over calendar days, and prices move in sessions. From a Friday to a Monday, three
    days of it meet one session: 1.44. Over months it is 1. Null without a session.
    """
    return ((dte / DAYS_PER_YEAR) / (pl.when(sessions > 0).then(sessions) / annualization)).sqrt()


def rank_in_range(value: pl.Expr, low: pl.Expr, high: pl.Expr) -> pl.Expr:
    """Where a value lies between a low and a high: ``(value - low) / (high - low)``; null when they are the same."""
    return (value - low) / pl.when(high > low).then(high - low)


def iv_rank(implied_volatility: pl.Expr, *, window: int = 252, min_samples: int | None = None) -> pl.Expr:
    """Place today's value between the low and the high of the last `window` sessions, today included, 0 to 1.

    Rows are sessions in ascending order; use it with ``.over("symbol", order_by="session")``. It ranks a realised
    volatility as well.

    Args:
        implied_volatility: One value per session.
        window: Sessions.
        min_samples: With fewer values than this in the window, the result is null; `window` by default.
    """
    low = implied_volatility.rolling_min(window, min_samples=min_samples)
    high = implied_volatility.rolling_max(window, min_samples=min_samples)
    return rank_in_range(implied_volatility, low, high)


def iv_percentile(implied_volatility: pl.Expr, *, window: int = 252, min_samples: int | None = None) -> pl.Expr:
    """The share of the `window` sessions before today with a lower value than today's, 0 to 1.

    It differs from the rank: one spike depresses a rank for a year and hardly touches a percentile. Rows and arguments
    as for `iv_rank`; sessions without a value do not count.
    """
    least = window if min_samples is None else min_samples
    span = window + 1
    is_lower = implied_volatility.rolling_rank(span, method="min", min_samples=least + 1) - 1
    others = implied_volatility.is_not_null().cast(pl.Float64).rolling_sum(span, min_samples=1) - 1
    return pl.when(implied_volatility.is_not_null()).then(is_lower / others)
