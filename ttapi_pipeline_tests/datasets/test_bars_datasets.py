# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`daily_candles` kept up from stored bars, and whether two sources of one symbol may be glued."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime
from random import Random
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.collection import Collection, no_progress
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.datasets.daily_candles import feed as daily_candles
from ttapi_pipeline.datasets.daily_candles.asking import stored_from
from ttapi_pipeline.datasets.daily_candles.bars import daily_candles_frame
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles
from ttapi_pipeline.datasets.eod_snapshot.doubts import explain_conflicts
from ttapi_pipeline.datasets.eod_snapshot.sources import compare_sources, merge_sources
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.tables.rules import repeated_keys, violations
from ttapi_pipeline_tests.support.candles import history

CalendarFrame = Callable[[date, date], pl.DataFrame]
CandlesFrame = Callable[[Mapping[str, Mapping[date, float]]], pl.DataFrame]
START = date(2026, 1, 2)
SESSIONS = sessions_between(START, date(2026, 11, 20))


def refused() -> AbstractAsyncContextManager[Any]:
    raise AssertionError("the fake feed opens no link")


class FakeFeed:
    """Stands in for the collection: answers with what each symbol has from the asked session on."""

    def __init__(self, closes: Mapping[str, Mapping[date, float]], failing: Sequence[str] = ()) -> None:
        self.closes = closes
        self.failing = failing
        self.asked: list[dict[str, date]] = []

    async def __call__(
        self,
        _link: object,
        requests: Mapping[str, date],
        *,
        on_symbol: Callable[[CandleHistory], None],
        **_: object,
    ) -> Collection[CandleHistory]:
        self.asked.append(dict(requests))
        rows = [
            history(symbol, {day: close for day, close in self.closes[symbol].items() if day >= start})
            for symbol, start in requests.items()
            if symbol not in self.failing
        ]
        missing = dict.fromkeys([symbol for symbol in requests if symbol in self.failing], "the link fell silent")
        for row in rows:
            on_symbol(row)
        return Collection([], missing, requested=len(requests))


