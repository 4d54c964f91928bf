# SPDX-License-Identifier: MIT
"""How far long work has come: written by whoever does it, read by whoever shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """What a dataset is at."""

    WAITING = "waiting"
    RUNNING = "running"
    HIT = "hit"
    REFRESHED = "refreshed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Work:
    """One dataset's share of a run; `note` is the verdict or the error, `step` what is being counted."""

    phase: Phase = Phase.WAITING
    step: str = ""
    done: int = 0
    total: int = 0
    note: str = ""


class ProgressBoard:
    """Thread-safe state of a run, one `Work` per dataset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: dict[str, Work] = {}

    def set_phase(self, dataset: str, phase: Phase, note: str = "") -> None:
        """Enter a phase; counting starts again."""
        with self._lock:
            self._work[dataset] = Work(phase=phase, note=note)

    def count(self, dataset: str, step: str, done: int, total: int) -> None:
        """Say how far the running step has come."""
        with self._lock:
            self._work[dataset] = replace(self._work.get(dataset, Work()), step=step, done=done, total=total)

    def snapshot(self) -> Mapping[str, Work]:
        """The state now, in the order in which the datasets came up."""
        with self._lock:
            return dict(self._work)


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
    """The board of this context; one that nobody reads when nobody watches."""
    return _board.get() or ProgressBoard()
