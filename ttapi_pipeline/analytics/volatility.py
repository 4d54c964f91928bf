# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Annualised volatility over fixed windows: six estimators, rolling per symbol.

Next door: figures made of them in `current` and `cone`, windows as long as an expiration is away in `horizons`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from ttapi_pipeline.analytics.estimators import Measures
from ttapi_pipeline.analytics.returns import SessionTable, last_index, session_table


def rolling_volatility(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    windows: Sequence[int],
    estimators: Sequence[str] = ("close_to_close", "yang_zhang"),
    annualization: int = 252,
    is_sorted: bool = False,
) -> pl.LazyFrame:
    """Add rolling volatilities, per symbol, one column per estimator and window such as `yang_zhang_21`.

    With n the window, ``r = ln(C_i / C_{i-1})``, ``o = ln(O_i / C_{i-1})``, ``c = ln(C_i / O_i)``,
    ``u = ln(H_i / O_i)`` and ``d = ln(L_i / O_i)``, the variance per session is

    - `close_to_close`: sample variance (n - 1) of r.
    - `zero_mean`: mean of r^2; variance swaps are settled on it.
    - `parkinson` (1980): mean of ``ln(H / L)^2 / (4 ln 2)``; blind to drift and to gaps between sessions.
    - `garman_klass` (1980): mean of ``ln(H / L)^2 / 2 - (2 ln 2 - 1) c^2``; blind to both as well.
    - `rogers_satchell` (1991): mean of ``u (u - c) + d (d - c)``; allows for drift, blind to gaps.
    - `yang_zhang` (2000): ``V_o + k V_c + (1 - k) V_rs`` with the sample variances (n - 1) of o and c, Rogers and
      Satchell's mean and ``k = 0.34 / (1.34 + (n + 1) / (n - 1))``; allows for both.

    For cash indices, whose printed open is often the last close, every estimator with a range reads low.

    Args:
        bars: `symbol`, `session`, `close`, and for the estimators with a range `open`, `high`, `low`, all adjusted for
            splits; one row per symbol and session, in any order.
        calendar: `session`, covering the bars.
        windows: Sessions, each 2 or more.
        estimators: Keys of ESTIMATORS.
        annualization: Sessions per year.
        is_sorted: Whether `bars` are sorted by symbol and session, as the EOD snapshot is stored; saves sorting them.

    Returns:
        `bars` sorted by symbol and session, plus the volatilities (Float64). A value needs all n sessions of its
        window, each with positive prices, ``low <= open, close <= high``, and high and low within BELIEVABLE_RANGE of
        open and close; except for Parkinson, Garman-Klass and Rogers-Satchell it also needs the close before them.
        Otherwise it is null. Days that are not sessions have null and come into no window.

    Raises:
        ValueError: There is no estimator or no window, an estimator is not known, or a window is shorter than 2.
    """
    measures = Measures.of(windows, estimators, annualization)
    sessions = session_table(calendar)

    def roll(inputs: Sequence[pl.Series]) -> pl.Series:
        from ttapi_pipeline.analytics.windows import rolling_columns  # noqa: PLC0415 - imports Numba

        return rolling_columns(pl.DataFrame(inputs), sessions, measures).to_struct()

    measured = pl.map_batches(
        ["symbol", "session", *measures.prices],
        roll,
        return_dtype=pl.Struct(dict.fromkeys(measures.columns, pl.Float64)),
    )
    ordered = bars if is_sorted else bars.sort("symbol", "session")
    # Unnested in the same step, the streaming engine would measure everything again for every column.
    return ordered.with_columns(_measured=measured).unnest("_measured")


def latest_volatility(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    windows: Sequence[int],
    estimators: Sequence[str] = ("close_to_close", "yang_zhang"),
    annualization: int = 252,
) -> pl.LazyFrame:
    """The volatilities that `rolling_volatility` has in the row of one session; no other window is measured.

    A window in which bars are missing has a value here, of the returns that are there, if at least COMPLETE of them are
    and the last bar is: for months, a bar that a halt or a feed left out would blank what it hardly changes.

    Args:
        bars: As for `rolling_volatility`; bars after `as_of` or before the longest window change nothing.
        calendar: `session`, covering the bars and `as_of`.
        as_of: Windows end here, or at the last session before it.
        windows: Sessions, each 2 or more.
        estimators: Keys of ESTIMATORS.
        annualization: Sessions per year.

    Returns:
        One row per symbol of `bars`, in any order: `symbol` and the volatilities; null as in `rolling_volatility`,
        but for windows with few missing bars.

    Raises:
        ValueError: As by `rolling_volatility`.
    """
    measures = Measures.of(windows, estimators, annualization)
    sessions, last = session_table(calendar), last_index(calendar, as_of=as_of)

    def measure(past: pl.DataFrame) -> pl.DataFrame:
        from ttapi_pipeline.analytics.windows import latest_columns  # noqa: PLC0415 - imports Numba

        return latest_columns(_without_gaps(past, sessions, measures, last=last), sessions, measures, last=last)

    past = bars.filter(pl.col("session") <= as_of).select("symbol", "session", *measures.prices)
    return past.sort("symbol", "session").map_batches(
        measure,
        schema={"symbol": bars.collect_schema()["symbol"], **dict.fromkeys(measures.columns, pl.Float64)},
        # The result has other columns than the input, so neither columns nor filters may be pushed into it.
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
    )


def _without_gaps(bars: pl.DataFrame, sessions: SessionTable, measures: Measures, *, last: int) -> pl.DataFrame:
    """Add bars without prices for the sessions of the longest window that a symbol's bars leave out.

    Args:
        bars: Sorted by symbol and session, up to the last session.
        sessions: Of the calendar.
        measures: What is to be measured.
        last: The number of the last session.
    """
    place = pl.col("session").to_physical() - sessions.first_day
    recent = (
        bars.lazy()
        .select(
            "symbol", "session", index=pl.lit(sessions.index).gather(pl.when(place >= 0).then(place), null_on_oob=True)
        )
        .filter(pl.col("index") >= last - max(measures.windows) - 1)
    )
    spans = recent.group_by("symbol").agg(first=pl.col("index").min(), last=pl.col("index").max(), there=pl.len())
    gapped = spans.filter((pl.col("last") == last) & (pl.col("there") < pl.col("last") - pl.col("first") + 1)).collect()
    if gapped.is_empty():
        return bars
    wanted = gapped.select("symbol", index=pl.int_ranges("first", pl.col("last") + 1)).explode("index").lazy()
    day = pl.int_range(sessions.first_day, sessions.first_day + len(sessions.index), eager=True).cast(pl.Int32)
    days = pl.LazyFrame({"index": sessions.index, "session": day.cast(pl.Date)}).drop_nulls()
    missing = (
        wanted.join(recent.select("symbol", pl.col("index").cast(pl.Int64)), on=["symbol", "index"], how="anti")
        .join(days.with_columns(pl.col("index").cast(pl.Int64)), on="index")
        .select("symbol", "session")
        .collect()
    )
    return pl.concat([bars, missing], how="diagonal").sort("symbol", "session")
