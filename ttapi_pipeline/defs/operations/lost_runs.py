# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Ends runs whose process was killed: records them as failed with the reason, and frees what they hold.

Dagster's launcher on one machine does not watch its processes. A run that died with the machine would count as being in
progress, and hold back the refreshing of its datasets, until the daemon ends it after an hour (`jobs.RUN_TAGS`). How a
dead process is told from a living one: see `held_runs`.
"""

import logging
import os
import signal
from collections.abc import Mapping
from contextlib import suppress

import dagster as dg

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.defs.dagster_internals import fail_run, free_slots, has_local_events, log_mirrors
from ttapi_pipeline.defs.failures import skipped
from ttapi_pipeline.defs.operations.damaged_events import restart_damaged_events
from ttapi_pipeline.defs.operations.held_runs import why_lost
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.operations.signs_of_life import forget_signs, is_worked_on, signs_by_run

_LOGGER = logging.getLogger(__name__)

_UNDER_WAY = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def lost_runs(instance: dg.DagsterInstance) -> Mapping[str, str]:
    """The runs that are under way and have no process any more, newest first, each with the reason."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(_UNDER_WAY)))
    found = ((record.dagster_run.run_id, why_lost(instance, record.dagster_run)) for record in records)
    return {run_id: why for run_id, why in found if why is not None}


def end_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Record the lost runs as failed, and return their ids, newest first."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(_UNDER_WAY)))
    ended = [record.dagster_run.run_id for record in records if end_if_lost(instance, record.dagster_run)]
    if not has_local_events(instance):
        _forget_ended_runs(instance)
    return ended


def _forget_ended_runs(instance: dg.DagsterInstance) -> None:
    """Delete what processes have noted of runs that are over."""
    for run_id in signs_by_run(instance):
        run = instance.get_run_by_id(run_id)
        # That of a `tt refresh` is made a moment after its first sign.
        if run is not None and run.is_finished and not is_worked_on(instance, run_id):
            forget_signs(instance, run_id)


def end_if_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Record a run as failed, with the reason, and free what it holds if its process is gone.

    That are its slots and places in queues, and what still follows the output of its steps.

    Returns:
        Whether its process is gone.
    """
    reason = why_lost(instance, run)
    if reason is None:
        return False
    # The process may have ended the run, and itself, since the run was read.
    now = instance.get_run_by_id(run.run_id)
    if now is not None and not now.is_finished:
        _LOGGER.warning("run %s: %s", run.run_id, reason)
        restart_damaged_events(instance, run.run_id)
        fail_run(instance, now, reason)
    # The daemon would free them too, when it next looks at ended runs. No other run that fetches starts before that.
    # A worker that is still at work for the run gives its slot back itself.
    if not is_worked_on(instance, run.run_id):
        free_slots(instance, run.run_id)
    for pid in log_mirrors(run.run_id):
        with suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    return True


def lost_runs_sensor() -> dg.SensorDefinition:
    """The sensor that ends lost runs, twice a minute; on by default."""

    @dg.sensor(
        name="lost_runs",
        description="Ends runs whose process was killed, so that their datasets can be refreshed again.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        try:
            with instance_errors(context.instance.root_directory):
                ended = end_lost_runs(context.instance)
        except TTError as error:
            return skipped(error)
        return dg.SkipReason(f"ended {', '.join(ended)}" if ended else "no run has lost its process")

    return lost_runs
