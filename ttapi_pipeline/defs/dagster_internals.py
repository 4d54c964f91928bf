# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What Dagster does not promise, behind functions with plain names.

Promised is what Dagster exports from `dagster`, marks with its ``@public`` or shows on its documentation pages, and the
fields of such classes. Everything else that this project needs of Dagster stands here: private modules, methods without
the mark, the tags of data versions, and behaviour that a decision of ours rests on. No other module imports
``dagster._*``.

Each function says why the promised API is not enough. All of them were read in Dagster 1.13.28. For each there is a
test in `test_dagster_internals` that runs it against a real instance and is named after the decision that it guards: a
release of Dagster that changes something fails there by name.

Put here: the access, and nothing more. Not here: what is done with it (`assets.reuse`, `operations`, `automation`).
Whatever only a run needs is imported inside of a function, because the code location loads this module.
"""

# Reads better in one piece: what a new release of Dagster may break is looked for in one place.
import logging
import os
import signal
import subprocess
import threading
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, cast

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.events import RunFailureReason
from dagster._core.execution.plan.outputs import StepOutputData, StepOutputHandle

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.processes import command_lines

# Steps.


def let_steps_below_run(context: dg.AssetExecutionContext) -> Iterator[dg.DagsterEvent]:
    """The events that let the steps below an asset start, although the asset is not materialised.

    Dagster skips the steps below a step without an output. An output that is yielded goes to the IO manager and becomes
    a materialisation, which restarts the freshness clock of data that was not fetched. The executor itself waits for
    the event STEP_OUTPUT alone, and a step may yield events. The asset needs ``output_required=False``.
    """
    step = context.get_step_execution_context()
    for name in step.selected_output_names:
        handle = StepOutputHandle(step.step.key, name)
        yield dg.DagsterEvent.step_output_event(step, StepOutputData(handle))


def look_up_input_again(context: dg.AssetExecutionContext, name: str) -> None:
    """Have the materialisation of the running step name the latest data version of an upstream asset.

    Dagster looks up the versions of all upstream assets when a step begins. An observation that the step itself records
    comes too late, unless what was looked up is forgotten.
    """
    context.get_step_execution_context().wipe_input_asset_version_info(dg.AssetKey(name))


def set_data_version(context: dg.OutputContext, version: str) -> None:
    """Give the materialisation that an IO manager is storing a data version of ours.

    The promised ways are to return it from the asset's function (`dg.MaterializeResult`, `dg.Output`). Ours is a hash
    of the stored content, and only the IO manager knows it.
    """
    context.step_context.set_data_version(context.asset_key, dg.DataVersion(version))


def instance_of_output(context: dg.OutputContext) -> dg.DagsterInstance:
    """The instance of the run in which an IO manager stores an output. Only contexts of steps promise theirs."""
    return context.step_context.instance


def log_check_result(context: dg.OutputContext | dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    """Record the result of a check of another asset, as an event of the step.

    The contexts promise to log materialisations and observations of any asset. A step may return results of checks that
    it has declared, and those alone; a result that is reported to the instance has no run.
    """
    step = context.step_context if isinstance(context, dg.OutputContext) else context.get_step_execution_context()
    dg.DagsterEvent.asset_check_evaluation(step, evaluation)


def retry_delay(policy: dg.RetryPolicy, attempt: int) -> float:
    """Seconds to wait before a further attempt, with jitter; 1 is the first repetition.

    Dagster asks the policy of an asset itself. No asset of ours has one, because Dagster applies it to Ctrl-C as well.
    """
    return policy.calculate_delay(attempt)


# Data versions. Dagster keeps them in tags of its events. The names of the tags are in a private module; the promised
# classes for data versions work on the result of an asset's function alone.


def observation(
    name: str, version: str, *, description: str | None = None, metadata: Mapping[str, Any] | None = None
) -> dg.AssetObservation:
    """An observation that says which data version of an asset was seen."""
    return dg.AssetObservation(name, description=description, metadata=metadata, tags={DATA_VERSION_TAG: version})


def version_tags(version: str) -> dict[str, str]:
    """The tags of a materialisation whose data version is ours, and not one that Dagster made up."""
    return {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}


def provenance_tags(version: str, *, code_version: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """The tags of a materialisation that say from what it was built. Dagster's label "unsynced" compares them.

    Dagster writes them when a step has run. A materialisation that adopts stored data has no such step.

    Args:
        version: Data version of the materialised asset.
        code_version: Code version that the data was built by.
        inputs: Per upstream asset the data version that the data was built from.
    """
    keys = {dg.AssetKey(name): version for name, version in inputs.items()}
    return {
        **version_tags(version),
        CODE_VERSION_TAG: code_version,
        **{get_input_data_version_tag(key): version for key, version in keys.items()},
        # Dagster ignores an input without a pointer to its event. That event is in another instance.
        **dict.fromkeys(map(get_input_event_pointer_tag, keys), NULL_EVENT_POINTER),
    }


def recorded_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """The data version of an asset's latest materialisation in this instance; None without a materialisation."""
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    return (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None


def recorded_metadata(instance: dg.DagsterInstance, key: dg.AssetKey) -> Mapping[str, dg.MetadataValue[Any]]:
    """The metadata of an asset's latest materialisation in this instance; empty without one."""
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    return materialization.metadata if materialization else {}


def recorded_partitions(instance: dg.DagsterInstance, name: str) -> Collection[str]:
    """The partitions of an asset that were ever materialised in this instance.

    The promised `get_status_by_partition` says "failed" of a materialised partition whose latest run failed.
    """
    return instance.get_materialized_partitions(dg.AssetKey(name))


def recorded_evaluation(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
    """The latest result of a check in this instance, of a run that has come to it; None without one.

    Results of checks are recorded and not given back by anything that is promised. The latest record of all is that of
    the run under way, which plans to evaluate the check.
    """
    from dagster._core.storage.asset_check_execution_record import (  # noqa: PLC0415 - see `defs`
        COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as COMPLETED,
    )

    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=COMPLETED)
    return records[0].evaluation if records else None


def runs_with_its_asset(context: dg.AssetCheckExecutionContext, name: str) -> bool:
    """Whether the run executes an asset, and not its checks alone. The context of a check does not say so."""
    steps = context.run.step_keys_to_execute
    if steps is not None:
        return name in steps
    return dg.AssetKey(name) in context.job_def.asset_layer.selected_asset_keys


# Ticks of the automation sensor.


def tick_of(context: dg.AutomationContext[Any]) -> object:
    """An object that all conditions of one tick share. It goes away with the tick: a key for what is looked up once.

    A condition is told its asset and the time. It is not told which evaluations belong together.
    """
    return context.asset_graph_view


def instance_of(context: dg.AutomationContext[Any]) -> dg.DagsterInstance:
    """The Dagster instance that a condition is evaluated for. The documented context of a condition has none."""
    return context.asset_graph_view.instance


# Runs. The promised instance lists runs and deletes them. What a run holds, where its events lie and which process
# executes it is known to the storages alone.


def is_instance_stored(home: Path) -> bool:
    """Whether the instance of a folder was ever used. Opening an instance makes its files.

    Of an instance that is not kept in local files, only opening it can tell.
    """
    from dagster._core.instance.ref import InstanceRef  # noqa: PLC0415 - it reads dagster.yaml

    data = InstanceRef.from_dir(str(home)).event_storage_data
    folder = data.config_dict.get("base_dir") if data is not None else None
    return folder is None or Path(str(folder)).is_dir()


def instance_without_telemetry(home: Path) -> dg.DagsterInstance:
    """The instance of a folder as its dagster.yaml says, but without usage telemetry, whatever that says of it.

    Dagster's switch for a process keeps it from sending what was noted. The events are noted all the same, in the
    folder, for any later process to send, and its notice about them is printed over the grid.
    """
    from dagster._core.instance.ref import InstanceRef  # noqa: PLC0415 - see above

    ref = InstanceRef.from_dir(str(home), overrides={"telemetry": {"enabled": False}})
    instance = dg.DagsterInstance.from_ref(ref)
    # Dagster would load the class in the middle of the first run.
    _ = instance.compute_log_manager
    return instance


def has_local_events(instance: dg.DagsterInstance) -> bool:
    """Whether the instance keeps its events in SQLite files, so that all of its runs are processes of this machine."""
    return _sqlite_paths(instance) is not None


def event_files(instance: dg.DagsterInstance, run_id: str) -> Sequence[Path]:
    """The files of a run beside its events, whether they exist or not; none for a storage that is not in local files.

    Deleting a run empties its file and leaves it at its size.
    """
    path_of = _sqlite_paths(instance)
    if path_of is None:
        return []
    database = Path(path_of(run_id))
    return [*(Path(f"{database}{suffix}") for suffix in ("", "-wal", "-shm")), database.with_suffix(".lock")]


def forget_event_file(instance: dg.DagsterInstance, run_id: str) -> None:
    """Have the file of a run's events made anew, with tables, by the next event."""
    vars(instance.event_log_storage).get("_initialized_dbs", set()).discard(run_id)


def _sqlite_paths(instance: dg.DagsterInstance) -> Callable[[str], str] | None:
    """From the id of a run to the file of its events; None for an instance with another storage."""
    # With it come SQLAlchemy and Alembic. They take longer to import than everything else that the definitions import
    # besides Dagster.
    from dagster._core.storage.event_log import SqliteEventLogStorage  # noqa: PLC0415 - see `defs`

    storage = instance.event_log_storage
    return storage.path_for_shard if isinstance(storage, SqliteEventLogStorage) else None


def run_lock_file(instance: dg.DagsterInstance, run_id: str) -> Path | None:
    """The file beside the events of a run that stands for its processes; None unless the events are in local files."""
    path_of = _sqlite_paths(instance)
    return None if path_of is None else Path(path_of(run_id)).with_suffix(".lock")


def processes_of(instance: dg.DagsterInstance, run_id: str) -> Sequence[tuple[int, datetime]]:
    """The ids of the processes that execute a run, as far as the events of the run say, oldest event first.

    With each id comes the time of the event. An id is given again when its process has ended.
    """
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    found = ((entry.get_dagster_event().engine_event_data.metadata.get("pid"), entry.timestamp) for entry in entries)
    return [(int(str(pid.value)), datetime.fromtimestamp(at, UTC)) for pid, at in found if pid is not None]


def tag_run(instance: dg.DagsterInstance, run_id: str, tags: Mapping[str, str]) -> None:
    """Add tags to a run that was created already. The promised way sets them before."""
    instance.add_run_tags(run_id, tags)


def write_note(instance: dg.DagsterInstance, key: str, value: str) -> None:
    """Keep a text under a key in the instance's database. A run's tags are read, changed and written as a whole."""
    instance.run_storage.set_cursor_values({key: value})


def notes_beginning_with(instance: dg.DagsterInstance, prefix: str) -> Mapping[str, str]:
    """The texts whose keys begin with a prefix, by key. Dagster itself asks for single keys."""
    from dagster._core.storage.runs import SqlRunStorage  # noqa: PLC0415 - see `_sqlite_paths`
    from dagster._core.storage.runs.schema import KeyValueStoreTable  # noqa: PLC0415

    storage, table = instance.run_storage, KeyValueStoreTable
    if not isinstance(storage, SqlRunStorage):
        return {}
    query = table.select().where(table.c.key.startswith(prefix, autoescape=True))
    return {row["key"]: row["value"] for row in storage.fetchall(query)}


def delete_notes(instance: dg.DagsterInstance, prefix: str) -> None:
    """Delete the texts whose keys begin with a prefix. Nothing of Dagster's deletes one."""
    from dagster._core.storage.runs import SqlRunStorage  # noqa: PLC0415 - see `_sqlite_paths`
    from dagster._core.storage.runs.schema import KeyValueStoreTable  # noqa: PLC0415

    storage, table = instance.run_storage, KeyValueStoreTable
    if isinstance(storage, SqlRunStorage):
        with storage.connect() as connection:
            connection.execute(table.delete().where(table.c.key.startswith(prefix, autoescape=True)))


def fail_run(instance: dg.DagsterInstance, run: dg.DagsterRun, reason: str) -> None:
    """Record that a run has failed, as its process would have done.

    Nothing promised ends a run from outside. The daemon repeats a run that has failed in this way, as `run_retries` in
    ``dagster.yaml`` says.
    """
    instance.report_run_failed(run, reason)


@contextmanager
def step_of_task(arguments: Any) -> Iterator[tuple[dg.DagsterInstance, str, str]]:
    """The instance, the run and the step of a task that Dagster has given to Celery, from the task's arguments.

    No argument of the task's function says so in a promised way, and a worker that is killed records nothing.
    """
    from dagster._grpc.types import ExecuteStepArgs  # noqa: PLC0415 - only a worker needs it
    from dagster._serdes import unpack_value  # noqa: PLC0415

    given = unpack_value(arguments, as_type=ExecuteStepArgs)
    if given.instance_ref is None:
        raise ValueError(f"the task of run {given.run_id} names no instance")
    with dg.DagsterInstance.from_ref(given.instance_ref) as instance:
        yield instance, given.run_id, ", ".join(given.step_keys_to_execute or ())


# Concurrency pools. Dagster's executors claim a slot before a step begins. While none is free they ask again without a
# pause, and look at no signal. Steps of ours claim theirs themselves, in the same tables.


@dataclass(frozen=True, slots=True)
class PoolState:
    """Who holds the slots of a concurrency pool, and who waits.

    Attributes:
        limit: Its slots.
        claimed: Run and step of each slot that is held.
        pending: Run and step of each that waits, with the time from which on it does; also of those whose turn it is.
    """

    limit: int
    claimed: Sequence[tuple[str, str]] = ()
    pending: Sequence[tuple[str, str, datetime]] = ()

    @property
    def run_ids(self) -> Collection[str]:
        """Of every run that holds a slot or waits for one."""
        return {run_id for run_id, _ in self.claimed} | {run_id for run_id, _, _ in self.pending}


def pool_state(instance: dg.DagsterInstance, pool: str) -> PoolState:
    """Who holds the slots of a pool, and who waits; nothing for a storage that has no pools."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return PoolState(0)
    info = storage.get_concurrency_info(pool)
    claimed = {(slot.run_id, slot.step_key) for slot in info.claimed_slots}
    waiting = [(step.run_id, step.step_key, step.enqueued_timestamp) for step in info.pending_steps]
    pending = [each for each in waiting if each[:2] not in claimed]
    return PoolState(info.slot_count, tuple(sorted(claimed)), tuple(sorted(pending, key=lambda each: each[2])))


def claim_slot(instance: dg.DagsterInstance, pool: str, run_id: str, step: str) -> bool:
    """Claim a slot of a pool for a step, or stand in its queue; to be called again until it is True.

    The pool is given one slot, whatever the limits of the instance say: ``dagster.yaml`` may have another default, or
    pools may be switched off in it. A limit of 0 that somebody has set stays, and lets nobody in.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return True
    known = {limit.name: limit for limit in storage.get_pool_limits()}.get(pool)
    is_shut = known is not None and known.limit == 0 and not known.from_default
    if not is_shut and (known is None or known.from_default or known.limit != 1):
        # It is its own limit from then on, so that no other default of the instance takes its place.
        _set_one_slot(storage, pool)
    return bool(storage.claim_concurrency_slot(pool, run_id, step).is_claimed)


@contextmanager
def queue_alone(instance: dg.DagsterInstance, pool: str) -> Iterator[None]:
    """Change the queue of a pool in Postgres while no other process does; elsewhere nothing is locked.

    Dagster locks the row of a slot by a statement that commits at once there, so that two steps at the same instant can
    both come to own it. Postgres ends the lock of a process that was lost inside the block after half a minute.
    """
    from sqlalchemy import text  # noqa: PLC0415 - see `_sqlite_paths`

    storage: Any = instance.event_log_storage
    engine = getattr(storage, "_engine", None)
    if engine is None or engine.dialect.name != "postgresql":
        yield
        return
    # What is done inside the block is committed by other connections: this one has nothing but the lock.
    with storage.index_transaction() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '30s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"ttapi_pipeline {pool}"})
        yield


def _set_one_slot(storage: Any, pool: str) -> None:
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 - see `_sqlite_paths`

    try:
        storage.set_concurrency_slots(pool, 1)
    except IntegrityError:
        # Two processes made the pool at the same instant, and the other one was first.
        storage.set_concurrency_slots(pool, 1)


def free_slot(instance: dg.DagsterInstance, run_id: str, step: str) -> None:
    """Give back the slot of a step, or its place in the queue; the next in the queue has its turn then."""
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        storage.free_concurrency_slot_for_step(run_id, step)


def free_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """Give back the slots of concurrency pools that a run holds, and its places in the queues.

    Dagster's daemon does it some time after a run has ended. Without a daemon nothing does.
    """
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        storage.free_concurrency_slots_for_run(run_id)


def give_turn(instance: dg.DagsterInstance, pool: str) -> None:
    """Let the first in the queue of a pool have its turn if a slot is free.

    Dagster does it while it frees a slot, in a transaction of its own. A process that is killed before that one leaves
    a free slot, and a queue in which it is nobody's turn.
    """
    from dagster._core.storage.event_log import SqlEventLogStorage  # noqa: PLC0415 - see `_sqlite_paths`

    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage) and storage.has_unassigned_slots(pool):
        storage.assign_pending_steps([pool])


