# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Looks at the runs of an instance from outside, for `tt doctor`: who is lost, who fetches, who waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.operations.damaged_events import put_events_aside, unreadable_event
from ttapi_pipeline.defs.operations.instance_errors import instance_errors, open_stored_instance
from ttapi_pipeline.defs.operations.lost_runs import end_lost_runs, lost_runs
from ttapi_pipeline.defs.operations.pools import free_orphaned_slots, orphans, queue_in_words


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found, before anything was repaired.

    Attributes:
        lost: The runs that hold something or count as being under way, and never will do anything again, with reasons.
        queue: A sentence per slot of the broker's pool that is held, and per step that waits.
        damage: What is wrong with the latest event of an asset; None when all can be read.
        mended: The sentence about the database that was put aside for it; None where none was.
    """

    lost: Mapping[str, str]
    queue: Sequence[str]
    damage: str | None = None
    mended: str | None = None


def examine_instance(home: Path, *, is_repairing: bool) -> Examined | None:
    """Look at the instance of a folder; None when it was never used. Nothing is created.

    Args:
        home: The folder, DAGSTER_HOME.
        is_repairing: Record lost runs as failed, free what they hold, and put damaged events aside.

    Raises:
        ConfigError: Its `dagster.yaml` cannot be used.
        StorageError: The instance cannot be opened or read.
    """
    with instance_errors(home):
        opened = open_stored_instance(home)
        if opened is None:
            return None
        with opened as instance:
            damage = unreadable_event(instance, DATASETS)
            found = Examined({**lost_runs(instance), **orphans(instance)}, queue_in_words(instance), damage)
            if is_repairing:
                free_orphaned_slots(instance)
                end_lost_runs(instance)
        mended = put_events_aside(home, damage) if is_repairing and damage is not None else None
        return replace(found, mended=mended)
