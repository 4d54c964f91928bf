# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`volatility`: each symbol's realised volatility as of the snapshot's last session, next to the broker's.

The numbers are `analytics.current` and `analytics.earnings`; this joins them. Where each stands among all that the
symbol has had is `volatility_cone`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.current import bar_quality, current_volatility, volatility_rank
from ttapi_pipeline.analytics.earnings import volatility_without_earnings
from ttapi_pipeline.analytics.earnings_moves import implied_earnings_moves, past_earnings_moves
from ttapi_pipeline.analytics.implied_history import implied_volatility_history
from ttapi_pipeline.analytics.splits import bars_since_steps, price_steps
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.by_ranges import ROWS_AT_A_TIME, collect_by_ranges
from ttapi_pipeline.datasets.by_symbols import BySymbols, Collect, at_once, of_symbols
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.eod_snapshot.reading import last_final_session, most_traded
from ttapi_pipeline.datasets.implied_volatility.reading import moment_reason
from ttapi_pipeline.datasets.implied_volatility.table import IMPLIED_VOLATILITY
from ttapi_pipeline.datasets.parts import union_of_parts
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.volatility.comparisons import broker_counts, differences, is_far_from_broker
from ttapi_pipeline.datasets.volatility.table import BROKER_WINDOWS, EX_EARNINGS_WINDOWS, VOLATILITY
from ttapi_pipeline.plots.charts import ranking_chart
from ttapi_pipeline.plots.forecast_charts import iv_history_chart
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, is_within

