# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`returns_stddev`: how far each underlying moves over the span of each listed expiration, next to the priced move.

The statistics are `analytics.horizons`, the comparisons `analytics.implied`, reports and dividends `events`; this joins
them to the expiration series.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from functools import partial
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.cone import volatility_cone
from ttapi_pipeline.analytics.current import YEAR, bar_quality
from ttapi_pipeline.analytics.horizons import expiration_horizons, horizon_statistics
from ttapi_pipeline.analytics.implied import clock_ratio, expected_move, implied_stddev, move_ratio
from ttapi_pipeline.analytics.overnight import TYPICAL_SHARE, overnight_share, sessions_left
from ttapi_pipeline.analytics.splits import bars_since_steps, price_steps
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.symbology import OPTIONS_ON_FUTURES
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.by_ranges import ROWS_AT_A_TIME, collect_by_ranges
from ttapi_pipeline.datasets.by_symbols import BySymbols, Collect, at_once, of_symbols
from ttapi_pipeline.datasets.eod_snapshot.reading import last_final_session, most_traded
from ttapi_pipeline.datasets.implied_volatility.reading import moment_reason
from ttapi_pipeline.datasets.parts import union_of_parts
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.returns_stddev.events import with_dividend, with_earnings
from ttapi_pipeline.datasets.returns_stddev.table import RETURNS_STDDEV
from ttapi_pipeline.plots.charts import cone_chart, moves_chart
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, is_within

CAUTIONS: Final = {
    "few_sessions": "1 to 4 sessions are left: returns_stddev rests on as few returns, and a weekend weighs much",
    "written_on_future": "the options are on a future, so that neither the close nor its moves are those of theirs",
}
"""Words of `cautions` beside those about the bars, which are `analytics.current.CAUTIONS`."""

_FEW: Final = 4
_IV_KEY: Final = ("symbol", "expiration_date", "settlement_type", "option_chain_type")
_PAIR: Final = ("symbol", "horizon_sessions", "priced_move")
_SERIES: Final = (
    "symbol",
    "root_symbol",
    "expiration_date",
    "settlement_type",
    "option_chain_type",
    "expiration_session",
)
_SCALED: Final = (
    *("usual_move", "usual_move_centered", "forecast_move"),
    *("absolute_move_p50", "absolute_move_p68", "absolute_move_p90"),
)
"""Moves over whole sessions, which are shorter where the last session is not whole."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is stored of the datasets upstream, by their names."""

    expiration_series: pl.LazyFrame
    eod_snapshot: pl.LazyFrame
    implied_volatility: pl.LazyFrame
    symbols: pl.LazyFrame
    earnings: pl.LazyFrame
    trading_calendar: pl.LazyFrame

    def of(self, symbols: SymbolRange) -> Inputs:
        """The rows of a range of symbols, in memory; the calendar as a whole."""
        names = [each.name for each in fields(self) if each.name != "trading_calendar"]
        parts = {name: getattr(self, name).filter(is_within(symbols)).collect().lazy() for name in names}
        return replace(self, **parts)

    def only(self, symbols: Collection[str] | None) -> Inputs:
        """The rows of some symbols, or of all for None; the calendar as a whole."""
        if symbols is None:
            return self
        names = [each.name for each in fields(self) if each.name != "trading_calendar"]
        return replace(self, **{name: of_symbols(getattr(self, name), symbols) for name in names})


def returns_stddev_frame(
    inputs: Inputs, *, as_of: date, lookback: int, annualization: int, rows_at_a_time: int = ROWS_AT_A_TIME
) -> pl.DataFrame:
    """One row per expiration series that has not expired at `as_of`.

    Args:
        inputs: The snapshot by symbol and session, as it is stored; only final bars count, and none before a step that
            no split explains.
        as_of: Session to count from.
        lookback: Daily returns in the lookback columns; the least of the others.
        annualization: Sessions per year.
        rows_at_a_time: Changes nothing but the memory that it takes.
    """

    def measured(symbols: SymbolRange) -> pl.DataFrame:
        return _measured(inputs.of(symbols), as_of=as_of, lookback=lookback, annualization=annualization)

    return collect_by_ranges(inputs.eod_snapshot, measured, rows=rows_at_a_time)


