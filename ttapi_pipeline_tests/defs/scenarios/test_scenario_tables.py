# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Weeks of keeping datasets fresh, tick by tick, against tables written by hand.

After every tick Dagster's own opinions, the badge and the "unsynced" label, are compared with the verdict.

The dates are real: Monday 2026-11-16 and Tuesday 2026-11-17 are plain sessions, Thursday 2026-11-26 is Thanksgiving,
Friday 2026-11-27 a half day; New York is 5 hours behind UTC then. Daylight saving time ended on 2026-11-01.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import pytest

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.registry import DATASETS, load_settings
from ttapi_pipeline.defs.automation.schedules import close_request
from ttapi_pipeline.terminal.status_document import status_document
from ttapi_pipeline_tests.support.keepers import (
    ALL,
    BOTH_FORMS,
    DAILY,
    DAYS,
    EOD,
    HALF_A_MINUTE,
    HOURS,
    METRICS,
    MINUTES,
    SECONDS,
    Differences,
    Keeper,
    Names,
)

# The tester selects with a parameter that is in beta.
pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")

Opens = Callable[..., Keeper]


class TestADay:
    def test_a_first_fill_is_one_run_and_then_it_is_silent(self, keeper: Keeper) -> None:
        assert keeper.instance.get_runs_count() == 1
        assert keeper.disagreements() == set()
        for _ in range(3):
            assert keeper.tick(5 * MINUTES) == (set(), set())
        assert set(keeper.rules().values()) == {Rule.FRESH}
        assert keeper.disagreements() == set()

    @BOTH_FORMS
    def test_what_expires_in_two_days(self, keeper: Keeper) -> None:
        # After, asked for, and the same set built; and where Dagster disagrees.
        table: list[tuple[timedelta, Names, Differences]] = [
            (59 * MINUTES, set(), set()),
            (1 * MINUTES, {"accounts"}, set()),
            # Monday settled at 20:00 in New York. The badge wants what the schedule after the close brings, which does
            # not run here; the verdict gives a morning's bars their day.
            (22 * HOURS + 59 * MINUTES, {"accounts"}, {(name, "badge") for name in EOD}),
            # Monday's fill is a day old, and Monday has settled since.
            (1 * MINUTES, {"universe", *METRICS, "earnings", *EOD}, set()),
            (30 * MINUTES, set(), set()),
            (30 * MINUTES, {"accounts"}, set()),
        ]
        for after, expected, different in table:
            assert keeper.tick(after) == (expected, expected), keeper.clock.at
            assert keeper.disagreements() == different, keeper.clock.at

    @BOTH_FORMS
    @pytest.mark.parametrize("calendar_aware", [True, False])
    def test_each_ttl_alone(self, keeper: Keeper, calendar_aware: bool) -> None:
        keeper.clock.at += 20 * HOURS
        for name in DATASETS:
            others = dict.fromkeys(DATASETS, 30 * DAYS)
            ttls = MappingProxyType({**others, name: 2 * HOURS})
            settings = replace(keeper.settings, ttls=ttls, calendar_aware_ttl=calendar_aware)
            other = type(keeper)(settings, keeper.outside, keeper.instance, keeper.clock)
            assert other.requested() == {name}

    def test_two_hours_for_symbols_are_two_hours_for_verdict_grid_daemon_and_badge(
        self, keeper: Keeper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TT_TTL_SYMBOLS", "2h")
        month = dict.fromkeys(DATASETS, 30 * DAYS)
        ttls = MappingProxyType({**month, "symbols": load_settings().ttl(DATASETS["symbols"])})
        keeper.settings = replace(keeper.settings, ttls=ttls)
        assert keeper.tick() == (set(), set())
        for after, is_over in ((2 * HOURS - 1 * SECONDS, False), (1 * SECONDS, True)):
            keeper.clock.at += after
            assert (keeper.rules()["symbols"] is Rule.EXPIRED) is is_over
            (row,) = (each for each in status_document(keeper.statuses()) if each["dataset"] == "symbols")
            assert (row["ttl_seconds"], row["verdict"]) == (7200, "miss" if is_over else "hit")
            # The badge says what the verdict says.
            assert keeper.disagreements() == set()
            assert keeper.requested() == ({"symbols"} if is_over else set())

    def test_two_datasets_due_at_once_are_one_run(self, keeper: Keeper) -> None:
        before = keeper.instance.get_runs_count()
        asked, _ = keeper.tick(25 * HOURS)
        assert asked == DAILY
        assert keeper.instance.get_runs_count() == before + 1

    def test_a_run_by_hand_leaves_the_daemon_nothing_to_do(self, keeper: Keeper) -> None:
        keeper.clock.at += 1 * HOURS
        assert keeper.run("accounts")
        assert keeper.tick(HALF_A_MINUTE) == (set(), set())

    def test_a_run_by_hand_between_request_and_run_makes_the_run_a_hit(self, keeper: Keeper) -> None:
        keeper.clock.at += 1 * HOURS
        asked = keeper.requested()
        assert asked == {"accounts"}
        assert keeper.run("accounts")
        keeper.outside.built.clear()
        assert keeper.run(*asked)
        assert keeper.outside.built == []
        assert keeper.tick(HALF_A_MINUTE) == (set(), set())


class TestSessions:
    @BOTH_FORMS
    def test_thanksgiving_week(self, open_keeper: Opens) -> None:
        """Wednesday 20:15 to Monday, New York time; accounts, metrics and universe are given a month."""
        month = dict.fromkeys(DATASETS, 30 * DAYS)
        ttls = MappingProxyType({**month, **dict.fromkeys(EOD, 1 * DAYS)})
        keeper = open_keeper(datetime(2026, 11, 26, 1, 15, tzinfo=UTC), ttls=ttls)
        assert keeper.settle() == ALL
        holiday = {(name, "badge") for name in EOD}
        # New York time, what is built, and where Dagster disagrees.
        table: list[tuple[datetime, Names, Differences]] = [
            (datetime(2026, 11, 26, 16, 0, tzinfo=UTC), set(), set()),
            # Thursday 21:00: Dagster's deadline knows no Thanksgiving.
            (datetime(2026, 11, 27, 2, 30, tzinfo=UTC), set(), holiday),
            (datetime(2026, 11, 27, 16, 0, tzinfo=UTC), set(), holiday),
            # Friday 16:59: the half day closed at 13:00 and settles at 17:00.
            (datetime(2026, 11, 27, 21, 59, tzinfo=UTC), set(), holiday),
            (datetime(2026, 11, 27, 22, 0, tzinfo=UTC), EOD, set()),
            # Friday evening, Saturday, Sunday, Monday's morning and close: nothing can have changed.
            (datetime(2026, 11, 28, 3, 0, tzinfo=UTC), set(), set()),
            (datetime(2026, 11, 29, 12, 0, tzinfo=UTC), set(), set()),
            (datetime(2026, 11, 30, 16, 0, tzinfo=UTC), set(), set()),
            (datetime(2026, 11, 30, 23, 0, tzinfo=UTC), set(), set()),
            (datetime(2026, 12, 1, 1, 0, tzinfo=UTC), EOD, set()),
        ]
        for at, expected, different in table:
            assert keeper.settle(at - keeper.clock.at) == expected, at
            assert keeper.disagreements() == different, at

    @BOTH_FORMS
    @pytest.mark.parametrize(
        ("filled", "settles"),
        [
            # Friday 20:15 in New York in summer, and Monday 20:00 in winter.
            (datetime(2026, 10, 31, 0, 15, tzinfo=UTC), datetime(2026, 11, 3, 1, 0, tzinfo=UTC)),
            # The same from winter to summer.
            (datetime(2026, 3, 7, 1, 15, tzinfo=UTC), datetime(2026, 3, 10, 0, 0, tzinfo=UTC)),
        ],
    )
    def test_over_the_weekend_on_which_the_clocks_change(
        self, open_keeper: Opens, filled: datetime, settles: datetime
    ) -> None:
        month = dict.fromkeys(DATASETS, 30 * DAYS)
        keeper = open_keeper(filled, ttls=MappingProxyType({**month, **dict.fromkeys(EOD, 1 * DAYS)}))
        assert keeper.settle() == ALL
        for at, expected in ((settles - 1 * DAYS, set()), (settles - 1 * MINUTES, set()), (settles, EOD)):
            assert keeper.settle(at - keeper.clock.at) == expected, at
            assert keeper.disagreements() == set(), at

    @pytest.mark.parametrize(
        ("at", "asked"),
        [
            # Wednesday 17:15 and 20:15 New York time, winter.
            (datetime(2026, 11, 25, 22, 15, tzinfo=UTC), "settles at 20:00"),
            (datetime(2026, 11, 26, 1, 15, tzinfo=UTC), "2026-11-25"),
            # Thanksgiving, the half day after it, and its evening.
            (datetime(2026, 11, 27, 1, 15, tzinfo=UTC), "2026-11-26 is not a session"),
            (datetime(2026, 11, 27, 22, 15, tzinfo=UTC), "2026-11-27"),
            # The Fridays before and Mondays after the clocks change: 20:15 is 00:15 UTC in summer, 01:15 in winter.
            (datetime(2026, 10, 31, 0, 15, tzinfo=UTC), "2026-10-30"),
            (datetime(2026, 11, 3, 1, 15, tzinfo=UTC), "2026-11-02"),
            (datetime(2026, 3, 7, 1, 15, tzinfo=UTC), "2026-03-06"),
            (datetime(2026, 3, 10, 0, 15, tzinfo=UTC), "2026-03-09"),
        ],
    )
    def test_the_schedule_asks_once_a_session_has_settled(self, settings: Settings, at: datetime, asked: str) -> None:
        request = close_request(settings, at)
        if isinstance(request, dg.SkipReason):
            assert asked in (request.skip_message or "")
        else:
            assert request.tags["session"] == asked
            assert {key.to_user_string() for key in request.asset_selection or ()} == EOD | {*METRICS, "earnings"}

    @BOTH_FORMS
    def test_the_schedule_goes_by_the_stored_calendar(self, keeper: Keeper) -> None:
        # Monday's evening, after a fill in the morning: everything of the end of the day is behind.
        evening = datetime(2026, 11, 17, 1, 15, tzinfo=UTC)
        request = close_request(keeper.settings, evening)
        assert isinstance(request, dg.RunRequest)
        keeper.clock.at = evening
        assert keeper.run(*EOD, *METRICS, "earnings", force=True)
        again = close_request(keeper.settings, evening)
        assert isinstance(again, dg.SkipReason)
        # A closure that the packaged table does not know.
        keeper.outside.closures = {date(2026, 11, 18)}
        assert keeper.run("trading_calendar", force=True)
        closed = close_request(keeper.settings, datetime(2026, 11, 19, 1, 15, tzinfo=UTC))
        assert isinstance(closed, dg.SkipReason)
        assert closed.skip_message == "2026-11-18 is not a session"


class TestQuotes:
    """Every five minutes while the exchange is open, once after the close, and then not before the next open."""

    @pytest.fixture
    def quoting(self, open_keeper: Opens) -> Keeper:
        """Filled on the Wednesday before Thanksgiving at 15:50 in New York; nothing else expires."""
        ttls = MappingProxyType({**dict.fromkeys(DATASETS, 30 * DAYS), "quotes": 5 * MINUTES})
        keeper = open_keeper(datetime(2026, 11, 25, 20, 50, tzinfo=UTC), ttls=ttls)
        assert keeper.settle() == ALL
        return keeper

    @BOTH_FORMS
    def test_thanksgiving_week(self, quoting: Keeper) -> None:
        built, badge = {"quotes"}, {("quotes", "badge")}
        nothing: set[Any] = set()
        # UTC, what is built, and where Dagster disagrees: its deadlines know neither Thanksgiving nor the half day.
        table: list[tuple[datetime, Names, Differences]] = [
            (datetime(2026, 11, 25, 20, 54, 59, tzinfo=UTC), nothing, nothing),
            (datetime(2026, 11, 25, 20, 55, tzinfo=UTC), built, nothing),
            # 16:00 in New York: the first quotes from after the close.
            (datetime(2026, 11, 25, 21, 0, tzinfo=UTC), built, nothing),
            (datetime(2026, 11, 26, 1, 0, tzinfo=UTC), nothing, nothing),
            # Thanksgiving at noon.
            (datetime(2026, 11, 26, 17, 0, tzinfo=UTC), nothing, badge),
            (datetime(2026, 11, 27, 14, 29, 30, tzinfo=UTC), nothing, badge),
            # Friday opens at 9:30 and closes at 13:00.
            (datetime(2026, 11, 27, 14, 30, tzinfo=UTC), built, nothing),
            (datetime(2026, 11, 27, 14, 35, tzinfo=UTC), built, nothing),
            (datetime(2026, 11, 27, 17, 58, tzinfo=UTC), built, nothing),
            (datetime(2026, 11, 27, 18, 3, tzinfo=UTC), built, nothing),
            (datetime(2026, 11, 27, 20, 0, tzinfo=UTC), nothing, badge),
            (datetime(2026, 11, 28, 17, 0, tzinfo=UTC), nothing, badge),
            (datetime(2026, 11, 30, 14, 29, tzinfo=UTC), nothing, badge),
            (datetime(2026, 11, 30, 14, 30, tzinfo=UTC), built, nothing),
            # A plain session, and the night after it.
            (datetime(2026, 11, 30, 20, 58, tzinfo=UTC), built, nothing),
            (datetime(2026, 11, 30, 21, 3, tzinfo=UTC), built, nothing),
            (datetime(2026, 12, 1, 4, 0, tzinfo=UTC), nothing, nothing),
            (datetime(2026, 12, 1, 14, 29, tzinfo=UTC), nothing, nothing),
        ]
        for at, expected, different in table:
            assert quoting.settle(at - quoting.clock.at) == expected, at
            assert quoting.disagreements() == different, at
        # Before the first deadline of the day, at 10:00, the badge cannot turn red.
        quoting.clock.at = datetime(2026, 12, 1, 14, 45, tzinfo=UTC)
        assert quoting.rules()["quotes"] is Rule.EXPIRED
        assert quoting.disagreements() == badge

    @pytest.fixture
    def on_monday(self, keeper: Keeper) -> Keeper:
        """Filled while the exchange is open."""
        keeper.settings = replace(keeper.settings, ttls=MappingProxyType({"quotes": 5 * MINUTES}))
        return keeper

    @BOTH_FORMS
    def test_quotes_that_moved_rebuild_nothing_else(self, on_monday: Keeper) -> None:
        on_monday.outside.content["quotes"] += 1
        assert on_monday.settle(5 * MINUTES) == {"quotes"}
        assert on_monday.disagreements() == set()

    def test_quotes_that_fail_hold_nothing_else_back(self, on_monday: Keeper) -> None:
        on_monday.outside.down = {"quotes"}
        asked, built = on_monday.tick(5 * MINUTES)
        assert (asked, built) == ({"quotes"}, set())
        assert on_monday.run("universe", "symbols", force=True)
        assert set(on_monday.rules().items()) >= {("quotes", Rule.EXPIRED), ("symbols", Rule.FRESH)}


@BOTH_FORMS
@pytest.mark.parametrize(
    "every", [30 * MINUTES, pytest.param(5 * MINUTES, marks=pytest.mark.soak)], ids=["30_minutes", "5_minutes"]
)
def test_the_hit_rate_of_a_trading_week_is_what_the_ttls_imply(
    open_keeper: Opens, capsys: pytest.CaptureFixture[str], every: timedelta
) -> None:
    """A refresh every few minutes from Monday 10:00 to Saturday 10:00, as `tt refresh` from a crontab would."""
    # The accounts' hour would be 120 runs, and 20 show the same; five minutes of quotes would be 400.
    keeper = open_keeper(ttls=MappingProxyType({"accounts": 6 * HOURS, "quotes": 1 * HOURS}))
    keeper.run(*DATASETS)
    refreshes = 5 * DAYS // every
    misses: Counter[str] = Counter()
    for _ in range(refreshes):
        keeper.clock.at += every
        due = {name for name, each in keeper.statuses().items() if not each.verdict.is_hit}
        misses.update(due)
        if due:
            assert keeper.run(*due)
    expected = {
        "trading_calendar": 0,
        "expiration_series": 0,
        # Every 6 of 120 hours; the others every 24 hours, at 10:00 in New York.
        "accounts": 20,
        # Monday from 11:00 to 16:00, at whose close they become the closing ones; on the other four days from 9:30 to
        # 16:30, an hour after the last that were from before the close. Nothing at night and on Saturday.
        "quotes": 6 + 4 * 8,
        "universe": 5,
        "symbols": 5,
        "implied_volatility": 5,
        # Made of `symbols`, whose content is the same all week.
        "earnings": 5,
        # The same: Saturday's is Friday's session, settled on Friday at 20:00.
        **dict.fromkeys(EOD, 5),
    }
    lines = [
        f"{name:18} {1 - misses[name] / refreshes:8.2%}, {misses[name]} of {refreshes} fetched" for name in DATASETS
    ]
    with capsys.disabled():
        sys.stdout.write("\n".join([f"\nhit rate over a week, a refresh every {every}:", *lines, ""]))
    assert {name: misses[name] for name in DATASETS} == expected
