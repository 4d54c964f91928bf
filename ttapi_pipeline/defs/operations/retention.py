# SPDX-License-Identifier: MIT
"""Old runs go, so that the instance can be left on for months: a job, every morning.

A run takes a quarter of a megabyte. Quotes alone make 80 of them on a session day, so theirs go sooner.

Ticks of schedules and sensors are pruned by Dagster itself, as `dagster.yaml` says.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
from pydantic import Field

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.automation.jobs import RUN_TAGS
from ttapi_pipeline.defs.event_log import sqlite_event_log

PRUNE_JOB = "prune_history"
KEPT_DAYS = 30
KEPT_DAYS_OF_FREQUENT_RUNS = 2
FREQUENT = timedelta(hours=1)
"""What has a shorter TTL is refreshed so often that its runs are not kept for long."""

_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class PruneConfig(dg.Config):
    """How much history to keep."""

    days: int = Field(default=KEPT_DAYS, ge=1, description="Runs that ended within so many days stay.")
    days_of_frequent_runs: int = Field(
        default=KEPT_DAYS_OF_FREQUENT_RUNS,
        ge=1,
        description="Of runs of nothing but what is refreshed more often than hourly, only those of so many days stay.",
    )


def prune(
    instance: dg.DagsterInstance,
    *,
    before: datetime,
    frequent: Collection[str] = (),
    frequent_before: datetime | None = None,
) -> int:
    """Delete finished runs that were last updated before an instant, with their events and logs.

    Spared are the runs behind the latest materialisation and the latest observation of each asset: with them would go
    its data version and provenance, and Dagster would take it for never materialised.

    Args:
        instance: Where the runs are.
        before: Of every run.
        frequent: Assets that are refreshed often.
        frequent_before: Of runs that were asked for nothing but those; None treats them as the others.

    Returns:
        How many runs were deleted.
    """
    spared = _latest_runs(instance)
    doomed = set(instance.get_run_ids(filters=dg.RunsFilter(statuses=_FINISHED, updated_before=before)))
    if frequent_before is not None:
        keys = {dg.AssetKey(name) for name in frequent}
        runs = instance.get_runs(filters=dg.RunsFilter(statuses=_FINISHED, updated_before=frequent_before))
        doomed.update(run.run_id for run in runs if run.asset_selection and run.asset_selection <= keys)
    doomed -= spared
    for run_id in doomed:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
        _delete_shard(instance, run_id)
    return len(doomed)


def _delete_shard(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete the file that SQLite kept the run's events in: Dagster empties it and leaves it at its size.

    Nothing asks for it any more, since the run is in no list.
    """
    storage = sqlite_event_log(instance)
    if storage is not None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{storage.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)


def _latest_runs(instance: dg.DagsterInstance) -> set[str]:
    """The runs behind what is known of each asset."""
    spared: set[str] = set()
    for key in instance.all_asset_keys():
        materialization = instance.get_latest_materialization_event(key)
        if materialization is not None:
            spared.add(materialization.run_id)
        spared.update(record.run_id for record in instance.fetch_observations(key, limit=1).records)
    return spared


def build_retention(
    settings: Settings, *, clock: Clock = SYSTEM_CLOCK
) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """The job and its schedule, on by default: in the morning, before a session opens."""
    frequent = [name for name, dataset in DATASETS.items() if settings.ttl(dataset) < FREQUENT]

    @dg.op(name="prune_runs", description="Delete old runs with their events and logs.")
    def prune_runs(context: dg.OpExecutionContext, config: PruneConfig) -> None:
        now = clock.now()
        deleted = prune(
            context.instance,
            before=now - timedelta(days=config.days),
            frequent=frequent,
            frequent_before=now - timedelta(days=config.days_of_frequent_runs),
        )
        context.log.info("deleted %d runs", deleted)
        context.add_output_metadata({"deleted": deleted})

    @dg.job(
        name=PRUNE_JOB,
        description=(
            f"Deletes runs that ended more than {KEPT_DAYS} days ago ({KEPT_DAYS_OF_FREQUENT_RUNS} days for quotes "
            "alone), sparing those behind the current data."
        ),
        executor_def=dg.in_process_executor,
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
