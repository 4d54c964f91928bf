# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How far away each expiration is, in sessions, and how far prices move over that span, with its error.

Next door: range estimators over fixed windows in `volatility`, comparisons with option prices in `implied`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.returns import COMPLETE, last_index, on_sessions, session_index, usable_price

if TYPE_CHECKING:
    from ttapi_pipeline.analytics.kernels import Floats

MINIMUM_RETURNS: Final = 20
"""With fewer returns than this, a lookback or horizon column is null: its error would be as large as its value."""

REASONS: Final = {
    "unknown_horizon": "the calendar does not reach the expiration",
    "zero_horizon": "no session is left before the expiration",
    "one_session": "one return has no sample deviation",
    "no_bars": "the symbol has no usable close up to the as-of session",
    "not_current": "the symbol has no usable close of the as-of session itself",
    "short_history": "the symbol's first usable close comes too late for the window",
    "short_lookback": "the lookback is too short for the horizon, whatever the history",
    "gap": "more than a tenth of the returns of the window are missing",
    "unchanged_close": "every close of the window is the same: a price that nobody updates, not a calm one",
}
"""What each word of a reason column means."""


def expiration_horizons(expirations: pl.LazyFrame, calendar: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """Count from a session to each expiration, in calendar days and in sessions.

    Args:
        expirations: `expiration_date` (Date), `settlement_type` (AM or PM) and any other columns, in any order.
        calendar: `session`, covering `as_of` and the expirations.
        as_of: The day to count from, or the last session before it.

    Returns:
        `expirations` in their order, plus

        - `as_of_session`: null when the calendar starts after `as_of`.
        - `dte` (Int32): calendar days from `as_of_session` to the expiration date, negative when it has passed.
        - `horizon_sessions` (Int32): sessions after `as_of_session` up to the expiration date, or to the last session
          before it when it is not a session; 0 when none is left; null when the calendar ends before the expiration.
        - `is_settled_at_open`: whether the last step is an overnight move only (AM settlement, on the opening price).
    """
    sessions = session_index(calendar)
    origin = sessions.filter(pl.col("session") <= as_of).select(
        as_of_session=pl.col("session").last(), as_of_index=pl.col("session_index").last()
    )
    end = sessions.select(calendar_end=pl.col("session").last())
    # The join needs sorted dates. It is made on the distinct dates, so that the expirations keep their order.
    expiration_index = (
        expirations.select("expiration_date")
        .unique()
        .drop_nulls()
        .sort("expiration_date")
        .join_asof(sessions, left_on="expiration_date", right_on="session", strategy="backward")
        .select("expiration_date", expiration_index="session_index")
    )
    sessions_left = (pl.col("expiration_index") - pl.col("as_of_index")).clip(lower_bound=0)
    return (
        expirations.join(expiration_index, on="expiration_date", how="left", maintain_order="left")
        .join(origin, how="cross", maintain_order="left")
        .join(end, how="cross", maintain_order="left")
        .with_columns(
            dte=(pl.col("expiration_date") - pl.col("as_of_session")).dt.total_days().cast(pl.Int32),
            horizon_sessions=pl.when(pl.col("expiration_date") <= pl.col("calendar_end")).then(sessions_left),
            is_settled_at_open=pl.col("settlement_type") == "AM",
        )
        .drop("expiration_index", "as_of_index", "calendar_end")
    )


LEVELS: Final = (0.5, 0.68, 0.9)
"""Shares of past moves whose quantiles are published."""

SPANS: Final = 10
"""A horizon is looked for in a lookback of this many times its length, if that is longer than the usual lookback: the
error of the usual move is 19% then for any horizon, if returns are normal."""

_FLOATS: Final = (
    *("returns_stddev", "returns_stddev_rel_error", "returns_stddev_lookback", "returns_stddev_lookback_rel_error"),
    *("usual_move", "usual_move_rel_error", "usual_move_centered", "forecast_move", "forecast_move_rel_error"),
    *(f"absolute_move_p{100 * level:.0f}" for level in LEVELS),
    *("share_inside_priced_move", "variance_ratio", "variance_ratio_z", "realized_volatility", "usual_volatility"),
)
_OF_LOOKBACK: Final = ("returns_stddev_lookback", "returns_stddev_lookback_rel_error")
_OF_SPANS: Final = (
    *("usual_move", "usual_move_rel_error", "usual_move_centered", "share_inside_priced_move", "variance_ratio"),
    *("variance_ratio_z", *(f"absolute_move_p{100 * level:.0f}" for level in LEVELS)),
)
_COUNTS: Final = ("lookback_sessions", "returns_used", "returns_lookback_used", "horizon_returns_used")
_REASONS: Final = ("returns_stddev_reason", "returns_stddev_lookback_reason", "usual_move_reason")


def _schema(more: Sequence[str]) -> Sequence[tuple[str, type[pl.DataType]]]:
    """Names and types behind the symbol; `more` are those of the key."""
    floats = [(name, pl.Float64) for name in (*more, *_FLOATS)]
    counts = [(name, pl.Int32) for name in _COUNTS]
    return [("horizon_sessions", pl.Int32), *floats, *counts, *((name, pl.String) for name in _REASONS)]


# Longer than other functions by its docstring: each of the columns is explained where it is looked up.
def horizon_statistics(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    pairs: pl.LazyFrame,
    *,
    as_of: date,
    lookback: int = 252,
    spans: int = SPANS,
    annualization: int = 252,
) -> pl.LazyFrame:
    """Measure how much each symbol moved, per session and over spans as long as each horizon.

    Below, ``c`` are the log closes, ``h`` is the horizon, ``T`` the lookback and ``L`` the lookback of the horizon,
    ``max(T, spans h)`` or as much of that as the symbol has. All windows end at `as_of` and are counted on the
    calendar, so that a window with a missing bar does not reach further back. A missing bar costs the returns that
    touch it; a window that has lost more than a tenth of its daily returns is not measured.

    Args:
        bars: `symbol`, `session`, `close` (adjusted for splits), in any order, one row per symbol and session.
        calendar: `session`, covering the bars and `as_of`.
        pairs: `symbol`, `horizon_sessions` (integer), and perhaps `priced_move`, the move to expiration that options
            price in, as a fraction; in any order; repetitions count once.
        as_of: Windows end here, or at the last session before it. Later bars change nothing.
        lookback: T, in daily returns.
        spans: How many times a horizon fits into L.
        annualization: Sessions per year in the two annualised columns.

    Returns:
        One row per distinct row of `pairs`, sorted by its columns. Only columns named volatility are annualised. A
        column is null for the reason beside it, never zero for want of data.

        - `returns_stddev`: sample deviation (n - 1) of the last h returns; needs h >= 2.
        - `returns_stddev_lookback`: the same over the last T, whatever the horizon; at least MINIMUM_RETURNS.
        - `lookback_sessions` (Int32): L; 0 without bars.
        - `usual_move`: root mean square, around zero, of the overlapping h-session returns ``c_i - c_{i-h}`` inside
          of L; null with fewer than ``max(MINIMUM_RETURNS, h)`` of them.
        - `usual_move_centered`: ``sqrt(var0 / d)``, `var0` around the mean with divisor n,
          ``d = 1 - h/n + (h^2 - 1) / (3 n^2)``, without the bias from overlap and from the estimated mean. The trend
          is left out of it.
        - `absolute_move_p50`, `absolute_move_p68`, `absolute_move_p90`: quantiles of the absolute h-session returns.
        - `share_inside_priced_move`: share of these that are no larger than `priced_move`; null without one.
        - `forecast_move`: one deviation of the next h sessions, from `usual_move` and two daily deviations times
          ``sqrt(h)``, with weights that forecast better than each alone; see `precision.forecast`. Null where
          `returns_stddev_lookback` is; without `usual_move` made of the daily ones.
        - `returns_stddev_rel_error`, `returns_stddev_lookback_rel_error`, `usual_move_rel_error`,
          `forecast_move_rel_error`: relative standard errors, from the kurtosis of the daily returns and, for moves,
          from the overlap. They say how well the past is known, not how far the future will differ from it.
        - `variance_ratio`: variance of the h-session returns over h times that of the daily ones (Lo and MacKinlay
          1988, without bias); below 1 moves partly cancel and scaling by the square root of time overstates the risk.
          `variance_ratio_z`: its distance from 1 in standard errors that are right when the volatility changes; null
          at h = 1.
        - `realized_volatility`: ``returns_stddev sqrt(annualization)``.
        - `usual_volatility`: ``usual_move sqrt(annualization / h)``.
        - `returns_used`, `returns_lookback_used`, `horizon_returns_used` (Int32): how many returns exist in the window
          of each of the three deviations; never null.
        - `returns_stddev_reason`, `returns_stddev_lookback_reason`, `usual_move_reason`: a key of REASONS where the
          column is null, else null. At a horizon that is 0 or not known, `forecast_move` is null for the last one.
    """
    # Reads better in one piece: the definition of every column stands above the query that makes it.
    sorted_by = [name for name in ("symbol", "horizon_sessions", "priced_move") if name in pairs.collect_schema()]
    types = pairs.collect_schema()
    schema = pl.Schema([("symbol", types["symbol"]), *_schema(sorted_by[2:])])

    def compute() -> pl.DataFrame:
        distinct = pairs.select(sorted_by).cast({"horizon_sessions": pl.Int32}).unique().sort(sorted_by).collect()
        blocks = _blocks(distinct)
        measure = partial(_measured, bars, calendar, as_of=as_of, lookback=lookback, spans=spans)
        rows = pl.concat([measure(block) for block in blocks]) if blocks else pl.DataFrame(schema=schema)
        h = pl.col("horizon_sessions")
        return rows.with_columns(
            realized_volatility=pl.col("returns_stddev") * annualization**0.5,
            usual_volatility=pl.col("usual_move") * (annualization / h).sqrt(),
        ).select(schema.names())

    return pl.defer(compute, schema=schema)


_SYMBOLS_AT_A_TIME: Final = 1_000
"""Symbols whose closes are in memory at a time: 60 MB of closes if all of them have 30 years."""


def _blocks(pairs: pl.DataFrame) -> list[pl.DataFrame]:
    """Some symbols of the sorted pairs at a time."""
    number = pl.col("symbol").rle_id() // _SYMBOLS_AT_A_TIME
    return pairs.with_columns(_block=number).partition_by("_block", maintain_order=True, include_key=False)


def _measured(
    bars: pl.LazyFrame, calendar: pl.LazyFrame, pairs: pl.DataFrame, *, as_of: date, lookback: int, spans: int
) -> pl.DataFrame:
    """The statistics of the pairs of some symbols but for the annualised ones."""
    from ttapi_pipeline.analytics import spans as loops  # noqa: PLC0415 - imports Numba

    symbols, h = pairs["symbol"].unique(maintain_order=True), pairs["horizon_sessions"].cast(pl.Float64).to_numpy()
    # Where the horizon is null or 0 nothing is reported, and a horizon of 1 is as good as any.
    known = np.where(h >= 1, h, 1.0).astype(np.int64)
    longest = max(lookback, int(known.max()) * max(spans, 1))
    closes, history = _log_closes(bars, calendar, symbols, as_of=as_of, longest=longest)
    row = symbols.to_frame().with_row_index("row")
    rows = pairs.join(row, on="symbol", how="left", maintain_order="left")["row"].cast(pl.Int64).to_numpy()
    sessions = np.minimum(np.maximum(lookback, spans * known), np.nan_to_num(history[rows]).astype(np.int64))
    moves = pairs["priced_move"] if "priced_move" in pairs.columns else pl.repeat(None, pairs.height, eager=True)
    moments, quantiles, shares = loops.measure(
        closes,
        loops.Request(
            rows=rows,
            horizons=known,
            # A window has to hold one span; with less history than that, the span is not a number.
            lookbacks=np.maximum(sessions, known),
            lookback=lookback,
            levels=LEVELS,
            moves=moves.cast(pl.Float64).fill_null(math.nan).to_numpy(),
        ),
    )
    measured = {
        **dict(zip(loops.MOMENTS, moments.T, strict=True)),
        **{f"absolute_move_p{100 * level:.0f}": quantiles[:, place] for place, level in enumerate(LEVELS)},
        "share_inside_priced_move": shares[:, 0],
        "history": history[rows],
    }
    raw = pairs.with_columns(
        *(pl.Series(name, values, nan_to_null=True) for name, values in measured.items()),
        is_current=pl.Series(np.isfinite(closes[rows, -1])),
        lookback_sessions=pl.Series(sessions, dtype=pl.Int32),
    )
    return _with_errors(raw.with_columns(**_reasons(lookback=lookback)), known.astype(np.float64))


def _log_closes(
    bars: pl.LazyFrame, calendar: pl.LazyFrame, symbols: pl.Series, *, as_of: date, longest: int
) -> tuple[Floats, Floats]:
    """Gather each symbol's recent log closes in a row, with a place for every session.

    A lag of h sessions is then an offset of h places: spans of any length are the difference of two slices.

    Args:
        bars: As for `horizon_statistics`.
        calendar: Likewise.
        symbols: Ascending, each once.
        as_of: The last place is of this session or the last one before it.
        longest: How many sessions to go back from there.

    Returns:
        The log closes, NaN where no usable one is; how many sessions before `as_of` the first usable close was, NaN
        without one.
    """
    calendar = calendar.select("session").collect().lazy()  # collected, since it is used several times below
    age = last_index(calendar, as_of=as_of) - pl.col("session_index")
    listed = bars.filter(
        pl.col("session") <= as_of, pl.col("symbol").is_between(pl.lit(symbols[0]), pl.lit(symbols[-1]))
    )
    usable = (
        on_sessions(listed.select("symbol", "session", "close"), calendar)
        .select("symbol", age=age, log_close=usable_price("close").log())
        .drop_nulls()
        .join(symbols.to_frame().with_row_index("row").lazy(), on="symbol")
        .select("row", "age", "log_close")
    )
    first = usable.group_by("row").agg(pl.col("age").max())
    recent, oldest = pl.collect_all([usable.filter(pl.col("age") <= longest), first])
    closes, history = np.full((len(symbols), longest + 1), math.nan), np.full(len(symbols), math.nan)
    closes[recent["row"].to_numpy(), longest - recent["age"].to_numpy()] = recent["log_close"].to_numpy()
    history[oldest["row"].to_numpy()] = oldest["age"].to_numpy()
    return closes, history


def _reasons(*, lookback: int) -> dict[str, pl.Expr]:
    """Why each deviation is null."""
    h, history = pl.col("horizon_sessions"), pl.col("history")
    no_horizon = pl.when(h.is_null()).then(pl.lit("unknown_horizon")).when(h <= 0).then(pl.lit("zero_horizon"))
    is_one = pl.when(h == 1).then(pl.lit("one_session"))
    no_close = (
        pl.when(history.is_null()).then(pl.lit("no_bars")).when(~pl.col("is_current")).then(pl.lit("not_current"))
    )
    sessions = pl.col("lookback_sessions")
    fewest = pl.max_horizontal(h, MINIMUM_RETURNS)
    return {
        "returns_stddev_reason": pl.coalesce(
            no_horizon, is_one, no_close, _too_few("recent", needed=h, room=h, history=history)
        ),
        "returns_stddev_lookback_reason": pl.coalesce(
            no_close,
            _too_few("lookback", needed=pl.lit(MINIMUM_RETURNS), room=pl.lit(lookback), history=history),
        ),
        "usual_move_reason": pl.coalesce(
            no_horizon,
            no_close,
            # As many spans as are needed take h - 1 returns more than that.
            _too_few("daily", needed=fewest + h - 1, room=sessions, history=history),
            pl.when(pl.col("spans_used") < fewest).then(pl.lit("gap")),
        ),
    }


def _too_few(window: str, *, needed: pl.Expr, room: pl.Expr, history: pl.Expr) -> pl.Expr:
    """Why a window of daily returns cannot be measured, else null.

    Args:
        window: `{window}_used` counts its returns, `{window}_largest` is the largest absolute one.
        needed: Sessions that it has to have.
        room: Sessions that it has room for.
        history: Sessions since the symbol's first usable close.
    """
    return (
        pl.when(history < needed)
        .then(pl.lit("short_history"))
        .when(room < needed)
        .then(pl.lit("short_lookback"))
        .when(pl.col(f"{window}_used") < pl.max_horizontal(2, (COMPLETE * pl.min_horizontal(room, history)).ceil()))
        .then(pl.lit("gap"))
        .when(pl.col(f"{window}_largest") == 0)
        .then(pl.lit("unchanged_close"))
    )


def _with_errors(raw: pl.DataFrame, h: Floats) -> pl.DataFrame:
    """The reported columns from the moments and the reasons, but for the annualised ones.

    Args:
        raw: `loops.MOMENTS`, NaN being null, the quantiles, reasons and counts.
        h: The horizon, 1 where it is null or 0.
    """
    from ttapi_pipeline.analytics import precision  # noqa: PLC0415 - imports Numba

    def of(name: str) -> Floats:
        return raw[name].fill_null(math.nan).to_numpy()

    with np.errstate(divide="ignore", invalid="ignore"):
        year_variance, long_variance = of("lookback_noise"), of("daily_noise")
        n = of("spans_used")
        move_variance = precision.spans_variance(
            h, n, daily=long_variance, used=of("daily_used"), ratio_variance=of("variance_ratio_variance")
        )
        has_spans = raw["usual_move_reason"].is_null().to_numpy()
        forecast = precision.forecast(
            precision.Estimate(np.where(has_spans, of("spans_square"), math.nan), move_variance),
            precision.Estimate(h * of("lookback_square"), year_variance),
            precision.Estimate(h * of("daily_square"), long_variance),
        )
        share_kept = 1 - h / n + (h * h - 1) / (3 * n * n)
        computed = {
            "returns_stddev": of("recent_stddev"),
            "returns_stddev_rel_error": precision.rel_error(
                precision.sample_variance(of("lookback_kurtosis"), of("recent_used"))
            ),
            "returns_stddev_lookback": of("lookback_stddev"),
            "returns_stddev_lookback_rel_error": precision.rel_error(year_variance),
            "usual_move": np.sqrt(of("spans_square")),
            "usual_move_rel_error": precision.rel_error(move_variance),
            "usual_move_centered": np.sqrt(of("spans_variance") / share_kept),
            "variance_ratio_z": (of("variance_ratio") - 1) / np.sqrt(of("variance_ratio_variance")),
            "forecast_move": np.sqrt(forecast.variance),
            "forecast_move_rel_error": precision.rel_error(forecast.relative_variance),
        }
    has_horizon = pl.col("horizon_sessions").fill_null(0) > 0
    is_known = pl.col("returns_stddev_lookback_reason").is_null()
    reported = {
        **dict.fromkeys(("returns_stddev", "returns_stddev_rel_error"), pl.col("returns_stddev_reason").is_null()),
        **dict.fromkeys(_OF_LOOKBACK, is_known),
        **dict.fromkeys(("forecast_move", "forecast_move_rel_error"), is_known & has_horizon),
        **dict.fromkeys(_OF_SPANS, pl.col("usual_move_reason").is_null()),
    }
    counts = {"returns_used": pl.col("recent_used"), "horizon_returns_used": pl.col("spans_used")}
    used = {
        **{name: pl.when(has_horizon).then(count) for name, count in counts.items()},
        "returns_lookback_used": pl.col("lookback_used"),
    }
    return raw.with_columns(
        pl.Series(name, values, nan_to_null=True) for name, values in computed.items()
    ).with_columns(
        *(pl.when(is_reported).then(name).alias(name) for name, is_reported in reported.items()),
        *(count.fill_null(0).cast(pl.Int32).alias(name) for name, count in used.items()),
    )
