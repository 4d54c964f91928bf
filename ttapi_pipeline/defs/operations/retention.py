# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Deletes old runs every morning, so that the instance can be left on for months.

A run takes a quarter of a megabyte. The quotes alone make 80 runs on a session day, so their runs are deleted sooner.
Dagster itself deletes the old ticks of schedules and sensors, as `dagster.yaml` says, and leaves what they have logged:
80 MB a day.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

import dagster as dg
from pydantic import Field

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.automation.jobs import RUN_TAGS
from ttapi_pipeline.defs.dagster_internals import delete_check_results, delete_step_logs, event_files, tick_logs
from ttapi_pipeline.defs.failures import failure
from ttapi_pipeline.defs.operations.damaged_events import restart_damaged_events
from ttapi_pipeline.defs.operations.executor import RUN_EXECUTOR
from ttapi_pipeline.defs.operations.instance_errors import instance_errors

PRUNE_JOB = "prune_history"
KEPT_DAYS = 30
KEPT_DAYS_OF_FREQUENT_RUNS = 2
KEPT_DAYS_OF_TICK_LOGS = 1
FREQUENT = timedelta(hours=1)
"""A dataset with a shorter TTL is refreshed so often that its runs are not kept for long."""

_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class PruneConfig(dg.Config):
    """How much history to keep."""

    days: int = Field(default=KEPT_DAYS, ge=1, description="Keep runs that ended within this many days.")
    days_of_frequent_runs: int = Field(
        default=KEPT_DAYS_OF_FREQUENT_RUNS,
        ge=1,
        description="Keep runs of nothing but datasets that are refreshed more often than hourly for this many days.",
    )
    days_of_tick_logs: int = Field(
        default=KEPT_DAYS_OF_TICK_LOGS, ge=1, description="Keep what sensors and schedules log for this many days."
    )


def prune(
    instance: dg.DagsterInstance,
    *,
    before: datetime,
    frequent: Collection[str] = (),
    frequent_before: datetime | None = None,
    ticks_before: datetime | None = None,
) -> int:
    """Delete finished runs that were last updated before an instant, with their events and logs.

    The runs behind the latest materialisation and the latest observation of each asset stay. Without them, Dagster
    would know neither the data version nor the provenance of the asset, and take it for never materialised.

    Args:
        instance: Where the runs are.
        before: Runs that were last updated before this are deleted.
        frequent: Assets that are refreshed often.
        frequent_before: The same for runs that were asked for nothing but `frequent`; None treats them as the others.
        ticks_before: Logs of ticks of sensors and schedules that were written before this are deleted; None for none.

    Returns:
        The number of deleted runs. What a process that died has deleted in part is removed, too.
    """
    doomed = {run.run_id for run in _finished(instance, before)}
    if frequent_before is not None:
        keys = {dg.AssetKey(name) for name in frequent}
        runs = _finished(instance, frequent_before)
        doomed.update(run.run_id for run in runs if run.asset_selection and run.asset_selection <= keys)
    doomed -= _latest_runs(instance)
    for run_id in doomed:
        delete_step_logs(instance, run_id)
        delete_check_results(instance, run_id)
        restart_damaged_events(instance, run_id)
        instance.delete_run(run_id)
        # Dagster has emptied the file of its events. The run is in no list any more, so nothing asks for the file.
        for file in event_files(instance, run_id):
            file.unlink(missing_ok=True)
    _remove_orphans(instance, before)
    if ticks_before is not None:
        _remove_tick_logs(instance, ticks_before)
    return len(doomed)


def _remove_tick_logs(instance: dg.DagsterInstance, before: datetime) -> None:
    for file in tick_logs(instance):
        if file.stat().st_mtime < before.timestamp():
            file.unlink(missing_ok=True)


def _remove_orphans(instance: dg.DagsterInstance, before: datetime) -> None:
    """Remove the files of runs that are in no list any more: a process died after it had deleted the run."""
    files = event_files(instance, "any")
    # The index of all runs lies beside them. A run has a UUID.
    found = files[0].parent.glob("????????-????-*.db") if files else ()
    ids = [path.stem for path in found if path.stat().st_mtime < before.timestamp()]
    records = instance.get_run_records(dg.RunsFilter(run_ids=ids)) if ids else ()
    listed = {record.dagster_run.run_id for record in records}
    for run_id in set(ids) - listed:
        delete_step_logs(instance, run_id)
        for file in event_files(instance, run_id):
            file.unlink(missing_ok=True)


def _finished(instance: dg.DagsterInstance, updated_before: datetime) -> Iterator[dg.DagsterRun]:
    filters = dg.RunsFilter(statuses=_FINISHED, updated_before=updated_before)
    return (record.dagster_run for record in instance.get_run_records(filters))


def _latest_runs(instance: dg.DagsterInstance) -> set[str]:
    """The ids of the runs behind the latest materialisation and the latest observation of each asset."""
    spared: set[str] = set()
    for key in instance.get_asset_keys():
        materialization = instance.get_latest_materialization_event(key)
        if materialization is not None:
            spared.add(materialization.run_id)
        spared.update(record.run_id for record in instance.fetch_observations(key, limit=1).records)
    return spared


def build_retention(
    settings: Settings, *, clock: Clock = SYSTEM_CLOCK
) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """The job and its schedule, which is on by default and runs in the morning, before a session opens."""
    frequent = [name for name, dataset in DATASETS.items() if settings.ttl(dataset) < FREQUENT]

    @dg.op(name="prune_runs", description="Delete old runs with their events and logs.")
    def prune_runs(context: dg.OpExecutionContext, config: PruneConfig) -> None:
        now = clock.now()
        try:
            with instance_errors(context.instance.root_directory):
                deleted = prune(
                    context.instance,
                    before=now - timedelta(days=config.days),
                    frequent=frequent,
                    frequent_before=now - timedelta(days=config.days_of_frequent_runs),
                    ticks_before=now - timedelta(days=config.days_of_tick_logs),
                )
        except TTError as error:
            raise failure(PRUNE_JOB, error) from error
        context.log.info("deleted %d runs", deleted)
        context.add_output_metadata({"deleted": deleted})

    @dg.job(
        name=PRUNE_JOB,
        description=(
            f"Deletes runs that ended more than {KEPT_DAYS} days ago ({KEPT_DAYS_OF_FREQUENT_RUNS} days for quotes "
            "alone), sparing those behind the current data."
        ),
        executor_def=RUN_EXECUTOR,
        tags=RUN_TAGS,
    )
    def prune_history() -> None:
        prune_runs()

    schedule = dg.ScheduleDefinition(
        name="prune_daily",
        job=prune_history,
        cron_schedule="0 6 * * *",
        execution_timezone="America/New_York",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return prune_history, schedule