@contextmanager
def runs_of_location(instance: dg.DagsterInstance, location: str) -> Iterator[None]:
    """Have the runs that are made inside the block belong to a code location, whether it is loaded anywhere or not.

    `execute_in_process` makes a run that belongs to none. The web UI looks for the runs of its timeline, and of the
    pages of jobs, by their location.
    """
    from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME  # noqa: PLC0415
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin  # noqa: PLC0415

    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), SINGLETON_REPOSITORY_NAME)
    made: Any = instance
    create = made.create_run_for_job

    def create_run_for_job(job_def: dg.JobDefinition, **options: Any) -> dg.DagsterRun:
        origin = repository.get_job_origin(job_def.name)
        return cast("dg.DagsterRun", create(job_def=job_def, **{**options, "remote_job_origin": origin}))

    made.create_run_for_job = create_run_for_job
    try:
        yield
    finally:
        del made.create_run_for_job


def mark_canceling(instance: dg.DagsterInstance, run_id: str, reason: str) -> None:
    """Record that somebody asked a run to end, so that Dagster records its end as that and not as a failure.

    Nothing that is promised changes the state of a run.
    """
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status is dg.DagsterRunStatus.STARTED:
        instance.report_run_canceling(run, reason)


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a signal ended a run, in a step or between steps. Only what its last event holds says so."""
    return any(
        event.event_type is dg.DagsterEventType.RUN_FAILURE
        and event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
        for event in result.all_events
    )


def record_cancelled(instance: dg.DagsterInstance, run_id: str, reason: str) -> None:
    """Record a run that has not succeeded as cancelled, whatever it is recorded as. Nothing promised does so."""
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status not in {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED}:
        instance.report_run_canceled(run, reason)


def shield_log_mirrors() -> None:
    """Keep Ctrl-C from the processes that mirror what a step prints to the terminal.

    A terminal sends it to its whole group of processes. Dagster starts a `tail` and a watcher per stream in that group,
    and the watcher shows a traceback. It ends both itself.
    """
    from dagster._core.execution import compute_logs  # noqa: PLC0415 - only a run needs it

    module: Any = compute_logs
    if os.name == "nt":
        return
    module.subprocess = SimpleNamespace(Popen=partial(subprocess.Popen, process_group=0))


def log_mirrors(run_id: str) -> Sequence[int]:
    """Ids of the processes that show on the terminal what a run's steps write, where the system has /proc.

    Dagster starts one for each stream of a step, and then a second one that ends the first when the run's process is
    gone. Of a run that is killed in between, the first stays for ever.
    """
    command = ["tail", "-F", "-c", "+0"]
    return [pid for pid, words in command_lines() if words[:4] == command and f"/{run_id}/" in words[4]]


def delete_step_logs(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete what the steps of a run wrote to their standard output and error. Deleting the run leaves it."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])


def delete_check_results(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete what a run's checks have found. Deleting the run leaves it, in a table that nothing shortens."""
    from dagster._core.storage.event_log import SqlEventLogStorage  # noqa: PLC0415 - see `_sqlite_paths`
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable  # noqa: PLC0415

    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        table = AssetCheckExecutionsTable
        with storage.index_connection() as connection:
            connection.execute(table.delete().where(table.c.run_id == run_id))


