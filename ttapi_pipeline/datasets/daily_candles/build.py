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
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import ProgressCallback
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.core.sessions import last_settled_session
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.daily_candles.ahead import CandleParts
from ttapi_pipeline.datasets.daily_candles.asking import asked_for, young_candles
from ttapi_pipeline.datasets.daily_candles.feed import Feed
from ttapi_pipeline.datasets.daily_candles.holes import behind, due_sessions, standstill
from ttapi_pipeline.datasets.daily_candles.mending import mended_candles
from ttapi_pipeline.datasets.daily_candles.merging import CandleMerge, Expected, Part, parts_of
from ttapi_pipeline.datasets.daily_candles.revisions import recorded_revisions
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_ABSENCES, CANDLE_REVISIONS
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.young_rows import YoungRows, of_all
from ttapi_pipeline.storage.changes import RowChanges
from ttapi_pipeline.storage.places import cache_folder
from ttapi_pipeline.streaming.links import OpenConnection

_NOT_FETCHED_AGAIN: Final = "its past was restated, and could not be fetched again"


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
    ahead: CandleParts | None = None,
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
        ahead: Histories that other processes have fetched, which are not asked for again; None for none.

    Raises:
        CoverageError: Too little came.
        StorageError: The spool or the temporary file cannot be written.
    """
    # Reads better in one piece: each step takes what the one before it left.
    names: dict[str, str] = dict(universe.select("streamer_symbol", "symbol").iter_rows())
    feed = Feed(open_connection, names, calendar, now, clock, progress, spool, scratch)
    asked = asked_for(
        universe,
        calendar,
        previous=previous,
        history_start=history_start,
        now=now,
        absent=absent,
        is_whole=is_whole,
        young=young,
    )
    stored, expected, members = asked.stored, asked.expected, list(names.values())
    histories, fetched = await feed.collect(expected.starts, ahead=ahead, not_before=asked.fetched_at)
    histories = of_all(histories, members)
    histories.require(min_coverage, subject="daily_candles")
    merge = CandleMerge(stored=stored, fetched=fetched)
    parts = parts_of(merge, merge.ranges(), expected)
    missing = {symbol: reason for part in parts for symbol, reason in part.short.items()} | dict(histories.missing)
    merge, parts = await _with_restated(feed, merge, parts, expected, history_start=history_start)
    missing |= merge.refused
    due = due_sessions(expected.settled, calendar, asked.fetched_at, newest=_newest(parts))
    mended = await mended_candles(
        feed, merge, parts, expected, recorded=absent, due=due, answered=fetched.symbols, now=now
    )
    newest = _newest(mended.parts)
    due = due_sessions(expected.settled, calendar, asked.fetched_at, newest=newest)
    inactive = universe.filter(~pl.col("is_active"))["symbol"].to_list()
    last = pl.concat([part.ends for part in mended.parts]).lazy()
    ends, ended = behind(last, due, fetched.symbols, known={*mended.ended, *inactive})
    revised = pl.concat([part.revised for part in mended.parts])
    sources = _sources(mended.parts)
    return Build(
        frame=mended.merge.pieces(mended.parts),
        missing={**standstill(expected.settled, due, newest=newest), **ends, **mended.missing, **missing},
        sources=sources,
        after_publication=partial(_clear, spool, ahead),
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
            "stored_bars_dropped": asked.dropped,
            **({} if young is None else {"symbols_kept": len(members) - len(fetched.symbols)}),
            **({} if ahead is None else ahead.counted(fetched.earlier)),
            **lost_facts(Counter(histories.lost) | Counter(mended.lost)),
        },
        is_simulated=young is not None and young.is_simulated,
        fetched_at=min([*fetched.earlier.values(), *([] if young is None else [young.fetched_at])], default=None),
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


def _clear(*kept: CandleSpool | CandleParts | None) -> None:
    for each in kept:
        if each is not None:
            each.clear()


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
        young=young_candles(refresh),
        ahead=CandleParts.of(refresh) if refresh.settings.partitions else None,
    )