def _measured(inputs: Inputs, *, as_of: date, lookback: int, annualization: int) -> pl.DataFrame:
    calendar = inputs.trading_calendar
    # In one stretch of memory: the last digit of a sum depends on where the parts of a column end.
    past = inputs.eod_snapshot.filter(pl.col("is_final") & (pl.col("session") <= as_of)).collect().rechunk().lazy()
    steps = price_steps(past)
    series = _priced(inputs, past, as_of=as_of).collect(engine="in-memory")
    statistics = horizon_statistics(
        bars_since_steps(past, steps).select("symbol", "session", "close"),
        calendar,
        series.lazy().select(_PAIR),
        as_of=as_of,
        lookback=lookback,
        annualization=annualization,
    )
    known = statistics.collect().lazy()
    quality = _quality(past, calendar, known, inputs.symbols, as_of=as_of, steps=steps)
    frame = (
        series.lazy()
        # An expiration beyond the calendar has no horizon, and the statistics say so of it too.
        .join(known, on=_PAIR, how="left", nulls_equal=True)
        .join(quality, on=_PAIR, how="left", nulls_equal=True)
        .with_columns(pl.col(_SCALED) * (pl.col("sessions_left") / pl.col("horizon_sessions")).sqrt())
        .with_columns(**_comparisons(annualization=annualization))
        .with_columns(move_ratio_z=pl.col("move_ratio").log() / pl.col("forecast_move_rel_error"))
        .with_columns(cautions=_cautions(), share_inside_expected_move="share_inside_priced_move")
        .select(RETURNS_STDDEV.polars.names())
    )
    # A range is too small to stream, and the streaming engine adds numbers up in another order each time.
    return frame.collect(engine="in-memory")


