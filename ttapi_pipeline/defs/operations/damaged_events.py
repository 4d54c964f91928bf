# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Runs whose file of events is damaged: it begins anew, so that the run can be ended and deleted.

The databases that all runs share are looked after before a run starts, by `tt refresh`.
"""

import logging

import dagster as dg

from ttapi_pipeline.defs.dagster_internals import event_files, forget_event_file
from ttapi_pipeline.storage.databases import database_damage

_LOGGER = logging.getLogger(__name__)


def restart_damaged_events(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Remove the file with the events of a run if it is damaged; the lock of the run stays.

    Dagster writes into the file whatever is in it, so that each attempt to end or to delete the run would fail.

    Returns:
        Whether it was damaged.
    """
    files = event_files(instance, run_id)
    damage = database_damage(files[0]) if files else None
    if damage is None:
        return False
    _LOGGER.warning("run %s: its events were damaged (%s), and are gone", run_id, damage)
    for file in files:
        if file.suffix != ".lock":
            file.unlink(missing_ok=True)
    forget_event_file(instance, run_id)
    return True
