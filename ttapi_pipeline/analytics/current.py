# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Volatility as of one session, per symbol: every estimator with its reason, rank and percentile, quality of the bars.

Next door: rolling estimators in `volatility`, the cone in `cone`, volatility without earnings in `earnings`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.estimators import BELIEVABLE_RANGE, ESTIMATORS, FROM_CLOSES, WINDOWS
from ttapi_pipeline.analytics.implied import rank_in_range
from ttapi_pipeline.analytics.returns import log_returns, session_index, usable_price
from ttapi_pipeline.analytics.splits import ADJUSTED, STEPS, possible_splits
from ttapi_pipeline.analytics.volatility import latest_volatility, rolling_volatility

YEAR: Final = 252
"""Sessions that ranks, percentiles and cautions look back on."""

REASONS: Final = {
    "no_bars": "the symbol has no usable close up to the as-of session",
    "not_current": "the symbol has no usable close of the as-of session itself",
    "short_history": "the symbol's first usable close comes too late for the window",
    "gap": "more than a tenth of the returns of the window are missing",
    "bad_range": "bars of the window lack an open, high or low, or these contradict open and close, or are twice away",
    "unchanged_close": "every price of the window is the same: one that nobody updates, not a calm one",
}
"""What each word of a reason column means."""

CAUTIONS: Final = {
    "possible_split": "a bar not known to be adjusted opens as after a split, 5:4 to 50:1 either way",
    "price_step": "a close is so far from the one before that no split explains it, at whatever time",
    "unknown_adjustment": "the source of some bars does not say if splits are adjusted for, and nothing proves it",
    "bad_range": "some bars lack an open, high or low, or these contradict open and close, or are twice away from them",
    "stale_prices": "a tenth of the closes or more repeat the one before",
    "zero_volume": "some bars have no volume; not said of indices",
    "missing_sessions": "some sessions since the symbol's first bar have none",
    "stale": "the symbol's usable closes end before the as-of session, at whatever time",
}
"""What each word of `cautions` means. But for `price_step` and `stale`, all of them look at the bars of the last YEAR
sessions, or of all that count."""

CERTAINTY: Final = (*ADJUSTED, "raw", "unknown")
"""All values of `adjustment`, the most certain first."""

_STALE_SHARE: Final = 0.1
_NO_STEPS: Final = STEPS.to_frame()


def current_volatility(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    windows: Sequence[int] = WINDOWS,
    annualization: int = 252,
) -> pl.LazyFrame:
    """Measure each symbol with every estimator over the windows that end at one session.

    Args:
        bars: `symbol`, `session`, `open`, `high`, `low`, `close` (adjusted for splits), one row per symbol and session,
            in any order.
        calendar: `session`, covering the bars and `as_of`.
        as_of: Windows end here, or at the last session before it. Later bars change nothing.
        windows: Sessions, each 2 or more.
        annualization: Sessions per year.

    Returns:
        One row per symbol with a bar up to `as_of`, sorted by symbol:

        - `symbol`.
        - A column such as `yang_zhang_21` per estimator and window, annualised; see `rolling_volatility`. Null, not 0,
          when nothing moved in the window.
        - `close_to_close_{n}_reason`: a key of REASONS where the estimators that need closes alone are null.
        - `yang_zhang_{n}_reason`: a key of REASONS where the estimators that need a range are null. Parkinson,
          Garman-Klass and Rogers-Satchell need one close less than Yang-Zhang, so that on one day of a new listing
          they have a value beside this reason.
    """
    past = bars.filter(pl.col("session") <= as_of)
    ages = _ages(calendar, as_of=as_of)
    recent = _tail(bars, ages, sessions=max(windows) + 1)
    families = {
        "close_to_close": [name for name in ESTIMATORS if name in FROM_CLOSES],
        "yang_zhang": [name for name in ESTIMATORS if name not in FROM_CLOSES],
    }
    today = latest_volatility(
        recent, calendar, as_of=as_of, windows=windows, estimators=list(ESTIMATORS), annualization=annualization
    )
    return (
        _histories(past, ages)
        .join(_last_moves(recent, calendar, ages), on="symbol", how="left")
        .join(today, on="symbol", how="left")
        .with_columns(_reason(family, window) for window in windows for family in families)
        .with_columns(
            pl.when(pl.col(f"{family}_{window}_reason").ne_missing("unchanged_close"))
            .then(f"{name}_{window}")
            .alias(f"{name}_{window}")
            for family, names in families.items()
            for name in names
            for window in windows
        )
        .drop("history", "is_current", *(f"{family}_moved" for family in families))
        .sort("symbol")
    )


