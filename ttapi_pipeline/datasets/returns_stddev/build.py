# SPDX-License-Identifier: MIT
"""`returns_stddev`: how far each underlying moves over the span of each listed expiration, next to the priced move.

The statistics are `analytics.horizons`, the comparisons `analytics.implied`; this joins them to the expiration series.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.current import YEAR, bar_quality
from ttapi_pipeline.analytics.horizons import expiration_horizons, horizon_statistics
from ttapi_pipeline.analytics.implied import expected_move, move_ratio
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.eod_snapshot.reading import last_final_session, most_traded
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.returns_stddev.table import RETURNS_STDDEV
from ttapi_pipeline.plots.charts import moves_chart

_IV_KEY: Final = ("symbol", "expiration_date", "settlement_type", "option_chain_type")
_QUALITY_KEY: Final = ("symbol", "horizon_sessions")
_SERIES: Final = (
    "symbol",
    "root_symbol",
    "expiration_date",
    "settlement_type",
    "option_chain_type",
    "expiration_session",
)


def returns_stddev_frame(
    series: pl.LazyFrame,
    snapshot: pl.LazyFrame,
    implied: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    lookback: int,
    annualization: int,
) -> pl.DataFrame:
    """One row per expiration series that has not expired at `as_of`.

    Args:
        series: `expiration_series`.
        snapshot: `eod_snapshot`; only final bars count. What is not adjusted for splits is said in `cautions`.
        implied: `implied_volatility`.
        calendar: `trading_calendar`.
        as_of: Session to count from.
        lookback: Daily returns in the lookback columns.
        annualization: Sessions per year.
    """
    past = snapshot.filter(pl.col("is_final") & (pl.col("session") <= as_of))
    bars = past.select("symbol", "session", "close")
    counted = expiration_horizons(
        series.filter(pl.col("expiration_date") >= as_of).select(_SERIES), calendar, as_of=as_of
    ).collect()
    statistics = horizon_statistics(
        bars,
        calendar,
        counted.lazy().select("symbol", "horizon_sessions"),
        as_of=as_of,
        lookback=lookback,
        annualization=annualization,
    )
    price, volatility, dte = pl.col("close"), pl.col("implied_volatility"), pl.col("dte")
    frame = (
        counted.lazy()
        # An expiration beyond the calendar has no horizon, and the statistics say so of it too.
        .join(statistics, on=["symbol", "horizon_sessions"], how="left", nulls_equal=True)
        .join(bars.filter(pl.col("session") == as_of).select("symbol", "close"), on="symbol", how="left")
        .join(
            _cautions(past, calendar, counted, as_of=as_of, lookback=lookback),
            on=_QUALITY_KEY,
            how="left",
            nulls_equal=True,
        )
        .join(implied.select(*_IV_KEY, "implied_volatility"), on=_IV_KEY, how="left")
        .with_columns(
            expected_move=expected_move(price, volatility, dte),
            move_ratio=move_ratio(volatility, dte, pl.col("horizon_returns_stddev_corrected")),
            iv_rv_spread=volatility - pl.col("realized_volatility"),
        )
        .select(RETURNS_STDDEV.polars.names())
    )
    return frame.collect()


def _cautions(
    bars: pl.LazyFrame, calendar: pl.LazyFrame, counted: pl.DataFrame, *, as_of: date, lookback: int
) -> pl.LazyFrame:
    """What is odd about the bars that a row is computed from: those of the lookback, or of the longest horizon.

    Returns:
        `symbol`, `horizon_sessions` and `cautions`, one row per pair of `counted`.
    """
    pairs = counted.lazy().select(_QUALITY_KEY).unique()
    usual = max(YEAR, lookback)
    longest = counted.select(pl.col("horizon_sessions").max()).item() or 0
    listed = bars.join(counted.lazy().select("symbol").unique(), on="symbol", how="semi")
    is_long = (pl.col("horizon_sessions") > usual).fill_null(value=False)

    def of(rows: pl.LazyFrame, sessions: int) -> pl.LazyFrame:
        quality = bar_quality(listed, calendar, as_of=as_of, sessions=sessions)
        return rows.join(quality.select("symbol", "cautions"), on="symbol", how="left")

    near = of(pairs.filter(~is_long), usual)
    return pl.concat([near, of(pairs.filter(is_long), longest)]) if longest > usual else near


def build_returns_stddev(
    series: pl.LazyFrame,
    snapshot: pl.LazyFrame,
    implied: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    now: datetime,
    lookback: int,
    annualization: int,
) -> Build:
    """Compute everything as of the snapshot's last final session."""
    as_of = last_final_session(snapshot, calendar, now=now)
    frame = returns_stddev_frame(
        series, snapshot, implied, calendar, as_of=as_of, lookback=lookback, annualization=annualization
    )
    return Build(
        frame=frame,
        sources={"computed": frame.height},
        statistics={
            "as_of_session": as_of.isoformat(),
            "rows_without_returns_stddev": frame["returns_stddev"].null_count(),
            "symbols_without_bars": frame.filter(pl.col("returns_stddev_reason") == "no_bars")["symbol"].n_unique(),
            "rows_with_cautions": frame["cautions"].count(),
            "rows_without_implied_volatility": frame["implied_volatility"].null_count(),
        },
        charts={"implied_and_realised_moves": partial(moves_chart, frame, symbol=most_traded(snapshot, as_of=as_of))},
    )


def build(
    refresh: Refresh,
    expiration_series: pl.LazyFrame,
    eod_snapshot: pl.LazyFrame,
    implied_volatility: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> Build:
    """Compute from what is stored."""
    return build_returns_stddev(
        expiration_series,
        eod_snapshot,
        implied_volatility,
        trading_calendar,
        now=refresh.now,
        lookback=refresh.settings.lookback_sessions,
        annualization=refresh.settings.annualization_sessions,
    )
