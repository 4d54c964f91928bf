# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The turns at the broker: one step fetches at a time, over all runs of an instance.

A step that fetches stands in the queue of the pool BROKER_POOL until the slot is its own. While it waits it sleeps,
says for which run, can be interrupted, and looks after the queue: a killed run may have left a slot, a turn that it
never took, or its place. `tt refresh` and `dagster asset materialize` run without a daemon that would do it.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import dagster as dg

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.file_locks import lock_exclusively
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.dagster_internals import (
    claim_slot,
    free_slot,
    free_slots,
    give_turn,
    pool_state,
    queue_alone,
    run_lock_file,
)
from ttapi_pipeline.defs.operations.database_outages import is_asked_to_end
from ttapi_pipeline.defs.operations.held_runs import hold_run, is_held, process_of, why_lost
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.operations.interrupts import despite_interrupts, noted_interrupts
from ttapi_pipeline.defs.operations.lost_runs import end_if_lost
from ttapi_pipeline.defs.operations.signs_of_life import is_worked_on

T = TypeVar("T")

_LOGGER = logging.getLogger(__name__)

_ASK_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 5.0
"""How often a waiting step looks whether the runs in the queue are there."""
_SAY_SECONDS: Final = 15.0


def orphans(instance: dg.DagsterInstance) -> Mapping[str, str]:
    """The runs that stand in the queue and will not leave it by themselves, each with the reason."""
    found = {}
    for run_id in sorted(pool_state(instance, BROKER_POOL).run_ids):
        run = instance.get_run_by_id(run_id)
        # A run that was ended from outside may still be at work for a moment, and gives its slot back itself.
        is_at_work = bool(is_held(instance, run_id)) or is_worked_on(instance, run_id)
        if run is None:
            why = None if is_at_work else "it was deleted"
        elif run.is_finished:
            why = None if is_at_work else "it has ended"
        else:
            why = why_lost(instance, run)
        if why is not None:
            found[run_id] = why
    return found


def free_orphaned_slots(instance: dg.DagsterInstance) -> list[str]:
    """Free what the orphans hold or wait for, record those that have not ended as failed, and return their ids."""
    with _alone(instance):
        freed = list(orphans(instance))
        for run_id in freed:
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished or not end_if_lost(instance, run):
                free_slots(instance, run_id)
        give_turn(instance, BROKER_POOL)
    return freed


@contextmanager
def broker_turn(instance: dg.DagsterInstance, run_id: str, step: str, say: Callable[[str], None]) -> Iterator[bool]:
    """Wait until no other step fetches, and let none fetch inside the block.

    Args:
        instance: Of the run.
        run_id: Of the run that the step belongs to.
        step: What fetches, in the words of the web UI.
        say: Is told for what the step waits, at once and every quarter of a minute.

    Returns:
        Whether the step had to wait. Then another run may have fetched the same.
    """
    hold_run(instance, run_id, is_noted=False)
    try:
        with noted_interrupts() as interrupted:
            has_waited = not _once_more(step, lambda: _claim(instance, run_id, step))
            if has_waited:
                _wait(instance, run_id, step, say, interrupted)
        yield has_waited
    finally:
        despite_interrupts(lambda: _leave(instance, run_id, step))


def _wait(
    instance: dg.DagsterInstance, run_id: str, step: str, say: Callable[[str], None], interrupted: threading.Event
) -> None:
    """Return when the step has the slot, or when it was interrupted."""
    began = time.monotonic()
    looked = said = float("-inf")
    while not interrupted.is_set():
        now = time.monotonic()
        if now - looked >= _LOOK_SECONDS:
            looked = now
            _once_more(step, lambda: free_orphaned_slots(instance))
        if _once_more(step, lambda: _claim(instance, run_id, step)):
            return
        if now - said >= _SAY_SECONDS:
            said, waited = now, timedelta(seconds=now - began)
            say(_once_more(step, partial(_waiting_words, instance, run_id, waited=waited)))
        interrupted.wait(_ASK_SECONDS)


def _claim(instance: dg.DagsterInstance, run_id: str, step: str) -> bool:
    with _alone(instance):
        return claim_slot(instance, BROKER_POOL, run_id, step)


def _leave(instance: dg.DagsterInstance, run_id: str, step: str) -> None:
    def leave() -> None:
        with _alone(instance):
            free_slot(instance, run_id, step)

    _once_more(step, leave)


def _once_more(step: str, work: Callable[[], T]) -> T:
    """Do something with the queue, and a second time when the database fails it: a step need not fail for that.

    A server that ends takes the statement with it that is under way; the connection to the next one is waited for.
    """
    try:
        return work()
    except StorageError as error:
        if is_asked_to_end():
            raise
        _LOGGER.warning("%s: the queue of the broker is asked once more: %s", step, error)
    return work()


def leave_queue(instance: dg.DagsterInstance, run_id: str) -> None:
    """Give back whatever slot a run that has ended holds, and its places in the queue."""
    with _alone(instance):
        free_slots(instance, run_id)


@contextmanager
def _alone(instance: dg.DagsterInstance) -> Iterator[None]:
    """Change the queue while no other process does.

    Dagster reads and writes it in several transactions: two claims at the same time can both come to own a slot.

    Raises:
        StorageError: The database cannot be read or written.
    """
    file = run_lock_file(instance, BROKER_POOL)
    if file is None or instance.is_ephemeral:
        with instance_errors(instance.root_directory), queue_alone(instance, BROKER_POOL):
            yield
        return
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        # Where there are no locks, the transactions of the database are all that keeps two claims apart.
        with suppress(OSError):
            lock_exclusively(descriptor, is_waiting=True)
        with instance_errors(instance.root_directory):
            yield
    finally:
        os.close(descriptor)


def _waiting_words(instance: dg.DagsterInstance, run_id: str, *, waited: timedelta) -> str:
    """For whom a step of a run waits, and how long it has."""
    with instance_errors(instance.root_directory):
        state = pool_state(instance, BROKER_POOL)
        ahead = state.claimed or [(other, step) for other, step, _ in state.pending if other != run_id][:1]
        holder = ", ".join(_holder_words(instance, *each) for each in ahead) or f"a slot of the pool {BROKER_POOL}"
    return f"waiting for {holder}" + (f", for {format_duration(waited)} now" if waited >= timedelta(seconds=1) else "")


def _holder_words(instance: dg.DagsterInstance, run_id: str, step: str) -> str:
    run = instance.get_run_by_id(run_id)
    process = None if run is None else process_of(run)
    return f"run {run_id[:8]}, which fetches {step}" + (f" ({process})" if process is not None else "")


def queue_in_words(instance: dg.DagsterInstance) -> list[str]:
    """A sentence per slot that is held and per step that waits."""
    state, now = pool_state(instance, BROKER_POOL), datetime.now(UTC)
    held = [f"its turn: {_holder_words(instance, run_id, step)}" for run_id, step in state.claimed]
    waiting = [
        f"waits for {format_duration(now - since)}: {_holder_words(instance, run_id, step)}"
        for run_id, step, since in state.pending
    ]
    return [*held, *waiting]
