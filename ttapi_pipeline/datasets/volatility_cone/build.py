# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`volatility_cone`: where each symbol's volatility stands among all that it has had, per horizon.

A table of its own, one row per symbol and horizon: seven horizons of ten figures each would be seventy columns of
`volatility`, which no reader could filter, plot or pivot. The numbers are `analytics.cone.volatility_cone`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from functools import partial
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.cone import volatility_cone
from ttapi_pipeline.analytics.current import bar_quality
from ttapi_pipeline.analytics.slices import ROWS_AT_A_TIME, collect_in_slices
from ttapi_pipeline.analytics.splits import bars_since_steps, price_steps
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.by_symbols import BySymbols, Collect, at_once, of_symbols
from ttapi_pipeline.datasets.eod_snapshot.reading import last_final_session, most_traded
from ttapi_pipeline.datasets.parts import union_of_parts
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.volatility_cone.table import VOLATILITY_CONE
from ttapi_pipeline.plots.charts import cone_chart

REASONS: Final = {
    "no_window": "the symbol never had a full window in which its price moved",
    "not_current": "its last bar or more than a tenth of its returns are missing, or its price never moved",
}
"""What each word of the reason column means."""


def volatility_cone_frame(
    snapshot: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    annualization: int,
    indices: Collection[str] = (),
    rows_at_a_time: int = ROWS_AT_A_TIME,
) -> pl.DataFrame:
    """One row per symbol of the snapshot and horizon.

    Args:
        snapshot: `eod_snapshot`, by symbol and session as it is stored. Only final bars count, and none before a step
            that no split explains.
        calendar: `trading_calendar`.
        as_of: Session that today's volatility ends at.
        annualization: Sessions per year.
        indices: Symbols without volume of their own.
        rows_at_a_time: Changes nothing but the memory that it takes.
    """
    sessions = calendar.select("session").collect().lazy()

    def cones(part: pl.LazyFrame) -> pl.LazyFrame:
        past = part.filter(pl.col("is_final") & (pl.col("session") <= as_of))
        steps = price_steps(past)
        bars = bars_since_steps(past.select("symbol", "session", "close"), steps)
        quality = bar_quality(
            past, sessions, as_of=as_of, sessions=None, unvolumed=indices, is_sorted=True, steps=steps
        ).select("symbol", "cautions")
        cone = volatility_cone(bars, sessions, as_of=as_of, annualization=annualization, is_sorted=True)
        return cone.join(quality, on="symbol", how="left", maintain_order="left")

    frame = collect_in_slices(snapshot, cones, rows=rows_at_a_time)
    return frame.with_columns(
        as_of_session=pl.lit(as_of),
        reason=pl.when(pl.col("windows_used") == 0)
        .then(pl.lit("no_window"))
        .when(pl.col("current").is_null())
        .then(pl.lit("not_current")),
        windows_used=pl.col("windows_used").cast(pl.Int32),
    ).select(VOLATILITY_CONE.polars.names())


def _planned(
    snapshot: pl.LazyFrame, calendar: pl.LazyFrame, *, annualization: int, now: datetime, indices: Collection[str]
) -> BySymbols:
    as_of = last_final_session(snapshot, calendar, now=now)

    def rows(symbols: Collection[str] | None) -> pl.DataFrame:
        bars = snapshot if symbols is None else of_symbols(snapshot, symbols)
        return volatility_cone_frame(bars, calendar, as_of=as_of, annualization=annualization, indices=indices)

    return BySymbols(as_of, [snapshot], rows)


def by_symbols(
    settings: Settings,
    now: datetime,
    *,
    eod_snapshot: pl.LazyFrame,
    universe: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> BySymbols:
    """The table, as of the snapshot's last final session; not computed yet.

    Args:
        settings: How it is computed.
        now: Sessions that close later do not count.
        eod_snapshot: What is stored.
        universe: What is stored.
        trading_calendar: What is stored.

    Raises:
        DataError: There is no final bar.
    """
    annualization, indices = settings.annualization_sessions, _indices(universe)
    return _planned(eod_snapshot, trading_calendar, annualization=annualization, now=now, indices=indices)


def _indices(universe: pl.LazyFrame) -> Collection[str]:
    found: list[str] = universe.filter("is_index").select("symbol").collect()["symbol"].to_list()
    return found


def build_volatility_cone(
    snapshot: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    annualization: int,
    now: datetime,
    indices: Collection[str] = (),
    collect: Collect = at_once,
) -> Build:
    """Compute the cones as of the snapshot's last final session; `collect` puts the table together.

    Raises:
        DataError: There is no final bar.
    """
    table = _planned(snapshot, calendar, annualization=annualization, now=now, indices=indices)
    collected, as_of = collect(table), table.as_of
    frame = collected.frame
    return Build(
        frame=frame,
        sources={"computed": frame.height},
        missing=collected.missing,
        statistics={
            "as_of_session": as_of.isoformat(),
            "rows_with_cautions": frame["cautions"].count(),
            "rows_without_current": frame["current"].null_count(),
            **collected.statistics,
        },
        charts={"volatility_cone": partial(cone_chart, frame, symbol=most_traded(snapshot, as_of=as_of))},
    )


def build(
    refresh: Refresh, eod_snapshot: pl.LazyFrame, universe: pl.LazyFrame, trading_calendar: pl.LazyFrame
) -> Build:
    """Compute from what is stored."""
    return build_volatility_cone(
        eod_snapshot,
        trading_calendar,
        annualization=refresh.settings.annualization_sessions,
        now=refresh.now,
        indices=_indices(universe),
        collect=union_of_parts(refresh),
    )
