# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Notes which processes execute a run, and tells whether one of them is still there.

A process that executes a run, or a step of it, holds a shared lock on a file beside the events of the run. The
operating system drops the lock with the process, whatever ends it: a signal, the end of its container, a loss of power.
Processes that see the file see the lock, in another container as well. What is noted in a tag of the run is for people,
and for an instance that is not kept in local files. Of that one there are also signs of life: see `signs_of_life`.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

from ttapi_pipeline.core.file_locks import lock_exclusively, lock_shared
from ttapi_pipeline.core.processes import ProcessIdentity, is_alive, started_at, this_process
from ttapi_pipeline.defs.dagster_internals import has_local_events, processes_of, run_lock_file, tag_run
from ttapi_pipeline.defs.operations.damaged_events import restart_damaged_events
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.operations.signs_of_life import give_signs, signs_of, stop_signs

_TAG: Final = "process"
"""One tag, because the web UI's list of runs has a line for each."""
_TAKEN_UP_WITHIN: Final = timedelta(minutes=1)
"""A run that has started is in a process by then. Only a kill between the two leaves one that is not."""
_STARTED_WITHIN: Final = timedelta(minutes=10)
"""`dagster asset materialize` makes a run and starts it in the same breath."""
_SLACK: Final = timedelta(seconds=2)
"""Times of processes are counted from the start of the machine, and come out a little early or late."""

_held: dict[str, int] = {}
"""Per run that this process executes, the descriptor that holds the lock. Not closed while the run is not over: the
event that ends a run is recorded after its executor has ended."""


def process_tags(identity: ProcessIdentity | None = None, *, run_id: str | None = None) -> Mapping[str, str]:
    """The tag that says in which process a run is.

    Args:
        identity: The process; this one by default.
        run_id: Of the run. One that repeats it inherits the tag, and is in another process.
    """
    values = (identity or this_process()).to_strings()
    return {_TAG: json.dumps({**values, "run": run_id} if run_id is not None else values)}


def process_of(run: dg.DagsterRun) -> ProcessIdentity | None:
    """The process that took up a run, by its tag; None when none is noted, or that of a run that it repeats."""
    text = run.tags.get(_TAG, "")
    process = ProcessIdentity.from_json(text)
    is_inherited = process is not None and json.loads(text).get("run", run.run_id) != run.run_id
    return None if is_inherited else process


def hold_run(instance: dg.DagsterInstance, run_id: str, *, is_noted: bool = True) -> None:
    """Have this process count as executing a run, until the run or the process is over.

    Args:
        instance: Of the run. One that is gone with this process needs no lock.
        run_id: Of the run, which need not be there yet.
        is_noted: Whether the run is given the tag of this process. A process that executes single steps is not noted.

    Raises:
        StorageError: The database of the instance cannot be read or written.
    """
    if instance.is_ephemeral or run_id in _held:
        return
    with instance_errors(instance.root_directory):
        release_ended_runs(instance)
    file = run_lock_file(instance, run_id)
    if file is not None:
        # A folder that cannot be written or locked is a reason to know less, and none to refresh nothing.
        with suppress(OSError):
            _held[run_id] = _shared_lock(file)
    if is_noted:
        with instance_errors(instance.root_directory):
            tag_run(instance, run_id, process_tags(run_id=run_id))
        give_signs(instance, run_id)


def release_ended_runs(instance: dg.DagsterInstance) -> None:
    """Let go of the runs of this process that are over."""
    for run_id in list(_held):
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            release_run(run_id)


def release_run(run_id: str) -> None:
    """Let go of a run."""
    stop_signs(run_id)
    descriptor = _held.pop(run_id, None)
    if descriptor is not None:
        os.close(descriptor)


def _shared_lock(file: Path) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        # Another process looks whether the run is held, and has the lock to itself for that moment.
        lock_shared(descriptor)
        os.write(descriptor, f"{this_process().to_json()}\n".encode())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_held(instance: dg.DagsterInstance, run_id: str) -> bool | None:
    """Whether a process that executes the run is there, by the lock; None when no lock tells."""
    file = run_lock_file(instance, run_id)
    if file is None:
        return None
    try:
        descriptor = os.open(file, os.O_RDWR)
    except OSError:
        return None
    try:
        lock_exclusively(descriptor, is_waiting=False)
    except BlockingIOError:
        return True
    except OSError:
        # A file system without locks.
        return None
    finally:
        os.close(descriptor)
    return False


def why_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Why a run that is not over will never be; None when a process executes it, or that cannot be known.

    Of several processes, as those of a process per step, one that is left is enough.
    """
    process = process_of(run)
    words = f"its process is gone: {process}" if process is not None else "its process is gone"
    held = is_held(instance, run.run_id)
    if held is not None:
        return None if held else words
    is_gone = None if process is None else process.is_gone()
    if is_gone:
        return words
    silent = None if has_local_events(instance) else _why_lost_by_signs(instance, run.run_id)
    if silent is not None:
        return silent
    # Without a lock and without the tag, the run was taken up by something else than this project, or by nothing.
    # Another storage may be shared with machines whose processes cannot be seen from here.
    if process is not None or not has_local_events(instance):
        return None
    return _why_lost_by_events(instance, run)


def _why_lost_by_signs(instance: dg.DagsterInstance, run_id: str) -> str | None:
    now = datetime.now(UTC)
    for sign in signs_of(instance, run_id):
        why = sign.why_gone(now)
        if why is not None:
            what = f"the worker of its step {sign.step}" if sign.step else "its process"
            return f"{what} {why}" + (f": {sign.process}" if sign.process is not None else "")
    return None


def _why_lost_by_events(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    seen = () if restart_damaged_events(instance, run.run_id) else processes_of(instance, run.run_id)
    if seen:
        pid, at = seen[0]
        words = f"its process is gone: process {pid} since {at.isoformat(timespec='seconds')}"
        return words if all(_is_another(*each) for each in seen) else None
    record = instance.get_run_record_by_id(run.run_id)
    if record is None or record.dagster_run.is_finished:
        return None
    now = datetime.now(UTC)
    if record.start_time is not None:
        age = now - datetime.fromtimestamp(record.start_time, UTC)
        return "it started, and no process took it up" if age > _TAKEN_UP_WITHIN else None
    is_new = record.dagster_run.status is dg.DagsterRunStatus.NOT_STARTED
    age = now - record.create_timestamp.replace(tzinfo=record.create_timestamp.tzinfo or UTC)
    return "it was made, and never started" if is_new and age > _STARTED_WITHIN else None


def _is_another(pid: int, seen_at: datetime) -> bool:
    """Whether the process with this id, which wrote an event then, has ended; its id may have been given again."""
    if not is_alive(pid):
        return True
    began = started_at(pid)
    return began is not None and began > seen_at + _SLACK
