# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Silence, holes and short answers of a feed of candles: stored bars stay, and what did not come is named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core import collection
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import CoverageError
from ttapi_pipeline.core.sessions import session_hours, sessions_between
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.daily_candles import feed as daily_candles
from ttapi_pipeline.datasets.daily_candles import merging
from ttapi_pipeline.datasets.daily_candles.bars import daily_candles_frame
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_ABSENCES
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.tables.dtypes import UTC_DATETIME
from ttapi_pipeline_tests.support.candles import history
from ttapi_pipeline_tests.support.examples import examples

START = date(2026, 6, 1)
SESSIONS = sessions_between(START, date(2026, 11, 20))
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
Closes = Mapping[date, float]


class Feed:
    """Answers from what it has; `drop` says which sessions of a symbol an answer leaves out, by its number."""

    def __init__(self, symbols: Collection[str], *, drop: Callable[[str, int], Collection[date]] | None = None) -> None:
        self.closes: dict[str, Closes] = {symbol: dict.fromkeys(SESSIONS, 10.0) for symbol in symbols}
        self.drop = drop or (lambda _symbol, _number: ())
        self.asked: list[dict[str, date]] = []

    async def __call__(
        self,
        _link: object,
        requests: Mapping[str, date],
        *,
        last_session: date,
        on_symbol: Callable[[CandleHistory], None],
        **_: object,
    ) -> collection.Collection[CandleHistory]:
        self.asked.append(dict(requests))
        number = len(self.asked)
        rows = [
            history(
                symbol,
                {
                    day: close
                    for day, close in self.closes[symbol].items()
                    if start <= day <= last_session and day not in self.drop(symbol, number)
                },
            )
            for symbol, start in requests.items()
        ]
        for each in rows:
            if len(each):
                on_symbol(each)
        empty = frozenset(each.symbol for each in rows if not len(each))
        return collection.Collection([], empty=empty, requested=len(requests))


def calendar(sessions: Sequence[date]) -> pl.DataFrame:
    hours = [session_hours(each) for each in sessions]
    return pl.DataFrame({"session": sessions, "closes_at": [each.closes_at for each in hours]})


def universe(*symbols: str, inactive: Collection[str] = ()) -> pl.DataFrame:
    is_active = [symbol not in inactive for symbol in symbols]
    return pl.DataFrame({"symbol": symbols, "streamer_symbol": symbols, "is_active": is_active})


def stored(closes: Mapping[str, Closes]) -> pl.LazyFrame:
    frame = daily_candles_frame([history(symbol, each) for symbol, each in closes.items()], calendar(SESSIONS), now=NOW)
    return frame.sort("symbol", "session").lazy()


def rows(build: Build) -> pl.DataFrame:
    return build.frame.lazy().collect()


async def refreshed(
    feed: Feed,
    monkeypatch: pytest.MonkeyPatch,
    previous: Mapping[str, Closes] | pl.LazyFrame | None,
    *,
    absent: pl.LazyFrame | None = None,
    now: datetime = NOW,
    is_whole: bool = False,
    min_coverage: float = 0.5,
    inactive: Collection[str] = (),
) -> Build:
    monkeypatch.setattr(daily_candles, "collect_daily_candles", feed)
    return await build_daily_candles(
        lambda: pytest.fail("the feed opens no link"),
        universe(*feed.closes, inactive=inactive),
        calendar(SESSIONS),
        previous=stored(previous) if isinstance(previous, Mapping) else previous,
        history_start=START,
        now=now,
        clock=SYSTEM_CLOCK,
        min_coverage=min_coverage,
        progress=collection.no_progress,
        absent=absent,
        is_whole=is_whole,
    )


def sessions_of(build: Build, symbol: str) -> list[date]:
    found: list[date] = rows(build).filter(symbol=symbol)["session"].to_list()
    return found


