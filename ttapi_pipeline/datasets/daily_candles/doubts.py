# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Doubts about candles: stored bars that cannot be, and answers that are shorter than what is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

import polars as pl

from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.streaming.candles import FIRST_SESSION
from ttapi_pipeline.streaming.values import AMOUNT, FAR, PRICE, VOLATILITY, Range

LEAST_SHARE_REPLACED: Final = 0.9
"""A history replaces a stored one only if it has this share of its bars."""

LATER_SESSIONS: Final = 10
"""It may also begin this many bars later, and not more: a feed forgets its oldest bars one by one."""

_FIELDS: Final[Mapping[str, Range]] = {
    **dict.fromkeys(("open", "high", "low", "vwap"), PRICE),
    "volume": AMOUNT,
    "trade_count": AMOUNT,
    "implied_volatility": VOLATILITY,
}


def possible(stored: pl.LazyFrame) -> tuple[pl.LazyFrame, int]:
    """The stored bars that can be, with null in place of other values that cannot, and how many bars are left out.

    An earlier version took whatever the feed sent. A bar before there were sessions, later than it was fetched,
    without a close that can be, or with one outside of its own low and high, is left out.
    """
    fetched_on = pl.col("fetched_at").dt.convert_time_zone(NEW_YORK.key).dt.date()
    low, high = (pl.when(_can_be(name)).then(name) for name in ("low", "high"))
    is_outside = ((pl.col("close") < low) | (pl.col("close") > high)).fill_null(value=False)
    is_session = (pl.col("session") >= FIRST_SESSION) & (pl.col("session") <= fetched_on)
    can_be = is_session & _in_range("close", PRICE) & ~is_outside
    spoiled = pl.any_horizontal(~_can_be(name) for name in _FIELDS)
    counts = stored.select(left_out=(~can_be).sum(), spoiled=spoiled.sum()).collect()
    left_out = int(counts["left_out"].item())
    if left_out:
        stored = stored.filter(can_be)
    if counts["spoiled"].item():
        stored = stored.with_columns(pl.when(_can_be(name)).then(name).alias(name) for name in _FIELDS)
    return stored, left_out


def _can_be(name: str) -> pl.Expr:
    """Whether a field of a bar is in the range of its kind, and no high or low that is far from open and close."""
    can_be = _in_range(name, _FIELDS[name])
    if name == "high":
        can_be &= (pl.col("high") / FAR <= pl.max_horizontal("open", "close")).fill_null(value=True)
    if name == "low":
        can_be &= (pl.col("low") * FAR >= pl.min_horizontal("open", "close")).fill_null(value=True)
    return can_be


def _in_range(name: str, kind: Range) -> pl.Expr:
    value = pl.col(name)
    least = value >= 0 if kind.has_zero else value > 0
    # A null is no value, and NaN is greater than every number to Polars.
    return value.is_null() | (least & (value <= kind.most))


def short_answers(
    answers: pl.DataFrame,
    stored: pl.LazyFrame,
    starts: Mapping[str, date],
    settled: pl.Series,
    *,
    set_aside: Mapping[str, int],
    snipped: Collection[str],
) -> Mapping[str, str]:
    """The symbols whose answers lack stored bars that were asked for, with a sentence for each.

    Up to LATER_SESSIONS bars at the beginning of a whole history may be forgotten.

    Args:
        answers: `symbol` and `session` of the bars that came.
        stored: The stored bars.
        starts: The first session that each symbol was asked for.
        settled: Sessions whose bars are final. Bars on other days do not count.
        set_aside: How many bars came and could not be, by symbol; they are counted as lost.
        snipped: Symbols whose answers the server has cut off at its limit, and says so.
    """
    asked = pl.DataFrame(
        {"symbol": list(starts), "start": list(starts.values())}, schema={"symbol": pl.String, "start": pl.Date}
    )
    final = stored.filter("is_final").join(settled.rename("session").to_frame().lazy(), on="session", how="semi")
    window = final.join(asked.lazy(), on="symbol").filter(pl.col("session") >= pl.col("start"))
    whole = final.group_by("symbol").agg(all=pl.len()).collect()
    reasons: dict[str, str] = {}
    shares = _shares(window, answers).join(whole, on="symbol").sort("symbol")
    for symbol, bars, came, before, of_all in shares.select("symbol", "bars", "came", "before", "all").iter_rows():
        is_forgotten = symbol in snipped or (bars == of_all and before <= LATER_SESSIONS)
        if bars - came - (before if is_forgotten else 0) > set_aside.get(symbol, 0):
            reasons[symbol] = (
                f"the feed answered with {came} of the {bars} stored bars that it was asked for; the others stay"
            )
    return reasons


def short_replacements(answers: pl.DataFrame, stored: pl.LazyFrame) -> Mapping[str, str]:
    """The symbols whose histories are too short to replace the stored ones, with a sentence for each.

    Args:
        answers: `symbol` and `session` of the bars that came.
        stored: The stored bars.
    """
    symbols = answers["symbol"].unique().to_list()
    counts = _shares(stored.filter(pl.col("symbol").is_in(symbols) & pl.col("is_final")), answers)
    is_short = (pl.col("came") < LEAST_SHARE_REPLACED * pl.col("bars")) | (pl.col("before") > LATER_SESSIONS)
    return {
        symbol: f"what came again has {came} of its {bars} stored bars, and those stay as they are"
        for symbol, bars, came in counts.filter(is_short).select("symbol", "bars", "came").iter_rows()
    }


def _shares(stored: pl.LazyFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Per symbol its stored `bars`, how many of them `came`, and how many are `before` the first that came."""
    came = answers.lazy().select("symbol", "session", has_come=pl.lit(value=True))
    has_come = pl.col("has_come").fill_null(value=False)
    return (
        stored.select("symbol", "session")
        .join(came, on=["symbol", "session"], how="left")
        .group_by("symbol")
        .agg(
            bars=pl.len(),
            came=has_come.sum(),
            before=(pl.col("session") < pl.col("session").filter(has_come).min()).sum(),
        )
        .sort("symbol")
        .collect()
    )
