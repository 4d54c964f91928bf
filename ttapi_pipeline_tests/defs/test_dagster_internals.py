# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What Dagster does without promising it. Each test is named after a decision of ours that rests on it.

When a new release of Dagster fails here, the function in `dagster_internals` that the test calls is the place to mend,
and the decision is what to keep.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.events import EngineEventData
from dagster._core.execution.compute_logs import execute_posix_tail
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value

from ttapi_pipeline.defs.dagster_internals import (
    PoolState,
    claim_slot,
    delete_notes,
    delete_step_logs,
    event_files,
    fail_run,
    failed_steps,
    free_slot,
    free_slots,
    give_turn,
    has_local_events,
    instance_of,
    instance_of_output,
    instance_without_telemetry,
    let_steps_below_run,
    log_check_result,
    log_mirrors,
    look_up_input_again,
    mark_canceling,
    notes_beginning_with,
    observation,
    pool_state,
    processes_of,
    provenance_tags,
    pythons_own_interrupts,
    record_cancelled,
    recorded_evaluation,
    recorded_partitions,
    recorded_version,
    retry_delay,
    run_lock_file,
    runs_of_location,
    runs_with_its_asset,
    set_data_version,
    shield_log_mirrors,
    step_failure,
    step_of_task,
    tag_run,
    tick_of,
    version_tags,
    was_interrupted,
    write_note,
)


@dg.job
def _empty() -> None:
    """Has no step."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A real one, in files. Each test has assets and runs of its own."""
    overrides = {"telemetry": {"enabled": False}, "concurrency": {"pools": {"default_limit": 1}}}
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home")), overrides=overrides) as made:
        yield made


