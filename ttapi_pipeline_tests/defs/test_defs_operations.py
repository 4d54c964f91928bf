# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What keeps the daemon well for weeks: the folder's sensor, the record of failures, pruning, the pool's slots."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.test_utils import freeze_time

from ttapi_pipeline.core.errors import TransportError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assets.lineage import column_lineage
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.automation.sensors import KEPT_FAILURES, append_failures, failure_sensor, metastock_sensor
from ttapi_pipeline.defs.dagster_internals import tick_logs
from ttapi_pipeline.defs.failures import failure
from ttapi_pipeline.defs.operations.pools import free_orphaned_slots
from ttapi_pipeline.defs.operations.retention import build_retention, prune
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline_tests.support.clocks import FakeClock

NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "metastock").mkdir()
    return replace(Settings(), data_dir=str(tmp_path / "data"), metastock_dir=tmp_path / "metastock")


class TestMetastockSensor:
    def evaluate(self, settings: Settings, instance: dg.DagsterInstance, cursor: str | None) -> Any:
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            return metastock_sensor(settings)(context)

    def test_it_observes_a_change_once_and_starts_no_run(self, settings: Settings) -> None:
        assert settings.metastock_dir is not None
        with dg.DagsterInstance.ephemeral() as instance:
            first = self.evaluate(settings, instance, None)
            (event,) = first.asset_events
            assert event.asset_key == dg.AssetKey("metastock_files")
            assert event.tags["dagster/data_version"] == first.cursor
            assert not first.run_requests
            assert isinstance(self.evaluate(settings, instance, first.cursor), dg.SkipReason)
            (settings.metastock_dir / "IBM.csv").write_text("one")
            assert self.evaluate(settings, instance, first.cursor).cursor != first.cursor

    def test_a_folder_that_is_gone_is_a_reason_to_skip(self, settings: Settings) -> None:
        assert settings.metastock_dir is not None
        settings.metastock_dir.rmdir()
        with dg.DagsterInstance.ephemeral() as instance:
            skipped = self.evaluate(settings, instance, None)
        assert str(settings.metastock_dir) in skipped.skip_message