def tick_logs(instance: dg.DagsterInstance) -> Sequence[Path]:
    """The files with what ticks of sensors and schedules have logged; none where logs are not in local files.

    Dagster deletes old ticks and leaves these. An automation sensor logs 28 KB at each tick, twice a minute.
    """
    from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME  # noqa: PLC0415
    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager  # noqa: PLC0415

    manager = instance.compute_log_manager
    if not isinstance(manager, LocalComputeLogManager):
        return []
    folder = Path(manager.get_captured_local_path([SINGLETON_REPOSITORY_NAME, "sensor", "tick"], "err")).parent.parent
    return sorted(path for path in folder.glob("*/*") if path.is_file())


# Failed steps.


@dataclass(frozen=True, slots=True)
class StepFailure:
    """Why a step failed."""

    causes: Sequence[tuple[str | None, str]] = ()
    """Class, and message as a traceback shows it, of the error and of what caused it, outermost first."""
    description: str | None = None
    """Of the `dg.Failure` that the step raised; None for another error."""
    metadata: Mapping[str, dg.MetadataValue[Any]] = field(default_factory=dict)
    """Of the `dg.Failure` that the step raised; empty for another error."""


def step_failure(event: dg.DagsterEvent) -> StepFailure:
    """Why a step failed, from its STEP_FAILURE event. The event is promised; what it holds is not."""
    data = event.step_failure_data
    causes, error = [], data.error
    while error is not None:
        causes.append((error.cls_name, error.message.strip()))
        error = error.cause
    told = data.user_failure_data
    return StepFailure(causes) if told is None else StepFailure(causes, told.description, told.metadata)


