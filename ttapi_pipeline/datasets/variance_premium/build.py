# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`variance_premium`: every forecast of each symbol's moves, scored over all spans that have ended.

The scores are `analytics.premium`. Forecasts of single expirations, frozen when they are made, are `expectations`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.tenors import METHODS, TENORS
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.by_symbols import BySymbols, Collect, at_once, of_symbols
from ttapi_pipeline.datasets.eod_snapshot.reading import last_final_session
from ttapi_pipeline.datasets.histories import SYMBOLS_AT_A_TIME, Sessions, SymbolHistory, for_each_history
from ttapi_pipeline.datasets.parts import union_of_parts
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.variance_premium.table import VARIANCE_PREMIUM

if TYPE_CHECKING:
    from ttapi_pipeline.analytics.premium import MethodScore, TenorScores

REASONS: Final = {
    "no_implied_volatility": "the symbol has no implied volatility in its candles",
    "short_history": "fewer than eight spans of the tenor, end to end, have both a forecast and an outcome",
}
"""What each word of the reason column means."""


def variance_premium_frame(
    snapshot: pl.LazyFrame,
    candles: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    symbols_at_a_time: int = SYMBOLS_AT_A_TIME,
) -> pl.DataFrame:
    """One row per tenor and method for each symbol of `candles` that the snapshot has a bar of.

    Args:
        snapshot: `eod_snapshot`; only final bars count.
        candles: `daily_candles`, for the symbols and their implied volatilities.
        calendar: `trading_calendar`.
        as_of: Spans that end later count for nothing.
        symbols_at_a_time: Changes nothing but the memory that it takes.
    """
    from ttapi_pipeline.analytics.premium import score_tenor  # noqa: PLC0415 - imports Numba

    sessions = Sessions.of(calendar, as_of=as_of)
    symbols = candles.select(pl.col("symbol").unique()).collect(engine="streaming")["symbol"].to_list()

    def score(one: SymbolHistory) -> pl.DataFrame:
        rows = [
            row
            for tenor in TENORS
            for row in _rows(one, score_tenor(one.history, tenor), tenor=tenor, sessions=sessions, as_of=as_of)
        ]
        # As a frame at once: of thousands of symbols, dictionaries of rows would be a gigabyte.
        return pl.DataFrame(rows, schema=VARIANCE_PREMIUM.polars)

    found = for_each_history(snapshot, candles, sessions, symbols, score, at_a_time=symbols_at_a_time)
    return pl.concat([VARIANCE_PREMIUM.polars.to_frame(), *found])


def _rows(
    one: SymbolHistory, scores: TenorScores, *, tenor: int, sessions: Sessions, as_of: date
) -> Sequence[Mapping[str, Any]]:
    has_implied = bool(np.isfinite(one.history.implied).any())
    rows = []
    for method in METHODS:
        score = scores.methods.get(method)
        row: dict[str, Any] = {
            "symbol": one.symbol,
            "tenor_sessions": tenor,
            "method": method,
            "as_of_session": as_of,
            "expected_stddev": _finite(math.sqrt(float(scores.expected[method][-1]))),
            "spans_used": 0,
            "spans_apart": 0,
        }
        if score is None:
            row["reason"] = "short_history" if has_implied or method != "iv_30_day" else "no_implied_volatility"
        else:
            begins = (sessions.date(one.first + int(scores.spans[place])) for place in (0, -1))
            row |= {**dict(zip(("first_session", "last_session"), begins, strict=True)), **_figures(score)}
            row |= {"spans_used": len(scores.spans), "spans_apart": len(scores.spans) // tenor}
            row |= {"is_best": method == scores.best, "best_method": scores.best}
        rows.append(row)
    return rows


def _figures(score: MethodScore) -> Mapping[str, Any]:
    stated = score.overstatement
    figures = {
        "volatility_ratio": stated.ratio,
        "volatility_ratio_error": stated.error,
        "volatility_ratio_t": stated.t,
        "median_log_ratio": score.median_log_ratio,
        **{f"inside_{percent}": share for percent, share in score.inside.items()},
        "log_score": score.log_score,
        "log_score_error": score.log_score_error,
        "qlike": score.qlike,
        "qlike_error": score.qlike_error,
        "qlike_excess": score.qlike_excess,
        "qlike_excess_error": score.qlike_excess_error,
    }
    return {**{name: _finite(value) for name, value in figures.items()}, "verdict": stated.verdict}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _planned(snapshot: pl.LazyFrame, candles: pl.LazyFrame, calendar: pl.LazyFrame, *, now: datetime) -> BySymbols:
    as_of = last_final_session(snapshot, calendar, now=now)

    def rows(symbols: Collection[str] | None) -> pl.DataFrame:
        both = (snapshot, candles) if symbols is None else (of_symbols(snapshot, symbols), of_symbols(candles, symbols))
        return variance_premium_frame(*both, calendar, as_of=as_of)

    return BySymbols(as_of, [candles], rows)


def by_symbols(
    settings: Settings,  # noqa: ARG001 - none of them matters here, see `datasets.parts`
    now: datetime,
    *,
    eod_snapshot: pl.LazyFrame,
    daily_candles: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> BySymbols:
    """The table, as of the snapshot's last final session; not computed yet.

    Args:
        settings: Change nothing.
        now: Sessions that close later do not count.
        eod_snapshot: What is stored.
        daily_candles: What is stored.
        trading_calendar: What is stored.

    Raises:
        DataError: There is no final bar.
    """
    return _planned(eod_snapshot, daily_candles, trading_calendar, now=now)


def build_variance_premium(
    snapshot: pl.LazyFrame,
    candles: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    now: datetime,
    collect: Collect = at_once,
) -> Build:
    """Score everything as of the snapshot's last final session; `collect` puts the table together.

    Raises:
        DataError: There is no final bar.
    """
    table = _planned(snapshot, candles, calendar, now=now)
    collected, as_of = collect(table), table.as_of
    frame = collected.frame
    implied = frame.filter((pl.col("method") == "iv_30_day") & (pl.col("tenor_sessions") == 21))
    return Build(
        frame=frame,
        sources={"computed": frame.height},
        missing=collected.missing,
        statistics={
            "as_of_session": as_of.isoformat(),
            "rows_without_scores": frame["qlike"].null_count(),
            "symbols_whose_iv_overstates": implied.filter(pl.col("verdict") == "overstates").height,
            "symbols_whose_iv_understates": implied.filter(pl.col("verdict") == "understates").height,
            "symbols_whose_iv_is_best": implied.filter("is_best").height,
            **collected.statistics,
        },
    )


def build(
    refresh: Refresh, eod_snapshot: pl.LazyFrame, daily_candles: pl.LazyFrame, trading_calendar: pl.LazyFrame
) -> Build:
    """Compute from what is stored."""
    return build_variance_premium(
        eod_snapshot, daily_candles, trading_calendar, now=refresh.now, collect=union_of_parts(refresh)
    )
