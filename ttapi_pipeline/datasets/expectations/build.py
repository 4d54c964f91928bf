# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`expectations`: moves that options and forecasts expect until an expiration, frozen, and scored when it has expired.

Rows are only ever added, and their scores filled in once: what was expected is never made again with later knowledge.
Which expirations are frozen: see `candidates`. Scores of all spans of the past: see `variance_premium`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.tenors import BANDS, METHODS
from ttapi_pipeline.datasets.build import Build, rows_per_source
from ttapi_pipeline.datasets.eod_snapshot.reading import last_final_session, most_traded
from ttapi_pipeline.datasets.expectations.candidates import SERIES_KEY, listed, monthly, roots, since
from ttapi_pipeline.datasets.expectations.table import EXPECTATIONS, IV_EXPIRATION
from ttapi_pipeline.datasets.histories import Sessions, SymbolHistory, for_each_history
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.spilled_frames import SpilledFrames
from ttapi_pipeline.plots.forecast_charts import calibration_chart, premium_chart
from ttapi_pipeline.storage.changes import count_changes
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.places import cache_folder
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, cut_into_ranges, is_within, rows_per_symbol

if TYPE_CHECKING:
    from ttapi_pipeline.analytics.kernels import Floats

_BEGINNING: Final = date(1970, 1, 1)

BARS_AT_A_TIME: Final = 1 << 20
"""Of a range of symbols. 16 years of bars have a quarter as many rows here, of which four copies are 200 MB."""

_SYMBOLS_AT_A_TIME: Final = 512
"""On average, where histories are short."""


def expectations_frame(
    series: pl.LazyFrame,
    implied: pl.LazyFrame,
    snapshot: pl.LazyFrame,
    candles: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    previous: pl.DataFrame | None,
    as_of: date,
) -> pl.DataFrame:
    """The stored rows, with the scores of what has expired since, and the rows that are frozen now.

    Args:
        series: `expiration_series`.
        implied: `implied_volatility`. One that was computed before the as-of session opened, or after the next did, is
            of another moment than the bars, and is not frozen.
        snapshot: `eod_snapshot`; only final bars count.
        candles: `daily_candles`, for the symbols and their 30-day implied volatilities.
        calendar: `trading_calendar`.
        previous: What is stored.
        as_of: Session at whose close listed expirations are frozen.
    """
    stored = EXPECTATIONS.polars.to_frame() if previous is None else previous
    sessions = Sessions.of(calendar, as_of=as_of)
    symbols = candles.select(pl.col("symbol").unique().sort()).collect(engine="streaming")
    due = _due(series, stored, symbols, sessions)
    own = _implied_of_expirations(implied, calendar, as_of=as_of)
    known = due.join(own, on=["symbol", "expiration_date", "settlement_type"], how="left").sort(SERIES_KEY)
    known = known.filter(~pl.col("has_bars") | pl.col("own").is_not_null())
    open_rows = stored.filter(pl.col("realised_return").is_null())
    to_freeze, to_score = _by_symbol(known), _by_symbol(_numbered(open_rows, sessions))

    def work(one: SymbolHistory) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
        new, waiting = to_freeze.get(one.symbol), to_score.get(one.symbol)
        return None if new is None else _expected(one, new), None if waiting is None else _outcomes(one, waiting)

    made = for_each_history(snapshot, candles, sessions, sorted({*to_freeze, *to_score}), work)
    frozen, waited = [new for new, _ in made if new is not None], [rows for _, rows in made if rows is not None]
    scored = [_scored(rows, sessions) for rows in (_unpivoted(frozen, sessions), _joined(waited)) if rows is not None]
    settled = stored.filter(pl.col("realised_return").is_not_null())
    # A symbol whose bars have gone keeps its open rows.
    seen = pl.concat([EXPECTATIONS.polars.to_frame(), *scored]).select(EXPECTATIONS.key)
    return pl.concat([settled, *scored, open_rows.join(seen, on=EXPECTATIONS.key, how="anti")])


