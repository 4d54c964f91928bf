# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the feed is asked for: each symbol from where its stored bars end, or before their first hole.

The questions themselves are in `feed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import polars as pl

from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.core.sessions import last_settled_session, previous_session
from ttapi_pipeline.datasets.daily_candles.bars import StoredBars
from ttapi_pipeline.datasets.daily_candles.holes import (
    EVERY_SYMBOL,
    confirmed,
    holes,
    settled_sessions,
    starts_before,
    without,
)
from ttapi_pipeline.datasets.daily_candles.merging import WORKERS, Expected, ranges_of
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.young_rows import YoungRows, to_ask
from ttapi_pipeline.tables.symbol_ranges import SymbolRange

OVERLAP_SESSIONS: Final = 10
"""Final sessions that are fetched again: volume is revised for days, and a restated past shows there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What some symbols are asked for.

    Attributes:
        stored: Their stored bars.
        dropped: How many of these are left out, because they cannot be.
        fetched_at: When the newest of them were fetched; None without any.
        expected: The first session of each symbol that is asked for, and what the answers are held against.
    """

    stored: StoredBars
    dropped: int
    fetched_at: datetime | None
    expected: Expected


def asked_for(
    universe: pl.DataFrame,
    calendar: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    history_start: date,
    now: datetime,
    absent: pl.LazyFrame | None,
    is_whole: bool,
    young: YoungRows | None,
) -> Asked:
    """What the symbols of a universe, or of some of it, are asked for; arguments as of `build_daily_candles`."""
    stored = StoredBars.of(previous, universe, history_start=history_start)
    settled, known = settled_sessions(calendar, now=now), confirmed(absent)
    found, dropped, fetched_at = _surveyed(stored, settled, known)
    members: list[str] = list(dict(universe.select("streamer_symbol", "symbol").iter_rows()).values())
    starts = dict.fromkeys(members, history_start)
    if not is_whole:
        starts |= {symbol: max(history_start, start) for symbol, start in found.items()}
    expected = Expected({symbol: starts[symbol] for symbol in to_ask(members, young)}, settled, known)
    return Asked(stored=stored, dropped=dropped, fetched_at=fetched_at, expected=expected)


def stored_from(previous: pl.LazyFrame) -> Mapping[str, date]:
    """For each symbol, the session to fetch from: OVERLAP_SESSIONS before its last final one."""
    last = previous.filter("is_final").group_by("symbol").agg(pl.col("session").max()).collect()
    return {symbol: _sessions_before(session, OVERLAP_SESSIONS - 1) for symbol, session in last.iter_rows()}


def _sessions_before(session: date, count: int) -> date:
    for _ in range(count):
        session = previous_session(session)
    return session


def _surveyed(
    stored: StoredBars, settled: pl.Series, known: pl.DataFrame
) -> tuple[Mapping[str, date], int, datetime | None]:
    """For each symbol with stored bars, the session to fetch from; `dropped` and `fetched_at` of `Asked`."""

    def look(symbols: SymbolRange) -> tuple[Mapping[str, date], int, datetime | None]:
        kept, dropped = stored.read(symbols)
        starts = dict(stored_from(kept.lazy()))
        found = without(holes(kept.lazy(), settled), known)
        for symbol, start in starts_before(found, kept.lazy()).items():
            starts[symbol] = min(start, starts.get(symbol, start))
        newest = kept["fetched_at"].max()
        return starts, dropped, newest if isinstance(newest, datetime) else None

    surveyed = list(map_in_order(look, ranges_of(stored.counts), workers=WORKERS))
    return (
        {symbol: start for starts, *_ in surveyed for symbol, start in starts.items()},
        sum(dropped for _, dropped, _ in surveyed),
        max((newest for *_, newest in surveyed if newest is not None), default=None),
    )


def young_candles(refresh: Refresh) -> YoungRows | None:
    """The stored bars, when no session has settled since they were fetched and no symbol stood still."""
    young = refresh.young_rows()
    if young is None or EVERY_SYMBOL in young.missing:
        return None
    is_settled = last_settled_session(young.fetched_at) == last_settled_session(refresh.now)
    return young if is_settled else None
