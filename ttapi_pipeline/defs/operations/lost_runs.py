# SPDX-License-Identifier: MIT
"""Runs whose process was killed: they are said to have failed, and what they hold is free for the next.

Dagster's launcher on one machine does not look after its processes. A run that died with the machine would count as
being in progress, and hold back the refreshing of its datasets, until its hour is over.
"""

import logging
import os

import dagster as dg

from ttapi_pipeline.defs.event_log import sqlite_event_log

_LOGGER = logging.getLogger(__name__)


def end_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail the runs that count as started and whose process on this machine is dead; their ids."""
    started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    return [run.run_id for run in started if end_if_lost(instance, run)]


def end_if_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Fail a run and free its slots when its process is dead; whether it was."""
    if not _is_dead(instance, run.run_id):
        return False
    _LOGGER.warning("run %s died with its process", run.run_id)
    instance.report_run_failed(run, "its process died")
    # Dagster would do it with its next look at ended runs, and start no other run that fetches before.
    if instance.event_log_storage.supports_global_concurrency_limits:
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return True


def _is_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the process that executes a run is gone; False when that cannot be known."""
    # Another storage may be shared with machines whose processes cannot be seen from here.
    if sqlite_event_log(instance) is None:
        return False
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None:
            try:
                os.kill(int(str(pid.value)), 0)
            except ProcessLookupError:
                return True
            except PermissionError:
                return False
    return False


def lost_runs_sensor() -> dg.SensorDefinition:
    """Looks for them every minute; on by default."""

    @dg.sensor(
        name="lost_runs",
        description="Ends runs whose process was killed, so that their datasets can be refreshed again.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        ended = end_lost_runs(context.instance)
        return dg.SkipReason(f"ended {', '.join(ended)}" if ended else "no run has lost its process")

    return lost_runs
