# SPDX-License-Identifier: MIT
"""Weeks of the daemon's life under a stopped clock, tick by tick, against tables written by hand.

The definitions, the conditions, the verdict and the storage are the real ones, on a Dagster instance; what is stood in
for is the outside: each dataset's builder makes one row out of a number, `Outside.content`, and of its inputs. After
every tick Dagster's own opinions, the badge and the "unsynced" label, are compared with the verdict.

The dates are real: Monday 2026-11-16 and Tuesday 2026-11-17 are plain sessions, Thursday 2026-11-26 is Thanksgiving,
Friday 2026-11-27 a half day; New York is 5 hours behind UTC then. Daylight saving time ended on 2026-11-01.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import (
    CronFreshnessPolicyEvaluator,
    TimeWindowFreshnessPolicyEvaluator,
)
from dagster._core.loader import LoadingContextForTest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorType, TickStatus
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration

from ttapi_pipeline.core.errors import TransportError
from ttapi_pipeline.core.sessions import session_hours, sessions_between
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets import registry as declarations
from ttapi_pipeline.datasets import status as survey_module
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.registry import DATASETS, load_settings
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.defs.assets import datasets as assets_module
from ttapi_pipeline.defs.automation.schedules import close_request
from ttapi_pipeline.defs.resources import CacheResource, StorageResource, api_resource
from ttapi_pipeline.terminal.status_grid import status_document

# The tester selects with a parameter that is in beta.
pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")

ALL = set(DATASETS)
METRICS = {"symbols", "implied_volatility"}
COMPUTED = {"returns_stddev", "volatility", "volatility_cone"}
EOD = {"daily_candles", "eod_snapshot", *COMPUTED}
DAILY = {"accounts", "universe", *METRICS, "earnings", *EOD}
MONDAY = datetime(2026, 11, 16, 15, 0, tzinfo=UTC)
"""10:00 in New York."""

SECONDS, MINUTES, HOURS, DAYS = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


class StoppedClock:
    """The time is what the test says."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class Outside:
    """What the broker and the exchange would answer: a number per dataset; a name in `down` does not answer."""

    content: Counter[str] = field(default_factory=Counter)
    down: set[str] = field(default_factory=set)
    last_session: date = date(2027, 12, 31)
    built: list[str] = field(default_factory=list)

    def row(self, name: str, now: datetime, *inputs: pl.LazyFrame | pl.DataFrame) -> Build:
        """One row in the dataset's schema, a function of its number and of the numbers of its inputs."""
        if name in self.down:
            raise TransportError(f"{name}: no answer")
        self.built.append(name)
        number = float(self.content[name]) + sum(1000 * _number(each) for each in inputs)
        schema = DATASETS[name].schema.polars
        values = {column: _value(column, dtype, number, now) for column, dtype in schema.items()}
        return Build(frame=pl.DataFrame([values], schema=schema))

    def calendar(self, now: datetime) -> Build:
        if "trading_calendar" in self.down:
            raise TransportError("trading_calendar: no answer")
        self.built.append("trading_calendar")
        hours = [session_hours(day) for day in sessions_between(date(2026, 1, 2), self.last_session)]
        schema = DATASETS["trading_calendar"].schema.polars
        rows = [(each.session, each.opens_at, each.closes_at, each.is_half_day, "test", now) for each in hours]
        return Build(frame=pl.DataFrame(rows, schema=schema, orient="row"))


def _value(column: str, dtype: pl.DataType, number: float, now: datetime) -> Any:
    if column == "fetched_at":
        return now
    match dtype:
        case pl.String():
            return "x"
        case pl.Boolean():
            return True
        case pl.Date():
            return date(2026, 11, 13)
        case pl.Datetime():
            return datetime(2026, 11, 13, tzinfo=UTC)
        case pl.Float64():
            return number
        case _:
            return int(number)


