# SPDX-License-Identifier: MIT
"""`daily_candles`: daily bars of the universe from DXLink, kept up from where the stored ones end.

The feed adjusts its whole history when a share splits, so the stored bars and the new ones are compared where they
overlap; a symbol whose past was restated is fetched again from the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

import polars as pl

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.manifest import Fact
from ttapi_pipeline.core.sessions import SETTLING_TIME, last_settled_session, previous_session
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build, rows_per_source
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_REVISIONS, DAILY_CANDLES
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.storage.layout import state_folder
from ttapi_pipeline.streaming.candle_collection import collect_daily_candles
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

OVERLAP_SESSIONS: Final = 10
"""Final sessions that are fetched again: volume is revised for days, and a restated past shows there."""

MOST_REVISIONS: Final = 200_000
"""How many of the newest revisions are kept."""

RESTATEMENT_TOLERANCE: Final = 1e-3
"""Relative difference of a final close above which the past counts as restated; revisions are far smaller."""

_NOT_FETCHED_AGAIN: Final = "its past was restated, and could not be fetched again"

_CANDLE_COLUMNS: Final = ("open", "high", "low", "close", "volume", "vwap", "trade_count", "implied_volatility")


def stored_from(previous: pl.LazyFrame) -> Mapping[str, date]:
    """For each symbol, the session to fetch from: OVERLAP_SESSIONS before its last final one."""
    last = previous.filter("is_final").group_by("symbol").agg(pl.col("session").max()).collect()
    return {symbol: _sessions_before(session, OVERLAP_SESSIONS - 1) for symbol, session in last.iter_rows()}


def _sessions_before(session: date, count: int) -> date:
    for _ in range(count):
        session = previous_session(session)
    return session


def daily_candles_frame(histories: Sequence[CandleHistory], calendar: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """One row per symbol and session. A bar is final once the extended hours of its session are over.

    The feed has bars on days without a session for some symbols. They are kept here, and the snapshot judges them.
    """
    frames = [
        pl.DataFrame(
            {
                "symbol": pl.repeat(history.symbol, len(history), eager=True, dtype=pl.String),
                "session": pl.Series(history.session).cast(pl.Date),
                "open": history.open,
                "high": history.high,
                "low": history.low,
                "close": history.close,
                "volume": history.volume,
                "vwap": history.vwap,
                "trade_count": history.count,
                "implied_volatility": history.implied_volatility,
            }
        )
        for history in histories
    ]
    schema = {"symbol": pl.String, "session": pl.Date, **dict.fromkeys(_CANDLE_COLUMNS, pl.Float64)}
    schema["trade_count"] = pl.Int64
    settled = calendar.filter(pl.col("closes_at") + SETTLING_TIME <= now)["session"].max()
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    has_close = pl.col("close").is_not_nan() & pl.col("close").is_not_null()
    return (
        frame.filter(has_close)
        .with_columns(
            is_final=pl.col("session") <= settled,
            source=pl.lit("dxlink"),
            fetched_at=pl.lit(now, UTC_DATETIME),
        )
        .select(DAILY_CANDLES.polars.names())
    )


def restated_symbols(fresh: pl.DataFrame, previous: pl.LazyFrame) -> Sequence[str]:
    """Symbols whose final closes differ between what is stored and what came, by symbol."""
    stored = previous.filter("is_final").select("symbol", "session", stored_close="close")
    ratio = pl.col("close") / pl.col("stored_close") - 1.0
    return (
        fresh.lazy()
        .join(stored, on=["symbol", "session"])
        .filter(ratio.abs() > RESTATEMENT_TOLERANCE)
        .select(pl.col("symbol").unique().sort())
        .collect()["symbol"]
        .to_list()
    )


def revisions(fresh: pl.DataFrame, previous: pl.LazyFrame) -> pl.DataFrame:
    """Final bars that came with another close or volume than the stored one, in the schema CANDLE_REVISIONS."""
    stored = previous.filter("is_final").select("symbol", "session", close_before="close", volume_before="volume")
    is_revised = pl.col("close").ne_missing(pl.col("close_before")) | pl.col("volume").ne_missing(
        pl.col("volume_before")
    )
    revised = fresh.lazy().join(stored, on=["symbol", "session"]).filter(is_revised)
    return revised.select(CANDLE_REVISIONS.polars.names()).collect()


def recorded_revisions(revised: pl.DataFrame, recorded: pl.LazyFrame | None) -> pl.DataFrame:
    """Revisions with those that were recorded before; the newest MOST_REVISIONS."""
    if recorded is None:
        return revised
    both = pl.concat([recorded.collect(), revised]).unique(CANDLE_REVISIONS.key, keep="last")
    return both.sort("fetched_at", "symbol", "session").tail(MOST_REVISIONS)


def merge_candles(fresh: pl.DataFrame, previous: pl.LazyFrame | None, *, replaced: Sequence[str] = ()) -> pl.DataFrame:
    """Put the fetched bars over the stored ones: for each session, the newest fetch wins.

    Args:
        fresh: What came.
        previous: What is stored; None for nothing.
        replaced: Symbols whose stored rows are dropped whole.
    """
    if previous is None:
        return fresh
    kept = (
        previous.filter(~pl.col("symbol").is_in(list(replaced)))
        .join(fresh.lazy().select("symbol", "session"), on=["symbol", "session"], how="anti")
        .collect()
    )
    return pl.concat([kept.select(fresh.columns), fresh]).sort("symbol", "session")


async def build_daily_candles(
    open_connection: OpenConnection,
    universe: pl.DataFrame,
    calendar: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    history_start: date,
    now: datetime,
    clock: Clock,
    min_coverage: float,
    progress: ProgressCallback,
    spool: CandleSpool | None = None,
    recorded: pl.LazyFrame | None = None,
) -> Build:
    """Fetch every symbol from where its stored bars end; one that fails keeps its bars as they are.

    Args:
        open_connection: Opens a link.
        universe: Schema UNIVERSE.
        calendar: Schema TRADING_CALENDAR.
        previous: The stored bars; None for none.
        history_start: First session of symbols that have no stored bars.
        now: When the collection began.
        clock: For deadlines.
        min_coverage: Share of the universe that has to come.
        progress: Told how many symbols are settled.
        spool: Keeps histories as they come, and gives those of a run that did not get as far as publishing.
        recorded: Revisions of earlier fetches; None for none.

    Raises:
        CoverageError: Too little came.
        StorageError: The spool cannot be written.
    """
    names: dict[str, str] = dict(universe.select("streamer_symbol", "symbol").iter_rows())
    starts = {} if previous is None else stored_from(previous)
    requests = {streamer: max(history_start, starts.get(symbol, history_start)) for streamer, symbol in names.items()}
    histories = await _collect(open_connection, requests, spool, clock=clock, progress=progress)
    histories.require(min_coverage, subject="daily_candles")
    fresh = daily_candles_frame(_named(histories, names), calendar, now=now)
    members = universe.lazy().select("symbol")
    kept = None if previous is None else previous.join(members, on="symbol", how="semi")
    revised = CANDLE_REVISIONS.polars.to_frame() if kept is None else revisions(fresh, kept)
    restated = [] if kept is None else list(restated_symbols(fresh, kept))
    missing = {names[streamer]: reason for streamer, reason in histories.missing.items()}
    if restated:
        again = {streamer: history_start for streamer, symbol in names.items() if symbol in set(restated)}
        whole = await _collect(open_connection, again, spool, clock=clock, progress=progress)
        missing |= {names[streamer]: f"{_NOT_FETCHED_AGAIN}: {reason}" for streamer, reason in whole.missing.items()}
        others = fresh.filter(~pl.col("symbol").is_in(restated))
        fresh = pl.concat([others, daily_candles_frame(_named(whole, names), calendar, now=now)])
    came = set(fresh["symbol"].unique().to_list())
    frame = merge_candles(fresh, kept, replaced=[symbol for symbol in restated if symbol in came])
    return Build(
        frame=frame,
        missing=missing,
        sources=rows_per_source(frame),
        after_publication=None if spool is None else spool.clear,
        reports={CANDLE_REVISIONS.name: recorded_revisions(revised, recorded)},
        statistics=_statistics(histories, fresh, revised, restated),
    )


def _statistics(
    histories: Collection[CandleHistory], fresh: pl.DataFrame, revised: pl.DataFrame, restated: Sequence[str]
) -> Mapping[str, Fact]:
    return {
        "coverage": histories.coverage,
        "bars_fetched": fresh.height,
        "symbols_without_candles": len(histories.empty),
        "bars_revised": revised.height,
        "symbols_restated": len(restated),
        "symbols_snipped": sum(history.is_snipped for history in histories.rows),
    }


def candle_spool(settings: Settings, *, now: datetime) -> CandleSpool | None:
    """The spool in the data folder; None when that is not on this machine.

    Raises:
        StorageError: The folder cannot be written.
    """
    folder = state_folder(settings.data_dir)
    if folder is None:
        return None
    session = last_settled_session(now).session
    return CandleSpool(folder / "candles", origin=settings.origin, session=session)


async def _collect(
    open_connection: OpenConnection,
    requests: Mapping[str, date],
    spool: CandleSpool | None,
    *,
    clock: Clock,
    progress: ProgressCallback,
) -> Collection[CandleHistory]:
    """The spooled histories, and the others from the feed."""
    if spool is None:
        return await collect_daily_candles(open_connection, requests, clock=clock, progress=progress)
    spooled = spool.take(requests)
    known = {history.symbol for history in spooled}
    missing = {symbol: start for symbol, start in requests.items() if symbol not in known}
    collected = await collect_daily_candles(
        open_connection,
        missing,
        clock=clock,
        progress=lambda done, _: progress(len(known) + done, len(requests)),
        on_symbol=lambda history: spool.put(history, requests[history.symbol]),
    )
    return replace(collected, rows=[*spooled, *collected.rows], requested=len(requests))


def _named(histories: Collection[CandleHistory], names: Mapping[str, str]) -> Sequence[CandleHistory]:
    return [history.renamed(names[history.symbol]) for history in histories.rows]


async def build(refresh: Refresh, trading_calendar: pl.LazyFrame, universe: pl.LazyFrame) -> Build:
    """Fetch the bars that are not stored yet."""
    return await build_daily_candles(
        refresh.broker.open_link,
        universe.collect(),
        trading_calendar.collect(),
        previous=refresh.previous(),
        history_start=refresh.settings.history_start,
        now=refresh.now,
        clock=refresh.clock,
        min_coverage=refresh.settings.min_coverage,
        progress=refresh.progress("histories"),
        spool=candle_spool(refresh.settings, now=refresh.now),
        recorded=refresh.recorded(CANDLE_REVISIONS.name),
    )
