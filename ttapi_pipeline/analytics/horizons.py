# SPDX-License-Identifier: MIT
"""How far away each expiration is, in sessions, and how far prices move over that span, with its error.

Next door: range estimators over fixed windows in `volatility`, comparisons with option prices in `implied`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.returns import last_index, on_sessions, session_index, usable_price

MINIMUM_RETURNS: Final = 20
"""With fewer returns than this, a lookback or horizon column is null: its error would be as large as its value."""

REASONS: Final = {
    "unknown_horizon": "the calendar does not reach the expiration",
    "zero_horizon": "no session is left before the expiration",
    "one_session": "one return has no sample deviation",
    "no_bars": "the symbol has no usable close up to the as-of session",
    "short_history": "the symbol's first usable close comes too late for the window",
    "short_lookback": "the lookback is too short for the horizon, whatever the history",
    "gap": "sessions of the window have no usable close",
    "unchanged_close": "every close of the window is the same: a price that nobody updates, not a calm one",
}
"""What each word of a reason column means."""


def expiration_horizons(expirations: pl.LazyFrame, calendar: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """Count from a session to each expiration, in calendar days and in sessions.

    Args:
        expirations: `expiration_date` (Date), `settlement_type` (AM or PM) and any other columns, in any order.
        calendar: `session`, covering `as_of` and the expirations.
        as_of: The day to count from, or the last session before it.

    Returns:
        `expirations` in their order, plus

        - `as_of_session`: null when the calendar starts after `as_of`.
        - `dte` (Int32): calendar days from `as_of_session` to the expiration date, negative when it has passed.
        - `horizon_sessions` (Int32): sessions after `as_of_session` up to the expiration date, or to the last session
          before it when it is not a session; 0 when none is left; null when the calendar ends before the expiration.
        - `is_settled_at_open`: whether the last step is an overnight move only (AM settlement, on the opening price).
    """
    sessions = session_index(calendar)
    origin = sessions.filter(pl.col("session") <= as_of).select(
        as_of_session=pl.col("session").last(), as_of_index=pl.col("session_index").last()
    )
    end = sessions.select(calendar_end=pl.col("session").last())
    # The join needs sorted dates. It is made on the distinct dates, so that the expirations keep their order.
    expiration_index = (
        expirations.select("expiration_date")
        .unique()
        .drop_nulls()
        .sort("expiration_date")
        .join_asof(sessions, left_on="expiration_date", right_on="session", strategy="backward")
        .select("expiration_date", expiration_index="session_index")
    )
    sessions_left = (pl.col("expiration_index") - pl.col("as_of_index")).clip(lower_bound=0)
    return (
        expirations.join(expiration_index, on="expiration_date", how="left", maintain_order="left")
        .join(origin, how="cross", maintain_order="left")
        .join(end, how="cross", maintain_order="left")
        .with_columns(
            dte=(pl.col("expiration_date") - pl.col("as_of_session")).dt.total_days().cast(pl.Int32),
            horizon_sessions=pl.when(pl.col("expiration_date") <= pl.col("calendar_end")).then(sessions_left),
            is_settled_at_open=pl.col("settlement_type") == "AM",
        )
        .drop("expiration_index", "as_of_index", "calendar_end")
    )


# Longer than other functions by its docstring: each of the columns is explained where it is looked up.
def horizon_statistics(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    pairs: pl.LazyFrame,
    *,
    as_of: date,
    lookback: int = 252,
    annualization: int = 252,
) -> pl.LazyFrame:
    """Measure how much each symbol moved, per session and over spans as long as each horizon.

    Below, ``c`` are the log closes, ``h`` is the horizon and ``T`` the lookback. Both windows end at `as_of` and are
    counted on the calendar, so that a window with a missing bar does not reach further back.

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), in any order, one row per symbol and session.
        calendar: `session`, covering the bars and `as_of`.
        pairs: `symbol`, `horizon_sessions` (integer), in any order; repetitions count once.
        as_of: Windows end here, or at the last session before it. Later bars change nothing.
        lookback: T, in daily returns.
        annualization: Sessions per year in the two annualised columns.

    Returns:
        One row per distinct pair, sorted by symbol and horizon. Only columns named volatility are annualised. A column
        is null for the reason beside it, never zero for want of data.

        - `returns_stddev`: sample deviation (n - 1) of the last h returns. Needs h >= 2 and all h + 1 closes.
        - `returns_stddev_rel_error`: ``1 / sqrt(2 (h - 1))``.
        - `returns_stddev_lookback`: the same over the last T returns, whatever the horizon. Missing returns are left
          out; at least MINIMUM_RETURNS must exist.
        - `returns_stddev_lookback_rel_error`: ``1 / sqrt(2 m)`` with m the number of returns that exist.
        - `horizon_returns_stddev`: sample deviation (n - 1) of the overlapping h-session returns ``c_i - c_{i-h}``
          inside of the lookback. There are ``n = T - h + 1`` of them, less the returns with a missing end; null when
          ``n < max(MINIMUM_RETURNS, h)``.
        - `horizon_returns_stddev_corrected`: ``sqrt(var0 / d)``, `var0` with divisor n and
          ``d = 1 - h/n + (h^2 - 1) / (3 n^2)``: without the bias from overlap and from the estimated mean (Hodges and
          Tompkins 2002).
        - `horizon_returns_stddev_rel_error`: ``sqrt((2 h^2 + 1) / (6 h m))`` with ``m = n + h - 1``, the asymptotic
          error for overlapping independent returns; it is ``1 / sqrt(2 m)`` at h = 1 and nears ``sqrt(h / (3 m))``.
        - `variance_ratio`: ``horizon_returns_stddev_corrected^2 / (h returns_stddev_lookback^2)`` (Lo and MacKinlay
          1988); below 1 moves partly cancel and scaling by the square root of time overstates the risk.
        - `realized_volatility`: ``returns_stddev sqrt(annualization)``.
        - `horizon_volatility`: ``horizon_returns_stddev_corrected sqrt(annualization / h)``.
        - `returns_used`, `returns_lookback_used`, `horizon_returns_used` (Int32): how many returns exist in the window
          of each of the three deviations; never null.
        - `returns_stddev_reason`, `returns_stddev_lookback_reason`, `horizon_returns_stddev_reason`: a key of REASONS
          where the column is null, else null.
    """
    # Reads better in one piece: the definition of every column stands above the query that makes it.
    h = pl.col("horizon_sessions")
    distinct = pairs.select("symbol", h.cast(pl.Int32)).unique()
    return (
        distinct.join(_lookback(bars, calendar, distinct, as_of=as_of, lookback=lookback), on="symbol", how="left")
        .with_columns(
            returns=pl.col("daily_returns").list.tail(h.clip(lower_bound=0)),
            horizon_returns=_overlapping_returns(h),
        )
        .with_columns(returns_used=_count("returns"), horizon_returns_used=_count("horizon_returns"))
        .with_columns(**_reasons(h, lookback=lookback))
        .with_columns(
            returns_stddev=_stddev("returns", unless="returns_stddev_reason"),
            horizon_returns_stddev=_stddev("horizon_returns", unless="horizon_returns_stddev_reason"),
        )
        .with_columns(horizon_returns_stddev_corrected=_without_overlap_bias(h))
        .select(
            "symbol",
            "horizon_sessions",
            "returns_stddev",
            _beside("returns_stddev", 1 / (2 * (h - 1)).sqrt()),
            "returns_stddev_lookback",
            _beside("returns_stddev_lookback", 1 / (2 * pl.col("returns_lookback_used")).sqrt()),
            "horizon_returns_stddev",
            "horizon_returns_stddev_corrected",
            _beside("horizon_returns_stddev", _overlapping_rel_error(h)),
            variance_ratio=pl.col("horizon_returns_stddev_corrected").pow(2)
            / (h * pl.col("returns_stddev_lookback").pow(2)),
            realized_volatility=pl.col("returns_stddev") * annualization**0.5,
            horizon_volatility=pl.col("horizon_returns_stddev_corrected") * (annualization / h).sqrt(),
            **{name: pl.col(name) for name in ("returns_used", "returns_lookback_used", "horizon_returns_used")},
            **{name: pl.col(name) for name in _REASON_COLUMNS},
        )
        .sort("symbol", "horizon_sessions")
    )


def _reasons(h: pl.Expr, *, lookback: int) -> Mapping[str, pl.Expr]:
    """The reasons of the two deviations that depend on the horizon."""
    history = pl.col("history_sessions")
    return {
        "returns_stddev_reason": pl.coalesce(
            _no_horizon(h),
            pl.when(h == 1).then(pl.lit("one_session")),
            _too_few("returns", needed=h, possible=h, available=history),
        ),
        "horizon_returns_stddev_reason": pl.coalesce(
            _no_horizon(h),
            _too_few(
                "horizon_returns",
                needed=pl.max_horizontal(h, MINIMUM_RETURNS),
                possible=lookback - h + 1,
                available=history - h + 1,
            ),
        ),
    }


_REASON_COLUMNS: Final = ("returns_stddev_reason", "returns_stddev_lookback_reason", "horizon_returns_stddev_reason")


def _lookback(
    bars: pl.LazyFrame, calendar: pl.LazyFrame, pairs: pl.LazyFrame, *, as_of: date, lookback: int
) -> pl.LazyFrame:
    """Make the columns that do not depend on the horizon.

    Returns:
        One row per symbol of `pairs`: the columns of `_log_closes`, null without a usable close, and
        `returns_stddev_lookback` with its reason and count.
    """
    closes = _log_closes(bars, calendar, pairs, as_of=as_of, lookback=lookback)
    reason = _too_few(
        "returns_lookback",
        needed=pl.lit(MINIMUM_RETURNS),
        possible=pl.lit(lookback),
        available=pl.col("history_sessions"),
    )
    return (
        pairs.select("symbol")
        .unique()
        .join(closes, on="symbol", how="left")
        .with_columns(returns_lookback=pl.col("daily_returns").list.tail(lookback))
        .with_columns(returns_lookback_used=_count("returns_lookback"))
        .with_columns(returns_stddev_lookback_reason=reason)
        .with_columns(
            returns_stddev_lookback=_stddev("returns_lookback", unless="returns_stddev_lookback_reason"),
        )
        .drop("returns_lookback")
    )


def _log_closes(
    bars: pl.LazyFrame, calendar: pl.LazyFrame, pairs: pl.LazyFrame, *, as_of: date, lookback: int
) -> pl.LazyFrame:
    """Gather each symbol's recent log closes in one list, with a place for every session.

    A lag of h sessions is then an offset of h places: spans of any length are the difference of two slices, and a pair
    costs its window, not the history.

    Returns:
        One row per symbol of `pairs` with a usable close:

        - `symbol`.
        - `history_sessions`: how many sessions before `as_of` the first usable close was.
        - `daily_returns`: a list, as far back as the lookback or the longest horizon.
        - `lookback_closes`: a list of logarithms. Both lists have one place per session up to `as_of`, null where data
          is missing.
    """
    calendar = calendar.select("session").collect().lazy()  # collected, since it is used several times below
    last = last_index(calendar, as_of=as_of)
    longest = pairs.select(pl.max_horizontal(pl.col("horizon_sessions").max(), lookback)).collect().item()
    reach = session_index(calendar).filter(pl.col("session_index") >= last - longest)
    first = reach.select(pl.col("session").min()).collect().item()
    past, age = bars.filter(pl.col("session") <= as_of), last - pl.col("session_index")
    history = (
        on_sessions(past, calendar)
        .select("symbol", history_sessions=pl.when(usable_price("close").is_not_null()).then(age))
        .group_by("symbol")
        .agg(pl.col("history_sessions").max())
        .drop_nulls()
        .join(pairs.select("symbol").unique(), on="symbol", how="semi")
        # In the large join below, a number is compared faster than a text.
        .sort("symbol")
        .with_row_index("number")
    )
    ages = pl.LazyFrame({"age": pl.int_range(min(longest, last), -1, -1, dtype=pl.Int32, eager=True)})
    place = pl.col("number").cast(pl.Int64) * (longest + 1) + pl.col("age")
    recent = (
        on_sessions(past.filter(pl.col("session") >= first), calendar)
        .select("symbol", age=age, log_close=usable_price("close").log())
        .join(history.select("symbol", "number"), on="symbol")
        .select("log_close", place=place)
    )
    closes = pl.col("log_closes")
    return (
        history.join(ages, how="cross", maintain_order="left_right")
        .with_columns(place=place)
        .join(recent, on="place", how="left", maintain_order="left")
        .group_by("symbol", maintain_order=True)
        .agg(pl.col("history_sessions").first(), log_closes="log_close")
        .select(
            "symbol",
            "history_sessions",
            daily_returns=closes.list.diff().list.slice(1),
            lookback_closes=closes.list.tail(lookback + 1),
        )
    )


def _overlapping_returns(h: pl.Expr) -> pl.Expr:
    """The h-session returns inside of the lookback, as a list; null where an end is missing; a null list for h = 0."""
    closes = pl.col("lookback_closes")
    span = pl.when(h > 0).then(h)
    count = (closes.list.len().cast(pl.Int32) - span).clip(lower_bound=0)
    return closes.list.slice(span, count) - closes.list.slice(0, count)


def _count(returns: str) -> pl.Expr:
    return pl.col(returns).list.drop_nulls().list.len().cast(pl.Int32).fill_null(0)


def _no_horizon(h: pl.Expr) -> pl.Expr:
    return pl.when(h.is_null()).then(pl.lit("unknown_horizon")).when(h <= 0).then(pl.lit("zero_horizon"))


def _too_few(returns: str, *, needed: pl.Expr, possible: pl.Expr, available: pl.Expr) -> pl.Expr:
    """Why a window cannot be measured, else null.

    Args:
        returns: The column with the window's returns; `{returns}_used` counts them.
        needed: The fewest that are accepted.
        possible: The number of returns that the window has room for.
        available: The number it would hold if no session since the symbol's first usable close were missing.
    """
    is_unchanged = (pl.col(returns).list.min() == 0) & (pl.col(returns).list.max() == 0)
    return (
        pl.when(available.is_null())
        .then(pl.lit("no_bars"))
        .when(possible < needed)
        .then(pl.lit("short_lookback"))
        .when(available < needed)
        .then(pl.lit("short_history"))
        .when(pl.col(f"{returns}_used") < needed)
        .then(pl.lit("gap"))
        .when(is_unchanged)
        .then(pl.lit("unchanged_close"))
    )


def _stddev(returns: str, *, unless: str) -> pl.Expr:
    return pl.when(pl.col(unless).is_null()).then(pl.col(returns).list.std())


def _without_overlap_bias(h: pl.Expr) -> pl.Expr:
    n = pl.col("horizon_returns_used").cast(pl.Float64)
    share_kept = 1 - h / n + (h.cast(pl.Float64).pow(2) - 1) / (3 * n.pow(2))
    return pl.col("horizon_returns_stddev") * ((n - 1) / n / share_kept).sqrt()


def _overlapping_rel_error(h: pl.Expr) -> pl.Expr:
    length = h.cast(pl.Float64)
    return ((2 * length.pow(2) + 1) / (6 * length * (pl.col("horizon_returns_used") + h - 1))).sqrt()


def _beside(statistic: str, rel_error: pl.Expr) -> pl.Expr:
    return pl.when(pl.col(statistic).is_not_null()).then(rel_error).alias(f"{statistic}_rel_error")
