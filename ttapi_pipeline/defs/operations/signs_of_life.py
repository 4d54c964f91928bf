# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Signs of life: processes that execute a run, or a step of it, note every few seconds that they do.

They stand in the database of the instance, for machines that see neither each other's locks nor each other's processes.
An instance in local files has none: there a lock tells at once. See `held_runs`, which judges by both.
"""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.processes import ProcessIdentity, this_process
from ttapi_pipeline.defs.dagster_internals import (
    delete_notes,
    has_local_events,
    notes_beginning_with,
    write_note,
)
from ttapi_pipeline.defs.operations.database_outages import outlast_no_more, outlast_outages
from ttapi_pipeline.defs.operations.instance_errors import instance_errors

_LOGGER = logging.getLogger(__name__)

SILENT_FOR: Final = timedelta(seconds=60)
"""A process that has given no sign for so long is gone. A database that is away for 20 s keeps nobody silent so long.
The clocks of the machines may differ by a part of it."""

_PREFIX: Final = "ttapi_pipeline/alive/"
_EVERY_SECONDS: Final = 10.0
_GRACE_SECONDS: Final = 30.0
"""How long a run that others have ended may take to stop by itself."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The last sign of a process.

    Attributes:
        step: What it executes; empty for the process of the run.
        process: Which one it is; None when the note cannot be read.
        at: When it gave the sign, by the clock of its machine.
    """

    step: str
    process: ProcessIdentity | None
    at: datetime

    def why_gone(self, now: datetime) -> str | None:
        """Why its process will do nothing any more, in words that go on from its name; None when it may be there."""
        is_gone = None if self.process is None else self.process.is_gone()
        if is_gone is not None:
            return "is gone" if is_gone else None
        silent = now - self.at
        return f"has given no sign for {silent.total_seconds():.0f} s" if silent > SILENT_FOR else None


def signs_of(instance: dg.DagsterInstance, run_id: str) -> list[Sign]:
    """The last sign of each process that is at work for a run."""
    notes = notes_beginning_with(instance, f"{_PREFIX}{run_id}/")
    return [_sign(key.rpartition("/")[2], value) for key, value in sorted(notes.items())]


def is_worked_on(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a worker still executes a step of a run, which itself may be over."""
    if has_local_events(instance):
        return False
    now = datetime.now(UTC)
    return any(sign.step and sign.why_gone(now) is None for sign in signs_of(instance, run_id))


def signs_by_run(instance: dg.DagsterInstance) -> set[str]:
    """The runs of which there are signs, also those that have ended."""
    return {key.removeprefix(_PREFIX).partition("/")[0] for key in notes_beginning_with(instance, _PREFIX)}


def forget_signs(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete the signs of a run that has ended."""
    delete_notes(instance, f"{_PREFIX}{run_id}/")


def _sign(step: str, value: str) -> Sign:
    try:
        found = json.loads(value)
        return Sign(step, ProcessIdentity.from_json(found["process"]), datetime.fromisoformat(found["at"]))
    except (KeyError, TypeError, ValueError):
        return Sign(step, None, datetime.min.replace(tzinfo=UTC))


class _Heart:
    """Gives the signs of one process for one run, or one step of it, until it is stopped."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, step: str) -> None:
        self._instance = instance
        self._run_id = run_id
        self._key = f"{_PREFIX}{run_id}/{step}"
        self._is_of_run = not step
        self.is_executing = False
        self._process = this_process()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name=f"signs of life of {run_id}", daemon=True)

    def start(self) -> None:
        """Give the first sign, and further ones in a thread. A database that is away is waited for from now on."""
        outlast_outages()
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Give no further sign, and take the last one back."""
        self._stopped.set()
        self._thread.join(_GRACE_SECONDS)
        self._tried(lambda: delete_notes(self._instance, self._key))
        outlast_no_more()

    def _beat_on(self) -> None:
        while not self._stopped.wait(_EVERY_SECONDS):
            if self._is_of_run and self._was_ended():
                if self.is_executing:
                    self._end()
                return
            self._beat()

    def _beat(self) -> None:
        note = {"process": self._process.to_json(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
        self._tried(lambda: write_note(self._instance, self._key, json.dumps(note)))

    def _was_ended(self) -> bool:
        """Whether the run was ended from outside: this process was silent for too long, or a worker of it is gone."""
        ended = False

        def look() -> None:
            nonlocal ended
            run = self._instance.get_run_by_id(self._run_id)
            ended = run is None or run.is_finished

        self._tried(look)
        return ended

    def _end(self) -> None:
        """End this process, which goes on for a run that others may be repeating. Celery's executor would for ever."""
        _LOGGER.warning("run %s was ended elsewhere: this process, which executes it, ends", self._run_id)
        os.kill(os.getpid(), signal.SIGTERM)
        if not self._stopped.wait(_GRACE_SECONDS) and self.is_executing:
            os._exit(1)

    def _tried(self, act: Callable[[], None]) -> None:
        """A database that is away costs a sign and not the run."""
        try:
            with instance_errors(self._instance.root_directory):
                act()
        except TTError as error:
            _LOGGER.warning("run %s: no sign of life: %s", self._run_id, error)


_hearts: dict[str, _Heart] = {}


def give_signs(instance: dg.DagsterInstance, run_id: str) -> None:
    """Have this process give signs that it executes a run, until it ends or `stop_signs`; nothing in local files."""
    if has_local_events(instance) or instance.is_ephemeral or run_id in _hearts:
        return
    _hearts[run_id] = _Heart(instance, run_id, "")
    _hearts[run_id].start()


@contextmanager
def executing(run_id: str) -> Iterator[None]:
    """End this process when others end the run inside the block: it would execute what they may be repeating."""
    heart = _hearts.get(run_id)
    if heart is None:
        yield
        return
    heart.is_executing = True
    try:
        yield
    finally:
        heart.is_executing = False


def stop_signs(run_id: str) -> None:
    """Have this process give no further signs for a run that is over."""
    heart = _hearts.pop(run_id, None)
    if heart is not None:
        heart.stop()


@contextmanager
def signs_of_step(instance: dg.DagsterInstance, run_id: str, step: str) -> Iterator[None]:
    """Have this process give signs that it executes a step, inside the block; nothing in local files."""
    if has_local_events(instance) or instance.is_ephemeral:
        yield
        return
    heart = _Heart(instance, run_id, step)
    heart.start()
    try:
        yield
    finally:
        heart.stop()