class TestDailyCandles:
    async def build(
        self,
        feed: FakeFeed,
        monkeypatch: pytest.MonkeyPatch,
        *,
        calendar: pl.DataFrame,
        universe: pl.DataFrame,
        previous: pl.DataFrame | None,
        now: datetime,
    ) -> Any:
        monkeypatch.setattr(daily_candles, "collect_daily_candles", feed)
        built = await build_daily_candles(
            refused,
            universe,
            calendar,
            previous=None if previous is None else previous.lazy(),
            history_start=START,
            now=now,
            clock=SYSTEM_CLOCK,
            min_coverage=0.5,
            progress=no_progress,
        )
        return SimpleNamespace(build=built, frame=built.frame.lazy().collect())

    async def test_without_stored_bars_the_whole_history_is_fetched(
        self,
        monkeypatch: pytest.MonkeyPatch,
        calendar_frame: CalendarFrame,
        universe_rows: Callable[..., pl.DataFrame],
        now: datetime,
    ) -> None:
        feed = FakeFeed({"AAA": dict.fromkeys(SESSIONS, 10.0)})
        calendar = calendar_frame(START, date(2026, 12, 31))
        got = await self.build(
            feed, monkeypatch, calendar=calendar, universe=universe_rows("AAA"), previous=None, now=now
        )
        assert feed.asked == [{"AAA": START}]
        assert got.frame.height == len(SESSIONS)
        assert got.frame["is_final"].all()

    async def test_stored_bars_are_fetched_again_from_ten_sessions_back_and_the_newest_fetch_wins(
        self,
        monkeypatch: pytest.MonkeyPatch,
        calendar_frame: CalendarFrame,
        candles_frame: CandlesFrame,
        universe_rows: Callable[..., pl.DataFrame],
        now: datetime,
    ) -> None:
        stored = candles_frame({"AAA": dict.fromkeys(SESSIONS[:-1], 10.0), "GONE": {SESSIONS[0]: 1.0}})
        # A revision of 0.05% is none of a split.
        closes = {**dict.fromkeys(SESSIONS, 10.0), SESSIONS[-2]: 10.005}
        feed = FakeFeed({"AAA": closes})
        got = await self.build(
            feed,
            monkeypatch,
            calendar=calendar_frame(START, date(2026, 12, 31)),
            universe=universe_rows("AAA"),
            previous=stored,
            now=now,
        )
        assert feed.asked == [{"AAA": SESSIONS[-11]}]
        assert got.frame["symbol"].unique().to_list() == ["AAA"]
        assert got.frame["close"].to_list() == list(closes.values())
        assert got.build.statistics["bars_fetched"] == 11

    async def test_a_past_that_a_split_restated_is_fetched_whole(
        self,
        monkeypatch: pytest.MonkeyPatch,
        calendar_frame: CalendarFrame,
        candles_frame: CandlesFrame,
        universe_rows: Callable[..., pl.DataFrame],
        now: datetime,
    ) -> None:
        stored = candles_frame({name: dict.fromkeys(SESSIONS[:-1], 10.0) for name in ("AAA", "BBB")})
        feed = FakeFeed({"AAA": dict.fromkeys(SESSIONS, 5.0), "BBB": dict.fromkeys(SESSIONS, 10.0)})
        got = await self.build(
            feed,
            monkeypatch,
            calendar=calendar_frame(START, date(2026, 12, 31)),
            universe=universe_rows("AAA", "BBB"),
            previous=stored,
            now=now,
        )
        assert feed.asked[1:] == [{"AAA": START}]
        assert set(got.frame.filter(pl.col("symbol") == "AAA")["close"]) == {5.0}
        assert got.frame.height == 2 * len(SESSIONS)
        assert got.build.statistics["symbols_restated"] == 1

    async def test_a_symbol_that_fails_keeps_its_bars(
        self,
        monkeypatch: pytest.MonkeyPatch,
        calendar_frame: CalendarFrame,
        candles_frame: CandlesFrame,
        universe_rows: Callable[..., pl.DataFrame],
        now: datetime,
    ) -> None:
        stored = candles_frame({name: dict.fromkeys(SESSIONS[:-1], 10.0) for name in ("AAA", "BBB")})
        feed = FakeFeed({"AAA": dict.fromkeys(SESSIONS, 10.0)}, failing=["BBB"])
        got = await self.build(
            feed,
            monkeypatch,
            calendar=calendar_frame(START, date(2026, 12, 31)),
            universe=universe_rows("AAA", "BBB"),
            previous=stored,
            now=now,
        )
        counts = dict(got.frame.group_by("symbol").len().iter_rows())
        assert counts == {"AAA": len(SESSIONS), "BBB": len(SESSIONS) - 1}
        assert got.build.missing == {"BBB": "the link fell silent"}

    def test_a_bar_is_final_four_hours_after_the_close(self, calendar_frame: CalendarFrame) -> None:
        calendar = calendar_frame(START, date(2026, 12, 31))
        # Friday 2026-11-20 closes at 21:00 UTC.
        for at, is_final in (
            (datetime(2026, 11, 21, 0, 59, tzinfo=UTC), False),
            (datetime(2026, 11, 21, 1, tzinfo=UTC), True),
        ):
            frame = daily_candles_frame([history("AAA", {date(2026, 11, 20): 10.0})], calendar, now=at)
            assert frame["is_final"].to_list() == [is_final]

    def test_a_bar_without_a_close_is_dropped_and_no_history_is_a_table_too(
        self, calendar_frame: CalendarFrame
    ) -> None:
        calendar, at = calendar_frame(START, date(2026, 12, 31)), datetime(2026, 11, 21, tzinfo=UTC)
        frame = daily_candles_frame(
            [history("AAA", {date(2026, 11, 19): float("nan"), date(2026, 11, 20): 10.0})], calendar, now=at
        )
        assert frame["session"].to_list() == [date(2026, 11, 20)]
        assert daily_candles_frame([], calendar, now=at).is_empty()

    def test_bars_that_are_not_final_do_not_count_as_stored(self, candles_frame: CandlesFrame) -> None:
        stored = candles_frame({"AAA": dict.fromkeys(SESSIONS[-12:], 10.0), "NEW": {SESSIONS[-1]: 1.0}})
        stored = stored.with_columns(is_final=pl.col("session") < SESSIONS[-1])
        assert stored_from(stored.lazy()) == {"AAA": SESSIONS[-11]}


