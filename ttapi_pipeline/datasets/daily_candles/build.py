# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`daily_candles`: daily bars of the universe from DXLink, kept up from where the stored ones end.

The feed adjusts its whole history when a share splits, so the stored bars and the new ones are compared where they
overlap; a symbol whose past was restated is fetched again from the start. Silence is no answer: bars that do not come
leave the stored ones as they are, and their symbol is missing. Sessions between others: see `holes`.

Everything but the questions to the feed is done range by range of the symbols (see `merging`), so that memory does not
grow with the universe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import ProgressCallback
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.core.sessions import last_settled_session, previous_session
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.daily_candles.bars import StoredBars
from ttapi_pipeline.datasets.daily_candles.feed import Feed
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
from ttapi_pipeline.datasets.daily_candles.mending import mended_candles
from ttapi_pipeline.datasets.daily_candles.merging import WORKERS, CandleMerge, Expected, Part, parts_of, ranges_of
from ttapi_pipeline.datasets.daily_candles.revisions import recorded_revisions
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_ABSENCES, CANDLE_REVISIONS
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.young_rows import YoungRows, of_all, to_ask
from ttapi_pipeline.storage.changes import RowChanges
from ttapi_pipeline.storage.places import cache_folder
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.tables.symbol_ranges import SymbolRange

OVERLAP_SESSIONS: Final = 10
"""Final sessions that are fetched again: volume is revised for days, and a restated past shows there."""

_NOT_FETCHED_AGAIN: Final = "its past was restated, and could not be fetched again"


def stored_from(previous: pl.LazyFrame) -> Mapping[str, date]:
    """For each symbol, the session to fetch from: OVERLAP_SESSIONS before its last final one."""
    last = previous.filter("is_final").group_by("symbol").agg(pl.col("session").max()).collect()
    return {symbol: _sessions_before(session, OVERLAP_SESSIONS - 1) for symbol, session in last.iter_rows()}


