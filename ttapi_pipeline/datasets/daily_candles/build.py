# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`daily_candles`: daily bars of the universe from DXLink, kept up from where the stored ones end.

The feed adjusts its whole history when a share splits, so the stored bars and the new ones are compared where they
overlap; a symbol whose past was restated is fetched again from the start. Silence is no answer: bars that do not come
leave the stored ones as they are, and their symbol is missing. Sessions between others: see `holes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

import polars as pl

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.core.sessions import NEW_YORK, SETTLING_TIME, last_settled_session, previous_session
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build, rows_per_source
from ttapi_pipeline.datasets.daily_candles.doubts import possible, short_answers, short_replacements
from ttapi_pipeline.datasets.daily_candles.holes import (
    EVERY_SYMBOL,
    behind,
    confirmed,
    due_sessions,
    holes,
    settled_sessions,
    standstill,
    starts_before,
    without,
)
from ttapi_pipeline.datasets.daily_candles.mending import mended_candles, merge_candles
from ttapi_pipeline.datasets.daily_candles.revisions import recorded_revisions, restated_symbols, revisions
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_ABSENCES, CANDLE_REVISIONS, DAILY_CANDLES
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.young_rows import YoungRows, of_all, to_ask
from ttapi_pipeline.storage.places import cache_folder
from ttapi_pipeline.streaming.candle_collection import collect_daily_candles
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

OVERLAP_SESSIONS: Final = 10
"""Final sessions that are fetched again: volume is revised for days, and a restated past shows there."""

_NOT_FETCHED_AGAIN: Final = "its past was restated, and could not be fetched again"
_NO_CANDLES: Final = "the feed answered twice that it has no candles of it"

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
                "trade_count": pl.Series(history.count, dtype=pl.Float64).fill_nan(None).cast(pl.Int64),
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


@dataclass(frozen=True, slots=True)
class _Feed:
    """The questions to the feed, by symbol."""

    open_connection: OpenConnection
    names: Mapping[str, str]
    calendar: pl.DataFrame
    now: datetime
    clock: Clock
    progress: ProgressCallback
    spool: CandleSpool | None

    async def collect(
        self, starts: Mapping[str, date], *, is_new: bool = False
    ) -> tuple[Collection[CandleHistory], pl.DataFrame]:
        """The histories of these symbols, and their bars as a table.

        A symbol whose history is empty is missing: all that is asked for is traded, so it has candles.

        Args:
            starts: First session by symbol.
            is_new: Whether the spool does not count as an answer.
        """
        streamers = {symbol: streamer for streamer, symbol in self.names.items()}
        requests = {streamers[symbol]: start for symbol, start in starts.items()}
        today = self.now.astimezone(NEW_YORK).date()
        came = await _collect(
            self.open_connection,
            requests,
            None if is_new else self.spool,
            last_session=today,
            clock=self.clock,
            progress=self.progress,
        )
        missing = {**came.missing, **dict.fromkeys(sorted(came.empty), _NO_CANDLES)}
        histories = replace(
            came,
            rows=[history.renamed(self.names[history.symbol]) for history in came.rows],
            missing={self.names[streamer]: reason for streamer, reason in missing.items()},
            empty=frozenset(),
        )
        return histories, daily_candles_frame(histories.rows, self.calendar, now=self.now)

    async def collect_anew(self, starts: Mapping[str, date]) -> tuple[Collection[CandleHistory], pl.DataFrame]:
        """The same, past the spool."""
        return await self.collect(starts, is_new=True)


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
    absent: pl.LazyFrame | None = None,
    is_whole: bool = False,
    young: YoungRows | None = None,
) -> Build:
    """Fetch every symbol from where its stored bars end; what does not come stays as it is.

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
        absent: The table `candle_absences`; None for none.
        is_whole: Whether the history of every symbol is fetched from its start.
        young: The stored bars, when they end with the last session: then only the symbols that they lack are fetched.

    Raises:
        CoverageError: Too little came.
        StorageError: The spool cannot be written.
    """
    # Reads better in one piece: each step takes what the one before it left.
    names: dict[str, str] = dict(universe.select("streamer_symbol", "symbol").iter_rows())
    feed = _Feed(open_connection, names, calendar, now, clock, progress, spool)
    kept, dropped = _kept(previous, universe, history_start)
    settled = settled_sessions(calendar, now=now)
    starts = dict.fromkeys(names.values(), history_start)
    if not is_whole:
        starts |= {symbol: max(history_start, start) for symbol, start in _starts(kept, settled, absent).items()}
    members = list(names.values())
    histories, fresh = await feed.collect({symbol: starts[symbol] for symbol in to_ask(members, young)})
    histories = of_all(histories, members)
    histories.require(min_coverage, subject="daily_candles")
    snipped = {history.symbol for history in histories.rows if history.is_snipped}
    set_aside = {each.symbol: each.lost.get("close", 0) + each.lost.get("time", 0) for each in histories.rows}
    short = short_answers(fresh, kept, starts, settled, set_aside=set_aside, snipped=snipped)
    missing = {**short, **histories.missing}
    revised, restated = revisions(fresh, kept), restated_symbols(fresh, kept)
    taken: Sequence[str] = []
    if restated:
        fresh, taken, refused = await _restated(feed, fresh, kept, dict.fromkeys(restated, history_start))
        missing |= refused
    frame = merge_candles(fresh, kept, replaced=taken)
    answered = [history.symbol for history in histories.rows]
    due = due_sessions(settled, calendar, kept, newest=frame["session"].max())
    mended = await mended_candles(feed.collect_anew, frame, settled, absent, due=due, answered=answered, now=now)
    newest = mended.frame["session"].max()
    due = due_sessions(settled, calendar, kept, newest=newest)
    inactive = universe.filter(~pl.col("is_active"))["symbol"].to_list()
    ends, ended = behind(mended.frame.lazy(), due, answered, known={*mended.ended, *inactive})
    return Build(
        frame=mended.frame,
        missing={**standstill(settled, due, newest=newest), **ends, **mended.missing, **missing},
        sources=rows_per_source(mended.frame),
        after_publication=None if spool is None else spool.clear,
        reports={CANDLE_REVISIONS.name: recorded_revisions(revised, recorded), CANDLE_ABSENCES.name: mended.absences},
        statistics={
            "coverage": histories.coverage,
            "bars_fetched": fresh.height,
            "bars_revised": revised.height,
            "symbols_restated": len(restated),
            "symbols_snipped": len(snipped),
            "symbols_ended": ended,
            "holes_filled": mended.filled,
            "bars_absent": mended.absences.height,
            "stored_bars_dropped": dropped,
            **({} if young is None else {"symbols_kept": len(members) - len(answered)}),
            **lost_facts(Counter(histories.lost) | Counter(mended.lost)),
        },
        is_simulated=young is not None and young.is_simulated,
        fetched_at=None if young is None else young.fetched_at,
    )


def _kept(previous: pl.LazyFrame | None, universe: pl.DataFrame, history_start: date) -> tuple[pl.LazyFrame, int]:
    """The stored bars of the universe that can be, possibly no bar, and how many others there were."""
    if previous is None:
        return DAILY_CANDLES.polars.to_frame().lazy(), 0
    members = previous.join(universe.lazy().select("symbol"), on="symbol", how="semi")
    kept, dropped = possible(members)
    # Some ten questions are asked of them, and each would read the file again.
    return kept.filter(pl.col("session") >= history_start).collect().lazy(), dropped


def _starts(kept: pl.LazyFrame, settled: pl.Series, absent: pl.LazyFrame | None) -> Mapping[str, date]:
    """For each symbol with stored bars, the session to fetch from: before its first hole, if it has one."""
    starts = dict(stored_from(kept))
    found = without(holes(kept, settled), confirmed(absent))
    for symbol, start in starts_before(found, kept).items():
        starts[symbol] = min(start, starts.get(symbol, start))
    return starts


async def _restated(
    feed: _Feed, fresh: pl.DataFrame, kept: pl.LazyFrame, starts: Mapping[str, date]
) -> tuple[pl.DataFrame, Sequence[str], Mapping[str, str]]:
    """Fetch symbols whose past was restated as a whole.

    Returns:
        The bars that came, with whole histories in place of the restated ones; the symbols whose stored bars these
        replace; and the reason for each of the others, of which nothing is taken.
    """
    whole, again = await feed.collect(starts)
    refused = {**whole.missing, **short_replacements(again, kept)}
    taken = [symbol for symbol in starts if symbol not in refused]
    others = fresh.filter(~pl.col("symbol").is_in(list(starts)))
    reasons = {symbol: f"{_NOT_FETCHED_AGAIN}: {reason}" for symbol, reason in refused.items()}
    return pl.concat([others, again.filter(pl.col("symbol").is_in(taken))]), taken, reasons


def candle_spool(settings: Settings, *, now: datetime, is_trusted: bool = True) -> CandleSpool:
    """The spool among the caches of this machine.

    Args:
        settings: Where the data is, and where candles come from.
        now: Says which session is settled.
        is_trusted: Whether histories that are there may be used.

    Raises:
        StorageError: The folder cannot be written.
    """
    session = last_settled_session(now).session
    return CandleSpool(
        cache_folder(settings) / "candles", origin=settings.origin, session=session, is_trusted=is_trusted
    )


async def _collect(
    open_connection: OpenConnection,
    requests: Mapping[str, date],
    spool: CandleSpool | None,
    *,
    last_session: date,
    clock: Clock,
    progress: ProgressCallback,
) -> Collection[CandleHistory]:
    """The spooled histories, and the others from the feed."""
    if spool is None:
        return await collect_daily_candles(
            open_connection, requests, last_session=last_session, clock=clock, progress=progress
        )
    spooled = spool.take(requests, last_session=last_session)
    known = {history.symbol for history in spooled}
    missing = {symbol: start for symbol, start in requests.items() if symbol not in known}
    collected = await collect_daily_candles(
        open_connection,
        missing,
        last_session=last_session,
        clock=clock,
        progress=lambda done, _: progress(len(known) + done, len(requests)),
        on_symbol=lambda history: spool.put(history, requests[history.symbol]),
    )
    lost = Counter(collected.lost)
    for history in spooled:
        lost.update({f"candle.{name}": count for name, count in history.lost.items()})
    return replace(collected, rows=[*spooled, *collected.rows], requested=len(requests), lost=lost)


async def build(refresh: Refresh, trading_calendar: pl.LazyFrame, universe: pl.LazyFrame) -> Build:
    """Fetch the bars that are not stored yet; all of them where the stored ones are of other code or settings."""
    return await build_daily_candles(
        refresh.broker.open_link,
        universe.collect(),
        trading_calendar.collect(),
        previous=refresh.kept(),
        history_start=refresh.settings.history_start,
        now=refresh.now,
        clock=refresh.clock,
        min_coverage=refresh.settings.min_coverage,
        progress=refresh.progress("histories"),
        spool=candle_spool(refresh.settings, now=refresh.now, is_trusted=not refresh.is_forced),
        recorded=refresh.recorded(CANDLE_REVISIONS.name),
        absent=refresh.recorded(CANDLE_ABSENCES.name),
        is_whole=refresh.is_whole or refresh.previous() is None,
        young=_young_rows(refresh),
    )


def _young_rows(refresh: Refresh) -> YoungRows | None:
    """The stored bars, when no session has settled since they were fetched and no symbol stood still."""
    young = refresh.young_rows()
    if young is None or EVERY_SYMBOL in young.missing:
        return None
    is_settled = last_settled_session(young.fetched_at) == last_settled_session(refresh.now)
    return young if is_settled else None