_RANK_WINDOW: Final = 30
_NO_CANDLES: Final = pl.LazyFrame(schema=DAILY_CANDLES.polars)
_NO_IMPLIED: Final = pl.LazyFrame(schema=IMPLIED_VOLATILITY.polars)
_IMPLIED: Final = ("symbol", "session", "implied_volatility")
_FROM_SYMBOLS: Final = (
    "symbol",
    "is_index",
    *(f"historical_volatility_{days}_day" for days in BROKER_WINDOWS),
    "implied_volatility_30_day",
    "implied_volatility_rank",
    "implied_volatility_percentile",
    "metrics_updated_at",
    "fetched_at",
    "earnings_date",
    "earnings_time_of_day",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is stored of the datasets upstream.

    Attributes:
        snapshot: `eod_snapshot` by symbol and session, as it is stored; closes adjusted for splits. Only final bars
            count, and none before a step that no split explains.
        symbols: `symbols`.
        earnings: `earnings`.
        calendar: `trading_calendar`.
        candles: `symbol`, `session` and `implied_volatility` of the final bars of `daily_candles`.
        implied: `implied_volatility`, for the jump that expirations price into the next report.
    """

    snapshot: pl.LazyFrame
    symbols: pl.LazyFrame
    earnings: pl.LazyFrame
    calendar: pl.LazyFrame
    candles: pl.LazyFrame
    implied: pl.LazyFrame

    def of(self, symbols: SymbolRange) -> Inputs:
        """The rows of a range of symbols, in memory."""
        names = ("snapshot", "symbols", "earnings", "candles", "implied")
        parts = {name: getattr(self, name).filter(is_within(symbols)).collect().lazy() for name in names}
        return replace(self, **parts)

    def only(self, symbols: Collection[str] | None) -> Inputs:
        """The rows of some symbols, or of all for None; the calendar as a whole."""
        if symbols is None:
            return self
        names = ("snapshot", "symbols", "earnings", "candles", "implied")
        return replace(self, **{name: of_symbols(getattr(self, name), symbols) for name in names})


def volatility_frame(
    inputs: Inputs, *, as_of: date, annualization: int, rows_at_a_time: int = ROWS_AT_A_TIME
) -> pl.DataFrame:
    """One row per symbol of the snapshot or of `symbols`.

    Args:
        inputs: What is measured.
        as_of: Session that every window ends at.
        annualization: Sessions per year.
        rows_at_a_time: Changes nothing but the memory that it takes.
    """

    def measured(symbols: SymbolRange) -> pl.DataFrame:
        return _measured(inputs.of(symbols), as_of=as_of, annualization=annualization)

    return collect_by_ranges(inputs.snapshot, measured, rows=rows_at_a_time)


def _measured(inputs: Inputs, *, as_of: date, annualization: int) -> pl.DataFrame:
    # Reads better in one piece: the measures, the joins and the columns made of both.
    calendar, earnings, symbols = inputs.calendar, inputs.earnings, inputs.symbols
    # In one stretch of memory: the last digit of a sum depends on where the parts of a column end.
    past = inputs.snapshot.filter(pl.col("is_final") & (pl.col("session") <= as_of)).collect().rechunk().lazy()
    steps = price_steps(past)
    bars = bars_since_steps(past, steps)
    metrics = symbols.select(_FROM_SYMBOLS)
    totals = _totals(bars, as_of=as_of)
    measures = (
        current_volatility(bars, calendar, as_of=as_of, annualization=annualization),
        volatility_rank(bars, calendar, as_of=as_of, window=_RANK_WINDOW, annualization=annualization),
        volatility_without_earnings(
            bars,
            calendar,
            earnings,
            as_of=as_of,
            windows=EX_EARNINGS_WINDOWS,
            annualization=annualization,
            silent=_symbols_that_are(symbols, "is_etf", "is_index"),
        ),
        bar_quality(past, calendar, as_of=as_of, unvolumed=_symbols_that_are(symbols, "is_index"), steps=steps),
        implied_earnings_moves(_expirations(inputs.implied, calendar, as_of=as_of), earnings, as_of=as_of),
        past_earnings_moves(bars, calendar, earnings, as_of=as_of),
        implied_volatility_history(inputs.candles, calendar, as_of=as_of),
    )
    frame = metrics.select("symbol").collect()
    frame = pl.concat([frame, totals.select("symbol").collect()]).unique().sort("symbol")
    joined = frame.lazy().join(metrics, on="symbol", how="left").join(totals, on="symbol", how="left")
    for measure in measures:
        joined = joined.join(measure, on="symbol", how="left")
    has_no_bars = pl.col("session_count").is_null()
    reasons = [
        name
        for name in VOLATILITY.polars
        if name.startswith(("close_to_close", "yang_zhang")) and name.endswith("_reason")
    ]
    computed = (
        joined.with_columns(
            pl.when(has_no_bars).then(pl.lit("no_bars")).otherwise(pl.col(name)).alias(name) for name in reasons
        )
        .with_columns(**differences(), iv_rv_spread_reason=_spread_reason(calendar, as_of=as_of))
        .with_columns(
            as_of_session=pl.lit(as_of),
            iv_values_used=pl.col("iv_values_used").fill_null(0),
            iv_reason=pl.when(pl.col("iv_values_used").is_null())
            .then(pl.lit("no_implied_volatility"))
            .otherwise("iv_reason"),
            iv_rank_difference=pl.col("iv_rank") - pl.col("implied_volatility_rank"),
            iv_percentile_difference=pl.col("iv_percentile") - pl.col("implied_volatility_percentile"),
            session_count=pl.col("session_count").fill_null(0),
            has_more_than_30_sessions=pl.col("has_more_than_30_sessions").fill_null(value=False),
            is_far_from_broker=is_far_from_broker(),
            broker_volatility_counts=broker_counts(),
            **{
                f"iv_rv_spread_{window}": pl.when(pl.col("iv_rv_spread_reason").is_null()).then(
                    pl.col("implied_volatility_30_day") - pl.col(f"close_to_close_{window}")
                )
                for window in (21, 30)
            },
            earnings_moves_used=pl.col("earnings_moves_used").fill_null(0),
            earnings_move_ratio=pl.col("implied_earnings_move") / pl.col("earnings_move"),
            implied_earnings_move_reason=pl.when(pl.col("implied_earnings_move").is_null()).then(
                pl.col("implied_earnings_move_reason").fill_null("no_announcement")
            ),
        )
        .select(VOLATILITY.polars.names())
        .sort("symbol")
    )
    # A range is too small to stream, and the streaming engine adds numbers up in another order each time.
    return computed.collect(engine="in-memory")


def _symbols_that_are(symbols: pl.LazyFrame, *flags: str) -> list[str]:
    """The symbols of which one of some flags holds."""
    found: list[str] = symbols.filter(pl.any_horizontal(flags)).select("symbol").collect()["symbol"].to_list()
    return found


def _expirations(implied: pl.LazyFrame, calendar: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """The implied volatilities of the session's moment, of expirations that settle on a close."""
    at = pl.coalesce("implied_volatility_at", "fetched_at")
    is_of_moment = moment_reason(pl.col("implied_volatility"), at, calendar, as_of=as_of).is_null()
    is_usual = (pl.col("settlement_type") == "PM") & (pl.col("option_chain_type") == "Standard")
    return implied.filter(is_of_moment & is_usual).select("symbol", "expiration_date", "implied_volatility")


def _spread_reason(calendar: pl.LazyFrame, *, as_of: date) -> pl.Expr:
    """Why an implied volatility is not compared with ours: no bars, or not of one moment with them."""
    at = pl.coalesce("metrics_updated_at", "fetched_at")
    implied = moment_reason(pl.col("implied_volatility_30_day"), at, calendar, as_of=as_of)
    return pl.coalesce("close_to_close_21_reason", implied)


def _totals(bars: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """Figures of all bars of each symbol, and its close of one session."""
    close, session = pl.col("close"), pl.col("session")
    return bars.group_by("symbol").agg(
        first_session=session.min(),
        last_session=session.max(),
        session_count=pl.len().cast(pl.Int32),
        has_more_than_30_sessions=pl.len() > 30,
        close=close.filter(session == as_of).first(),
        close_mean=close.mean(),
        close_stddev=close.std(),
    )


def _planned(inputs: Inputs, *, annualization: int, now: datetime) -> BySymbols:
    as_of = last_final_session(inputs.snapshot, inputs.calendar, now=now)

    def rows(symbols: Collection[str] | None) -> pl.DataFrame:
        return volatility_frame(inputs.only(symbols), as_of=as_of, annualization=annualization)

    return BySymbols(as_of, [inputs.snapshot, inputs.symbols], rows)


def by_symbols(settings: Settings, now: datetime, **inputs: pl.LazyFrame) -> BySymbols:
    """The table, as of the snapshot's last final session; not computed yet.

    Args:
        settings: How it is computed.
        now: Sessions that close later do not count.
        inputs: What is stored of the datasets upstream, by name.

    Raises:
        DataError: There is no final bar.
    """
    return _planned(_inputs(**inputs), annualization=settings.annualization_sessions, now=now)


def _inputs(
    *,
    eod_snapshot: pl.LazyFrame,
    daily_candles: pl.LazyFrame,
    symbols: pl.LazyFrame,
    implied_volatility: pl.LazyFrame,
    earnings: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> Inputs:
    return Inputs(
        snapshot=eod_snapshot,
        symbols=symbols,
        earnings=earnings,
        calendar=trading_calendar,
        candles=daily_candles.filter("is_final").select(_IMPLIED),
        implied=implied_volatility,
    )


def build_volatility(
    snapshot: pl.LazyFrame,
    symbols: pl.LazyFrame,
    earnings: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    annualization: int,
    now: datetime,
    candles: pl.LazyFrame = _NO_CANDLES,
    implied: pl.LazyFrame = _NO_IMPLIED,
    collect: Collect = at_once,
) -> Build:
    """Compute everything as of the snapshot's last final session; `collect` puts the table together.

    Raises:
        DataError: There is no final bar.
    """
    inputs = _inputs(
        eod_snapshot=snapshot,
        daily_candles=candles,
        symbols=symbols,
        implied_volatility=implied,
        earnings=earnings,
        trading_calendar=calendar,
    )
    table = _planned(inputs, annualization=annualization, now=now)
    collected, as_of = collect(table), table.as_of
    frame = collected.frame
    shown = most_traded(snapshot, as_of=as_of)
    return Build(
        frame=frame,
        sources={"computed": frame.height},
        statistics={
            "as_of_session": as_of.isoformat(),
            "symbols_without_bars": frame.filter(pl.col("session_count") == 0).height,
            "symbols_without_yang_zhang_30": frame["yang_zhang_30"].null_count(),
            "symbols_with_cautions": frame["cautions"].count(),
            "symbols_far_from_broker": int(frame["is_far_from_broker"].sum()),
            "symbols_without_iv_rank": frame["iv_rank"].null_count(),
            "symbols_with_unknown_announcements": frame["earnings_sessions_left_out_30"].null_count(),
            "symbols_with_implied_earnings_move": frame["implied_earnings_move"].count(),
            "symbols_not_current": frame.filter(close_to_close_10_reason="not_current").height,
            **{
                f"symbols_whose_broker_counts_{what}": frame.filter(broker_volatility_counts=what).height
                for what in ("sessions", "days")
            },
            **collected.statistics,
        },
        missing=collected.missing,
        charts={
            "iv_rv_ranking": partial(ranking_chart, frame),
            "implied_volatility": partial(iv_history_chart, _candles_of(candles, shown), symbol=shown),
        },
    )


def _candles_of(candles: pl.LazyFrame, symbol: str) -> pl.DataFrame:
    return candles.filter(pl.col("is_final") & (pl.col("symbol") == symbol)).select(_IMPLIED).collect()


def build(
    refresh: Refresh,
    *,
    eod_snapshot: pl.LazyFrame,
    daily_candles: pl.LazyFrame,
    symbols: pl.LazyFrame,
    implied_volatility: pl.LazyFrame,
    earnings: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> Build:
    """Compute from what is stored."""
    return build_volatility(
        eod_snapshot,
        symbols,
        earnings,
        trading_calendar,
        annualization=refresh.settings.annualization_sessions,
        now=refresh.now,
        candles=daily_candles,
        implied=implied_volatility,
        collect=union_of_parts(refresh),
    )