def _sessions_before(session: date, count: int) -> date:
    for _ in range(count):
        session = previous_session(session)
    return session


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
    scratch: Path | None = None,
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
        scratch: The folder of a temporary file with what came; None for the system's.
        recorded: Revisions of earlier fetches; None for none.
        absent: The table `candle_absences`; None for none.
        is_whole: Whether the history of every symbol is fetched from its start.
        young: The stored bars, when they end with the last session: then only the symbols that they lack are fetched.

    Raises:
        CoverageError: Too little came.
        StorageError: The spool or the temporary file cannot be written.
    """
    # Reads better in one piece: each step takes what the one before it left.
    names: dict[str, str] = dict(universe.select("streamer_symbol", "symbol").iter_rows())
    feed = Feed(open_connection, names, calendar, now, clock, progress, spool, scratch)
    stored = StoredBars.of(previous, universe, history_start=history_start)
    settled, known = settled_sessions(calendar, now=now), confirmed(absent)
    found = _surveyed(stored, settled, known)
    starts = dict.fromkeys(names.values(), history_start)
    if not is_whole:
        starts |= {symbol: max(history_start, start) for symbol, start in found.starts.items()}
    members = list(names.values())
    expected = Expected({symbol: starts[symbol] for symbol in to_ask(members, young)}, settled, known)
    histories, fetched = await feed.collect(expected.starts)
    histories = of_all(histories, members)
    histories.require(min_coverage, subject="daily_candles")
    merge = CandleMerge(stored=stored, fetched=fetched)
    parts = parts_of(merge, merge.ranges(), expected)
    missing = {symbol: reason for part in parts for symbol, reason in part.short.items()} | dict(histories.missing)
    merge, parts = await _with_restated(feed, merge, parts, expected, history_start=history_start)
    missing |= merge.refused
    due = due_sessions(settled, calendar, found.fetched_at, newest=_newest(parts))
    mended = await mended_candles(
        feed, merge, parts, expected, recorded=absent, due=due, answered=fetched.symbols, now=now
    )
    newest = _newest(mended.parts)
    due = due_sessions(settled, calendar, found.fetched_at, newest=newest)
    inactive = universe.filter(~pl.col("is_active"))["symbol"].to_list()
    last = pl.concat([part.ends for part in mended.parts]).lazy()
    ends, ended = behind(last, due, fetched.symbols, known={*mended.ended, *inactive})
    revised = pl.concat([part.revised for part in mended.parts])
    sources = _sources(mended.parts)
    return Build(
        frame=mended.merge.pieces(mended.parts),
        missing={**standstill(settled, due, newest=newest), **ends, **mended.missing, **missing},
        sources=sources,
        after_publication=None if spool is None else spool.clear,
        reports={CANDLE_REVISIONS.name: recorded_revisions(revised, recorded), CANDLE_ABSENCES.name: mended.absences},
        statistics={
            "coverage": histories.coverage,
            **_changes(mended.parts, stored=stored.count, rows=sum(sources.values())),
            "bars_fetched": sum(part.bars_fetched for part in mended.parts),
            "bars_revised": revised.height,
            "symbols_restated": len(merge.restated),
            "symbols_snipped": sum(each.is_snipped for each in fetched.histories.known.values()),
            "symbols_ended": ended,
            "holes_filled": sum(part.bars_filled for part in mended.parts),
            "bars_absent": mended.absences.height,
            "stored_bars_dropped": found.dropped,
            **({} if young is None else {"symbols_kept": len(members) - len(fetched.symbols)}),
            **lost_facts(Counter(histories.lost) | Counter(mended.lost)),
        },
        is_simulated=young is not None and young.is_simulated,
        fetched_at=None if young is None else young.fetched_at,
    )


@dataclass(frozen=True, slots=True)
class _Survey:
    """What the stored bars ask for.

    Attributes:
        starts: For each symbol with stored bars, the session to fetch from: before its first hole, if it has one.
        dropped: How many bars are left out, because they cannot be.
        fetched_at: When the newest of them were fetched; None without any.
    """

    starts: Mapping[str, date]
    dropped: int
    fetched_at: datetime | None


def _surveyed(stored: StoredBars, settled: pl.Series, known: pl.DataFrame) -> _Survey:
    def look(symbols: SymbolRange) -> tuple[Mapping[str, date], int, datetime | None]:
        kept, dropped = stored.read(symbols)
        starts = dict(stored_from(kept.lazy()))
        found = without(holes(kept.lazy(), settled), known)
        for symbol, start in starts_before(found, kept.lazy()).items():
            starts[symbol] = min(start, starts.get(symbol, start))
        newest = kept["fetched_at"].max()
        return starts, dropped, newest if isinstance(newest, datetime) else None

    surveyed = list(map_in_order(look, ranges_of(stored.counts), workers=WORKERS))
    return _Survey(
        {symbol: start for starts, *_ in surveyed for symbol, start in starts.items()},
        sum(dropped for _, dropped, _ in surveyed),
        max((newest for *_, newest in surveyed if newest is not None), default=None),
    )


async def _with_restated(
    feed: Feed, merge: CandleMerge, parts: list[Part], expected: Expected, *, history_start: date
) -> tuple[CandleMerge, list[Part]]:
    """Fetch symbols whose past was restated as a whole; the parts that have such symbols are looked at again."""
    restated = [symbol for part in parts for symbol in part.restated]
    if not restated:
        return merge, parts
    came, whole = await feed.collect(dict.fromkeys(restated, history_start))
    merge = replace(merge, restated=frozenset(restated), whole=whole)
    refused = dict(came.missing)
    for part in parts:
        refused |= merge.refusals(part.symbols) if part.restated else {}
    reasons = {symbol: f"{_NOT_FETCHED_AGAIN}: {reason}" for symbol, reason in refused.items()}
    merge = replace(merge, refused=reasons)
    again = iter(parts_of(merge, [part.symbols for part in parts if part.restated], expected))
    return merge, [next(again) if part.restated else part for part in parts]


def _sources(parts: Sequence[Part]) -> Mapping[str, int]:
    """Rows per source."""
    counts = pl.concat([part.sources for part in parts]).group_by("source").agg(pl.col("len").cast(pl.Int64).sum())
    return dict(counts.sort("source").iter_rows())


def _changes(parts: Sequence[Part], *, stored: int, rows: int) -> Mapping[str, int]:
    """How many rows are new, changed and gone, of those stored before and those of now."""
    new, changed = (sum(getattr(part.changes, name) for part in parts) for name in ("new", "changed"))
    return RowChanges(new=new, changed=changed, gone=stored + new - rows).to_facts()


def _newest(parts: Sequence[Part]) -> object:
    """The newest session of any bar; None without one."""
    return pl.concat([part.ends["session"] for part in parts]).max()


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
        scratch=cache_folder(refresh.settings),
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
