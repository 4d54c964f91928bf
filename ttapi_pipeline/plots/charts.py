# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The charts: a symbol's cone, its implied, forecast and usual moves, the universe by IV less RV, coverage over time.

Their common look: see `canvas`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from ttapi_pipeline.plots.canvas import BLUE, GRID, INK, MUTED, ORANGE, PAPER, canvas, legend, note, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RANKED: Final = 14
"""Symbols at each end of the ranking."""

_DAY_TICKS: Final = (1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1095)
_MOVE_TICKS: Final = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
_LABEL_SPACING: Final = 1.25
"""When the days of two expirations differ by less than this factor, the second label would cover the first."""


def cone_chart(cone: pl.DataFrame, *, symbol: str, is_simulated: bool, series: pl.DataFrame | None = None) -> bytes:
    """Draw where a symbol's volatility stands among all that it has had, per horizon.

    Args:
        cone: `volatility_cone`, of any symbols.
        symbol: Which one to show.
        is_simulated: Whether the data is invented.
        series: `returns_stddev`, for the implied volatility of each expiration; None leaves it out.
    """
    # Reads better in one piece: a docstring, the bands, the lines and the labels.
    rows = cone.filter(symbol=symbol).drop_nulls("median").sort("horizon_sessions")
    figure, axes = canvas(
        f"{symbol}: volatility cone",
        "Close-to-close volatility, annualised: today's among every window of the same length that the symbol has had.",
        is_simulated=is_simulated,
        footer=0.98,
    )
    if rows.is_empty():
        note(axes, f"{symbol} has no full window yet.")
        return to_png(figure)
    x = list(range(rows.height))
    # Side by side and not one over the other, so that each has the shade that the legend shows.
    bands = (
        ("minimum", "p10", 0.10, "min – max"),
        ("p10", "p25", 0.26, "10 – 90%"),
        ("p25", "p75", 0.48, "25 – 75%"),
        ("p75", "p90", 0.26, None),
        ("p90", "maximum", 0.10, None),
    )
    for low, high, alpha, label in bands:
        axes.fill_between(x, rows[low], rows[high], color=BLUE, alpha=alpha, linewidth=0, label=label)
    axes.plot(x, rows["median"], color=BLUE, linewidth=1.6, label="median")
    axes.plot(x, rows["current"], color=ORANGE, linewidth=1.8, marker="o", markersize=6, label="today")
    if series is not None:
        _draw_implied(axes, series.filter(symbol=symbol), rows["horizon_sessions"].to_list())
    labels = [
        f"{horizon}\n" + ("none\ntoday" if current is None else f"{current:.1%}\nabove {share:.0%}")
        for horizon, current, share in rows.select("horizon_sessions", "current", "current_percentile").iter_rows()
    ]
    axes.set_xticks(x, labels, color=INK)
    axes.set_xlim(-0.4, rows.height - 0.6)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"sessions in the window, to {rows['as_of_session'][0]}", fontsize=9.5, color=MUTED)
    _percent_axis(axes)
    legend(axes)
    return to_png(figure)


def _draw_implied(axes: Axes, series: pl.DataFrame, horizons: Sequence[int]) -> None:
    """Today's implied volatility of each expiration, between the horizons of the cone that it lies between."""
    priced = (
        series.filter(
            pl.col("expected_move").is_not_null()  # null where the implied volatility is not of the last session
            & pl.col("horizon_sessions").is_between(horizons[0], horizons[-1])
        )
        .group_by("horizon_sessions")
        .agg(pl.col("implied_volatility").mean())
        .sort("horizon_sessions")
    )
    if priced.is_empty():
        return
    places = []
    for horizon in priced["horizon_sessions"]:
        after = bisect_left(horizons, horizon)
        low, high = horizons[max(after - 1, 0)], horizons[after]
        share = 1.0 if high == low else math.log(horizon / low) / math.log(high / low)
        places.append(after - 1 + share if after else 0.0)
    axes.plot(
        places, priced["implied_volatility"], color=INK, linewidth=1.2, marker="D", markersize=4, label="IV today"
    )


