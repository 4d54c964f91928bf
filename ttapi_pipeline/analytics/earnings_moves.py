# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The jump that options price into the next report, and the jumps at past ones. Volatility without: see `earnings`."""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.implied import DAYS_PER_YEAR
from ttapi_pipeline.analytics.returns import session_index, usable_price

REASONS: Final = {
    "no_announcement": "no report ahead is known",
    "no_expirations": "too few expirations with an implied volatility lie around or behind the report",
    "no_jump": "the expiration behind the report is priced no higher than the other",
}
"""Why a priced jump is null."""

BEFORE_OPEN: Final = "BTO"
AFTER_CLOSE: Final = "AMC"


def implied_earnings_moves(expirations: pl.LazyFrame, announcements: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """The jump at the next report that two expirations imply, one standard deviation, as a fraction of the price.

    Total variance ``IV^2 t`` is that of the days up to the expiration, and of the jump if the report comes before it.
    With the last expiration before the report (b) and the first one behind it (a), ``J^2 = t_a (IV_a^2 - IV_b^2)``: the
    days are taken to be as rough as those up to b. Without one before, the first two behind it:
    ``J^2 = (IV_1^2 - IV_2^2) / (1 / t_1 - 1 / t_2)`` (Dubinsky, Johannes, Kaeck and Seeger 2019).

    Args:
        expirations: `symbol`, `expiration_date`, `implied_volatility`, one row per symbol and date; PM-settled.
        announcements: `symbol`, `announced_date`, `time_of_day` (BTO, AMC or null).
        as_of: Times count from the close of this session. An expiration on the day of the report lies before a report
            after the close and behind one before the open; at an unknown time it is not used.

    Returns:
        One row per symbol of both, in any order: `symbol`, `next_report` (date), `implied_earnings_move`, and
        `implied_earnings_move_reason`, a key of REASONS where it is null.
    """
    # Reads better in one piece: two formulas, and the rule that chooses between them.
    day, time = pl.col("announced_date"), pl.col("time_of_day")
    is_ahead = (day > as_of) | ((day == as_of) & (time == AFTER_CLOSE)).fill_null(value=False)
    following = (
        announcements.filter(is_ahead)
        .sort("symbol", "announced_date")
        .group_by("symbol")
        .agg(next_report=day.first(), next_time=time.first())
    )
    expiration, report = pl.col("expiration_date"), pl.col("next_report")
    is_on_day = expiration == report
    is_before = (expiration < report) | (is_on_day & (pl.col("next_time") == AFTER_CLOSE)).fill_null(value=False)
    is_behind = (expiration > report) | (is_on_day & (pl.col("next_time") == BEFORE_OPEN)).fill_null(value=False)
    years = (expiration - pl.lit(as_of)).dt.total_days() / DAYS_PER_YEAR
    priced = (
        expirations.filter((expiration > as_of) & (pl.col("implied_volatility") > 0))
        .join(following, on="symbol")
        .with_columns(years=years, variance=pl.col("implied_volatility") ** 2)
        .sort("symbol", "expiration_date")
    )
    before: dict[str, pl.Expr] = {}
    behind: dict[str, pl.Expr] = {}
    for name in ("years", "variance"):
        before[f"{name}_before"] = pl.col(name).filter(is_before).last()
        behind |= {f"{name}_{place}": pl.col(name).filter(is_behind).get(place, null_on_oob=True) for place in (0, 1)}
    around = pl.col("years_0") * (pl.col("variance_0") - pl.col("variance_before"))
    behind_alone = (pl.col("variance_0") - pl.col("variance_1")) / (1 / pl.col("years_0") - 1 / pl.col("years_1"))
    squared = pl.coalesce(around, behind_alone)
    reason = (
        pl.when(report.is_null())
        .then(pl.lit("no_announcement"))
        .when(squared.is_null())
        .then(pl.lit("no_expirations"))
        .when(squared <= 0)
        .then(pl.lit("no_jump"))
    )
    return (
        pl.concat([expirations.select("symbol"), announcements.select("symbol")])
        .unique()
        .join(following, on="symbol", how="left")
        .join(priced.group_by("symbol").agg(**before, **behind), on="symbol", how="left")
        .select(
            "symbol",
            "next_report",
            implied_earnings_move=pl.when(reason.is_null()).then(squared.sqrt()),
            implied_earnings_move_reason=reason,
        )
    )


def past_earnings_moves(
    bars: pl.LazyFrame, calendar: pl.LazyFrame, announcements: pl.LazyFrame, *, as_of: date, most: int = 12
) -> pl.LazyFrame:
    """How far prices jumped at known past reports.

    The move of a report before the open is that of its session, after the close that of the next one, at an unknown
    time that of both. A day that is not a session counts as in `earnings.earnings_sessions`.

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), one row per symbol and session, in any order.
        calendar: `session`, covering the bars.
        announcements: `symbol`, `announced_date`, `time_of_day`.
        as_of: Moves that end later do not count.
        most: The latest reports that count, three years' by default.

    Returns:
        One row per symbol with such a move: `symbol`; `earnings_move`, the root mean square of the moves, as log
        returns; `earnings_moves_used` (Int32).
    """
    sessions = session_index(calendar).with_columns(pl.col("session").set_sorted())
    is_early = (pl.col("time_of_day") == BEFORE_OPEN).fill_null(value=False)
    is_late = (pl.col("time_of_day") == AFTER_CLOSE).fill_null(value=False)
    known = announcements.select("symbol", "announced_date", is_early=is_early, is_late=is_late).drop_nulls()
    ordered = known.sort("announced_date")
    last_before = ordered.filter(~pl.col("is_early")).join_asof(
        sessions, left_on="announced_date", right_on="session", strategy="backward"
    )
    own = ordered.filter("is_early").join_asof(
        sessions, left_on="announced_date", right_on="session", strategy="forward"
    )
    index = pl.col("session_index")
    edges = pl.concat([own, last_before], how="diagonal").select(
        "symbol",
        "announced_date",
        begin=pl.when("is_late").then(index).otherwise(index - 1),
        end=pl.when("is_early").then(index).otherwise(index + 1),
    )
    closes = (
        bars.filter(pl.col("session") <= as_of)
        .join(sessions, on="session")
        .select("symbol", "session_index", log_close=usable_price("close").log())
    )
    move = pl.col("log_close_end") - pl.col("log_close")
    return (
        edges.join(closes, left_on=["symbol", "begin"], right_on=["symbol", "session_index"])
        .join(closes, left_on=["symbol", "end"], right_on=["symbol", "session_index"], suffix="_end")
        .with_columns(move=move)
        .drop_nulls("move")
        .sort("symbol", "announced_date")
        .group_by("symbol")
        .agg(
            earnings_move=(pl.col("move").tail(most) ** 2).mean().sqrt(),
            earnings_moves_used=pl.col("move").tail(most).len().cast(pl.Int32),
        )
    )