def failed_steps(result: dg.ExecuteInProcessResult) -> Mapping[str, StepFailure]:
    """The steps of a run that failed, by their names. One whose resources could not be made has no causes."""
    return {
        event.step_key: step_failure(event) if event.is_step_failure else StepFailure()
        for event in result.all_events
        if event.step_key and (event.is_step_failure or event.is_resource_init_failure)
    }


@dataclass(frozen=True, slots=True)
class StepRecord:
    """An event of a run, with the step that it is about; no step for the end of the run."""

    step: str
    at: datetime
    event: dg.DagsterEvent

    @property
    def has_ended(self) -> bool:
        """Whether the step is over: done, failed, or never begun since something above it failed."""
        return self.event.is_step_success or self.event.is_step_failure or self.event.is_step_skipped


def step_records(instance: dg.DagsterInstance, run_id: str) -> Sequence[StepRecord]:
    """Beginnings and ends of the steps of a run, and its failure, oldest first. Events of a run are not promised."""
    kinds = dg.DagsterEventType
    of_type = {kinds.STEP_START, kinds.STEP_SUCCESS, kinds.STEP_FAILURE, kinds.STEP_SKIPPED, kinds.RUN_FAILURE}
    entries = instance.all_logs(run_id, of_type=of_type)
    found = ((entry.get_dagster_event(), entry.timestamp) for entry in entries)
    return [StepRecord(event.step_key or "", datetime.fromtimestamp(at, UTC), event) for event, at in found]