class TestSources:
    def compare(self, metastock: Mapping[date, float], candles: Mapping[date, float], make: CandlesFrame) -> Any:
        ours = make({"AAA": metastock}).with_columns(open_interest=pl.lit(None, pl.Float64)).lazy()
        theirs = make({"AAA": candles}).lazy()
        comparison = compare_sources(ours, theirs)
        merged = merge_sources(ours, theirs, comparison).collect()
        return SimpleNamespace(verdict=comparison["verdict"][0], why=explain_conflicts(comparison), merged=merged)

    def test_sources_that_agree_are_glued_with_metastock_first(self, candles_frame: CandlesFrame) -> None:
        files = dict.fromkeys(SESSIONS[:-5], 10.0)
        got = self.compare(files, dict.fromkeys(SESSIONS[-40:], 10.01), candles_frame)
        assert (got.verdict, got.why) == ("agreed", {})
        sources = got.merged.sort("session")["source"].to_list()
        assert sources == ["metastock"] * len(files) + ["dxlink"] * 5

    @pytest.mark.parametrize(
        ("files", "feed", "verdict", "said"),
        [
            (dict.fromkeys(SESSIONS, 15.0), dict.fromkeys(SESSIONS, 13.5), "scale", "0.9000 times MetaStock"),
            (
                dict.fromkeys(SESSIONS, 10.0),
                {day: 10.0 - 0.01 * index for index, day in enumerate(SESSIONS)},
                "drift",
                "drifts by 0.0590 around",
            ),
            (dict.fromkeys(SESSIONS[:-5], 10.0), dict.fromkeys(SESSIONS[-24:], 9.1), "short_overlap", "share 19"),
        ],
    )
    def test_where_nothing_is_proven_candles_stand_from_their_first_session_on_and_a_sentence_says_why(
        self,
        files: Mapping[date, float],
        feed: Mapping[date, float],
        verdict: str,
        said: str,
        candles_frame: CandlesFrame,
    ) -> None:
        got = self.compare(files, feed, candles_frame)
        assert got.verdict == verdict
        assert said in got.why["AAA"]
        assert f"candles stand from {min(feed)} on" in got.why["AAA"]
        sources = dict(got.merged.select("session", "source").iter_rows())
        assert sources == {
            **{day: "metastock" for day in files if day < min(feed)},
            **dict.fromkeys(feed, "dxlink"),
        }
        assert set(got.merged.filter(source="metastock")["adjustment"]) <= {"unknown"}

    def test_without_a_common_session_there_is_nothing_to_disagree(self, candles_frame: CandlesFrame) -> None:
        got = self.compare(dict.fromkeys(SESSIONS[:9], 10.0), dict.fromkeys(SESSIONS[-9:], 20.0), candles_frame)
        assert (got.verdict, got.why) == ("no_overlap", {})
        assert got.merged.sort("session")["close"].to_list() == [10.0] * 9 + [20.0] * 9

    def test_few_common_sessions_prove_that_prices_are_the_same(self, candles_frame: CandlesFrame) -> None:
        files = dict.fromkeys(SESSIONS[:-5], 10.0)
        got = self.compare(files, dict.fromkeys(SESSIONS[-24:], 10.0), candles_frame)
        assert (got.verdict, got.why) == ("short_overlap", {})
        assert got.merged.sort("session")["source"].to_list() == ["metastock"] * len(files) + ["dxlink"] * 5

    def test_files_of_another_instrument_stand_nowhere(self, candles_frame: CandlesFrame) -> None:
        rng = Random(1)
        walk = {day: 10.0 + rng.random() for day in SESSIONS}
        got = self.compare(walk, dict.fromkeys(SESSIONS[20:], 10.0), candles_frame)
        assert got.verdict == "other"
        assert got.why["AAA"].endswith("as if of two instruments; candles stand alone")
        assert got.merged["session"].to_list() == list(SESSIONS[20:])

    def test_a_share_that_was_listed_last_week_needs_no_longer_overlap(self, candles_frame: CandlesFrame) -> None:
        new = SESSIONS[-5:]
        got = self.compare(dict.fromkeys(new[:-1], 10.0), dict.fromkeys(new, 10.0), candles_frame)
        assert got.verdict == "agreed"


class TestPlausibility:
    def test_every_dataset_has_rules(self) -> None:
        assert [name for name, dataset in DATASETS.items() if not dataset.rules] == []

    def test_rows_that_break_a_rule_are_counted_and_nulls_break_none(self, candles_frame: CandlesFrame) -> None:
        frame = candles_frame({"AAA": dict.fromkeys(SESSIONS[:4], 10.0)}).with_columns(
            high=pl.Series([9.0, 10.0, None, 10.0]), volume=pl.Series([1.0, -1.0, None, 0.0])
        )
        assert violations(frame.lazy(), DATASETS["daily_candles"].rules) == {
            "low <= open, close <= high": 1,
            "volume is not negative": 1,
        }

    def test_repeated_keys_are_shown_with_how_often(self) -> None:
        frame = pl.DataFrame({"symbol": ["A", "A", "B"], "session": [1, 1, 1]}).lazy()
        assert repeated_keys(frame, ["symbol", "session"]).rows() == [("A", 1, 2)]
        # Also where the rows with a key lie apart.
        scattered = pl.DataFrame({"symbol": ["B", "A", "B"], "session": [1, 1, 1]}).lazy()
        assert repeated_keys(scattered, ["symbol", "session"]).rows() == [("B", 1, 2)]
        found = repeated_keys(frame.unique(maintain_order=True), ["symbol", "session"])
        assert (found.rows(), found.columns) == ([], ["symbol", "session", "len"])
