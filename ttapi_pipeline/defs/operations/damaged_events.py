# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Events that are damaged: the file of one run begins anew, so that the run can be ended and deleted, and the file of
the events of all assets is put aside.

The databases that all runs share are looked after before a run starts, by `tt refresh`.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import dagster as dg

from ttapi_pipeline.defs.dagster_internals import event_files, forget_event_file
from ttapi_pipeline.defs.operations.instance_errors import said_of_record
from ttapi_pipeline.storage.databases import database_damage, index_of_events, put_aside_in_words

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


def unreadable_event(instance: dg.DagsterInstance, assets: Iterable[str]) -> str | None:
    """What is wrong with the latest event of an asset, which a run needs; None when Dagster reads them all.

    SQLite has no checksums: see `database_damage` for what is found without Dagster.
    """
    names = list(assets)
    # Together first; which of them it is, is asked where one cannot be read.
    if _said_of(instance, names) is None:
        return None
    return next((f"{name}: {said}" for name in names if (said := _said_of(instance, [name])) is not None), None)


def _said_of(instance: dg.DagsterInstance, names: Sequence[str]) -> str | None:
    keys = [dg.AssetKey(name) for name in names]
    try:
        instance.get_asset_records(keys)
        for key in keys:
            instance.fetch_observations(key, limit=1)
    except Exception as error:
        said = said_of_record(error)
        if said is None:
            raise
        return said
    return None


def put_events_aside(home: Path, damage: str) -> str | None:
    """Put the file of the events of all assets aside, and say so; None where they are in no file.

    No instance of this process may be open on it.

    Raises:
        StorageError: The folder cannot be written.
    """
    index = index_of_events(home)
    return None if index is None else put_aside_in_words(index, damage)
