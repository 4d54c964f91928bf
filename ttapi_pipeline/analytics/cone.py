# SPDX-License-Identifier: MIT
"""The volatility cone: today's volatility among all that a symbol has had; how it is estimated is in `volatility`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.volatility import rolling_volatility

CONE_HORIZONS: Final = (5, 10, 21, 42, 63, 126, 252)
CONE_QUANTILES: Final[Mapping[str, float]] = MappingProxyType(
    {"minimum": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "maximum": 1.0}
)

_UNMOVED: Final = 1e-6
"""An annualised volatility that only rounding keeps above 0."""


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
        as_of: Later bars change nothing.
        horizons: Sessions in the rolling windows.
        history: How many sessions back windows may end; all of them by default.
        annualization: Sessions per year.
        is_sorted: As for `rolling_volatility`.

    Returns:
        One row per symbol and horizon, by both: `symbol`, `horizon_sessions` (Int32), the quantiles `minimum`, `p10`,
        `p25`, `median`, `p75`, `p90`, `maximum` of the rolling volatilities (linear interpolation), `current` (the one
        that ends at `as_of`, or at the last session before it; null when data is missing in that window),
        `current_percentile` (share of the windows below it, 0 to 1), `windows_used` (UInt32). Windows overlap, so they
        are not that many independent observations. Windows in which no close changed count for nothing.
    """
    sessions = calendar.select(pl.col("session").filter(pl.col("session") <= as_of).unique().sort()).collect()[
        "session"
    ]
    ends = sessions if history is None else sessions.tail(history)
    columns = {f"close_to_close_{horizon}": horizon for horizon in horizons}
    rolling = rolling_volatility(
        # So that a bar of the last session is the last of its symbol, whatever days without a session follow.
        bars.select("symbol", "session", "close").filter(pl.col("session") <= ends.max()),
        calendar,
        windows=horizons,
        estimators=["close_to_close"],
        annualization=annualization,
        is_sorted=is_sorted,
    )
    return (
        rolling.filter(pl.col("session") >= ends.min())
        # A window in which no close changed is a price that nobody updates, not the calmest one ever.
        .select(
            "symbol",
            (pl.col("session") == ends.max()).alias("is_last"),
            *(pl.when(pl.col(name) > _UNMOVED).then(name).otherwise(math.nan).alias(name) for name in columns),
        )
        .map_batches(
            partial(_cones, horizons=horizons),
            schema=pl.Schema(_CONE),
            # Its columns are not those it is made from.
            predicate_pushdown=False,
            projection_pushdown=False,
            slice_pushdown=False,
        )
        .sort("symbol", "horizon_sessions")
    )


def _cones(rolling: pl.DataFrame, *, horizons: Sequence[int]) -> pl.DataFrame:
    """The cones from `symbol`, `is_last` and a column per horizon, NaN where there is no volatility, by symbol.

    In numpy, because its sort of a slice takes a tenth of the time of Polars' of a group.
    """
    runs = rolling["symbol"].rle().struct.unnest()
    ends = runs["len"].cum_sum()
    is_last = rolling["is_last"].to_numpy()
    rows = []
    for name, horizon in zip(rolling.columns[2:], horizons, strict=True):
        volatilities = rolling[name].to_numpy()
        for symbol, length, end in zip(runs["value"], runs["len"], ends, strict=True):
            current = float(volatilities[end - 1]) if is_last[end - 1] else math.nan
            placed = _placed(volatilities[end - length : end], current)
            rows.append({"symbol": symbol, "horizon_sessions": horizon, **placed})
    return pl.DataFrame(rows, schema=_CONE)


def _placed(volatilities: np.ndarray[Any, np.dtype[np.float64]], current: float) -> Mapping[str, float | None]:
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