class Shelf(dg.IOManager):
    """Keeps the values of assets, and gives each materialisation the value as its data version."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})

    def handle_output(self, context: dg.OutputContext, obj: str) -> None:
        self.values[context.asset_key.to_user_string()] = obj
        set_data_version(context, obj)

    def load_input(self, context: dg.InputContext) -> str:
        return self.values[context.asset_key.to_user_string()]


def run(
    instance: dg.DagsterInstance, *assets: dg.AssetsDefinition, shelf: Shelf | None = None
) -> dg.ExecuteInProcessResult:
    """Materialise the assets. A failure is a result."""
    return dg.materialize(
        list(assets), instance=instance, resources={"io_manager": shelf or Shelf()}, raise_on_error=False
    )


def materialised(result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        event.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    ]


def tags_of(result: dg.ExecuteInProcessResult, name: str) -> Mapping[str, str]:
    """The tags of the materialisation of an asset."""
    (event,) = (event for event in result.get_asset_materialization_events() if event.asset_key == dg.AssetKey(name))
    return event.materialization.tags or {}


def staleness(instance: dg.DagsterInstance, name: str, *assets: dg.AssetsDefinition) -> StaleStatus:
    """What stands behind the label "unsynced" of the web UI."""
    graph = dg.Definitions(assets=assets).get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return resolver.get_status(dg.AssetKey(name))


class TestHits:
    def upper(self, events: Callable[[dg.AssetExecutionContext], Iterator[Any]]) -> dg.AssetsDefinition:
        @dg.asset(output_required=False)
        def upper(context: dg.AssetExecutionContext) -> Any:
            yield observation("upper", "stored")
            yield from events(context)

        return upper

    @pytest.fixture
    def lower(self) -> dg.AssetsDefinition:
        @dg.asset
        def lower(upper: str) -> str:
            return f"made from {upper}"

        return lower

    def test_a_hit_lets_the_steps_below_run_without_a_materialisation(
        self, instance: dg.DagsterInstance, lower: dg.AssetsDefinition
    ) -> None:
        shelf = Shelf({"upper": "stored"})
        result = run(instance, self.upper(let_steps_below_run), lower, shelf=shelf)
        assert result.success
        assert materialised(result) == ["lower"]
        assert shelf.values == {"upper": "stored", "lower": "made from stored"}
        # The clock of the upper asset was not restarted: Dagster has no materialisation of it.
        assert instance.get_latest_materialization_event(dg.AssetKey("upper")) is None

    def test_without_our_event_a_hit_would_skip_the_steps_below(
        self, instance: dg.DagsterInstance, lower: dg.AssetsDefinition
    ) -> None:
        result = run(instance, self.upper(lambda _: iter(())), lower, shelf=Shelf({"upper": "stored"}))
        assert result.success
        assert materialised(result) == []
        (skipped,) = (event for event in result.all_events if event.is_step_skipped)
        assert skipped.step_key == "lower"

    def test_a_hit_that_is_only_observed_is_an_input_of_the_step_below(
        self, instance: dg.DagsterInstance, lower: dg.AssetsDefinition
    ) -> None:
        result = run(instance, self.upper(let_steps_below_run), lower, shelf=Shelf({"upper": "stored"}))
        assert tags_of(result, "lower")["dagster/input_data_version/upper"] == "stored"


class TestDataVersions:
    def test_the_io_manager_decides_the_data_version(self, instance: dg.DagsterInstance) -> None:
        @dg.asset
        def hashed() -> str:
            return "hash of the content"

        tags = tags_of(run(instance, hashed), "hashed")
        assert recorded_version(instance, dg.AssetKey("hashed")) == "hash of the content"
        assert version_tags("hash of the content").items() <= tags.items()

    def test_a_step_records_the_check_of_another_assets_partition_with_its_run(
        self, instance: dg.DagsterInstance
    ) -> None:
        class Recorder(Shelf):
            def handle_output(self, context: dg.OutputContext, obj: str) -> None:
                super().handle_output(context, obj)
                assert instance_of_output(context) is instance
                context.log_event(dg.AssetMaterialization("log", partition="monday"))
                evaluation = dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey("log"), check_name="whole", passed=True, metadata={}, partition="monday"
                )
                log_check_result(context, evaluation)

        @dg.asset
        def published() -> str:
            return "1"

        result = run(instance, published, shelf=Recorder())
        assert result.success
        assert set(recorded_partitions(instance, "log")) == {"monday"}
        key = dg.AssetCheckKey(dg.AssetKey("log"), "whole")
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
        assert (record.run_id, record.partition, record.status.value) == (result.run_id, "monday", "SUCCEEDED")

    def test_a_check_finds_what_a_run_before_has_found_and_not_what_its_own_run_plans(
        self, instance: dg.DagsterInstance
    ) -> None:
        found: list[dg.AssetCheckEvaluation | None] = []
        with_asset: list[bool] = []

        @dg.asset
        def counted() -> str:
            return "1"

        @dg.asset_check(asset=counted)
        def is_odd(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
            found.append(recorded_evaluation(instance, dg.AssetCheckKey(dg.AssetKey("counted"), "is_odd")))
            with_asset.append(runs_with_its_asset(context, "counted"))
            return dg.AssetCheckResult(passed=len(found) % 2 == 1, metadata={"number": len(found)})

        jobs = [
            dg.define_asset_job("alone", selection=dg.AssetSelection.checks(is_odd)),
            dg.define_asset_job("both", selection=dg.AssetSelection.all()),
        ]
        definitions = dg.Definitions([counted], asset_checks=[is_odd], jobs=jobs)
        for name in ("both", "alone", "both"):
            assert definitions.resolve_job_def(name).execute_in_process(instance=instance).success
        chosen = definitions.resolve_job_def("both")
        assert chosen.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("counted")]).success
        told = [None if each is None else (each.passed, each.metadata["number"].value) for each in found]
        assert told == [None, (True, 1), (False, 2), (True, 3)]
        assert with_asset == [True, False, True, True]

    def test_an_asset_without_a_materialisation_has_no_recorded_version(self, instance: dg.DagsterInstance) -> None:
        instance.report_runless_asset_event(observation("seen", "1"))
        assert recorded_version(instance, dg.AssetKey("seen")) is None
        assert recorded_version(instance, dg.AssetKey("unknown")) is None

    @pytest.mark.parametrize(("is_looked_up_again", "named"), [(True, "new"), (False, "old")])
    def test_an_input_that_a_step_read_itself_is_the_one_that_its_materialisation_names(
        self, instance: dg.DagsterInstance, *, is_looked_up_again: bool, named: str
    ) -> None:
        name = f"reader_{named}"
        instance.report_runless_asset_event(observation("folder", "old"))

        @dg.asset(name=name, deps=["folder"])
        def reader(context: dg.AssetExecutionContext) -> str:
            context.log_event(observation("folder", "new"))
            if is_looked_up_again:
                look_up_input_again(context, "folder")
            return "read"

        assert tags_of(run(instance, reader), name)["dagster/input_data_version/folder"] == named

    def test_data_that_was_adopted_is_fresh_until_an_input_has_another_version(
        self, instance: dg.DagsterInstance
    ) -> None:
        @dg.asset
        def source() -> None: ...

        @dg.asset(deps=["source"], code_version="3")
        def adopted() -> None: ...

        for name, tags in (
            ("source", version_tags("1")),
            ("adopted", provenance_tags("2", code_version="3", inputs={"source": "1"})),
        ):
            instance.report_runless_asset_event(dg.AssetMaterialization(name, tags=tags))
        assert staleness(instance, "adopted", source, adopted) is StaleStatus.FRESH
        instance.report_runless_asset_event(dg.AssetMaterialization("source", tags=version_tags("other")))
        assert staleness(instance, "adopted", source, adopted) is StaleStatus.STALE

    def test_a_partition_that_was_recorded_once_stays_recorded_when_a_run_of_it_fails(
        self, instance: dg.DagsterInstance
    ) -> None:
        @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["monday", "tuesday"]))
        def history() -> None:
            raise ValueError

        instance.report_runless_asset_event(dg.AssetMaterialization("history", partition="monday"))
        instance.report_runless_asset_event(dg.AssetObservation("history", partition="tuesday"))
        assert set(recorded_partitions(instance, "history")) == {"monday"}
        dg.materialize([history], instance=instance, partition_key="monday", raise_on_error=False)
        assert set(recorded_partitions(instance, "history")) == {"monday"}


# The tester selects with a parameter that is in beta.
@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
def test_conditions_of_one_tick_share_what_is_looked_up_once(instance: dg.DagsterInstance) -> None:
    ticks: list[object] = []

    class Asked(dg.AutomationCondition[dg.AssetKey]):
        @property
        def name(self) -> str:
            return "asked"

        def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
            assert instance_of(context) is instance
            ticks.append(tick_of(context))
            return dg.AutomationResult(context, context.candidate_subset)

    assets = [dg.AssetSpec(name, automation_condition=Asked()) for name in ("first", "second")]
    definitions = dg.Definitions(assets=assets)
    for _ in range(2):
        dg.evaluate_automation_conditions(definitions, instance)
    assert len(ticks) == 4
    assert ticks[0] is ticks[1]
    assert ticks[2] is ticks[3]
    assert ticks[0] is not ticks[2]


class TestRuns:
    @pytest.fixture
    def started(self, instance: dg.DagsterInstance) -> dg.DagsterRun:
        @dg.job
        def job() -> None: ...

        return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)

    def test_a_deleted_run_leaves_a_file_of_events_for_us_to_delete(self, instance: dg.DagsterInstance) -> None:
        @dg.asset
        def noted() -> str:
            return "1"

        run_id = run(instance, noted).run_id
        database, *others = event_files(instance, run_id)
        instance.delete_run(run_id)
        assert database.is_file()
        assert {file for file in database.parent.iterdir() if run_id in file.name} <= {database, *others}

    def test_events_elsewhere_are_not_those_of_processes_on_this_machine(self, instance: dg.DagsterInstance) -> None:
        assert has_local_events(instance)
        with dg.DagsterInstance.ephemeral() as other:
            assert not has_local_events(other)
            assert event_files(other, "4711") == []

    def test_a_run_tells_which_process_executes_it(self, instance: dg.DagsterInstance) -> None:
        @dg.asset
        def watched() -> str:
            return "1"

        seen = processes_of(instance, run(instance, watched).run_id)
        assert {pid for pid, _ in seen} == {os.getpid()}
        assert all(abs((datetime.now(UTC) - at).total_seconds()) < 600 for _, at in seen)

    def test_a_run_of_which_nothing_is_known_has_no_process(
        self, instance: dg.DagsterInstance, started: dg.DagsterRun
    ) -> None:
        assert processes_of(instance, started.run_id) == []
        instance.report_engine_event("started", started, EngineEventData.in_process(4711))
        assert [pid for pid, _ in processes_of(instance, started.run_id)] == [4711]

    def test_a_lost_run_can_be_failed_from_outside(self, instance: dg.DagsterInstance, started: dg.DagsterRun) -> None:
        fail_run(instance, started, "its process died")
        run = instance.get_run_by_id(started.run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.FAILURE

    def test_a_run_in_this_process_belongs_to_the_code_location_that_it_is_told(
        self, instance: dg.DagsterInstance
    ) -> None:
        @dg.op
        def nothing() -> None: ...

        @dg.job
        def located() -> None:
            nothing()

        with runs_of_location(instance, "somewhere"):
            inside = located.execute_in_process(instance=instance, run_id=str(uuid.uuid4()))
        outside = located.execute_in_process(instance=instance)
        origin = inside.dagster_run.remote_job_origin
        assert origin is not None
        assert (origin.repository_origin.get_label(), origin.job_name) == ("__repository__@somewhere", "located")
        # The pages of jobs ask for runs by this tag.
        there = dg.RunsFilter(job_name="located", tags={".dagster/repository": "__repository__@somewhere"})
        assert [run.run_id for run in instance.get_runs(there)] == [inside.run_id]
        assert outside.dagster_run.remote_job_origin is None

    def test_what_mirrors_the_output_of_a_step_is_no_part_of_the_group_that_a_terminal_interrupts(
        self, tmp_path: Path
    ) -> None:
        shield_log_mirrors()
        with execute_posix_tail(str(tmp_path / "out"), None) as pids:
            assert [os.getpgid(pid) for pid in pids] == list(pids)

    @pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system has no /proc")
    def test_what_mirrors_the_output_of_the_steps_of_a_run_is_found_by_the_run(self, tmp_path: Path) -> None:
        log = tmp_path / "4711-run" / "compute_logs" / "abc.err"
        with execute_posix_tail(str(log), None) as (mirror, _):
            deadline = time.monotonic() + 30
            # Between its fork and the program that it becomes, it has the command line of this process.
            while not log_mirrors("4711-run") and time.monotonic() < deadline:
                time.sleep(0.01)
            assert log_mirrors("4711-run") == [mirror]
            assert log_mirrors("4711") == []

    def test_a_run_that_a_signal_ended_is_known_and_can_be_recorded_as_cancelled(
        self, instance: dg.DagsterInstance
    ) -> None:
        @dg.op
        def interrupted() -> None:
            raise dg.DagsterExecutionInterruptedError

        @dg.op
        def failed() -> None:
            raise ValueError

        @dg.job
        def ended() -> None:
            interrupted()

        @dg.job
        def broken() -> None:
            failed()

        results = [each.execute_in_process(instance=instance, raise_on_error=False) for each in (ended, broken)]
        assert [was_interrupted(result) for result in results] == [True, False]
        record_cancelled(instance, results[0].run_id, "a test asked for it")
        run = instance.get_run_by_id(results[0].run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.CANCELED

    def test_a_run_that_is_asked_to_end_and_is_interrupted_then_is_cancelled(
        self, instance: dg.DagsterInstance
    ) -> None:
        @dg.op
        def interrupted(context: dg.OpExecutionContext) -> None:
            mark_canceling(context.instance, context.run_id, "a test asked for it")
            mark_canceling(context.instance, context.run_id, "nobody asks twice")
            raise dg.DagsterExecutionInterruptedError

        @dg.job(executor_def=dg.in_process_executor)
        def asked() -> None:
            interrupted()

        result = asked.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.CANCELED
        (entry,) = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.RUN_CANCELING)
        assert entry.message == "a test asked for it"

    def test_a_slot_stays_taken_until_it_is_freed(self, instance: dg.DagsterInstance, started: dg.DagsterRun) -> None:
        assert claim_slot(instance, "pool", started.run_id, "step")
        fail_run(instance, started, "its process died")
        assert not claim_slot(instance, "pool", "4711", "step")
        free_slots(instance, started.run_id)
        assert claim_slot(instance, "pool", "4711", "step")
        free_slot(instance, "4711", "step")
        assert pool_state(instance, "pool") == PoolState(1)

    def test_a_step_waits_in_the_tables_that_the_web_ui_shows(self, instance: dg.DagsterInstance) -> None:
        assert claim_slot(instance, "shown", "first", "accounts")
        assert not claim_slot(instance, "shown", "second", "symbols")
        state = pool_state(instance, "shown")
        assert state.claimed == (("first", "accounts"),)
        ((run_id, step, since),) = state.pending
        assert (run_id, step) == ("second", "symbols")
        assert abs((datetime.now(UTC) - since).total_seconds()) < 600
        assert state.run_ids == {"first", "second"}
        info = instance.event_log_storage.get_concurrency_info("shown")
        assert (info.active_run_ids, info.pending_run_ids) == ({"first"}, {"second"})

    @pytest.mark.parametrize("limits", [{}, {"default_limit": 10}, {"default_limit": 0}])
    def test_a_pool_has_one_slot_whatever_the_instance_says(self, tmp_path: Path, limits: dict[str, int]) -> None:
        overrides = {"telemetry": {"enabled": False}, "concurrency": {"pools": limits}}
        with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as other:
            assert claim_slot(other, "pool", "first", "step")
            assert not claim_slot(other, "pool", "second", "step")
            free_slot(other, "first", "step")
            other.event_log_storage.set_concurrency_slots("pool", 3)
            assert claim_slot(other, "pool", "second", "step")
            assert not claim_slot(other, "pool", "third", "step")
            assert pool_state(other, "pool").limit == 1

    def test_a_pool_that_somebody_has_shut_stays_shut(self, instance: dg.DagsterInstance) -> None:
        instance.event_log_storage.set_concurrency_slots("shut", 0)
        assert not claim_slot(instance, "shut", "first", "step")
        instance.event_log_storage.set_concurrency_slots("shut", 1)
        assert claim_slot(instance, "shut", "first", "step")

    def test_a_queue_in_which_it_is_nobodys_turn_goes_on(self, instance: dg.DagsterInstance) -> None:
        """As a process leaves it that is killed after it has given up a slot, and before the next one has its turn."""
        storage = instance.event_log_storage
        assert claim_slot(instance, "stuck", "first", "step")
        assert not claim_slot(instance, "stuck", "second", "step")
        assert isinstance(storage, SqlEventLogStorage)
        storage._free_concurrency_slots("first", "step")
        storage._remove_pending_steps("first", "step")
        assert not claim_slot(instance, "stuck", "second", "step")
        give_turn(instance, "stuck")
        assert claim_slot(instance, "stuck", "second", "step")

    def test_notes_are_found_and_deleted_by_the_beginning_of_their_keys(self, instance: dg.DagsterInstance) -> None:
        write_note(instance, "ours/run_1/", "old")
        for key in ("ours/run_1/", "ours/run_1/step", "ours/run_2/", "ours/runs1/"):
            write_note(instance, key, f"of {key}")
        # An underscore is no sign for any character.
        found = {"ours/run_1/": "of ours/run_1/", "ours/run_1/step": "of ours/run_1/step"}
        assert notes_beginning_with(instance, "ours/run_1/") == found
        delete_notes(instance, "ours/run_1/")
        assert set(notes_beginning_with(instance, "ours/")) == {"ours/run_2/", "ours/runs1/"}

    def test_the_task_of_a_worker_of_celery_names_its_run_and_its_step(self, tmp_path: Path) -> None:
        with dg.DagsterInstance.local_temp(str(tmp_path)) as kept:
            origin = dg.reconstructable(_empty).get_python_origin()
            given = ExecuteStepArgs(origin, "4711", ["accounts"], instance_ref=kept.get_ref())
        with step_of_task(pack_value(given)) as (found, run_id, step):
            assert (run_id, step) == ("4711", "accounts")
            assert found.root_directory == str(tmp_path)

    def test_a_run_can_be_tagged_when_it_is_there(self, instance: dg.DagsterInstance, started: dg.DagsterRun) -> None:
        tag_run(instance, started.run_id, {"process": "4711"})
        run = instance.get_run_by_id(started.run_id)
        assert run is not None
        assert run.tags["process"] == "4711"

    def test_the_lock_of_a_run_lies_beside_its_events(self, instance: dg.DagsterInstance) -> None:
        file = run_lock_file(instance, "4711")
        assert file is not None
        assert file in event_files(instance, "4711")
        with dg.DagsterInstance.ephemeral() as other:
            assert run_lock_file(other, "4711") is None

    def test_a_deleted_run_leaves_the_output_of_its_steps_for_us_to_delete(self, instance: dg.DagsterInstance) -> None:
        @dg.asset
        def loud() -> str:
            print("something")  # noqa: T201 - what a library may do
            return "1"

        run_id = run(instance, loud).run_id
        folder = Path(instance.storage_directory()) / run_id / "compute_logs"
        instance.delete_run(run_id)
        assert [file.read_text() for file in folder.glob("*.out")] == ["something\n"]
        delete_step_logs(instance, run_id)
        assert not folder.exists()


class TestFailedSteps:
    def test_a_failure_of_ours_keeps_its_sentence_its_metadata_and_its_cause(
        self, instance: dg.DagsterInstance
    ) -> None:
        @dg.asset
        def symbols() -> None:
            try:
                raise ConnectionError("no response")
            except ConnectionError as error:
                raise dg.Failure("symbols: no response", metadata={"error": "TransportError"}) from error

        @dg.asset
        def accounts() -> str:
            return "1"

        result = run(instance, symbols, accounts)
        failed = failed_steps(result)
        assert set(failed) == {"symbols"}
        failure = failed["symbols"]
        assert failure.description == "symbols: no response"
        assert failure.metadata["error"].value == "TransportError"
        assert failure.causes[-1] == ("ConnectionError", "ConnectionError: no response")
        assert not was_interrupted(result)
        assert dg.DagsterExecutionInterruptedError.__name__ not in {name for name, _ in failure.causes}

    def test_another_error_has_its_class_and_its_message(self, instance: dg.DagsterInstance) -> None:
        @dg.asset
        def symbols() -> None:
            raise ZeroDivisionError("a bug")

        result = run(instance, symbols)
        (event,) = (event for event in result.all_events if event.is_step_failure)
        failure = step_failure(event)
        assert failure == failed_steps(result)["symbols"]
        assert failure.causes[-1] == ("ZeroDivisionError", "ZeroDivisionError: a bug")
        assert (failure.description, failure.metadata) == (None, {})

    def test_ctrl_c_is_told_apart_from_a_failure(self, instance: dg.DagsterInstance) -> None:
        @dg.asset
        def symbols() -> None:
            signal.raise_signal(signal.SIGINT)

        result = run(instance, symbols)
        assert was_interrupted(result)
        assert dg.DagsterExecutionInterruptedError.__name__ in {
            name for name, _ in failed_steps(result)["symbols"].causes
        }

    def test_a_second_attempt_waits_for_the_delay_give_or_take_its_jitter(self) -> None:
        policy = dg.RetryPolicy(delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
        delays = [retry_delay(policy, 1) for _ in range(100)]
        assert 0 <= min(delays) < 2 < max(delays) <= 4


class TestInterrupts:
    def test_dagsters_handler_raises_wherever_a_step_is_and_pythons_own_can_be_had_instead(
        self, instance: dg.DagsterInstance
    ) -> None:
        found: dict[str, Any] = {}

        @dg.asset
        def symbols() -> None:
            dagsters = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
            for handler in dagsters:
                assert callable(handler)
                with pytest.raises(dg.DagsterExecutionInterruptedError):
                    handler(signal.SIGINT, None)
            with pytest.raises(dg.DagsterExecutionInterruptedError), pythons_own_interrupts():
                signal.raise_signal(signal.SIGTERM)
            with pythons_own_interrupts():
                found["inside"] = signal.getsignal(signal.SIGINT)
            found["after"] = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == dagsters

        assert failed_steps(run(instance, symbols)) == {}
        assert found == {"inside": signal.default_int_handler, "after": True}


class TestLogs:
    def test_the_programs_of_dagster_write_colours_into_a_file_unless_they_are_told_not_to(self) -> None:
        says = """
import logging, sys
from dagster._utils.log import configure_loggers
from ttapi_pipeline.defs.dagster_internals import write_logs_without_colours
if sys.argv[1] == "plain":
    write_logs_without_colours()
configure_loggers()
logging.getLogger("dagster").info("it is said")
"""
        coloured, plain = (
            subprocess.run([sys.executable, "-c", says, how], capture_output=True, text=True, check=True).stdout
            for how in ("as it is", "plain")
        )
        assert "\x1b[" in coloured
        assert "\x1b" not in plain
        assert plain.rstrip().endswith("- dagster - INFO - it is said")


def test_telemetry_is_off_whatever_the_file_of_the_instance_says(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: true}\nrun_retries: {enabled: true, max_retries: 7}\n")

    @dg.asset
    def numbers() -> int:
        return 1

    with instance_without_telemetry(tmp_path) as made:
        assert made.telemetry_enabled is False
        assert made.run_retries_max_retries == 7
        assert dg.materialize([numbers], instance=made).success
    # Dagster would keep events to be sent in a folder named logs, and an id in one named .telemetry.
    assert not {"logs", ".telemetry"} & {path.name for path in tmp_path.iterdir()}