class TestFailureRecords:
    def records(self, settings: Settings) -> list[dict[str, str]]:
        text = (Path(settings.data_dir) / ".state" / "failures.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def record(self, settings: Settings, error: Exception) -> dict[str, str]:
        @dg.op(name="symbols")
        def broken() -> None:
            raise error

        @dg.job
        def job() -> None:
            broken()

        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            (event,) = result.filter_events(lambda each: each.event_type is dg.DagsterEventType.RUN_FAILURE)
            context = dg.build_run_status_sensor_context(
                sensor_name="record_failures",
                dagster_instance=instance,
                dagster_run=result.dagster_run,
                dagster_event=event,
            ).for_run_failure()
            failure_sensor(settings, clock=FakeClock(NOW))(context)
            (record,) = self.records(settings)
            assert record.pop("run_id") == result.run_id
        return record

    def test_a_failure_of_ours_is_one_line(self, settings: Settings) -> None:
        cause = TransportError("GET /market-metrics: no response")
        assert self.record(settings, failure("symbols", cause)) == {
            "at": "2026-11-22T11:00:00+00:00",
            "dataset": "symbols",
            "error": "TransportError",
            "sentence": "symbols: GET /market-metrics: no response",
        }

    def test_another_library_s_words_are_cut_and_lose_the_secrets(self, settings: Settings) -> None:
        secret = replace(settings, client_secret="canary-4711", refresh_token="canary-4712")
        record = self.record(secret, ValueError(f"bad canary-4711\nand canary-4712 {'x' * 900}"))
        assert record["error"] == "ValueError"
        assert "canary" not in record["sentence"]
        assert len(record["sentence"]) <= 500
        assert "\n" not in record["sentence"]

    def test_the_file_keeps_the_newest(self, settings: Settings) -> None:
        append_failures(settings, [{"n": str(number)} for number in range(KEPT_FAILURES)])
        append_failures(settings, [{"n": "last"}])
        records = self.records(settings)
        assert len(records) == KEPT_FAILURES
        assert (records[0], records[-1]) == ({"n": "1"}, {"n": "last"})

    def test_a_byte_that_is_no_text_any_more_costs_its_line(self, settings: Settings) -> None:
        append_failures(settings, [{"n": "first"}])
        (Path(settings.data_dir) / ".state" / "failures.jsonl").write_bytes(b'{"n": "fi\xf2st"}\n')
        append_failures(settings, [{"n": "last"}])
        assert self.records(settings)[-1] == {"n": "last"}

    def test_the_record_of_data_in_an_object_store_is_there(self, settings: Settings, prefix: ObjectPath) -> None:
        remote = replace(settings, data_dir=str(prefix))
        for number in (1, 2):
            append_failures(remote, [{"n": str(number)}])
        found = bucket.read(prefix / ".state" / "failures.jsonl")
        assert found is not None
        assert [json.loads(line) for line in found.content.splitlines()] == [{"n": "1"}, {"n": "2"}]


def test_old_runs_go_and_those_behind_the_current_data_stay() -> None:
    @dg.asset
    def daily() -> Iterator[Any]:
        yield dg.AssetObservation("weekly")
        yield dg.MaterializeResult()

    @dg.asset
    def weekly() -> None: ...

    def run(asset: dg.AssetsDefinition, days_ago: int) -> str:
        with freeze_time(NOW - timedelta(days=days_ago)):
            return dg.materialize([asset], instance=instance).run_id

    with dg.DagsterInstance.ephemeral() as instance:
        only = run(weekly, 60)
        old = [run(daily, days_ago) for days_ago in (50, 45, 40)]
        recent = run(daily, 5)
        job, schedule = build_retention(Settings(), clock=FakeClock(NOW))
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        result = job.execute_in_process(instance=instance)
        assert result.success
        # The recent run is within the 30 days; the oldest one is all that is known of its asset.
        assert set(instance.get_run_ids()) == {only, recent, result.run_id}
        assert not any(instance.all_logs(run_id) for run_id in old)
        event = instance.get_latest_materialization_event(dg.AssetKey("weekly"))
        assert event is not None
        assert event.run_id == only
        assert prune(instance, before=NOW - timedelta(days=30)) == 0


def test_what_checks_have_found_and_what_ticks_have_logged_goes_too(tmp_path: Path) -> None:
    @dg.asset
    def daily() -> None: ...

    @dg.asset_check(asset=daily)
    def is_good() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        with freeze_time(NOW - timedelta(days=60)):
            assert dg.materialize([daily, is_good], instance=instance).success
        recent = dg.materialize([daily, is_good], instance=instance)
        for number in ("1", "2"):
            key = ["__repository__", "refresh_when_due", number]
            with instance.compute_log_manager.open_log_stream(key, ComputeIOType.STDERR) as stream:
                text: Any = stream
                text.write("a line")
        old, new = tick_logs(instance)
        os.utime(old, (0, NOW.timestamp() - 2 * 86_400))
        os.utime(new, (0, NOW.timestamp()))
        assert prune(instance, before=NOW - timedelta(days=30), ticks_before=NOW - timedelta(days=1)) == 1
        found = instance.event_log_storage.get_asset_check_execution_history(is_good.check_key, limit=10)
        assert [each.run_id for each in found] == [recent.run_id]
        assert tick_logs(instance) == [new]


def test_runs_of_nothing_but_quotes_go_after_two_days() -> None:
    @dg.asset
    def quotes() -> None: ...

    @dg.asset
    def accounts() -> None: ...

    job = dg.Definitions(assets=[quotes, accounts]).resolve_implicit_global_asset_job_def()

    def run(days_ago: int, *names: str) -> str:
        with freeze_time(NOW - timedelta(days=days_ago)):
            selection = [dg.AssetKey(name) for name in names]
            return job.execute_in_process(instance=instance, asset_selection=selection).run_id

    with dg.DagsterInstance.ephemeral() as instance:
        both = run(20, "quotes", "accounts")
        hourly = run(20, "accounts")
        for days_ago in (20, 10, 3):
            run(days_ago, "quotes")
        recent = [run(1, "quotes"), run(1, "quotes")]
        latest = run(5, "accounts")
        prune_job, _ = build_retention(Settings(), clock=FakeClock(NOW))
        result = prune_job.execute_in_process(instance=instance)
        assert set(instance.get_run_ids()) == {both, hourly, latest, *recent, result.run_id}
        # Without any since, the last one stays however old it is.
        for run_id in recent:
            instance.delete_run(run_id)
        last = run(9, "quotes")
        assert prune_job.execute_in_process(instance=instance).success
        assert last in instance.get_run_ids()


def test_a_deleted_run_leaves_no_file(tmp_path: Path) -> None:
    @dg.asset
    def quotes() -> None: ...

    def files() -> set[str]:
        return {path.name for path in tmp_path.rglob("*") if path.is_file()}

    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        old, new = (dg.materialize([quotes], instance=instance).run_id for _ in range(2))
        assert f"{old}.db" in files()
        later = datetime.now(UTC) + timedelta(days=1)
        assert prune(instance, before=later) == 1
        assert not any(old in name for name in files())
        assert instance.get_latest_materialization_event(dg.AssetKey("quotes")) is not None
        assert instance.get_run_by_id(new) is not None


class TestPool:
    @pytest.fixture
    def instance(self, tmp_path: Path) -> Any:
        with dg.DagsterInstance.local_temp(
            str(tmp_path), overrides={"concurrency": {"pools": {"default_limit": 1}}, "telemetry": {"enabled": False}}
        ) as instance:
            yield instance

    def claimed_by(self, instance: dg.DagsterInstance, pid: int) -> str:
        """A run that started in a process, and claimed the slot."""

        @dg.job
        def job() -> None: ...

        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        instance.report_engine_event("Executing steps in process", run, EngineEventData.in_process(pid))
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default(BROKER_POOL)
        assert storage.claim_concurrency_slot(BROKER_POOL, run.run_id, "accounts").is_claimed
        return run.run_id

    def holders(self, instance: dg.DagsterInstance) -> set[str]:
        return instance.event_log_storage.get_concurrency_info(BROKER_POOL).active_run_ids

    def test_a_slot_of_a_dead_process_is_free_again_and_its_run_failed(self, instance: dg.DagsterInstance) -> None:
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        run_id = self.claimed_by(instance, process.pid)
        free_orphaned_slots(instance)
        assert self.holders(instance) == set()
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.FAILURE

    def test_a_slot_of_a_living_process_stays_until_its_run_is_over(self, instance: dg.DagsterInstance) -> None:
        run_id = self.claimed_by(instance, os.getpid())
        free_orphaned_slots(instance)
        assert self.holders(instance) == {run_id}
        instance.delete_run(run_id)
        free_orphaned_slots(instance)
        assert self.holders(instance) == set()


class TestLineage:
    def test_every_column_that_it_names_exists(self) -> None:
        for name in DATASETS:
            lineage = column_lineage(DATASETS[name])
            for column, deps in (lineage.deps_by_column if lineage else {}).items():
                assert column in DATASETS[name].schema.polars
                for dep in deps:
                    upstream = dep.asset_key.to_user_string()
                    if upstream in DATASETS:
                        assert dep.column_name in DATASETS[upstream].schema.polars, (name, column)
                        assert upstream in DATASETS[name].upstream

    def test_returns_stddev_goes_back_to_the_files_and_the_api(self) -> None:
        reached: set[str] = set()
        to_visit = [("returns_stddev", "move_ratio")]
        while to_visit:
            dataset, column = to_visit.pop()
            lineage = column_lineage(DATASETS[dataset]) if dataset in DATASETS else None
            for dep in lineage.deps_by_column.get(column, []) if lineage else []:
                upstream = dep.asset_key.to_user_string()
                reached.add(f"{upstream}.{dep.column_name}")
                if upstream in DATASETS:
                    to_visit.append((upstream, dep.column_name))
        assert reached >= {
            "metastock_files.close",
            "dxlink/candle.close",
            "tastytrade/option-chains.expiration-date",
            "tastytrade/market-metrics.option-expiration-implied-volatilities",
        }

    def test_what_says_nothing_has_none(self) -> None:
        assert column_lineage(DATASETS["accounts"]) is None


def test_the_code_location_loads_without_what_only_a_run_needs(tmp_path: Path) -> None:
    """And pandas can be imported afterwards, as exchange_calendars does in the refresh of the calendar."""
    code = (
        "import sys, ttapi_pipeline.definitions as d; d.defs.get_repository_def(); print(*sorted(sys.modules)); "
        "import ttapi_pipeline.defs.assets.execution; from ttapi_pipeline.datasets.registry import DATASETS; "
        "[dataset.builder() for dataset in DATASETS.values()]; print(*sorted(sys.modules)); "
        "import pandas; print(pandas.Series(['text']).to_list())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TT_DATA_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, run, last = done.stdout.splitlines()
    ours = {
        *("broker.broker", "datasets.refresh", "defs.io_manager", "defs.without_pandas"),
        *(f"defs.assets.{name}" for name in ("charts", "execution", "interrupts")),
    }
    of_a_run = {
        *("aiohttp", "antlr4", "dagster_polars", "numpy", "pyarrow", "pybreaker", "tenacity", "websockets"),
        *("ttapi_pipeline.client", "ttapi_pipeline.simulator", "ttapi_pipeline.streaming"),
        *(f"ttapi_pipeline.{name}" for name in ours),
    }
    of_a_tick = {
        "alembic",
        "sqlalchemy",
        "ttapi_pipeline.quote_recorder.log",
        "ttapi_pipeline.defs.quote_history.compaction",
    }
    nobody_s = {"exchange_calendars", "matplotlib", "numba", "pandas", "rich", "scipy"}
    assert set(loaded.split()) & (of_a_run | of_a_tick | nobody_s) == set()
    assert set(run.split()) & (of_a_run | nobody_s) == of_a_run - {"antlr4"}
    assert last == "['text']"


@pytest.mark.parametrize("name", DATASETS)
def test_a_step_takes_what_its_declaration_is_built_from(name: str) -> None:
    refresh, *inputs = inspect.signature(DATASETS[name].builder()).parameters
    assert refresh == "refresh"
    assert inputs == [upstream for upstream in DATASETS[name].upstream if upstream in DATASETS]
