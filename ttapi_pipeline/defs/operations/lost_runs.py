# SPDX-License-Identifier: MIT
"""Finds runs whose process was killed, records them as failed, and frees what they hold.

Dagster's launcher on one machine does not watch its processes. A run that died with the machine would count as being in
progress, and hold back the refreshing of its datasets, until the daemon ends it after an hour (`jobs.RUN_TAGS`).
"""

import logging
import os

import dagster as dg

from ttapi_pipeline.defs.dagster_internals import fail_run, free_slots, has_local_events, processes_of

_LOGGER = logging.getLogger(__name__)


def end_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Record the started runs whose process on this machine is dead as failed, and return their ids, newest first."""
    started = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    return [record.dagster_run.run_id for record in started if end_if_lost(instance, record.dagster_run)]


def end_if_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Record a run as failed and free its slots if its process is dead.

    Returns:
        Whether its process is dead.
    """
    if not _is_dead(instance, run.run_id):
        return False
    _LOGGER.warning("run %s died with its process", run.run_id)
    fail_run(instance, run, "its process died")
    # The daemon would free them too, when it next looks at ended runs. No other run that fetches starts before that.
    free_slots(instance, run.run_id)
    return True


def _is_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the process that executes a run is dead; False when that cannot be known."""
    # Another storage may be shared with machines whose processes cannot be seen from here.
    for pid in processes_of(instance, run_id) if has_local_events(instance) else ():
        try:
            # Signal 0 is not delivered: it asks whether there is such a process.
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            # It lives, and is another user's.
            return False
    return False


def lost_runs_sensor() -> dg.SensorDefinition:
    """The sensor that ends lost runs, every minute; on by default."""

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