def _number(frame: pl.LazyFrame | pl.DataFrame) -> float:
    """The number of a frame that `row` made: that of its first numeric column; of a universe, its name's length."""
    row = frame.lazy().select(pl.selectors.numeric()).collect()
    return float(row.row(0)[0] or 0.0) if row.width else 0.0


def stand_in(monkeypatch: pytest.MonkeyPatch, outside: Outside) -> None:
    """Replace the builders of every dataset."""

    def fetched(name: str, *read: int) -> Callable[..., Any]:
        async def build(*inputs: Any, now: datetime, **_: Any) -> Build:
            return outside.row(name, now, *(inputs[place] for place in read))

        return build

    def computed(name: str, *read: int) -> Callable[..., Any]:
        def build(*inputs: Any, now: datetime, **_: Any) -> Build:
            return outside.row(name, now, *(inputs[place] for place in read))

        return build

    def snapshot(_folder: Any, candles: Any, _calendar: Any, *, metastock_version: str, **_: Any) -> Build:
        built = outside.row("eod_snapshot", MONDAY, candles)
        volume = float(int(metastock_version.encode().hex()[-6:], 16))
        return replace(
            built, frame=built.frame.lazy().with_columns(volume=volume), inputs={"metastock_files": metastock_version}
        )

    async def calendar(_client: Any, *, now: datetime) -> Build:
        return outside.calendar(now)

    stand_ins: Mapping[str, Callable[..., Any]] = {
        "trading_calendar": calendar,
        "accounts": fetched("accounts"),
        "universe": fetched("universe"),
        "symbols": fetched("symbols"),
        "implied_volatility": fetched("implied_volatility"),
        "earnings": computed("earnings", 0),
        "quotes": fetched("quotes"),
        # It reads the universe and the calendar, and both leave this row as it is.
        "expiration_series": fetched("expiration_series"),
        "daily_candles": fetched("daily_candles"),
        "eod_snapshot": snapshot,
        "returns_stddev": computed("returns_stddev", 0, 1, 2),
        "volatility": computed("volatility", 0, 1),
        "volatility_cone": computed("volatility_cone", 0),
    }
    for name, function in stand_ins.items():
        monkeypatch.setattr(f"ttapi_pipeline.datasets.{name}.build.build_{name}", function)


