# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The project's own `dagster.yaml`: the limits and the housekeeping that the definitions rely on."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.scheduler.instigation import InstigatorType, TickStatus
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.conditions import refresh_sensor
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL, RUN_TAGS
from ttapi_pipeline.defs.operations.lost_runs import end_lost_runs, lost_runs_sensor

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """As the file makes it, in a folder of its own."""
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@dg.job
def job() -> None: ...


def started(instance: dg.DagsterInstance, *, pid: int | None = None) -> str:
    """A run that counts as started, in that process."""
    run = instance.create_run_for_job(job, tags=RUN_TAGS)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", run.job_name), run.run_id)
    if pid is not None:
        instance.report_engine_event("Executing steps in process", run, EngineEventData.in_process(pid))
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_its_files_stay_in_the_data_folder(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    started(instance)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dagster.yaml", "data"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".dagster"]


def test_two_runs_never_fetch_at_the_same_time(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    assert storage.initialize_concurrency_limit_to_default(BROKER_POOL)
    first, second = started(instance), started(instance)
    assert storage.claim_concurrency_slot(BROKER_POOL, first, "accounts").is_claimed
    assert not storage.claim_concurrency_slot(BROKER_POOL, second, "symbols").is_claimed
    # Two steps of one run do not either.
    assert not storage.claim_concurrency_slot(BROKER_POOL, first, "universe").is_claimed
    storage.free_concurrency_slots_for_run(first)
    assert storage.claim_concurrency_slot(BROKER_POOL, second, "symbols").is_claimed


def test_a_run_that_takes_longer_than_its_tag_says_is_ended_and_gives_its_slot_back(
    instance: dg.DagsterInstance,
) -> None:
    assert instance.run_monitoring_enabled
    assert int(RUN_TAGS["dagster/max_runtime"]) < instance.run_monitoring_max_runtime_seconds
    with freeze_time(NOW):
        run_id = started(instance)
    storage = instance.event_log_storage
    assert storage.initialize_concurrency_limit_to_default(BROKER_POOL)
    assert storage.claim_concurrency_slot(BROKER_POOL, run_id, "accounts").is_claimed
    hour = timedelta(seconds=int(RUN_TAGS["dagster/max_runtime"]))
    with create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as workspace:
        for after, expected in (
            (hour - timedelta(seconds=1), dg.DagsterRunStatus.STARTED),
            (hour + timedelta(seconds=1), dg.DagsterRunStatus.FAILURE),
        ):
            with freeze_time(NOW + after):
                assert not any(execute_run_monitoring_iteration(workspace, logging.getLogger()))
            assert status(instance, run_id) is expected
            assert storage.get_concurrency_info(BROKER_POOL).active_run_ids == {run_id}
        with freeze_time(NOW + hour + timedelta(minutes=2)):
            assert not any(execute_concurrency_slots_iteration(workspace, logging.getLogger()))
    assert storage.get_concurrency_info(BROKER_POOL).active_run_ids == set()


# The sensor has a parameter that is in beta.
@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
def test_every_job_and_what_the_sensor_asks_for_carry_the_tag() -> None:
    limit = "dagster/max_runtime"
    jobs = build_definitions(Settings()).get_repository_def().get_all_jobs()
    # Dagster's own job over assets is run from the web UI, within the instance's limit.
    limits = {job.name: job.tags.get(limit) for job in jobs if not job.name.startswith("__")}
    assert set(limits.values()) == {RUN_TAGS[limit]}
    assert refresh_sensor().run_tags == RUN_TAGS


def test_a_run_that_was_killed_is_repeated_once_and_one_that_failed_is_not(instance: dg.DagsterInstance) -> None:
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 1
    assert not instance.run_retries_retry_on_asset_or_op_failure


def test_ticks_do_not_pile_up(instance: dg.DagsterInstance) -> None:
    # In days; a tick that skipped is one of thousands.
    assert instance.get_tick_retention_settings(InstigatorType.SENSOR) == {
        TickStatus.SKIPPED: 7,
        TickStatus.FAILURE: 30,
        TickStatus.SUCCESS: 90,
        TickStatus.STARTED: -1,
    }
    assert set(instance.get_tick_retention_settings(InstigatorType.SCHEDULE).values()) == {90}


class TestLostRuns:
    def dead(self) -> int:
        """The id of a process that has ended."""
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        return process.pid

    def test_a_run_whose_process_is_dead_has_failed(self, instance: dg.DagsterInstance) -> None:
        lost, living, unknown = (
            started(instance, pid=self.dead()),
            started(instance, pid=os.getpid()),
            started(instance),
        )
        storage = instance.event_log_storage
        assert storage.initialize_concurrency_limit_to_default(BROKER_POOL)
        assert storage.claim_concurrency_slot(BROKER_POOL, lost, "accounts").is_claimed
        assert end_lost_runs(instance) == [lost]
        assert storage.get_concurrency_info(BROKER_POOL).active_run_ids == set()
        assert status(instance, lost) is dg.DagsterRunStatus.FAILURE
        assert {status(instance, each) for each in (living, unknown)} == {dg.DagsterRunStatus.STARTED}
        # Dagster repeats what it did not see fail in a step.
        run = instance.get_run_by_id(lost)
        assert run is not None
        assert run.tags["dagster/will_retry"] == "true"

    def test_the_sensor_says_what_it_ended_and_asks_for_nothing(self, instance: dg.DagsterInstance) -> None:
        lost = started(instance, pid=self.dead())
        said = []
        for _ in range(2):
            with dg.build_sensor_context(instance=instance) as context:
                skipped = lost_runs_sensor()(context)
            assert isinstance(skipped, dg.SkipReason)
            said.append(skipped.skip_message)
        assert said == [f"ended {lost}", "no run has lost its process"]