# The web UI.


def write_logs_without_colours() -> None:
    """Have the programs of Dagster that this process runs write their log lines without colours.

    Of the formats that they offer, which are colored, json and rich, the first has colours in a file and in a journal,
    too, and whatever NO_COLOR says.
    """
    from dagster._utils import log  # noqa: PLC0415 - only the web UI needs it

    class Plain(logging.Formatter):
        def __init__(self, fmt: str | None = None, datefmt: str | None = None, **_: object) -> None:
            super().__init__(fmt, datefmt)

    module: Any = log
    module.coloredlogs = SimpleNamespace(ColoredFormatter=Plain, install=module.coloredlogs.install)


def run_dev_server(web_server: Sequence[str], daemon: Sequence[str]) -> None:
    """Run `dagster dev`, by the arguments of this program, with other commands for the two services that it starts.

    `dagster dev` begins its services by modules that it names itself. It logs the stack of its own code when one of
    them ends, and then ends with 0.

    Raises:
        StorageError: A service ended by itself.
    """
    from dagster._cli import dev  # noqa: PLC0415 - only the web UI needs it

    module: Any = dev
    start = module.open_ipc_subprocess
    ended: list[str] = []

    def open_ipc_subprocess(command: Sequence[str], **options: Any) -> Any:
        for name, service, ours in (
            ("web server", ["-m", "dagster_webserver"], web_server),
            ("daemon", ["-m", "dagster._daemon", "run"], daemon),
        ):
            if list(command[1 : 1 + len(service)]) == service:
                process = start([*ours, *command[1 + len(service) :]], **options)
                look = process.poll

                def poll(name: str = name, look: Callable[[], int | None] = look) -> int | None:
                    code = look()
                    if code is not None:
                        ended.append(f"its {name} ended with code {code}")
                        # What `dagster dev` takes for the wish to end, and logs no stack for.
                        raise KeyboardInterrupt
                    return None

                process.poll = poll
                return process
        return start(command, **options)

    module.open_ipc_subprocess = open_ipc_subprocess
    # Its successor, `dg dev`, starts the same function.
    warnings.filterwarnings("ignore", message="Function `dev_command` is superseded")
    try:
        module.dev_command(auto_envvar_prefix="DAGSTER_CLI_DEV")
    except SystemExit as end:
        if end.code:
            raise
    if ended:
        raise StorageError(f"the web UI has ended: {ended[0]}; what it said stands above")