def _histories(bars: pl.LazyFrame, ages: pl.LazyFrame) -> pl.LazyFrame:
    """`symbol`; `history`, how many sessions ago its first usable close was, null without one; `is_current`."""
    last = ages.select(pl.col("session").max()).collect().item()
    return (
        bars.group_by("symbol")
        .agg(
            session=pl.col("session").filter(usable_price("close").is_not_null()).min(),
            last=pl.col("session").filter(usable_price("close").is_not_null()).max(),
        )
        # To look up one date per symbol is cheaper than to number millions of bars.
        .sort("session")
        .join_asof(ages.sort("session"), on="session", strategy="forward")
        .select("symbol", history="age", is_current=pl.col("last") == last)
    )


def _last_moves(bars: pl.LazyFrame, calendar: pl.LazyFrame, ages: pl.LazyFrame) -> pl.LazyFrame:
    """How many sessions ago closes last moved, and any of the prices did: `symbol` and `{family}_moved`."""
    has_moved, has_range = pl.col("log_return") != 0, pl.col("high") != pl.col("low")
    return (
        log_returns(bars, calendar)
        .join(ages, on="session")
        .group_by("symbol")
        .agg(
            close_to_close_moved=pl.col("age").filter(has_moved).min(),
            yang_zhang_moved=pl.col("age").filter(has_moved | has_range).min(),
        )
    )


def _reason(family: str, window: int) -> pl.Expr:
    """Why the estimators of a family are null, or have to be made null; null where they have a value."""
    is_measured = pl.col(f"{family}_{window}").is_not_null()
    unmoved = pl.col(f"{family}_moved").fill_null(window) >= window
    return (
        pl.when(is_measured)
        .then(pl.when(unmoved).then(pl.lit("unchanged_close")))
        .when(pl.col("history").is_null())
        .then(pl.lit("no_bars"))
        .when(~pl.col("is_current"))
        .then(pl.lit("not_current"))
        .when(pl.col("history") < window)
        .then(pl.lit("short_history"))
        .when(pl.col(f"close_to_close_{window}").is_not_null())
        .then(pl.lit("bad_range"))
        .otherwise(pl.lit("gap"))
        .alias(f"{family}_{window}_reason")
    )


