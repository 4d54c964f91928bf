# SPDX-License-Identifier: MIT
"""How far a run has come: the steps of the run write it, and a screen reads it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """How far the refresh of a dataset is."""

    WAITING = "waiting"
    RUNNING = "running"
    HIT = "hit"
    REFRESHED = "refreshed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one dataset has come in a run.

    Attributes:
        phase: How far its refresh is.
        step: The step that is being counted, in a word or two.
        done: Items of the step that are done.
        total: Items of the step; 0 when they are not known.
        note: The verdict or the error, in words.
    """

    phase: Phase = Phase.WAITING
    step: str = ""
    done: int = 0
    total: int = 0
    note: str = ""


class ProgressBoard:
    """Thread-safe state of a run, one `Progress` per dataset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: dict[str, Progress] = {}

    def set_phase(self, dataset: str, phase: Phase, note: str = "") -> None:
        """Enter a phase; counting starts again."""
        with self._lock:
            self._progress[dataset] = Progress(phase=phase, note=note)

    def count(self, dataset: str, step: str, done: int, total: int) -> None:
        """Say how far the running step has come."""
        with self._lock:
            before = self._progress.get(dataset, Progress())
            self._progress[dataset] = replace(before, step=step, done=done, total=total)

    def snapshot(self) -> Mapping[str, Progress]:
        """The state now, in the order in which the datasets were first mentioned."""
        with self._lock:
            return dict(self._progress)


_board: ContextVar[ProgressBoard | None] = ContextVar("progress_board", default=None)


@contextmanager
def watched(board: ProgressBoard) -> Iterator[ProgressBoard]:
    """Let everything that runs in this context report to `board`."""
    token = _board.set(board)
    try:
        yield board
    finally:
        _board.reset(token)


def current_board() -> ProgressBoard:
    """The board of this context; without one, a board that is thrown away."""
    return _board.get() or ProgressBoard()
