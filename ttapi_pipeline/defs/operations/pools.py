# SPDX-License-Identifier: MIT
"""Slots of the broker's pool that a killed run still holds.

Dagster's daemon frees them, as `dagster.yaml` says; `tt refresh` and `dagster asset materialize` run without a daemon,
and would wait for a slot that nobody gives back.
"""

import dagster as dg

from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.operations.lost_runs import end_if_lost


def free_orphaned_slots(instance: dg.DagsterInstance) -> None:
    """Free what runs hold that are gone, have ended, or whose process on this machine is dead."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_info(BROKER_POOL).active_run_ids:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)
        else:
            end_if_lost(instance, run)
