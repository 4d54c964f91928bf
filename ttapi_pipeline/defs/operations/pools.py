# SPDX-License-Identifier: MIT
"""Frees the slots of the broker's pool that a killed run still holds.

Dagster's daemon frees them, as `dagster.yaml` says. `tt refresh` and `dagster asset materialize` run without a daemon,
and would wait forever for a slot that a killed run cannot give back.
"""

import dagster as dg

from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.dagster_internals import free_slots, runs_in_pool
from ttapi_pipeline.defs.operations.lost_runs import end_if_lost


def free_orphaned_slots(instance: dg.DagsterInstance) -> None:
    """Free the slots of runs that were deleted, that have ended, or whose process on this machine is dead."""
    for run_id in runs_in_pool(instance, BROKER_POOL):
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            free_slots(instance, run_id)
        else:
            end_if_lost(instance, run)