def volatility_rank(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    window: int = 30,
    span: int = YEAR,
    least: int = YEAR // 2,
    annualization: int = 252,
) -> pl.LazyFrame:
    """Place today's close-to-close volatility among the past year's, as IV rank and percentile place the implied one.

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), one row per symbol and session, in any order.
        calendar: `session`, covering the bars and `as_of`.
        as_of: As in `current_volatility`.
        window: Sessions in the volatility.
        span: Sessions to look back on.
        least: With fewer volatilities than this in the span, both results are null.
        annualization: Sessions per year; changes nothing but rounding.

    Returns:
        One row per symbol with a bar in reach, sorted by symbol:

        - `symbol`.
        - `hv_rank`: ``(today - low) / (high - low)`` over the last `span` sessions, today included, 0 to 1; null
          without a volatility of today.
        - `hv_percentile`: share of the `span` sessions before today with a lower volatility, 0 to 1; null likewise.
        - `hv_values_used` (Int32): number of volatilities in the span.
    """
    # Reads better in one piece: the docstring defines each column of the query below it.
    ages = _ages(calendar, as_of=as_of)
    recent = _tail(bars.select("symbol", "session", "close"), ages, sessions=window + span + 1)
    name, only = f"close_to_close_{window}", ("close_to_close",)
    rolling = rolling_volatility(
        recent, calendar, windows=[window], estimators=only, annualization=annualization
    ).rename({name: "hv"})
    latest = latest_volatility(
        recent, calendar, as_of=as_of, windows=[window], estimators=only, annualization=annualization
    )
    hv, age = pl.col("hv"), pl.col("age")
    # The last window may have few missing bars, which the rolling ones may not.
    today = hv.filter(age == 0).first().fill_null(pl.col(name).first())
    year, before = hv.filter(age < span), hv.filter((age > 0) & (age <= span))
    is_enough = pl.col("hv_values_used") >= least
    return (
        rolling.join(ages, on="session")
        .join(latest, on="symbol", how="left")
        .group_by("symbol")
        .agg(
            today=today,
            low=pl.min_horizontal(year.min(), today),
            high=pl.max_horizontal(year.max(), today),
            below=(before < today).mean(),
            hv_values_used=year.count().cast(pl.Int32),
        )
        .select(
            "symbol",
            hv_rank=pl.when(is_enough).then(rank_in_range(pl.col("today"), pl.col("low"), pl.col("high"))),
            hv_percentile=pl.when(is_enough & pl.col("today").is_not_null()).then("below"),
            hv_values_used="hv_values_used",
        )
        .sort("symbol")
    )


def bar_quality(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    sessions: int | None = YEAR,
    unvolumed: Collection[str] = (),
    is_sorted: bool = False,
    steps: pl.DataFrame = _NO_STEPS,
) -> pl.LazyFrame:
    """Say what is odd about each symbol's bars of the last sessions; no volatility depends on it.

    Args:
        bars: `symbol`, `session`, `open`, `high`, `low`, `close`, `volume`, `adjustment` (split, rebased, raw or
            unknown), in any order.
        calendar: `session`, covering the bars and `as_of`.
        as_of: As in `current_volatility`.
        sessions: How many sessions count; None for all that the symbol has bars of.
        unvolumed: Symbols whose volume says nothing, such as indices: nobody trades them.
        is_sorted: Whether `bars` are sorted by symbol and session; saves sorting them.
        steps: What `price_steps` finds in all bars of the symbols.

    Returns:
        One row per symbol with a bar up to `as_of`, sorted by symbol; the next five columns are null without a bar in
        these sessions:

        - `symbol`.
        - `missing_sessions` (Int32): sessions without a bar since the symbol's first bar of these sessions.
        - `unchanged_closes` (Int32): returns of exactly 0.
        - `zero_volume_sessions` (Int32): bars with a volume of 0.
        - `adjustment`: the least certain one of the bars, see CERTAINTY.
        - `has_unknown_adjustment`: whether a bar is not known to be in today's share.
        - `cautions`: keys of CAUTIONS separated by spaces; null when there is nothing to say.
    """
    # Reads better in one piece: a docstring, and a line for each caution.
    ages = _ages(calendar, as_of=as_of)
    counted = bars.filter(pl.col("session") <= as_of) if sessions is None else _tail(bars, ages, sessions=sessions + 1)
    first = pl.col("age").max()
    quality = (
        log_returns(counted, calendar)
        .join(ages, on="session")
        .group_by("symbol")
        .agg(
            missing_sessions=(first + 1 - pl.len()).cast(pl.Int32),
            unchanged_closes=(pl.col("log_return") == 0).sum().cast(pl.Int32),
            zero_volume_sessions=(pl.col("volume") == 0).sum().cast(pl.Int32),
            adjustment=pl.coalesce(
                pl.when((pl.col("adjustment") == word).any()).then(pl.lit(word)) for word in reversed(CERTAINTY)
            ),
            has_unknown_adjustment=(~pl.col("adjustment").is_in(ADJUSTED)).any(),
            has_bad_range=(~_has_range()).any(),
            is_stale=(pl.col("log_return") == 0).sum() >= _STALE_SHARE * pl.col("log_return").count().clip(1),
        )
    )
    said = {
        "possible_split": pl.col("is_split").is_not_null(),
        "price_step": pl.col("symbol").is_in(steps["symbol"].unique().implode()),
        "unknown_adjustment": pl.col("has_unknown_adjustment"),
        "bad_range": pl.col("has_bad_range"),
        "stale_prices": pl.col("is_stale") & (pl.col("unchanged_closes") > 0),
        "zero_volume": (pl.col("zero_volume_sessions") > 0) & ~pl.col("symbol").is_in(list(unvolumed)),
        "missing_sessions": pl.col("missing_sessions") > 0,
        "stale": ~pl.col("is_current"),
    }
    words = pl.concat_str(
        [pl.when(holds).then(pl.lit(word)) for word, holds in said.items()], separator=" ", ignore_nulls=True
    )
    split = (
        _doubted_splits(counted if is_sorted else counted.sort("symbol", "session"))
        .select("symbol", is_split=True)
        .unique()
    )
    return (
        _histories(bars.filter(pl.col("session") <= as_of), ages)
        .with_columns(pl.col("is_current").fill_null(value=False))
        .join(quality, on="symbol", how="left")
        .join(split, on="symbol", how="left")
        .select(
            "symbol",
            "missing_sessions",
            "unchanged_closes",
            "zero_volume_sessions",
            "adjustment",
            "has_unknown_adjustment",
            cautions=pl.when(words != "").then(words),
        )
        .sort("symbol")
    )


