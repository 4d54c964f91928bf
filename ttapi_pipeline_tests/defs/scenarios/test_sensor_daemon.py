# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The loop of Dagster's sensor daemon over the whole code location, under a stopped clock."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorType, TickStatus
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration

from ttapi_pipeline_tests.support.keepers import ALL, MINUTES, MONDAY, SECONDS
from ttapi_pipeline_tests.support.listeners import webhook
from ttapi_pipeline_tests.support.outside import Outside

# The tester selects with a parameter that is in beta.
pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")

CODE_LOCATION = """
import asyncio
from dagster._time import get_current_datetime, get_current_timestamp
from ttapi_pipeline.datasets.registry import load_settings
from ttapi_pipeline.defs.assembly import build_definitions

class DagsterClock:
    now = staticmethod(get_current_datetime)
    monotonic = staticmethod(get_current_timestamp)

    async def sleep(self, seconds):
        await asyncio.sleep(0)

defs = build_definitions(load_settings(), clock=DagsterClock())
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


@pytest.fixture
def sensors(outside: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SensorDaemon]:
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
    # In files: the daemon opens the instance a second time.
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        yield SensorDaemon(instance, code, outside)


def test_it_fills_is_silent_refreshes_what_expires_and_goes_on_after_a_restart_and_a_failure(
    sensors: SensorDaemon, tmp_path: Path
) -> None:
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

        # A failure is recorded, and repeated at the retry tick: 15:41 and 21, 22, 31 minutes.
        sensors.outside.down = {"accounts"}
        sensors.tick(21 * MINUTES)
        assert sensors.instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])) == 1
        sensors.tick(1 * MINUTES)
        assert sensors.instance.get_runs_count() == 4
        record = json.loads((tmp_path / "data" / ".state" / "failures.jsonl").read_text())
        assert (record["dataset"], record["error"]) == ("accounts", "TransportError")
        sensors.outside.down = set()
        assert sensors.tick(9 * MINUTES) == {"accounts"}


def test_a_failure_is_told_at_the_next_tick_and_its_end_too_over_a_restart(
    sensors: SensorDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as hook:
        monkeypatch.setenv("TT_ALERT_URLS", hook.url)
        sensors.outside.down = {"accounts"}
        with sensors.started():
            assert sensors.tick() == ALL - {"accounts"}
            sensors.tick(31 * SECONDS)
            assert hook.titles == ["ttapi_pipeline: accounts failed"]
            sensors.tick(31 * SECONDS)
        sensors.outside.down = set()
        with sensors.started():
            assert sensors.tick(9 * MINUTES) == {"accounts"}
            sensors.tick(31 * SECONDS)
        assert hook.titles[1:] == ["ttapi_pipeline: accounts well again"]
        # Ticks that have nothing to start are skipped, and none failed.
        assert set(sensors.ticks("alerts")) == {TickStatus.SKIPPED}