class Daemon:
    """The sensor and its runs on a Dagster instance, as the daemon would drive them."""

    def __init__(self, settings: Settings, outside: Outside, instance: dg.DagsterInstance, clock: StoppedClock) -> None:
        self.settings, self.outside, self.instance, self.clock = settings, outside, instance, clock
        self.cursor: Any = None
        self.load()

    def load(self) -> None:
        """The code location, as a restart of the daemon loads it."""
        self.definitions = dg.Definitions(
            assets=assets_module.build_assets(self.settings, clock=self.clock),
            resources={
                "io_manager": StorageResource(base_dir=self.settings.data_dir),
                "cache": CacheResource(),
                "api": api_resource(self.settings, clock=self.clock),
            },
            executor=dg.in_process_executor,
        )
        self.graph = self.definitions.resolve_asset_graph()
        self.job = self.definitions.resolve_implicit_global_asset_job_def()

    def requested(self) -> set[str]:
        """What the sensor asks for at this tick."""
        with freeze_time(self.clock.at):
            result = dg.evaluate_automation_conditions(
                self.definitions, self.instance, evaluation_time=self.clock.at, cursor=self.cursor
            )
        self.cursor = result.cursor
        return {name for name in DATASETS if result.get_num_requested(dg.AssetKey(name))}

    def run(self, *names: str, force: bool = False) -> bool:
        """One run of these assets; whether it succeeded."""
        with freeze_time(self.clock.at):
            result = self.job.execute_in_process(
                instance=self.instance,
                asset_selection=[dg.AssetKey(name) for name in names],
                run_config={
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    "resources": {"cache": {"config": {"force": force}}},
                },
                raise_on_error=False,
            )
        return result.success

    def tick(self, after: timedelta = timedelta(0)) -> tuple[set[str], set[str]]:
        """One tick of the sensor, with its run: what was asked for, and what was built."""
        self.clock.at += after
        self.outside.built.clear()
        asked = self.requested()
        if asked:
            self.run(*asked)
        return asked, set(self.outside.built)

    def settle(self, after: timedelta = timedelta(0)) -> set[str]:
        """Ticks half a minute apart until nothing more is asked for: everything that was built meanwhile."""
        asked, built = self.tick(after)
        while asked:
            asked, more = self.tick(timedelta(seconds=30))
            built |= more
        return built

    def rules(self) -> Mapping[str, Rule]:
        """The rule behind each verdict."""
        return {name: each.verdict.rule for name, each in read_statuses(self.settings, now=self.clock.at).items()}

    def disagreements(self) -> set[tuple[str, str]]:
        """Where Dagster's badge or label says another thing than the verdict."""
        found = set()
        with freeze_time(self.clock.at):
            context = LoadingContextForTest(self.instance)
            resolver = CachingStaleStatusResolver(self.instance, self.graph, context)
            for name, rule in self.rules().items():
                node = self.graph.get(dg.AssetKey(name))
                is_unsynced = resolver.get_status(node.key) is StaleStatus.STALE
                if is_unsynced != (rule in {Rule.UPSTREAM, Rule.CODE_VERSION}):
                    found.add((name, "unsynced"))
                is_windowed = hasattr(node.freshness_policy, "fail_window")
                evaluator = TimeWindowFreshnessPolicyEvaluator() if is_windowed else CronFreshnessPolicyEvaluator()
                # A loading context belongs to one event loop.
                state = asyncio.run(evaluator.evaluate_freshness(LoadingContextForTest(self.instance), node))
                if (state is FreshnessState.FAIL) != (rule is Rule.EXPIRED):
                    found.add((name, "badge"))
        return found


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    made = Outside()
    stand_in(monkeypatch, made)
    # A second attempt within a run waits for seconds of the machine's clock.
    monkeypatch.setattr("ttapi_pipeline.defs.failures.FETCH_RETRY", dg.RetryPolicy(max_retries=0))
    return made


