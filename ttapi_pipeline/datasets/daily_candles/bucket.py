# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Fetching a bucket of symbols ahead of a refresh. What the refresh takes of it: see `ahead`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ttapi_pipeline.core.collection import Collection
from ttapi_pipeline.datasets.daily_candles.ahead import CandleParts
from ttapi_pipeline.datasets.daily_candles.asking import Asked, asked_for, young_candles
from ttapi_pipeline.datasets.daily_candles.feed import Feed
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_ABSENCES
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.young_rows import of_all
from ttapi_pipeline.storage.places import cache_folder
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.tables.symbol_buckets import in_buckets


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleBucket:
    """A bucket of symbols, and what a refresh would ask the feed for them at this moment.

    Attributes:
        key: Its name.
        refresh: Of `daily_candles`, at this moment.
        members: The rows of the universe that are in it.
        calendar: Schema TRADING_CALENDAR.
        asked: What its symbols are to be asked for.
    """

    key: str
    refresh: Refresh
    members: pl.DataFrame
    calendar: pl.DataFrame
    asked: Asked

    @classmethod
    def of(cls, refresh: Refresh, key: str, *, trading_calendar: pl.LazyFrame, universe: pl.LazyFrame) -> CandleBucket:
        """A bucket of the universe."""
        everyone, calendar = universe.collect(), trading_calendar.collect()
        symbols = in_buckets(everyone["symbol"], refresh.settings.partitions)[key]
        members = everyone.filter(pl.col("symbol").is_in(symbols))
        asked = asked_for(
            members,
            calendar,
            previous=refresh.kept(),
            history_start=refresh.settings.history_start,
            now=refresh.now,
            absent=refresh.recorded(CANDLE_ABSENCES.name),
            is_whole=refresh.is_whole or refresh.previous() is None,
            young=young_candles(refresh),
        )
        return cls(key=key, refresh=refresh, members=members, calendar=calendar, asked=asked)

    @property
    def is_there(self) -> bool:
        """Whether its part has all that a refresh would ask for."""
        taken = self._parts.take(
            self.asked.expected.starts, self._streamers, now=self.refresh.now, not_before=self.asked.fetched_at
        )
        return sum(1 for _ in taken) == len(self.asked.expected.starts)

    async def fetch(self) -> BucketFetched:
        """Fetch what is not there, and store the part with every history that is complete.

        Raises:
            CoverageError: Too little came. What did is stored.
            TTError: The feed could not be asked, or the part not be written; that of before is as it was.
        """
        refresh, starts = self.refresh, self.asked.expected.starts
        feed = Feed(
            refresh.broker.open_link,
            {streamer: symbol for symbol, streamer in self._streamers.items()},
            self.calendar,
            refresh.now,
            refresh.clock,
            refresh.progress("histories"),
            # Not the spool: a refresh on this machine would take from there what is in the part.
            scratch=cache_folder(refresh.settings),
        )
        came, fetched = await feed.collect(starts, ahead=self._parts, not_before=self.asked.fetched_at)
        if len(fetched.symbols) > len(fetched.earlier):
            self._parts.put(self.key, fetched, starts, self._streamers)
        whole = of_all(came, self.members["symbol"].to_list())
        whole.require(refresh.settings.min_coverage, subject=f"bucket {self.key} of daily_candles")
        return BucketFetched(came=whole, histories=len(fetched.symbols), taken=len(fetched.earlier))

    @property
    def _parts(self) -> CandleParts:
        return CandleParts.of(self.refresh)

    @property
    def _streamers(self) -> Mapping[str, str]:
        return dict(self.members.select("symbol", "streamer_symbol").iter_rows())


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFetched:
    """What became of a bucket.

    Attributes:
        came: The answers for its symbols, without rows.
        histories: How many are in the part now.
        taken: How many of these were there before.
    """

    came: Collection[CandleHistory]
    histories: int
    taken: int