def run_daemon_command() -> None:
    """Run `dagster-daemon run`, by the arguments of this program; Dagster has no function for it."""
    from dagster._daemon.cli import run_command  # noqa: PLC0415 - only the daemon needs it

    run: Any = run_command
    run()


def cancel_launched_runs(instance: dg.DagsterInstance) -> list[str]:
    """Tell the processes of runs that the daemon has launched to end; returns the ids of the runs that were told.

    Those of `tt refresh` and of `dagster asset materialize`, which no launcher has started, go on.
    """
    from dagster._core.storage.tags import GRPC_INFO_TAG  # noqa: PLC0415

    # One that is queued is not under way, and the next daemon launches it.
    statuses = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses))
    launched = [run.run_id for run in runs if GRPC_INFO_TAG in run.tags]
    return [run_id for run_id in launched if instance.run_launcher.terminate(run_id)]


# Signals.


@contextmanager
def pythons_own_interrupts() -> Iterator[None]:
    """Take Dagster's signal handlers off inside the block: SIGINT and SIGTERM are Python's KeyboardInterrupt again.

    While a step runs, Dagster's handler raises `DagsterExecutionInterruptedError` wherever the process is. In an event
    loop that is some task: the loop keeps the error for that task, and the run goes on. asyncio cancels its main task
    instead, but only where the handler is Python's own. Outside of the main thread there are no handlers to take off.

    Raises:
        DagsterExecutionInterruptedError: For a KeyboardInterrupt that leaves the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGTERM, _as_interrupt)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    except KeyboardInterrupt:
        raise dg.DagsterExecutionInterruptedError from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_interrupt(_: int, __: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