@pytest.fixture
def open_daemon(outside: Outside, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Opens a daemon over a data folder of its own; a second one is over the same folder."""
    opened: list[AbstractContextManager[dg.DagsterInstance]] = []
    (tmp_path / "metastock").mkdir()
    (tmp_path / "metastock" / "IBM.csv").write_text("one")
    settings = replace(
        Settings(),
        # Nothing listens there, and nothing asks.
        api_url="http://127.0.0.1:9",
        data_dir=str(tmp_path / "data"),
        metastock_dir=tmp_path / "metastock",
        # Their five minutes are a scenario of their own.
        ttls=MappingProxyType({**Settings().ttls, "quotes": 30 * DAYS}),
    )

    def start(at: datetime = MONDAY, instance: dg.DagsterInstance | None = None, **changed: Any) -> Daemon:
        if instance is None:
            manager = dg.DagsterInstance.ephemeral()
            opened.append(manager)
            instance = manager.__enter__()
        return Daemon(replace(settings, **changed), outside, instance, StoppedClock(at))

    yield start
    for manager in reversed(opened):
        manager.__exit__(None, None, None)


@pytest.fixture
def daemon(open_daemon: Callable[..., Daemon]) -> Daemon:
    """Filled on Monday at 10:00 in New York."""
    filled = open_daemon()
    assert filled.tick() == (ALL, ALL)
    return filled


class TestADay:
    def test_a_first_fill_is_one_run_and_then_it_is_silent(self, daemon: Daemon) -> None:
        assert daemon.disagreements() == set()
        for _ in range(3):
            assert daemon.tick(5 * MINUTES) == (set(), set())
        assert set(daemon.rules().values()) == {Rule.FRESH}
        assert daemon.disagreements() == set()

    def test_what_expires_in_two_days(self, daemon: Daemon) -> None:
        # After, asked for, and the same set built; and where Dagster disagrees.
        table: list[tuple[timedelta, set[str], set[tuple[str, str]]]] = [
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
            assert daemon.tick(after) == (expected, expected), daemon.clock.at
            assert daemon.disagreements() == different, daemon.clock.at

    @pytest.mark.parametrize("calendar_aware", [True, False])
    def test_each_ttl_alone(self, daemon: Daemon, calendar_aware: bool) -> None:
        daemon.clock.at += 20 * HOURS
        for name in DATASETS:
            others = dict.fromkeys(DATASETS, 30 * DAYS)
            ttls = MappingProxyType({**others, name: 2 * HOURS})
            settings = replace(daemon.settings, ttls=ttls, calendar_aware_ttl=calendar_aware)
            other = Daemon(settings, daemon.outside, daemon.instance, daemon.clock)
            assert other.requested() == {name}

    def test_two_hours_for_symbols_are_two_hours_for_verdict_grid_daemon_and_badge(
        self, open_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TT_TTL_SYMBOLS", "2h")
        month = dict.fromkeys(DATASETS, 30 * DAYS)
        daemon = open_daemon(ttls=MappingProxyType({**month, "symbols": load_settings().ttl(DATASETS["symbols"])}))
        assert daemon.tick() == (ALL, ALL)
        for after, is_over in ((2 * HOURS - 1 * SECONDS, False), (1 * SECONDS, True)):
            daemon.clock.at += after
            assert (daemon.rules()["symbols"] is Rule.EXPIRED) is is_over
            (row,) = (
                each
                for each in status_document(read_statuses(daemon.settings, now=daemon.clock.at))
                if each["dataset"] == "symbols"
            )
            assert (row["ttl_seconds"], row["verdict"]) == (7200, "miss" if is_over else "hit")
            # The badge says what the verdict says.
            assert daemon.disagreements() == set()
            assert daemon.requested() == ({"symbols"} if is_over else set())

    def test_two_datasets_due_at_once_are_one_run(self, daemon: Daemon) -> None:
        before = daemon.instance.get_runs_count()
        asked, _ = daemon.tick(25 * HOURS)
        assert asked == DAILY
        assert daemon.instance.get_runs_count() == before + 1

    def test_a_run_by_hand_leaves_the_daemon_nothing_to_do(self, daemon: Daemon) -> None:
        daemon.clock.at += 1 * HOURS
        assert daemon.run("accounts")
        assert daemon.tick(30 * timedelta(seconds=1)) == (set(), set())

    def test_a_run_by_hand_between_request_and_run_makes_the_run_a_hit(self, daemon: Daemon) -> None:
        daemon.clock.at += 1 * HOURS
        asked = daemon.requested()
        assert asked == {"accounts"}
        assert daemon.run("accounts")
        daemon.outside.built.clear()
        assert daemon.run(*asked)
        assert daemon.outside.built == []
        assert daemon.tick(30 * timedelta(seconds=1)) == (set(), set())


class TestChange:
    def test_a_calendar_that_changed_rebuilds_the_series_alone_when_that_comes_out_the_same(
        self, daemon: Daemon
    ) -> None:
        daemon.outside.last_session = date(2027, 12, 30)
        daemon.run("trading_calendar", force=True)
        assert daemon.rules()["expiration_series"] is Rule.UPSTREAM
        # Dagster calls every reader of the calendar unsynced; to those that consult it, its change is no reason.
        assert daemon.disagreements() == {(name, "unsynced") for name in EOD}
        assert daemon.settle() == {"expiration_series"}

    def test_and_the_stddev_when_the_series_came_out_different(self, daemon: Daemon) -> None:
        daemon.outside.last_session = date(2027, 12, 30)
        daemon.outside.content["expiration_series"] += 1
        daemon.run("trading_calendar", force=True)
        assert daemon.tick() == ({"expiration_series"}, {"expiration_series"})
        # A level per tick: what is below is asked for when its input is there.
        assert daemon.tick(30 * timedelta(seconds=1)) == ({"returns_stddev"}, {"returns_stddev"})
        assert daemon.tick(30 * timedelta(seconds=1)) == (set(), set())

    def test_a_calendar_fetched_again_without_change_rebuilds_nothing(self, daemon: Daemon) -> None:
        daemon.clock.at += 10 * MINUTES
        daemon.run("trading_calendar", force=True)
        assert daemon.settle() == set()
        assert daemon.disagreements() == set()

    def test_new_metrics_rebuild_neither_chains_nor_candles(self, daemon: Daemon) -> None:
        for name in METRICS:
            daemon.outside.content[name] += 1
        daemon.run("symbols", "implied_volatility", force=True)
        # The dates among them are looked through again; they are the same.
        assert daemon.settle() == {"earnings", "returns_stddev", "volatility"}
        assert daemon.disagreements() == set()

    def test_a_new_metastock_file_rebuilds_the_snapshot_and_what_is_computed_from_it(self, daemon: Daemon) -> None:
        assert daemon.settings.metastock_dir is not None
        (daemon.settings.metastock_dir / "KO.csv").write_text("two")
        assert daemon.tick(30 * timedelta(seconds=1)) == ({"eod_snapshot"}, {"eod_snapshot"})
        assert daemon.settle(30 * timedelta(seconds=1)) == COMPUTED
        assert daemon.disagreements() == set()

    def test_a_new_code_version_rebuilds_its_dataset_and_below_only_on_change(
        self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed = MappingProxyType({**DATASETS, "universe": replace(DATASETS["universe"], code_version="next")})
        for module in (declarations, assets_module, survey_module):
            monkeypatch.setattr(module, "DATASETS", changed)
        daemon.load()
        assert daemon.rules()["universe"] is Rule.CODE_VERSION
        assert daemon.disagreements() == set()
        assert daemon.settle(timedelta(seconds=30)) == {"universe"}


class TestTrouble:
    def test_an_upstream_that_fails_for_hours_is_tried_at_the_retry_ticks_and_recovers(self, daemon: Daemon) -> None:
        daemon.outside.down = {"accounts"}
        daemon.clock.at += 59 * MINUTES
        asked = [daemon.tick(4 * MINUTES)[0] for _ in range(31)]
        # Two hours from 16:03: at once, and then at the first tick after each ten minutes up to 18:00.
        assert Counter(map(frozenset, asked)) == {frozenset({"accounts"}): 1 + 12, frozenset(): 31 - 13}
        assert daemon.rules()["accounts"] is Rule.EXPIRED
        daemon.outside.down = set()
        assert daemon.settle(10 * MINUTES) == {"accounts"}
        assert daemon.tick(2 * MINUTES) == (set(), set())

    def test_what_is_below_a_failed_dataset_keeps_its_data_and_waits(self, daemon: Daemon) -> None:
        daemon.outside.down = {"daily_candles"}
        versions = {name: each.manifest for name, each in read_statuses(daemon.settings, now=MONDAY).items()}
        asked, built = daemon.tick(24 * HOURS)
        assert asked == DAILY
        # The snapshot is computed below the candles, and is skipped with what is below it.
        assert built == DAILY - EOD
        kept = read_statuses(daemon.settings, now=daemon.clock.at)
        assert {name for name in EOD if kept[name].manifest == versions[name]} == EOD
        daemon.outside.down = set()
        assert daemon.settle(11 * MINUTES) == EOD

    def test_a_restart_of_the_daemon_loses_nothing(self, daemon: Daemon) -> None:
        daemon.clock.at += 1 * HOURS
        daemon.load()
        daemon.cursor = None
        assert daemon.tick() == ({"accounts"}, {"accounts"})
        daemon.load()
        daemon.cursor = None
        assert daemon.tick(30 * timedelta(seconds=1)) == (set(), set())

    def test_a_new_instance_adopts_what_is_stored_and_fetches_nothing(
        self, daemon: Daemon, open_daemon: Callable[..., Daemon]
    ) -> None:
        other = open_daemon(MONDAY + 5 * MINUTES)
        assert other.tick() == (ALL, set())
        assert other.tick(30 * timedelta(seconds=1)) == (set(), set())
        assert other.disagreements() == set()

    def test_a_new_instance_with_an_expired_root_refreshes_the_root_alone(
        self, daemon: Daemon, open_daemon: Callable[..., Daemon]
    ) -> None:
        late = MappingProxyType({**daemon.settings.ttls, "universe": 2 * HOURS, "accounts": 9 * HOURS})
        other = open_daemon(MONDAY + 3 * HOURS, ttls=late)
        assert other.tick() == (ALL, {"universe"})
        assert other.tick(30 * timedelta(seconds=1)) == (set(), set())

    def test_a_clock_that_jumped_back_makes_everything_again_once(self, daemon: Daemon) -> None:
        assert daemon.settle(-2 * HOURS) == ALL
        assert set(daemon.rules().values()) == {Rule.FRESH}

    def test_a_clock_that_jumped_back_by_seconds_changes_nothing(self, daemon: Daemon) -> None:
        assert daemon.tick(-timedelta(seconds=20)) == (set(), set())


class TestSessions:
    def test_thanksgiving_week_by_the_sensor(self, open_daemon: Callable[..., Daemon]) -> None:
        """Wednesday 20:15 to Monday, New York time; accounts, metrics and universe are given a month."""
        month = dict.fromkeys(DATASETS, 30 * DAYS)
        ttls = MappingProxyType({**month, **dict.fromkeys(EOD, 1 * DAYS)})
        daemon = open_daemon(datetime(2026, 11, 26, 1, 15, tzinfo=UTC), ttls=ttls)
        assert daemon.settle() == ALL
        holiday = {(name, "badge") for name in EOD}
        # New York time, what is built, and where Dagster disagrees.
        table: list[tuple[datetime, set[str], set[tuple[str, str]]]] = [
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
            assert daemon.settle(at - daemon.clock.at) == expected, at
            assert daemon.disagreements() == different, at

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
        self, open_daemon: Callable[..., Daemon], filled: datetime, settles: datetime
    ) -> None:
        month = dict.fromkeys(DATASETS, 30 * DAYS)
        daemon = open_daemon(filled, ttls=MappingProxyType({**month, **dict.fromkeys(EOD, 1 * DAYS)}))
        assert daemon.settle() == ALL
        for at, expected in ((settles - 1 * DAYS, set()), (settles - 1 * MINUTES, set()), (settles, EOD)):
            assert daemon.settle(at - daemon.clock.at) == expected, at
            assert daemon.disagreements() == set(), at

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
    def test_the_schedule_asks_once_a_session_has_settled(
        self, open_daemon: Callable[..., Daemon], at: datetime, asked: str
    ) -> None:
        request = close_request(open_daemon().settings, at)
        if isinstance(request, dg.SkipReason):
            assert asked in (request.skip_message or "")
        else:
            assert request.tags["session"] == asked
            assert {key.to_user_string() for key in request.asset_selection or ()} == EOD

    def test_the_schedule_goes_by_the_stored_calendar(self, daemon: Daemon) -> None:
        # Monday's evening, after a fill in the morning: everything of the end of the day is behind.
        evening = datetime(2026, 11, 17, 1, 15, tzinfo=UTC)
        request = close_request(daemon.settings, evening)
        assert isinstance(request, dg.RunRequest)
        daemon.clock.at = evening
        assert daemon.run(*EOD, force=True)
        again = close_request(daemon.settings, evening)
        assert isinstance(again, dg.SkipReason)
        # A closure that the packaged table does not know.
        calendar = pl.read_parquet(Path(daemon.settings.data_dir) / "trading_calendar.parquet")
        daemon.outside.calendar = lambda now: Build(  # type: ignore[method-assign]
            frame=calendar.filter(pl.col("session") != date(2026, 11, 18)).with_columns(fetched_at=now)
        )
        assert daemon.run("trading_calendar", force=True)
        closed = close_request(daemon.settings, datetime(2026, 11, 19, 1, 15, tzinfo=UTC))
        assert isinstance(closed, dg.SkipReason)
        assert closed.skip_message == "2026-11-18 is not a session"


class TestQuotes:
    """Every five minutes while the exchange is open, once after the close, and then not before the next open."""

    @pytest.fixture
    def quoting(self, open_daemon: Callable[..., Daemon]) -> Daemon:
        """Filled on the Wednesday before Thanksgiving at 15:50 in New York; nothing else expires."""
        ttls = MappingProxyType({**dict.fromkeys(DATASETS, 30 * DAYS), "quotes": 5 * MINUTES})
        daemon = open_daemon(datetime(2026, 11, 25, 20, 50, tzinfo=UTC), ttls=ttls)
        assert daemon.settle() == ALL
        return daemon

    def test_thanksgiving_week_by_the_sensor(self, quoting: Daemon) -> None:
        built, badge = {"quotes"}, {("quotes", "badge")}
        nothing: set[Any] = set()
        # UTC, what is built, and where Dagster disagrees: its deadlines know neither Thanksgiving nor the half day.
        table: list[tuple[datetime, set[str], set[tuple[str, str]]]] = [
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

    def test_quotes_that_moved_rebuild_nothing_else(self, quoting: Daemon) -> None:
        quoting.outside.content["quotes"] += 1
        assert quoting.settle(5 * MINUTES) == {"quotes"}
        assert quoting.disagreements() == set()

    def test_quotes_that_fail_hold_nothing_else_back(self, quoting: Daemon) -> None:
        quoting.outside.down = {"quotes"}
        asked, built = quoting.tick(5 * MINUTES)
        assert (asked, built) == ({"quotes"}, set())
        assert quoting.run("universe", "symbols", force=True)
        assert set(quoting.rules().items()) >= {("quotes", Rule.EXPIRED), ("symbols", Rule.FRESH)}


def test_the_hit_rate_of_a_trading_week_is_what_the_ttls_imply(
    open_daemon: Callable[..., Daemon], capsys: pytest.CaptureFixture[str]
) -> None:
    """A refresh every five minutes from Monday 10:00 to Saturday 10:00, as `tt refresh` from a crontab would."""
    # The accounts' hour would be 120 runs, and 20 show the same; five minutes of quotes would be 400.
    daemon = open_daemon(ttls=MappingProxyType({**Settings().ttls, "accounts": 6 * HOURS, "quotes": 1 * HOURS}))
    daemon.run(*DATASETS)
    refreshes = 5 * 24 * 12
    misses: Counter[str] = Counter()
    for _ in range(refreshes):
        daemon.clock.at += 5 * MINUTES
        due = {
            name
            for name, each in read_statuses(daemon.settings, now=daemon.clock.at).items()
            if not each.verdict.is_hit
        }
        misses.update(due)
        if due:
            assert daemon.run(*due)
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
        sys.stdout.write("\n".join(["\nhit rate over a week, a refresh every 5 minutes:", *lines, ""]))
    assert {name: misses[name] for name in DATASETS} == expected


CODE_LOCATION = """
import asyncio
from dagster._time import get_current_datetime, get_current_timestamp
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions

class DagsterClock:
    now = staticmethod(get_current_datetime)
    monotonic = staticmethod(get_current_timestamp)

    async def sleep(self, seconds):
        await asyncio.sleep(0)

defs = build_definitions(Settings.load(), clock=DagsterClock())
"""
"""The definitions of a user, except that their clock is the one that `freeze_time` stops."""


class SensorDaemon:
    """The sensor daemon's own loop over the whole code location: ticks and cursors, run requests, launched runs."""

    def __init__(self, instance: dg.DagsterInstance, code: Path, outside: Outside) -> None:
        self.instance, self.code, self.outside, self.at = instance, code, outside, MONDAY

    @contextmanager
    def started(self) -> Iterator[None]:
        """A daemon process's life, from loading the code location to its end."""
        origin = LoadableTargetOrigin(executable_path=sys.executable, python_file=str(self.code), attribute="defs")
        target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin, location_name="ours"))
        with create_test_daemon_workspace_context(target, self.instance) as self.workspace:
            yield

    def tick(self, after: timedelta = timedelta(0)) -> set[str]:
        """One iteration over every sensor that is on; what was built by the runs that it launched."""
        self.at += after
        self.outside.built.clear()
        with freeze_time(self.at):
            errors = [
                each for each in execute_sensor_iteration(self.workspace, logging.getLogger(), None, None) if each
            ]
        assert errors == []
        return set(self.outside.built)

    def ticks(self, sensor: str) -> list[TickStatus]:
        """How the ticks of one sensor ended, oldest first."""
        states = self.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        (state,) = (each for each in states if each.instigator_name == sensor)
        return [
            tick.status for tick in reversed(self.instance.get_ticks(state.instigator_origin_id, state.selector_id))
        ]


