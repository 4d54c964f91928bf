# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The questions for daily candles to the feed, by the symbols of the universe. What they are merged into: `merging`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.datasets.daily_candles.ahead import CandleParts
from ttapi_pipeline.datasets.daily_candles.bars import FetchedBars
from ttapi_pipeline.datasets.daily_candles.spill import SpilledHistories
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.streaming.candle_collection import collect_daily_candles
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.streaming.links import OpenConnection

_NO_CANDLES: Final = "the feed answered twice that it has no candles of it"


@dataclass(frozen=True, slots=True)
class Feed:
    """The feed, and what a refresh asks it by.

    Attributes:
        open_connection: Opens a link.
        names: Canonical symbol by streamer symbol.
        calendar: Schema TRADING_CALENDAR.
        now: When the refresh began.
        clock: For deadlines.
        progress: Told how many symbols are settled.
        spool: Keeps histories for a run after this one, should this one be killed; None for nowhere.
        scratch: The folder of the temporary file that histories are in; None for the system's.
    """

    open_connection: OpenConnection
    names: Mapping[str, str]
    calendar: pl.DataFrame
    now: datetime
    clock: Clock
    progress: ProgressCallback
    spool: CandleSpool | None = None
    scratch: Path | None = None

    async def collect(
        self,
        starts: Mapping[str, date],
        *,
        is_new: bool = False,
        ahead: CandleParts | None = None,
        not_before: datetime | None = None,
    ) -> tuple[Collection[CandleHistory], FetchedBars]:
        """Ask for the histories of these symbols.

        A symbol whose history is empty is missing: all that is asked for is traded, so it has candles.

        Args:
            starts: First session by symbol.
            is_new: Whether the spool does not count as an answer.
            ahead: Histories that other processes have fetched; None for none.
            not_before: Those of them that were fetched before this are asked for all the same.

        Returns:
            What came, without its rows; and these.
        """
        streamers = {symbol: streamer for streamer, symbol in self.names.items()}
        histories, earlier, lost = SpilledHistories(self.scratch), dict[str, datetime](), Counter[str]()
        if ahead is not None:
            for history, fetched_at in ahead.take(starts, streamers, now=self.now, not_before=not_before):
                histories.append(history)
                earlier[history.symbol] = fetched_at
                lost.update(_lost(history))
        requests = {streamers[symbol]: start for symbol, start in starts.items() if symbol not in earlier}
        came = await self._collect(requests, None if is_new else self.spool, histories)
        missing = {**came.missing, **dict.fromkeys(sorted(came.empty), _NO_CANDLES)}
        collection = replace(
            came,
            missing={self.names[streamer]: reason for streamer, reason in missing.items()},
            empty=frozenset[str](),
            requested=len(starts),
            lost=lost + Counter(came.lost),
        )
        return collection, FetchedBars(histories, self.calendar, self.now, earlier)

    async def _collect(
        self, requests: Mapping[str, date], spool: CandleSpool | None, histories: SpilledHistories
    ) -> Collection[CandleHistory]:
        """The spooled histories, and the others from the feed, put away one by one."""
        lost: Counter[str] = Counter()
        today = self.now.astimezone(NEW_YORK).date()

        def take(history: CandleHistory) -> None:
            histories.append(history.renamed(self.names[history.symbol]))

        def keep(history: CandleHistory) -> None:
            if spool is not None:
                spool.put(history, requests[history.symbol])
            take(history)

        spooled = set()
        if spool is not None:
            for symbol, start in requests.items():
                for history in spool.take({symbol: start}, last_session=today):
                    lost.update(_lost(history))
                    take(history)
                    spooled.add(symbol)
        collected = await collect_daily_candles(
            self.open_connection,
            {symbol: start for symbol, start in requests.items() if symbol not in spooled},
            last_session=today,
            clock=self.clock,
            progress=lambda done, _: self.progress(len(spooled) + done, len(requests)),
            on_symbol=keep,
            returns_rows=False,
        )
        return replace(collected, requested=len(requests), lost=lost + Counter(collected.lost))


def _lost(history: CandleHistory) -> Mapping[str, int]:
    """What a history that is not asked for again has lost, as `Collection.lost` names it."""
    return {f"candle.{name}": count for name, count in history.lost.items()}