def _doubted_splits(bars: pl.LazyFrame) -> pl.LazyFrame:
    """The possible splits between two bars of which one is not known to be adjusted for splits at its source.

    Args:
        bars: Sorted by symbol and session.
    """
    is_doubted = pl.col("adjustment") != "split"
    # The first bar of a symbol has no step, so that it does not matter whose bar is above it.
    before = is_doubted.shift(fill_value=False)
    return possible_splits(bars.with_columns(is_doubted=is_doubted | before), is_sorted=True).filter("is_doubted")


def _has_range() -> pl.Expr:
    """Whether estimators with a range believe a bar; as in `kernels`."""
    open_, high, low, close = (usable_price(name) for name in ("open", "high", "low", "close"))
    lower, higher = pl.min_horizontal(open_, close), pl.max_horizontal(open_, close)
    encloses = (low <= lower) & (higher <= high)
    is_believable = (high <= BELIEVABLE_RANGE * higher) & (low * BELIEVABLE_RANGE >= lower)
    return (open_.is_not_null() & close.is_not_null() & encloses & is_believable).fill_null(value=False)


def _ages(calendar: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """`session` and `age`: by how many sessions it lies before the last session up to `as_of`, whose age is 0."""
    sessions = session_index(calendar).filter(pl.col("session") <= as_of)
    return sessions.select("session", age=pl.col("session_index").max() - pl.col("session_index")).collect().lazy()


def _tail(bars: pl.LazyFrame, ages: pl.LazyFrame, *, sessions: int) -> pl.LazyFrame:
    """The bars of the last `sessions` sessions."""
    tail = ages.filter(pl.col("age") < sessions).select("session")
    first, last = tail.select(first=pl.col("session").min(), last=pl.col("session").max()).collect().row(0)
    # The join alone would do, but Polars reads a Parquet file by the range: row groups of other years stay undecoded.
    return bars.filter(pl.col("session").is_between(first, last)).join(tail, on="session", how="semi")
