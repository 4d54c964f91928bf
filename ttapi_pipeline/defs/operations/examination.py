# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Looks at the runs of an instance from outside, for `tt doctor`: who is lost, who fetches, who waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttapi_pipeline.defs.operations.instance_errors import instance_errors, open_stored_instance
from ttapi_pipeline.defs.operations.lost_runs import end_lost_runs, lost_runs
from ttapi_pipeline.defs.operations.pools import free_orphaned_slots, orphans, queue_in_words


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found, before anything was repaired.

    Attributes:
        lost: The runs that hold something or count as being under way, and never will do anything again, with reasons.
        queue: A sentence per slot of the broker's pool that is held, and per step that waits.
    """

    lost: Mapping[str, str]
    queue: Sequence[str]


def examine_instance(home: Path, *, is_repairing: bool) -> Examined | None:
    """Look at the instance of a folder; None when it was never used. Nothing is created.

    Args:
        home: The folder, DAGSTER_HOME.
        is_repairing: Record lost runs as failed, and free what they hold.

    Raises:
        ConfigError: Its `dagster.yaml` cannot be used.
        StorageError: The instance cannot be opened or read.
    """
    with instance_errors(home):
        opened = open_stored_instance(home)
        if opened is None:
            return None
        with opened as instance:
            found = Examined({**lost_runs(instance), **orphans(instance)}, queue_in_words(instance))
            if is_repairing:
                free_orphaned_slots(instance)
                end_lost_runs(instance)
            return found
