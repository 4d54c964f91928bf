# SPDX-License-Identifier: MIT
"""Old runs go, so that the instance can be left on for months: a job, once a week.

Ticks of schedules and sensors are pruned by Dagster itself, as `dagster.yaml` says.
"""

from datetime import datetime, timedelta

import dagster as dg
from pydantic import Field

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock

PRUNE_JOB = "prune_history"
KEPT_DAYS = 30

_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class PruneConfig(dg.Config):
    """How much history to keep."""

    days: int = Field(default=KEPT_DAYS, ge=1, description="Runs that ended within so many days stay.")


def prune(instance: dg.DagsterInstance, *, before: datetime) -> int:
    """Delete finished runs that were last updated before an instant, with their events and logs.

    Spared are the runs behind the latest materialisation and the latest observation of each asset: with them would go
    its data version and provenance, and Dagster would take it for never materialised.

    Returns:
        How many runs were deleted.
    """
    spared = _latest_runs(instance)
    finished = dg.RunsFilter(statuses=_FINISHED, updated_before=before)
    doomed = [run_id for run_id in instance.get_run_ids(filters=finished) if run_id not in spared]
    for run_id in doomed:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
    return len(doomed)


def _latest_runs(instance: dg.DagsterInstance) -> set[str]:
    """The runs behind what is known of each asset."""
    spared: set[str] = set()
    for key in instance.all_asset_keys():
        materialization = instance.get_latest_materialization_event(key)
        if materialization is not None:
            spared.add(materialization.run_id)
        spared.update(record.run_id for record in instance.fetch_observations(key, limit=1).records)
    return spared


def build_retention(*, clock: Clock = SYSTEM_CLOCK) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """The job and its schedule, on by default: Sunday mornings, when no session is near."""

    @dg.op(name="prune_runs", description="Delete old runs with their events and logs.")
    def prune_runs(context: dg.OpExecutionContext, config: PruneConfig) -> None:
        deleted = prune(context.instance, before=clock.now() - timedelta(days=config.days))
        context.log.info("deleted %d runs that ended more than %d days ago", deleted, config.days)
        context.add_output_metadata({"deleted": deleted})

    @dg.job(
        name=PRUNE_JOB,
        description=f"Deletes runs that ended more than {KEPT_DAYS} days ago, sparing those behind the current data.",
        executor_def=dg.in_process_executor,
    )
    def prune_history() -> None:
        prune_runs()

    schedule = dg.ScheduleDefinition(
        name="prune_weekly",
        job=prune_history,
        cron_schedule="0 6 * * 0",
        execution_timezone="America/New_York",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return prune_history, schedule
