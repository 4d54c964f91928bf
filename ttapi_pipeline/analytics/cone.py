# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The volatility cone: today's volatility among all that a symbol has had. The estimator: see `volatility`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.volatility import latest_volatility, rolling_volatility

CONE_HORIZONS: Final = (5, 10, 21, 42, 63, 126, 252)
CONE_QUANTILES: Final[Mapping[str, float]] = MappingProxyType(
    {"minimum": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "maximum": 1.0}
)

_UNMOVED: Final = 1e-6
"""An annualised volatility below this is 0 but for rounding."""


def volatility_cone(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    horizons: Sequence[int] = CONE_HORIZONS,
    history: int | None = None,
    annualization: int = 252,
    is_sorted: bool = False,
) -> pl.LazyFrame:
    """Place today's close-to-close volatility among all that a symbol has had (Burghardt and Lane 1990).

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), one row per symbol and session, in any order.
        calendar: `session`, covering the bars and `as_of`.
        as_of: Bars after this day change nothing.
        horizons: Sessions in the rolling windows.
        history: A window counts if it ends among this many sessions up to `as_of`; all windows count by default.
        annualization: Sessions per year.
        is_sorted: As for `rolling_volatility`.

    Returns:
        One row per symbol and horizon, sorted by both:

        - `symbol`, `horizon_sessions` (Int32).
        - `minimum`, `p10`, `p25`, `median`, `p75`, `p90`, `maximum`: quantiles of the rolling volatilities, with
          linear interpolation; null without a window.
        - `current`: the volatility of the window that ends at `as_of`, or at the last session before it; null when its
          last bar or more than a tenth of its returns are missing. Past windows with a missing bar are left out.
        - `current_percentile`: share of the windows with a lower volatility, 0 to 1; null without `current`.
        - `windows_used` (UInt32): number of windows. They overlap, so they are fewer independent observations than
          that. A window in which no close changed is left out.
    """
    # Reads better in one piece: the docstring defines each column of the query below it.
    sessions = calendar.select(pl.col("session").filter(pl.col("session") <= as_of).unique().sort()).collect()[
        "session"
    ]
    ends = sessions if history is None else sessions.tail(history)
    columns = {f"close_to_close_{horizon}": horizon for horizon in horizons}
    # Bars on days without a session may follow the last session; without them, its bar is the last of a symbol.
    closes = bars.select("symbol", "session", "close").filter(pl.col("session") <= ends.max())

    def latest(symbols: Sequence[str]) -> pl.DataFrame:
        some = closes.filter(pl.col("symbol").is_in(symbols))
        today = latest_volatility(
            some,
            calendar,
            as_of=as_of,
            windows=horizons,
            estimators=["close_to_close"],
            annualization=annualization,
        )
        return today.collect(engine="in-memory")

    rolling = rolling_volatility(
        closes,
        calendar,
        windows=horizons,
        estimators=["close_to_close"],
        annualization=annualization,
        is_sorted=is_sorted,
    )
    # Where no close changed in a window, the price was not updated; it was not the calmest time ever.
    moved = (pl.when(pl.col(name) > _UNMOVED).then(name).otherwise(math.nan).alias(name) for name in columns)
    is_last = pl.col("session") == ends.max()
    counted = rolling.filter(pl.col("session") >= ends.min()).select("symbol", is_last.alias("is_last"), *moved)
    return counted.map_batches(
        partial(_cones, horizons=horizons, latest=latest),
        schema=pl.Schema(_CONE),
        # The result has other columns than the input, so neither columns nor filters may be pushed into it.
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
    ).sort("symbol", "horizon_sessions")


def _cones(
    rolling: pl.DataFrame, *, horizons: Sequence[int], latest: Callable[[Sequence[str]], pl.DataFrame]
) -> pl.DataFrame:
    """Make the cones of all symbols.

    In NumPy, whose sort of an array takes a tenth of the time of Polars' sort of a group.

    Args:
        rolling: `symbol`, `is_last` and a column per horizon, NaN where there is no volatility; sorted by symbol.
        horizons: Of the columns, in their order.
        latest: Gives the volatilities of the last windows of some symbols, few missing bars or not.
    """
    runs = rolling["symbol"].rle().struct.unnest()
    ends = runs["len"].cum_sum()
    is_last = rolling["is_last"].to_numpy()
    gapped = rolling.filter("is_last", pl.any_horizontal(pl.col(rolling.columns[2:]).is_nan()))["symbol"].to_list()
    today = {row[0]: row[1:] for row in latest(gapped).iter_rows()} if gapped else {}
    rows = []
    for place, (name, horizon) in enumerate(zip(rolling.columns[2:], horizons, strict=True)):
        volatilities = rolling[name].to_numpy()
        for symbol, length, end in zip(runs["value"], runs["len"], ends, strict=True):
            current = float(volatilities[end - 1]) if is_last[end - 1] else math.nan
            if math.isnan(current) and symbol in today:
                found = today[symbol][place]
                current = found if found is not None and found > _UNMOVED else math.nan
            placed = _placed(volatilities[end - length : end], current)
            rows.append({"symbol": symbol, "horizon_sessions": horizon, **placed})
    return pl.DataFrame(rows, schema=_CONE)


def _placed(volatilities: np.ndarray[Any, np.dtype[np.float64]], current: float) -> Mapping[str, float | None]:
    """The columns of a cone behind symbol and horizon."""
    # One sort serves all quantiles; it puts NaN last.
    ascending = np.sort(volatilities)
    used = int(np.searchsorted(ascending, np.nan))
    quantiles: Sequence[float | None] = [None] * len(CONE_QUANTILES)
    if used:
        places = np.array([*CONE_QUANTILES.values()]) * (used - 1)
        low, high = np.floor(places).astype(np.int64), np.ceil(places).astype(np.int64)
        quantiles = (ascending[low] + (places - low) * (ascending[high] - ascending[low])).tolist()
    has_current = not math.isnan(current)
    return {
        **dict(zip(CONE_QUANTILES, quantiles, strict=True)),
        "current": current if has_current else None,
        "current_percentile": float(np.searchsorted(ascending, current)) / used if has_current else None,
        "windows_used": used,
    }


_CONE: Final[Mapping[str, type[pl.DataType]]] = MappingProxyType(
    {
        "symbol": pl.String,
        "horizon_sessions": pl.Int32,
        **dict.fromkeys([*CONE_QUANTILES, "current", "current_percentile"], pl.Float64),
        "windows_used": pl.UInt32,
    }
)
