# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How far a run has come: the steps of the run write it, and a screen reads it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.traffic import Traffic
from ttapi_pipeline.core.ttl import format_duration

Listener: TypeAlias = Callable[[str, "Progress"], object]
"""Takes the name of a dataset and how far it has come. Called in the thread that counts."""


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
        losses: What a refresh lacks or could not read, in words.
        began_at: Monotonic seconds at the first count of the step.
        began_with: Items that were done then, such as those that an interrupted run has left.
        counted_at: Monotonic seconds at the last count.
        stored: The manifest of what a refresh has stored; None before that.
    """

    phase: Phase = Phase.WAITING
    step: str = ""
    done: int = 0
    total: int = 0
    note: str = ""
    losses: Sequence[str] = ()
    began_at: float = 0.0
    began_with: int = 0
    counted_at: float = 0.0
    stored: Manifest | None = None

    def per_second(self, now: float) -> float | None:
        """Items of the step per second since its first count; None before two counts have come.

        Args:
            now: Monotonic seconds; a step that stands still gets slower by the second.
        """
        if self.counted_at <= self.began_at or now <= self.began_at:
            return None
        return (self.done - self.began_with) / (now - self.began_at)

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the step is done at its pace so far; None when there is no pace yet, or no known end."""
        pace = self.per_second(now)
        return (self.total - self.done) / pace if pace and self.total else None

    def in_words(self, now: float) -> str:
        """The step that is counted, such as ``candles 212/503, 41/s, 7s left``; empty before a count has come."""
        if not self.step:
            return ""
        words = [f"{self.step} {self.done:,}/{self.total:,}" if self.total else f"{self.step} {self.done:,}"]
        pace, left = self.per_second(now), self.seconds_left(now)
        if pace is not None and self.done < self.total:
            words.append(f"{pace:,.0f}/s" if pace >= 10 else f"{pace:.1f}/s")
        if left is not None and left >= 1:
            words.append(f"{format_duration(timedelta(seconds=left))} left")
        return ", ".join(words)


class ProgressBoard:
    """Thread-safe state of a run: one `Progress` per dataset, and the traffic with the API."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._progress: dict[str, Progress] = {}
        self._listeners: list[Listener] = []
        self._traffic: Callable[[], Traffic] | None = None

    def set_phase(self, dataset: str, phase: Phase, note: str = "", *, losses: Sequence[str] = ()) -> None:
        """Enter a phase; counting starts again."""
        with self._lock:
            self._progress[dataset] = Progress(phase=phase, note=note, losses=losses)

    def note_stored(self, dataset: str, manifest: Manifest) -> None:
        """Say what a refresh has stored."""
        with self._lock:
            self._progress[dataset] = replace(self._progress.get(dataset, Progress()), stored=manifest)

    def count(self, dataset: str, step: str, done: int, total: int) -> None:
        """Say how far the running step has come."""
        now = self._monotonic()
        with self._lock:
            before = self._progress.get(dataset, Progress())
            # Another step, or the same from its beginning again.
            is_first = before.step != step or done < before.done
            work = replace(
                before,
                step=step,
                done=done,
                total=total,
                began_at=now if is_first else before.began_at,
                began_with=done if is_first else before.began_with,
                counted_at=now,
            )
            self._progress[dataset] = work
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(dataset, work)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Tell `listener` of every count for the length of the block."""
        with self._lock:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def follow_traffic(self, traffic: Callable[[], Traffic]) -> None:
        """Ask there for the traffic from now on; it is called in any thread."""
        self._traffic = traffic

    def traffic(self) -> Traffic | None:
        """The traffic with the API; None before anybody has opened it."""
        return None if self._traffic is None else self._traffic()

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
