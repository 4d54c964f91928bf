# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Charts of what was expected and what came: IV in its year, the premium over time, calibration of the forecasts.

Their common look: see `canvas`. Charts of realised volatility: see `charts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import polars as pl

from ttapi_pipeline.plots.canvas import BLUE, INK, MUTED, ORANGE, canvas, legend, note, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_YEAR: Final = 252
_NOMINAL: Final = tuple(step / 40 for step in range(1, 40))
_FEWEST: Final = 20
"""Expirations below which a calibration says nothing."""
_COLOURS: Final[Mapping[str, str]] = {
    "close_to_close": MUTED,
    "yang_zhang": "#553c9a",
    "ewma": BLUE,
    "har": "#2f855a",
    "horizon_rms": "#97266d",
    "iv_30_day": ORANGE,
    "iv_expiration": "#744210",
}
"""A method has its colour in every chart; those of implied volatility are warm."""


def iv_history_chart(candles: pl.DataFrame, *, symbol: str, is_simulated: bool) -> bytes:
    """Draw all daily implied volatilities of a symbol, and where the last stands in its year.

    Args:
        candles: `daily_candles`, of any symbols.
        symbol: Which one to show.
        is_simulated: Whether the data is invented.
    """
    rows = candles.filter((pl.col("symbol") == symbol) & (pl.col("implied_volatility") > 0)).sort("session")
    figure, axes = canvas(
        f"{symbol}: implied volatility",
        "30-day implied volatility at each close, annualised; the band is the range of the last 252 sessions.",
        is_simulated=is_simulated,
    )
    if rows.is_empty():
        note(axes, f"{symbol} has no implied volatility.")
        return to_png(figure)
    sessions, values = rows["session"].to_list(), rows["implied_volatility"].to_list()
    year = values[-_YEAR:]
    low, high, today = min(year), max(year), values[-1]
    axes.plot(sessions, values, color=BLUE, linewidth=1.0, label="implied volatility")
    axes.fill_between(sessions[-_YEAR:], low, high, color=ORANGE, alpha=0.15, linewidth=0, label="range of the year")
    axes.plot(sessions[-1:], [today], color=ORANGE, marker="o", markersize=7, linestyle="", label="last")
    rank = "no rank" if high == low else f"rank {(today - low) / (high - low):.0%}"
    axes.set_xlabel(f"{today:.1%} on {sessions[-1]}: {rank} in its year", fontsize=9.5, color=MUTED)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.02)
    _percent_axis(axes)
    legend(axes)
    return to_png(figure)


def premium_chart(expectations: pl.DataFrame, *, symbol: str, is_simulated: bool) -> bytes:
    """Draw what options priced in a month before each expiration, and the volatility that came.

    Args:
        expectations: The dataset of that name, of any symbols.
        symbol: Which one to show.
        is_simulated: Whether the data is invented.
    """
    year = (_YEAR / pl.col("horizon_sessions")).sqrt()
    rows = (
        expectations.filter(
            (pl.col("symbol") == symbol)
            & (pl.col("method") == "iv_30_day")
            & (pl.col("tenor_sessions") == 21)
            & pl.col("realised_stddev").is_not_null()
        )
        .select("frozen_session", priced=pl.col("expected_stddev") * year, came=pl.col("realised_stddev") * year)
        .sort("frozen_session")
    )
    figure, axes = canvas(
        f"{symbol}: variance risk premium over time",
        "Volatility priced in a month before each monthly expiration, and the volatility until then, annualised.",
        is_simulated=is_simulated,
    )
    if rows.is_empty():
        note(axes, f"{symbol} has no expiration that is scored.")
        return to_png(figure)
    sessions, priced, came = (rows[name].to_list() for name in ("frozen_session", "priced", "came"))
    is_dear = [one >= other for one, other in zip(priced, came, strict=True)]
    axes.fill_between(sessions, priced, came, where=is_dear, interpolate=True, color=ORANGE, alpha=0.3, linewidth=0)
    axes.fill_between(
        sessions,
        priced,
        came,
        where=[not each for each in is_dear],
        interpolate=True,
        color=BLUE,
        alpha=0.3,
        linewidth=0,
    )
    axes.plot(sessions, priced, color=ORANGE, linewidth=1.4, label="priced")
    axes.plot(sessions, came, color=BLUE, linewidth=1.4, label="came")
    ratio = 1 / float((rows["came"] ** 2 / rows["priced"] ** 2).mean() or 1.0) ** 0.5  # type: ignore[arg-type]
    axes.set_xlabel(
        f"priced above what came in {sum(is_dear)} of {len(is_dear)}; expected over realised volatility {ratio:.2f}",
        fontsize=9.5,
        color=MUTED,
    )
    axes.set_ylim(bottom=0)
    axes.margins(x=0.02)
    _percent_axis(axes)
    legend(axes)
    return to_png(figure)


def calibration_chart(expectations: pl.LazyFrame, *, symbol: str | None = None, is_simulated: bool) -> bytes:
    """Draw how many moves stayed in each central band of each forecast: on the diagonal, a forecast says what it means.

    Args:
        expectations: The dataset of that name, which is read a part at a time.
        symbol: Which one to show; all of them by default.
        is_simulated: Whether the data is invented.
    """
    shares = _shares_inside(expectations if symbol is None else expectations.filter(pl.col("symbol") == symbol))
    figure, axes = canvas(
        f"{symbol or 'All symbols'}: calibration of the forecasts",
        "Share of moves inside each central band; above the diagonal, they were smaller than expected.",
        is_simulated=is_simulated,
        height=6.2,
    )
    for method, inside in shares.items():
        axes.plot(_NOMINAL, inside, color=_COLOURS.get(method, INK), linewidth=1.5, label=method)
    if not shares:
        note(axes, f"Fewer than {_FEWEST} expirations are scored.")
        return to_png(figure)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle="--")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    _percent_axis(axes)
    axes.set_xlabel("band of the forecast", fontsize=9.5, color=MUTED)
    legend(axes)
    return to_png(figure)


def _shares_inside(expectations: pl.LazyFrame) -> Mapping[str, Sequence[float]]:
    """Of each method with enough of them, by name: the share of scored moves inside each band of _NOMINAL."""
    distance = pl.col("realised_return").abs() / pl.col("expected_stddev")
    widths = {f"{share}": NormalDist().inv_cdf(0.5 + share / 2) for share in _NOMINAL}
    counts = (
        expectations.filter(pl.col("realised_return").is_not_null())
        .group_by("method")
        .agg(pl.len(), **{name: (distance <= width).sum() for name, width in widths.items()})
        .collect(engine="streaming")
        .sort("method")
    )
    enough = counts.filter(pl.col("len") >= _FEWEST)
    return {method: [inside / count for inside in insides] for method, count, *insides in enough.iter_rows()}


def _percent_axis(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
