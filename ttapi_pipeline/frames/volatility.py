# SPDX-License-Identifier: MIT
"""Annualised volatility over fixed windows: six estimators, rolling per symbol, and the volatility cone.

Windows as long as an expiration is away are in `horizons`, comparisons with option prices in `implied`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from types import MappingProxyType
from typing import Final

import polars as pl

from ttapi_pipeline.frames.returns import session_index, usable_price

CONE_HORIZONS: Final = (5, 10, 21, 42, 63, 126, 252)
CONE_QUANTILES: Final[Mapping[str, float]] = MappingProxyType(
    {"minimum": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "maximum": 1.0}
)

_UNMOVED: Final = 1e-6
"""An annualised volatility that only rounding keeps above 0."""


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
    - `zero_mean`: mean of r^2, what variance swaps pay on.
    - `parkinson` (1980): mean of ``ln(H / L)^2 / (4 ln 2)``; blind to drift and to gaps between sessions.
    - `garman_klass` (1980): mean of ``ln(H / L)^2 / 2 - (2 ln 2 - 1) c^2``; likewise.
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
        is_sorted: Whether `bars` are by symbol and session already, as the EOD snapshot is stored; saves the sort.

    Returns:
        `bars` by symbol and session, without those on days that are not sessions, plus the volatilities. A value needs
        all n sessions of its window (and the close before them, except for Parkinson, Garman-Klass and
        Rogers-Satchell), each with positive prices and ``low <= open, close <= high``; otherwise it is null.

    Raises:
        ValueError: An estimator is not known or a window is shorter than 2.
    """
    unknown = [name for name in estimators if name not in ESTIMATORS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not an estimator; there are {', '.join(ESTIMATORS)}")
    if any(window < 2 for window in windows):
        raise ValueError(f"windows are {list(windows)}; a variance needs 2 sessions or more")
    variances = {f"{name}_{window}": ESTIMATORS[name](window) for name in estimators for window in windows}
    needed = {root for variance in variances.values() for root in variance.meta.root_names()}
    terms = _terms(bars, calendar, needed=needed, is_sorted=is_sorted)
    return terms.with_columns(
        _annualized(variance, annualization).alias(name) for name, variance in variances.items()
    ).drop(needed)


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
    sessions = session_index(calendar).filter(pl.col("session") <= as_of)
    ends = sessions if history is None else sessions.tail(history)
    columns = {f"close_to_close_{horizon}": horizon for horizon in horizons}
    past = bars.select("symbol", "session", "close").filter(pl.col("session") <= as_of)
    rolling = rolling_volatility(
        past,
        calendar,
        windows=horizons,
        estimators=["close_to_close"],
        annualization=annualization,
        is_sorted=is_sorted,
    )
    is_last = pl.col("session") == pl.col("last_session")
    return (
        rolling.join(ends.select("session"), on="session", how="semi")
        .join(sessions.select(last_session=pl.col("session").last()), how="cross")
        .group_by("symbol")
        .agg(_cone(pl.col(name), is_last).alias(name) for name in columns)
        .unpivot(index="symbol", on=list(columns), variable_name="horizon_sessions", value_name="cone")
        .with_columns(pl.col("horizon_sessions").replace_strict(columns, return_dtype=pl.Int32))
        .unnest("cone")
        .sort("symbol", "horizon_sessions")
    )


def _cone(volatility: pl.Expr, is_last: pl.Expr) -> pl.Expr:
    # A window in which no close changed is a price that nobody updates, not the calmest one ever.
    moved = pl.when(volatility > _UNMOVED).then(volatility)
    current = moved.filter(is_last).first()
    # One sort for all quantiles; each would sort again.
    ascending = moved.drop_nulls().sort()
    return pl.struct(
        *(ascending.quantile(share, "linear").alias(name) for name, share in CONE_QUANTILES.items()),
        current.alias("current"),
        (ascending < current).mean().alias("current_percentile"),
        ascending.len().alias("windows_used"),
    )


def _terms(bars: pl.LazyFrame, calendar: pl.LazyFrame, *, needed: AbstractSet[str], is_sorted: bool) -> pl.LazyFrame:
    """Add what the estimators roll over: `term_` and a letter of `rolling_volatility`, or `hl` for ``ln(H / L)``.

    The rows are by symbol and session, and windows roll over the whole frame, several times faster than per group.
    No value ever comes from a window across two symbols or across a gap: `term_r` and `term_o` are null on the first
    bar of every unbroken run of sessions, and `term_run`, its length so far, guards the estimators without them.
    """
    numbered = _with_session_index(bars, calendar)
    ordered = numbered if is_sorted else numbered.sort("symbol", "session")
    is_next = (pl.col("symbol") == pl.col("symbol").shift()) & (pl.col("session_index").diff() == 1)
    logs = {"log_close": usable_price("close").log()}
    if needed - {"term_r"}:
        low, high = pl.col("low"), pl.col("high")
        within = [(low <= pl.col(name)) & (pl.col(name) <= high) for name in ("open", "close")]
        # Between a positive low and a finite high, every price is a positive number.
        is_plausible = pl.all_horizontal((low > 0) & high.is_finite(), *within)
        logs |= {f"log_{name}": pl.when(is_plausible).then(pl.col(name).log()) for name in ("open", "high", "low")}
    open_, high, low, close = (pl.col(f"log_{name}") for name in ("open", "high", "low", "close"))
    previous_close = pl.when(pl.col("is_next")).then(close.shift())
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    terms = {
        "term_r": close - previous_close,
        "term_o": open_ - previous_close,
        "term_c": close - open_,
        "term_u": high - open_,
        "term_d": low - open_,
        "term_hl": high - low,
        "term_run": row - pl.when(~pl.col("is_next")).then(row).forward_fill() + 1,
    }
    return (
        ordered.with_columns(is_next=is_next.fill_null(value=False), **logs)
        .with_columns(**{name: term for name, term in terms.items() if name in needed})
        .drop("is_next", "session_index", *logs)
    )


def _with_session_index(bars: pl.LazyFrame, calendar: pl.LazyFrame) -> pl.LazyFrame:
    """Number the sessions of the bars and drop those on other days; the order stays.

    A table with a place for every day, read once: over millions of bars a join takes as long as all that follows.
    """
    numbered = session_index(calendar).select(day=pl.col("session").to_physical(), index="session_index").collect()
    bounds = numbered.select(first=pl.col("day").first(), end=pl.col("day").last() + 1).row(0)
    first, end = bounds if numbered.height else (0, 0)
    every_day = pl.DataFrame({"day": pl.int_range(first, end, dtype=pl.Int32, eager=True)})
    table = every_day.join(numbered, on="day", how="left", maintain_order="left")["index"]
    place = pl.col("session").to_physical() - first
    # A negative place would count from the end.
    index = pl.lit(table).gather(pl.when(place >= 0).then(place), null_on_oob=True)
    return bars.with_columns(session_index=index).filter(pl.col("session_index").is_not_null())


def _over_unbroken_bars(term: pl.Expr) -> Callable[[int], pl.Expr]:
    return lambda window: pl.when(pl.col("term_run") >= window).then(term.rolling_mean(window))


def _yang_zhang(window: int) -> pl.Expr:
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    overnight, within = _O.rolling_var(window), _C.rolling_var(window)
    return overnight + k * within + (1 - k) * _ROGERS_SATCHELL.rolling_mean(window)


_R, _O, _C, _U, _D, _HL = (pl.col(f"term_{name}") for name in ("r", "o", "c", "u", "d", "hl"))
_ROGERS_SATCHELL: Final = _U * (_U - _C) + _D * (_D - _C)
FROM_CLOSES: Final = frozenset({"close_to_close", "zero_mean"})

ESTIMATORS: Final[Mapping[str, Callable[[int], pl.Expr]]] = MappingProxyType(
    {
        "close_to_close": _R.rolling_var,
        "zero_mean": _R.pow(2).rolling_mean,
        "parkinson": _over_unbroken_bars(_HL.pow(2) / (4 * math.log(2))),
        "garman_klass": _over_unbroken_bars(_HL.pow(2) / 2 - (2 * math.log(2) - 1) * _C.pow(2)),
        "rogers_satchell": _over_unbroken_bars(_ROGERS_SATCHELL),
        "yang_zhang": _yang_zhang,
    }
)
"""Variance per session of a rolling window, by name; see `rolling_volatility`."""


def _annualized(variance: pl.Expr, annualization: int) -> pl.Expr:
    # A rolling sum that should be 0 can end a rounding error below it, and the root of that is NaN.
    return (variance.clip(lower_bound=0.0) * annualization).sqrt()