def moves_chart(series: pl.DataFrame, *, symbol: str, is_simulated: bool) -> bytes:
    """Draw the moves until each expiration: what options price in, what past prices let expect, what was usual.

    Args:
        series: `returns_stddev`, of any symbols.
        symbol: Which one to show: of its expirations, those with the root of the same name and PM settlement.
        is_simulated: Whether the data is invented.
    """
    move, error = pl.col("forecast_move"), pl.col("forecast_move_rel_error")
    rows = (
        series.filter(
            (pl.col("symbol") == symbol)
            & (pl.col("root_symbol") == symbol)
            & (pl.col("settlement_type") == "PM")
            & (pl.col("dte") > 0)
        )
        .with_columns(
            implied=pl.col("expected_move") / pl.col("close"), low=move * (1 - error), high=move * (1 + error)
        )
        .filter(pl.any_horizontal(pl.col("implied", "usual_move").is_not_null(), move.is_not_null()))
        .sort("dte")
    )
    figure, axes = canvas(
        f"{symbol}: implied, forecast and usual move",
        "One standard deviation until each expiration, as a share of the price; the band is the error of the forecast.",
        is_simulated=is_simulated,
    )
    if rows.is_empty():
        note(axes, f"{symbol} has no expiration with a move to show.")
        return to_png(figure)
    _draw_moves(axes, rows)
    _log_axes(axes, rows)
    axes.set_xlabel(
        f"calendar days to expiration from {rows['as_of_session'][0]}; n× is implied over forecast",
        fontsize=9.5,
        color=MUTED,
    )
    _percent_axis(axes)
    legend(axes)
    return to_png(figure)