def _priced(inputs: Inputs, past: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """The expiration series with horizon, last bars, implied volatility and events.

    `priced_move` is the priced move over the whole sessions of the horizon, as a fraction; null where the price and the
    implied volatility are not of one moment.
    """
    calendar, symbols = inputs.trading_calendar, inputs.symbols
    series = expiration_horizons(
        inputs.expiration_series.filter(pl.col("expiration_date") >= as_of).select(_SERIES), calendar, as_of=as_of
    )
    series = with_earnings(series, inputs.earnings, symbols, as_of=as_of)
    series = with_dividend(series, symbols, as_of=as_of)
    last = past.group_by("symbol").agg(
        last_session=pl.col("session").max(), close=pl.col("close").filter(pl.col("session") == as_of).first()
    )
    implied = inputs.implied_volatility.select(
        *_IV_KEY, "implied_volatility", implied_volatility_at=pl.coalesce("implied_volatility_at", "fetched_at")
    )
    share, volatility = pl.col("overnight_share"), pl.col("implied_volatility")
    no_close = (pl.when(pl.col("last_session").is_null()).then(pl.lit("no_bars")).when(pl.col("close").is_null())).then(
        pl.lit("not_current")
    )
    moment = moment_reason(volatility, pl.col("implied_volatility_at"), calendar, as_of=as_of)
    whole = (pl.col("horizon_sessions") / pl.col("sessions_left")).sqrt()
    return (
        series.join(last, on="symbol", how="left")
        .join(overnight_share(past, calendar, as_of=as_of), on="symbol", how="left")
        .with_columns(is_overnight_share_typical=share.is_null(), overnight_share=share.fill_null(TYPICAL_SHARE))
        .with_columns(sessions_left=sessions_left(pl.col("horizon_sessions"), pl.col("is_settled_at_open"), share))
        .join(implied, on=_IV_KEY, how="left")
        .with_columns(expected_move_reason=pl.coalesce(no_close, moment))
        .with_columns(
            priced_move=pl.when(pl.col("expected_move_reason").is_null()).then(
                implied_stddev(volatility, pl.col("dte")) * whole
            ),
            is_written_on_future=pl.col("symbol").is_in(list(OPTIONS_ON_FUTURES)),
        )
    )


def _comparisons(*, annualization: int) -> dict[str, pl.Expr]:
    """The columns that are made of prices, past moves and implied volatilities."""
    volatility, dte, left = pl.col("implied_volatility"), pl.col("dte"), pl.col("sessions_left")
    is_of_one_moment = pl.col("expected_move_reason").is_null()
    has_horizon = pl.col("horizon_sessions") > 0
    ratio_reason = pl.coalesce(
        "expected_move_reason",
        pl.when(pl.col("horizon_sessions").is_null()).then(pl.lit("unknown_horizon")),
        pl.when(~has_horizon).then(pl.lit("zero_horizon")),
        "returns_stddev_lookback_reason",
    )
    return {
        "expected_move": pl.when(is_of_one_moment).then(expected_move(pl.col("close"), volatility, dte)),
        "move_ratio": pl.when(ratio_reason.is_null()).then(move_ratio(volatility, dte, pl.col("forecast_move"))),
        "move_ratio_reason": ratio_reason,
        "clock_ratio": clock_ratio(dte, left, annualization=annualization),
        "iv_rv_spread": pl.when(is_of_one_moment).then(volatility - pl.col("realized_volatility")),
        "usual_volatility": pl.col("usual_move") * (annualization / left).sqrt(),
    }


def _cautions() -> pl.Expr:
    """The words about the bars and those of CAUTIONS."""
    said = {
        "few_sessions": pl.col("horizon_sessions").is_between(1, _FEW),
        "written_on_future": pl.col("is_written_on_future"),
    }
    words = [pl.when(holds).then(pl.lit(word)) for word, holds in said.items()]
    text = pl.concat_str([pl.col("cautions"), *words], separator=" ", ignore_nulls=True)
    return pl.when(text != "").then(text)


def _quality(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    statistics: pl.LazyFrame,
    symbols: pl.LazyFrame,
    *,
    as_of: date,
    steps: pl.DataFrame,
) -> pl.LazyFrame:
    """What is odd about the bars that a row is computed from: those of a year, of five years or all, as it needs them.

    Returns:
        `_PAIR`, `cautions` and `adjustment`, one row per pair.
    """
    pairs = statistics.select(*_PAIR, needed=pl.max_horizontal("lookback_sessions", pl.col("horizon_sessions")))
    indices = symbols.filter("is_index").select("symbol").collect()["symbol"].to_list()
    least, parts = -1, []
    for reach in (YEAR, 5 * YEAR, None):
        needed = pl.col("needed").fill_null(0)
        rows = pairs.filter((needed > least) & (needed <= reach if reach else True))
        names = rows.select(pl.col("symbol").unique()).collect()["symbol"]
        quality = bar_quality(
            bars.filter(pl.col("symbol").is_in(names.implode())),
            calendar,
            as_of=as_of,
            sessions=reach,
            unvolumed=indices,
            is_sorted=reach is None,
            steps=steps,
        )
        parts.append(rows.join(quality.select("symbol", "cautions", "adjustment"), on="symbol", how="left"))
        least = reach or least
    return pl.concat(parts).drop("needed")


def _planned(inputs: Inputs, *, now: datetime, lookback: int, annualization: int) -> BySymbols:
    as_of = last_final_session(inputs.eod_snapshot, inputs.trading_calendar, now=now)

    def rows(symbols: Collection[str] | None) -> pl.DataFrame:
        return returns_stddev_frame(inputs.only(symbols), as_of=as_of, lookback=lookback, annualization=annualization)

    return BySymbols(as_of, [inputs.expiration_series], rows)


def by_symbols(settings: Settings, now: datetime, **inputs: pl.LazyFrame) -> BySymbols:
    """The table, as of the snapshot's last final session; not computed yet.

    Args:
        settings: How it is computed.
        now: Sessions that close later do not count.
        inputs: What is stored of the datasets upstream, by name.

    Raises:
        DataError: There is no final bar.
    """
    lookback, annualization = settings.lookback_sessions, settings.annualization_sessions
    return _planned(Inputs(**inputs), now=now, lookback=lookback, annualization=annualization)


def build_returns_stddev(
    inputs: Inputs, *, now: datetime, lookback: int, annualization: int, collect: Collect = at_once
) -> Build:
    """Compute everything as of the snapshot's last final session.

    Args:
        inputs: What is stored.
        now: Sessions that close later do not count.
        lookback: See `returns_stddev_frame`.
        annualization: Sessions per year.
        collect: Puts the table together.

    Raises:
        DataError: There is no final bar.
    """
    snapshot = inputs.eod_snapshot
    table = _planned(inputs, now=now, lookback=lookback, annualization=annualization)
    collected, as_of = collect(table), table.as_of
    frame = collected.frame
    shown = most_traded(snapshot, as_of=as_of)
    return Build(
        frame=frame,
        sources={"computed": frame.height},
        statistics={
            "as_of_session": as_of.isoformat(),
            "rows_without_returns_stddev": frame["returns_stddev"].null_count(),
            "rows_without_usual_move": frame["usual_move"].null_count(),
            "rows_without_move_ratio": frame["move_ratio"].null_count(),
            "symbols_without_bars": _symbols(frame, "no_bars"),
            "symbols_not_current": _symbols(frame, "not_current"),
            "rows_with_cautions": frame["cautions"].count(),
            "rows_without_implied_volatility": frame["implied_volatility"].null_count(),
            "rows_with_stale_implied_volatility": frame.filter(expected_move_reason="stale_implied_volatility").height,
            **collected.statistics,
        },
        missing=collected.missing,
        charts={
            "implied_and_forecast_moves": partial(moves_chart, frame, symbol=shown),
            "volatility_cone_with_iv": partial(
                _cone_with_iv, inputs, frame, symbol=shown, as_of=as_of, annualization=annualization
            ),
        },
    )


def _cone_with_iv(
    inputs: Inputs, frame: pl.DataFrame, *, symbol: str, as_of: date, annualization: int, is_simulated: bool
) -> bytes:
    """The cone of a symbol with today's implied volatilities, which are not in `volatility_cone`."""
    bars = inputs.eod_snapshot.filter(
        pl.col("is_final") & (pl.col("symbol") == symbol) & (pl.col("session") <= as_of)
    ).select("symbol", "session", "close")
    calendar = inputs.trading_calendar.select("session")
    cone = volatility_cone(bars, calendar, as_of=as_of, annualization=annualization, is_sorted=True)
    dated = cone.with_columns(as_of_session=pl.lit(as_of)).collect()
    return cone_chart(dated, symbol=symbol, series=frame, is_simulated=is_simulated)


def _symbols(frame: pl.DataFrame, reason: str) -> int:
    return frame.filter(pl.col("returns_stddev_lookback_reason") == reason)["symbol"].n_unique()


def build(
    refresh: Refresh,
    *,
    expiration_series: pl.LazyFrame,
    eod_snapshot: pl.LazyFrame,
    implied_volatility: pl.LazyFrame,
    symbols: pl.LazyFrame,
    earnings: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> Build:
    """Compute from what is stored."""
    return build_returns_stddev(
        Inputs(
            expiration_series=expiration_series,
            eod_snapshot=eod_snapshot,
            implied_volatility=implied_volatility,
            symbols=symbols,
            earnings=earnings,
            trading_calendar=trading_calendar,
        ),
        now=refresh.now,
        lookback=refresh.settings.lookback_sessions,
        annualization=refresh.settings.annualization_sessions,
        collect=union_of_parts(refresh),
    )