def _by_symbol(rows: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    return {str(name[0]): part for name, part in rows.partition_by("symbol", as_dict=True).items()}


def _joined(parts: Sequence[pl.DataFrame]) -> pl.DataFrame | None:
    return pl.concat(parts) if parts else None


def _numbered(rows: pl.DataFrame, sessions: Sessions) -> pl.DataFrame:
    """Stored rows with `frozen_number` and `expiration_number`."""
    begins = np.searchsorted(sessions.days, rows["frozen_session"].to_physical().to_numpy())
    ends = np.searchsorted(sessions.days, rows["expiration_date"].to_physical().to_numpy(), side="right") - 1
    return rows.with_columns(frozen_number=pl.Series(begins), expiration_number=pl.Series(ends))


def _due(series: pl.LazyFrame, stored: pl.DataFrame, symbols: pl.DataFrame, sessions: Sessions) -> pl.DataFrame:
    """The expirations of which something is to be frozen: those of `listed`, and monthly ones that have passed by."""
    near = listed(series, sessions).with_columns(source=pl.lit("frozen"))
    open_since = since(stored, symbols, beginning=_BEGINNING)
    first = open_since["since"].min()
    past = monthly(sessions, first=first if isinstance(first, date) else _BEGINNING)
    freezes = pl.col("frozen_number") >= pl.lit(sessions.days).search_sorted(pl.col("since").to_physical())
    missed = (
        open_since.join(past, how="cross")
        .filter(freezes)
        .join(roots(series, symbols), on="symbol")
        .with_columns(source=pl.lit("backfilled"))
        .select(near.columns)
    )
    held = stored.group_by(SERIES_KEY).agg(
        has_bars=(pl.col("method") != IV_EXPIRATION).any(), has_own=(pl.col("method") == IV_EXPIRATION).any()
    )
    new = missed.join(held, on=SERIES_KEY, how="anti")
    # What is frozen for a session that has passed by lacks the implied volatility of the expiration, which is of today.
    made_now = new.select(SERIES_KEY, is_made_now=pl.lit(value=True))
    today = (
        near.join(held, on=SERIES_KEY, how="left")
        .join(made_now, on=SERIES_KEY, how="left")
        .with_columns(has_bars=pl.any_horizontal(pl.col("has_bars", "is_made_now").fill_null(value=False)))
        .drop("is_made_now")
    )
    both = pl.concat([new, today], how="diagonal")
    return both.with_columns(pl.col("has_bars", "has_own").fill_null(value=False)).filter(
        ~(pl.col("has_bars") & pl.col("has_own"))
    )


def _implied_of_expirations(implied: pl.LazyFrame, calendar: pl.LazyFrame, *, as_of: date) -> pl.DataFrame:
    """`symbol`, `expiration_date`, `settlement_type` and `own`: what was computed from its open to the next one."""
    hours = calendar.filter(pl.col("session") >= as_of).sort("session").head(2).select("opens_at").collect()["opens_at"]
    at = pl.col("implied_volatility_at")
    is_of_today = (at >= hours[0]) & ((at < hours[1]) if len(hours) > 1 else pl.lit(value=True))
    return (
        implied.filter(is_of_today & (pl.col("option_chain_type") == "Standard") & (pl.col("implied_volatility") > 0))
        .select("symbol", "expiration_date", "settlement_type", own="implied_volatility")
        .unique(["symbol", "expiration_date", "settlement_type"], keep="none")
        .collect()
    )


def _expected(one: SymbolHistory, due: pl.DataFrame) -> pl.DataFrame:
    """Add a column per method with its variance, `close`, and the outcome as far as it is known.

    Returns:
        The rows that lie within the symbol's history; a variance is null without a forecast.
    """
    from ttapi_pipeline.analytics.forecasts import expected_variances  # noqa: PLC0415 - imports Numba

    rows = due.filter(pl.col("frozen_number") >= one.first)
    places = rows["frozen_number"].to_numpy() - one.first
    horizons, has_bars = rows["horizon_sessions"].to_numpy(), rows["has_bars"].to_numpy()
    is_past = (rows["source"] == "backfilled").to_numpy()
    variances = {name: np.full(rows.height, math.nan) for name in METHODS}
    for horizon in np.unique(horizons[~has_bars]).tolist():
        chosen = (horizons == horizon) & ~has_bars
        forecasts = expected_variances(one.history, horizon, since=int(places[chosen].min()))
        # Before there was an implied volatility, nothing was priced that the forecasts could be held against.
        is_priced = ~is_past[chosen] | ~np.isnan(forecasts["iv_30_day"][places[chosen]])
        for name, values in variances.items():
            values[chosen] = np.where(is_priced, forecasts[name][places[chosen]], math.nan)
    own = rows["own"].cast(pl.Float64).fill_null(math.nan).to_numpy()
    is_own = ~is_past & ~rows["has_own"].to_numpy()
    variances[IV_EXPIRATION] = np.where(is_own, np.square(own) * rows["dte"].to_numpy() / 365, math.nan)
    columns = {**variances, "close": one.history.prices[3][places]}
    return _outcomes(
        one, rows.with_columns(pl.Series(name, values, nan_to_null=True) for name, values in columns.items())
    )


def _outcomes(one: SymbolHistory, rows: pl.DataFrame) -> pl.DataFrame:
    """Add log return and sum of squared daily returns between the two sessions; null where closes are missing."""
    log_close, squares = one.history.log_close, one.history.squares
    moved, variance = np.full(rows.height, math.nan), np.full(rows.height, math.nan)
    numbers = zip(rows["frozen_number"].to_list(), rows["expiration_number"].to_list(), strict=True)
    for place, (begins, ends) in enumerate(numbers):
        begin, end = begins - one.first, ends - one.first
        if 0 <= begin < end < len(log_close):
            variance[place] = squares[begin + 1 : end + 1].sum()
            moved[place] = log_close[end] - log_close[begin]
    moved[np.isnan(variance)] = math.nan
    return rows.with_columns(
        pl.Series("moved", moved, nan_to_null=True), pl.Series("variance", variance, nan_to_null=True)
    )


def _unpivoted(parts: Sequence[pl.DataFrame], sessions: Sessions) -> pl.DataFrame | None:
    """A row per expiration and method that has a forecast."""
    whole = _joined(parts)
    if whole is None:
        return None
    methods = [*METHODS, IV_EXPIRATION]
    rows = whole.unpivot(
        methods,
        index=[name for name in whole.columns if name not in methods],
        variable_name="method",
        value_name="expected",
    )
    return rows.drop_nulls("expected").with_columns(
        expected_stddev=pl.col("expected").sqrt(),
        frozen_session=sessions.dates(rows.drop_nulls("expected")["frozen_number"].to_numpy()),
    )


def _scored(rows: pl.DataFrame, sessions: Sessions) -> pl.DataFrame:
    """Score the rows whose outcome is known, in the columns of the dataset."""
    from ttapi_pipeline.analytics.scores import is_inside, log_scores, qlikes  # noqa: PLC0415 - imports Numba

    expected = np.square(rows["expected_stddev"].to_numpy())
    moved, variance = (rows[name].fill_null(math.nan).to_numpy() for name in ("moved", "variance"))
    is_known = pl.col("moved").is_not_null()

    def finite(values: Floats) -> pl.Series:
        return pl.Series(np.where(np.isfinite(values), values, math.nan), nan_to_null=True)

    return rows.with_columns(
        realised_return=pl.col("moved"),
        realised_stddev=pl.col("variance").sqrt(),
        log_score=finite(log_scores(moved, expected)),
        qlike=finite(qlikes(variance, expected)),
        reason=pl.when(pl.col("expiration_number") > sessions.last)
        .then(pl.lit("pending"))
        .when(~is_known)
        .then(pl.lit("gap")),
        **{
            f"is_inside_{percent}": pl.when(is_known).then(pl.Series(is_inside(moved, expected, percent)))
            for percent in BANDS
        },
    ).select(EXPECTATIONS.polars.names())


def build_expectations(
    series: pl.LazyFrame,
    implied: pl.LazyFrame,
    snapshot: pl.LazyFrame,
    candles: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    scratch: Path | None = None,
    bars_at_a_time: int = BARS_AT_A_TIME,
) -> Build:
    """Freeze and score as of the snapshot's last final session, a range of symbols at a time.

    Args:
        series: As of `expectations_frame`, like those up to the calendar.
        implied: Likewise.
        snapshot: Likewise.
        candles: Likewise.
        calendar: Likewise.
        previous: What is stored; None for nothing.
        now: Sessions that close later do not count.
        scratch: The folder of a temporary file with the rows; None for the system's.
        bars_at_a_time: Changes nothing but the memory that it takes.

    Raises:
        DataError: There is no final bar.
        StorageError: The temporary file cannot be written.
    """
    as_of = last_final_session(snapshot, calendar, now=now)
    shown = most_traded(snapshot, as_of=as_of)
    made, counts, sources = SpilledFrames(scratch), Counter[str](), Counter[str]()
    pieces, of_shown = list[Piece](), EXPECTATIONS.polars.to_frame()
    for symbols in _ranges(candles, previous, bars=bars_at_a_time):
        inside = is_within(symbols)
        stored = None if previous is None else previous.filter(inside).collect()
        frame = expectations_frame(
            *(series.filter(inside), implied.filter(inside), snapshot.filter(inside), candles.filter(inside)),
            calendar=calendar,
            previous=stored,
            as_of=as_of,
        ).sort(EXPECTATIONS.sort_by)
        pieces.append(Piece(data_version(frame, exclude=()), made.add(frame)))
        counts.update(_counted(frame, stored))
        sources.update(rows_per_source(frame))
        of_shown = pl.concat([of_shown, frame.filter(symbol=shown)])
    whole = Pieces(EXPECTATIONS.polars, pieces)
    return Build(
        frame=whole,
        sources=sources,
        statistics={"as_of_session": as_of.isoformat(), **counts},
        charts={
            "variance_premium": partial(premium_chart, of_shown, symbol=shown),
            "forecast_calibration": partial(calibration_chart, whole.lazy()),
        },
    )


def _ranges(candles: pl.LazyFrame, previous: pl.LazyFrame | None, *, bars: int) -> Sequence[SymbolRange]:
    """All symbols with bars or stored rows, in ranges whose rows fit in memory."""
    counts = [rows_per_symbol(each) for each in (candles, previous) if each is not None]
    most = pl.concat(counts).group_by("symbol").agg(pl.col("rows").max()).sort("symbol")
    return cut_into_ranges(most.iter_rows(), most_rows=bars, symbols=_SYMBOLS_AT_A_TIME)


def _counted(frame: pl.DataFrame, stored: pl.DataFrame | None) -> Mapping[str, int]:
    """Figures of a range for the manifest."""
    return {
        "rows_added": frame.height - (0 if stored is None else stored.height),
        "rows_scored": frame["realised_return"].count(),
        "rows_pending": frame.filter(pl.col("reason") == "pending").height,
        "rows_with_a_gap": frame.filter(pl.col("reason") == "gap").height,
        "rows_of_own_iv": frame.filter(pl.col("method") == IV_EXPIRATION).height,
        **count_changes(None if stored is None else stored.lazy(), frame, EXPECTATIONS).to_facts(),
    }


def build(
    refresh: Refresh,
    *,
    expiration_series: pl.LazyFrame,
    implied_volatility: pl.LazyFrame,
    eod_snapshot: pl.LazyFrame,
    daily_candles: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> Build:
    """Add to what is stored."""
    return build_expectations(
        expiration_series,
        implied_volatility,
        eod_snapshot,
        daily_candles,
        trading_calendar,
        previous=refresh.accumulated(),
        now=refresh.now,
        scratch=cache_folder(refresh.settings),
    )