def _draw_moves(axes: Axes, rows: pl.DataFrame) -> None:
    """The moves with the error of the forecast, and the ratio of implied to forecast where its label has room."""
    forecast, usual = rows.drop_nulls("forecast_move"), rows.drop_nulls("usual_move")
    axes.fill_between(forecast["dte"], forecast["low"], forecast["high"], color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(usual["dte"], usual["usual_move"], color=MUTED, linewidth=1.2, linestyle="--", label="usual")
    axes.plot(forecast["dte"], forecast["forecast_move"], color=BLUE, marker="o", markersize=5, label="forecast")
    implied = rows.drop_nulls("implied")
    axes.plot(implied["dte"], implied["implied"], color=ORANGE, marker="D", markersize=5, label="implied by options")
    labelled = 0.0
    for dte, top, ratio in rows.select("dte", pl.max_horizontal("implied", "high"), "move_ratio").iter_rows():
        if ratio is not None and dte >= _LABEL_SPACING * labelled:
            labelled = dte
            axes.annotate(
                f"{ratio:.2f}×",
                (dte, top),
                xytext=(0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                color=INK,
            )


def _log_axes(axes: Axes, rows: pl.DataFrame) -> None:
    axes.set_xscale("log")
    first, last = rows["dte"][0], rows["dte"][-1]
    ticks = [day for day in _DAY_TICKS if first * 0.7 <= day <= last * 1.3]
    axes.set_xticks(ticks, [str(day) for day in ticks])
    axes.set_yscale("log")
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top * 1.15)
    axes.set_yticks([step for step in _MOVE_TICKS if bottom <= step <= top * 1.15])
    axes.minorticks_off()


def ranking_chart(volatility: pl.DataFrame, *, is_simulated: bool) -> bytes:
    """Draw the symbols whose options are dearest and cheapest against the moves of the price: IV less RV at 30 days.

    Args:
        volatility: The dataset of that name.
        is_simulated: Whether the data is invented.
    """
    ranked = volatility.drop_nulls("iv_rv_spread_30").sort("iv_rv_spread_30", "symbol", descending=[False, True])
    is_whole = ranked.height <= 2 * _RANKED
    rows = ranked if is_whole else pl.concat([ranked.head(_RANKED), ranked.tail(_RANKED)])
    spread = ranked["iv_rv_spread_30"]
    figure, axes = canvas(
        "Implied less realised volatility, 30 days",
        f"{'All' if is_whole else f'The {_RANKED} widest spreads each way'} of {ranked.height} symbols, in points; "
        f"the median is {_points(spread.median())}.",
        is_simulated=is_simulated,
        height=7.2,
    )
    if rows.is_empty():
        note(axes, "No symbol has both an implied and a realised volatility.")
        return to_png(figure)
    # A gap between the two ends says that the middle of the universe is not shown.
    y = [place + (1.2 if place >= _RANKED and not is_whole else 0.0) for place in range(rows.height)]
    implied, realised = rows["implied_volatility_30_day"], rows["close_to_close_30"]
    colours = [ORANGE if value >= 0 else BLUE for value in rows["iv_rv_spread_30"]]
    axes.hlines(y, realised, implied, color=colours, linewidth=3, alpha=0.45)
    axes.scatter(realised, y, s=34, facecolor=PAPER, edgecolor=INK, linewidth=1.3, zorder=3, label="realised")
    axes.scatter(implied, y, s=34, color=colours, zorder=3)
    axes.scatter([], [], s=34, color=ORANGE, label="implied above it")
    axes.scatter([], [], s=34, color=BLUE, label="implied below it")
    for place, (right, value) in enumerate(
        rows.select(pl.max_horizontal("implied_volatility_30_day", "close_to_close_30"), "iv_rv_spread_30").iter_rows()
    ):
        axes.annotate(
            _points(value),
            (right, y[place]),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    axes.set_yticks(y, rows["symbol"].to_list())
    axes.tick_params(axis="y", colors=INK)
    axes.set_ylim(-0.8, y[-1] + 0.8)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.margins(x=0.09)
    axes.xaxis.set_major_formatter(_percent)
    axes.set_xlabel(f"annualised volatility on {rows['as_of_session'][0]}", fontsize=9.5, color=MUTED)
    legend(axes)
    return to_png(figure)


def coverage_chart(counts: pl.DataFrame, *, is_simulated: bool) -> bytes:
    """Draw how many symbols have a bar, per session and source.

    Args:
        counts: `session`, `source`, `symbols` (how many), in any order.
        is_simulated: Whether the data is invented.
    """
    table = counts.pivot("source", index="session", values="symbols").fill_null(0).sort("session")
    sources = sorted((name for name in table.columns if name != "session"), reverse=True)
    total = pl.sum_horizontal(sources) if sources else pl.lit(0)
    newest = table.select("session", total=total).tail(1).rows()
    figure, axes = canvas(
        "Symbols with a bar, per session",
        f"The EOD snapshot by source; {newest[0][1]:,} symbols on {newest[0][0]}."
        if newest
        else "The EOD snapshot by source.",
        is_simulated=is_simulated,
        height=4.2,
    )
    if table.is_empty():
        note(axes, "There are no bars.")
        return to_png(figure)
    axes.stackplot(
        table["session"].to_list(),
        *(table[name].to_list() for name in sources),
        labels=sources,
        colors=[BLUE, ORANGE, MUTED][: len(sources)],
        alpha=0.75,
        linewidth=0,
    )
    axes.margins(x=0)
    axes.set_ylim(bottom=0)
    legend(axes)
    return to_png(figure)


def _percent_axis(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(_percent)


def _percent(value: float, _position: float) -> str:
    return f"{value:.0%}" if abs(value * 100 - round(value * 100)) < 1e-6 else f"{value:.1%}"


def _points(value: object) -> str:
    return f"{value * 100:+.1f}".replace("-", "−") if isinstance(value, float) else "unknown"
