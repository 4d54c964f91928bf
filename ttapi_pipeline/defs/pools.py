# SPDX-License-Identifier: MIT
"""Slots of the broker's pool that a killed run still holds.

Dagster's daemon frees them in time; `tt refresh` and `dagster asset materialize` run without a daemon, and would wait
for a slot that nobody gives back.
"""

import logging
import os

import dagster as dg

from ttapi_pipeline.defs.jobs import BROKER_POOL

_log = logging.getLogger(__name__)


def free_orphaned_slots(instance: dg.DagsterInstance) -> None:
    """Free what runs hold that are gone, have ended, or whose process on this machine is dead."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_info(BROKER_POOL).active_run_ids:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)
        elif _is_dead(instance, run_id):
            _log.warning("run %s died with its process; its slot of %s is free again", run_id, BROKER_POOL)
            instance.report_run_failed(run, "its process died")
            storage.free_concurrency_slots_for_run(run_id)


def _is_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the process that executes a run in-process is gone; False when the events do not name it."""
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