class TestTheDaemonItself:
    @pytest.fixture
    def sensors(self, outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SensorDaemon]:
        (tmp_path / "metastock").mkdir()
        code = tmp_path / "code_location.py"
        code.write_text(CODE_LOCATION)
        monkeypatch.chdir(tmp_path)
        for name, value in {
            "TT_API_URL": "http://127.0.0.1:9",
            "TT_DATA_DIR": str(tmp_path / "data"),
            "TT_METASTOCK_DIR": str(tmp_path / "metastock"),
            "TT_TTL_ACCOUNTS": "20m",
            "TT_TTL_QUOTES": "1d",
        }.items():
            monkeypatch.setenv(name, value)
        overrides = {
            "telemetry": {"enabled": False},
            # A run is executed where it is launched, and is over when the tick is.
            "run_coordinator": {
                "module": "dagster._core.run_coordinator.default_run_coordinator",
                "class": "DefaultRunCoordinator",
            },
            "run_launcher": {
                "module": "dagster._core.launcher.sync_in_memory_run_launcher",
                "class": "SyncInMemoryRunLauncher",
            },
        }
        with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
            yield SensorDaemon(instance, code, outside)

    def test_it_fills_is_silent_refreshes_what_expires_and_goes_on_after_a_restart(self, sensors: SensorDaemon) -> None:
        with sensors.started():
            assert sensors.tick() == ALL
            assert sensors.instance.get_runs_count() == 1
            assert sensors.tick(31 * SECONDS) == set()
            assert sensors.tick(10 * MINUTES) == set()
            assert sensors.tick(10 * MINUTES) == {"accounts"}
        with sensors.started():
            assert sensors.tick(31 * SECONDS) == set()
            assert sensors.tick(20 * MINUTES) == {"accounts"}
        assert sensors.instance.get_runs_count() == 3
        asked, silent = TickStatus.SUCCESS, TickStatus.SKIPPED
        assert sensors.ticks("refresh_when_due") == [asked, silent, silent, asked, silent, asked]

    def test_a_failure_is_recorded_and_repeated_at_the_retry_tick(self, sensors: SensorDaemon, tmp_path: Path) -> None:
        with sensors.started():
            assert sensors.tick() == ALL
            sensors.outside.down = {"accounts"}
            # 15:00 and 21, 22, 31 minutes.
            sensors.tick(21 * MINUTES)
            assert sensors.instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])) == 1
            sensors.tick(1 * MINUTES)
            assert sensors.instance.get_runs_count() == 2
            record = json.loads((tmp_path / "data" / ".state" / "failures.jsonl").read_text())
            assert (record["dataset"], record["error"]) == ("accounts", "TransportError")
            sensors.outside.down = set()
            assert sensors.tick(9 * MINUTES) == {"accounts"}