@pytest.fixture(autouse=True, params=[1, 128], ids=["a range per symbol", "one range"])
def ranges(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may depend on how the symbols are cut into ranges."""
    monkeypatch.setattr(merging, "RANGE_SYMBOLS", request.param)


FULL: Closes = dict.fromkeys(SESSIONS[:-1], 10.0)


async def test_a_symbol_without_a_candle_is_missing_and_its_bars_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed("ABCDE", drop=lambda symbol, _: SESSIONS if symbol == "B" else ())
    build = await refreshed(feed, monkeypatch, dict.fromkeys("ABCDE", FULL), min_coverage=0.8)
    assert build.missing == {"B": "the feed answered twice that it has no candles of it"}
    assert sessions_of(build, "B") == list(FULL)
    assert sessions_of(build, "A") == list(SESSIONS)


@pytest.mark.parametrize("previous", [None, dict.fromkeys("ABCDE", FULL)])
async def test_when_no_symbol_has_a_candle_the_run_fails(
    monkeypatch: pytest.MonkeyPatch, previous: Mapping[str, Closes] | None
) -> None:
    feed = Feed("ABCDE", drop=lambda *_: SESSIONS)
    with pytest.raises(CoverageError, match="daily_candles: 5 of 5 are missing"):
        await refreshed(feed, monkeypatch, previous)


async def test_an_answer_without_the_sessions_that_have_closed_since_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed("AB", drop=lambda symbol, _: SESSIONS[-3:] if symbol == "B" else ())
    build = await refreshed(feed, monkeypatch, dict.fromkeys("AB", dict.fromkeys(SESSIONS[:-3], 10.0)))
    assert build.missing == {"B": "the feed has no bar after 2026-11-17, and 3 sessions have closed since"}


async def test_a_feed_that_stands_still_while_sessions_close_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed("AB", drop=lambda *_: SESSIONS[-3:])
    # Without stored bars, only the calendar says that the feed ends early, and it is said once for all symbols.
    build = await refreshed(feed, monkeypatch, None)
    ended = (
        "the feed has no bar of any symbol after 2026-11-17, and by the trading calendar 3 sessions have closed since"
    )
    assert build.missing == {"every symbol": ended}
    assert len(feed.asked) == 1
    again = rows(build).lazy()
    later = await refreshed(feed, monkeypatch, again, now=NOW + timedelta(hours=1))
    assert later.missing == {"every symbol": ended}
    # It was current in the night after the session of 2026-11-17, and three sessions have closed since.
    then = again.with_columns(fetched_at=pl.lit(datetime(2026, 11, 18, 2, tzinfo=UTC), UTC_DATETIME))
    build = await refreshed(feed, monkeypatch, then)
    said = "the feed has no bar after 2026-11-17, and 3 sessions have closed since"
    assert build.missing == dict.fromkeys("AB", said)


@pytest.mark.parametrize(("short", "said"), [(1, "1 session has"), (10, "10 sessions have"), (60, "60 sessions have")])
async def test_a_first_run_against_a_feed_that_ended_is_named_and_one_against_a_current_feed_is_not(
    monkeypatch: pytest.MonkeyPatch, short: int, said: str
) -> None:
    feed = Feed("ABC", drop=lambda *_: SESSIONS[-short:])
    (name, sentence), *others = (await refreshed(feed, monkeypatch, None)).missing.items()
    assert (name, others) == ("every symbol", [])
    assert sentence.endswith(f"after {SESSIONS[-short - 1]}, and by the trading calendar {said} closed since")
    assert (await refreshed(Feed("ABC"), monkeypatch, None)).missing == {}


@pytest.mark.parametrize("short", [1, 10, 11, 60])
async def test_bars_that_end_early_are_asked_for_again(monkeypatch: pytest.MonkeyPatch, short: int) -> None:
    feed = Feed("AB", drop=lambda symbol, number: SESSIONS[-short:] if (symbol, number) == ("B", 1) else ())
    build = await refreshed(feed, monkeypatch, None)
    assert feed.asked == [{"A": START, "B": START}, {"B": SESSIONS[-short - 1]}]
    assert sessions_of(build, "B") == list(SESSIONS)
    assert (build.missing, build.statistics["holes_filled"]) == ({}, short)
    assert build.reports[CANDLE_ABSENCES.name].is_empty()


@pytest.mark.parametrize("short", [10, 11, 60])
async def test_bars_that_end_early_are_named_until_the_feed_has_confirmed_it(
    monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    feed = Feed("AB", drop=lambda symbol, _: SESSIONS[-short:] if symbol == "B" else ())
    build = await refreshed(feed, monkeypatch, None)
    said = f"the feed has no bar after {SESSIONS[-short - 1]}, and {short} sessions have closed since"
    assert (build.missing, build.statistics["symbols_ended"]) == ({"B": said}, 0)
    # Twelve hours later it may be halted or gone, but not if it ended within ten sessions.
    for after, is_known in ((timedelta(hours=11), False), (timedelta(hours=12), short > 10), (timedelta(days=1), True)):
        absent = build.reports[CANDLE_ABSENCES.name].lazy()
        build = await refreshed(feed, monkeypatch, rows(build).lazy(), absent=absent, now=NOW + after)
        is_named = not is_known or short <= 10
        assert build.missing == ({"B": said} if is_named else {})
        assert build.statistics["symbols_ended"] == (0 if is_named else 1)
        assert build.reports[CANDLE_ABSENCES.name]["session"].to_list() == [SESSIONS[-short]]
    # What comes later takes its place.
    feed.drop = lambda *_: ()
    absent = build.reports[CANDLE_ABSENCES.name].lazy()
    build = await refreshed(feed, monkeypatch, rows(build).lazy(), absent=absent, now=NOW + timedelta(days=1))
    assert sessions_of(build, "B") == list(SESSIONS)
    assert (build.missing, build.reports[CANDLE_ABSENCES.name].height) == ({}, 0)


async def test_a_share_that_is_not_active_may_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed("AB", drop=lambda symbol, _: SESSIONS[-11:] if symbol == "B" else ())
    build = await refreshed(feed, monkeypatch, None, inactive="B")
    assert (build.missing, build.statistics["symbols_ended"]) == ({}, 1)


async def test_a_hole_is_fetched_again_from_the_bar_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed("AB")
    hole = SESSIONS[20:23]
    build = await refreshed(feed, monkeypatch, {"A": FULL, "B": {day: 10.0 for day in FULL if day not in hole}})
    assert feed.asked == [{"A": SESSIONS[-11], "B": SESSIONS[19]}]
    assert sessions_of(build, "B") == list(SESSIONS)
    assert build.missing == {}


async def test_a_hole_that_the_feed_has_too_is_asked_for_twice_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hole = SESSIONS[20:23]
    feed = Feed("AB", drop=lambda symbol, _: hole if symbol == "B" else ())
    build = await refreshed(feed, monkeypatch, None)
    assert feed.asked == [{"A": START, "B": START}, {"B": SESSIONS[19]}]
    said = f"the feed has no bars of 3 sessions between others, from {hole[0]} to {hole[-1]}"
    assert build.missing == {"B": said}
    # An hour later it is asked for again; a day later the feed has had its chance, and the hole is known.
    for after, missing in ((timedelta(hours=1), {"B": said}), (timedelta(days=1), {})):
        absent = build.reports[CANDLE_ABSENCES.name].lazy()
        build = await refreshed(feed, monkeypatch, rows(build).lazy(), absent=absent, now=NOW + after)
        assert feed.asked[-1] == {"B": SESSIONS[19]}
        assert build.missing == missing
    assert build.reports[CANDLE_ABSENCES.name]["session"].to_list() == list(hole)
    before = len(feed.asked)
    absent = build.reports[CANDLE_ABSENCES.name].lazy()
    build = await refreshed(feed, monkeypatch, rows(build).lazy(), absent=absent, now=NOW + timedelta(days=2))
    assert feed.asked[before:] == [dict.fromkeys("AB", SESSIONS[-10])]
    assert (build.missing, build.statistics["bars_absent"]) == ({}, 3)
    # With --force it is asked for, and what comes takes its place.
    feed.drop = lambda *_: ()
    build = await refreshed(feed, monkeypatch, rows(build).lazy(), absent=absent, is_whole=True)
    assert sessions_of(build, "B") == list(SESSIONS)
    assert build.reports[CANDLE_ABSENCES.name].is_empty()


async def test_an_answer_without_the_bars_beside_a_hole_says_nothing_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hole = SESSIONS[20]
    feed = Feed("A", drop=lambda _, number: SESSIONS[19:25] if number > 1 else [hole])
    build = await refreshed(feed, monkeypatch, None)
    assert build.missing == {"A": f"the feed has no bar of {hole}, between others"}
    assert build.reports[CANDLE_ABSENCES.name].is_empty()


async def test_a_past_that_comes_much_shorter_replaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed("AB")
    feed.closes["B"] = dict.fromkeys(SESSIONS[-30:], 5.0)
    build = await refreshed(feed, monkeypatch, dict.fromkeys("AB", FULL))
    frame = rows(build).filter(symbol="B")
    assert (frame["session"].to_list(), set(frame["close"])) == (list(FULL), {10.0})
    assert build.missing == {
        "B": "its past was restated, and could not be fetched again: "
        f"what came again has 29 of its {len(FULL)} stored bars, and those stay as they are"
    }


async def test_a_past_that_comes_whole_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed("AB")
    # Of some hundred bars, the feed has forgotten the two oldest.
    feed.closes["B"] = dict.fromkeys(SESSIONS[2:], 5.0)
    build = await refreshed(feed, monkeypatch, dict.fromkeys("AB", FULL))
    frame = rows(build).filter(symbol="B")
    assert (frame["session"].to_list(), set(frame["close"])) == (list(SESSIONS[2:]), {5.0})
    assert build.missing == {}


async def test_a_whole_history_that_comes_short_is_named_and_the_stored_bars_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = Feed("AB", drop=lambda symbol, _: SESSIONS[:-30] if symbol == "B" else ())
    build = await refreshed(feed, monkeypatch, dict.fromkeys("AB", FULL), is_whole=True)
    assert feed.asked == [dict.fromkeys("AB", START)]
    assert sessions_of(build, "B") == list(SESSIONS)
    said = f"the feed answered with 29 of the {len(FULL)} stored bars that it was asked for; the others stay"
    assert build.missing == {"B": said}


@pytest.mark.parametrize(
    ("is_whole", "dropped", "said"),
    [
        (True, SESSIONS[60:61], "120 of the 121"),
        (True, SESSIONS[20:110:3], "91 of the 121"),
        (True, SESSIONS[-13:-1], "109 of the 121"),
        (True, SESSIONS[:11], "110 of the 121"),
        # A feed forgets its oldest bars one by one.
        (True, SESSIONS[:10], None),
        # Without --force, it is asked for ten sessions.
        (False, SESSIONS[-6:-1], "5 of the 10"),
        (False, SESSIONS[-11:-8], "7 of the 10"),
        (False, SESSIONS[-8:-7], "9 of the 10"),
        (False, SESSIONS[:60], None),
    ],
)
async def test_stored_sessions_that_are_not_answered_are_named(
    monkeypatch: pytest.MonkeyPatch, is_whole: bool, dropped: Sequence[date], said: str | None
) -> None:
    assert len(FULL) == 121
    feed = Feed("AB", drop=lambda symbol, _: dropped if symbol == "B" else ())
    build = await refreshed(feed, monkeypatch, dict.fromkeys("AB", FULL), is_whole=is_whole)
    reason = f"the feed answered with {said} stored bars that it was asked for; the others stay"
    assert build.missing == ({"B": reason} if said else {})
    assert sessions_of(build, "B") == list(SESSIONS)


async def test_a_clock_that_was_set_back_loses_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed("AB")
    with pytest.raises(CoverageError):
        await refreshed(feed, monkeypatch, dict.fromkeys("AB", FULL), now=NOW - timedelta(days=100))
    build = await refreshed(feed, monkeypatch, dict.fromkeys("AB", FULL), now=NOW - timedelta(days=5))
    for symbol in "AB":
        assert sessions_of(build, symbol) == list(FULL)


async def test_bars_that_an_earlier_version_stored_and_that_cannot_be_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad: dict[date, float] = {date(1950, 1, 3): 10.0, date(2199, 1, 3): 10.0, **FULL}
    bad |= {SESSIONS[5]: float("inf"), SESSIONS[9]: -5.0, SESSIONS[20]: 1e308}
    volumes = pl.when(pl.col("session") == SESSIONS[40]).then(float("-inf")).otherwise("volume")
    highs = pl.when(pl.col("session").is_in([SESSIONS[30], SESSIONS[50]])).then(99999.0).otherwise("high")
    lows = pl.when(pl.col("session") == SESSIONS[50]).then(10.5).otherwise("low")
    previous = stored({"A": FULL, "B": bad}).with_columns(volume=volumes, high=highs, low=lows)
    feed = Feed("AB")
    build = await refreshed(feed, monkeypatch, previous)
    # Of A, the bar whose close is below its low is asked for again.
    assert feed.asked == [{"A": SESSIONS[49], "B": SESSIONS[4]}]
    frame = rows(build)
    assert frame.filter(symbol="A")["session"].to_list() == list(SESSIONS)
    assert frame.filter(symbol="A", session=SESSIONS[30])["high"].to_list() == [None]
    assert frame.filter(symbol="B")["session"].to_list() == list(SESSIONS)
    assert set(frame["close"]) == {10.0}
    assert frame.filter(symbol="A", session=SESSIONS[40])["volume"].to_list() == [None]
    assert (build.missing, build.statistics["stored_bars_dropped"]) == ({}, 7)


DAYS = st.frozensets(st.sampled_from(SESSIONS[1:]), max_size=12)


NEWEST = frozenset(SESSIONS[-1:])


@settings(max_examples=examples(60))
@example(lost=frozenset(), always=frozenset(), answers=[NEWEST, NEWEST], runs=2, is_whole=False)
@given(lost=DAYS, always=DAYS, answers=st.lists(DAYS, max_size=3), runs=st.integers(1, 3), is_whole=st.booleans())
async def test_any_bars_that_are_dropped_are_restored_or_named(
    lost: frozenset[date], always: frozenset[date], answers: list[frozenset[date]], runs: int, is_whole: bool
) -> None:
    """Bars are dropped from the stored table, from every answer, and from some answers."""

    def drop(symbol: str, number: int) -> Collection[date]:
        some = answers[number - 1] if number <= len(answers) else frozenset[date]()
        return always | some if symbol == "B" else ()

    feed = Feed("AB", drop=drop)
    previous = stored({"A": FULL, "B": {day: 10.0 for day in FULL if day not in lost}})
    absent = None
    with pytest.MonkeyPatch.context() as monkeypatch:
        for run in range(runs):
            now = NOW + timedelta(days=run) * (run > 0)
            build = await refreshed(feed, monkeypatch, previous, absent=absent, now=now, is_whole=is_whole)
            previous, absent = rows(build).lazy(), build.reports[CANDLE_ABSENCES.name].lazy()
            left = set(SESSIONS) - set(sessions_of(build, "B"))
            known = set(build.reports[CANDLE_ABSENCES.name]["session"])
            # The newest session was not stored before, and may be lacking in each answer that it was asked in.
            assert left <= lost | always | {SESSIONS[-1]}
            assert not left or "B" in build.missing or left <= known
            # The feed has been asked for what is left, and has it not, or had it not when it was asked.
            assert all(day in always or any(day in each for each in answers) for day in left)
            assert sessions_of(build, "A") == list(SESSIONS)
