# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Shows the progress of a run while it runs: the status grid in place on a terminal, a line per change elsewhere.

The lines of the grid are in `status_grid`; `screen` draws them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TextIO

from rich.console import Console

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard
from ttapi_pipeline.core.traffic import Traffic
from ttapi_pipeline.datasets.status import DatasetStatus
from ttapi_pipeline.terminal.captured import capturing_stderr
from ttapi_pipeline.terminal.console import SafeConsole
from ttapi_pipeline.terminal.dataset_rows import dataset_row
from ttapi_pipeline.terminal.held_logs import holding_logs
from ttapi_pipeline.terminal.pen import Glyphs, glyphs_for
from ttapi_pipeline.terminal.screen import showing
from ttapi_pipeline.terminal.status_grid import (
    Frame,
    grid_lines,
    headline,
    progress_line,
    simulated_words,
    traffic_words,
)
from ttapi_pipeline.terminal.streams import is_coloured, is_drawable, print_error

_POLL_SECONDS: Final = 0.2
_DELAY_SECONDS: Final = 0.4
"""A run that ends sooner shows no grid of its own: the screen would only flash."""

_PACE_SECONDS: Final = 5.0
"""The requests per second are those of the last five seconds."""


class RunView:
    """The grid of a run under way. The screen asks for frames in its own thread.

    Args:
        board: Filled by the run, in any thread.
        source: Where data comes from, in words.
        is_simulated: Whether that is a simulator.
        places: Labels and absolute paths.
        is_coloured: Whether the lines may have colours.
        glyphs: The characters of bars.
        clock: For ages and paces.
    """

    def __init__(
        self,
        board: ProgressBoard,
        *,
        source: str,
        is_simulated: bool,
        places: Mapping[str, str],
        is_coloured: bool,
        glyphs: Glyphs,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._board = board
        self._source = source
        self._is_simulated = is_simulated
        self._places = places
        self._is_coloured = is_coloured
        self._glyphs = glyphs
        self._clock = clock
        self._statuses: Mapping[str, DatasetStatus] = {}
        self._selection: Collection[str] = ()
        self._paces: deque[tuple[float, int]] = deque()

    def begin(self, statuses: Mapping[str, DatasetStatus], selection: Collection[str]) -> None:
        """Show the datasets of the run from now on.

        Args:
            statuses: Of every dataset, before the run.
            selection: The datasets that the run has to do with.
        """
        self._statuses, self._selection = statuses, selection

    def frame(self, width: int, height: int) -> list[str]:
        """The lines of a frame, see `screen.showing`."""
        now, at, said = self._clock.monotonic(), self._clock.now(), self._board.snapshot()
        work = {name: said.get(name, Progress()) for name in self._selection}
        traffic = self._board.traffic()
        frame = Frame(
            rows=[
                dataset_row(status, work.get(name), is_run=True, now=now, at=at)
                for name, status in self._statuses.items()
            ],
            headline=headline(self._statuses, work) if self._statuses else "looking at what is stored",
            source=self._source,
            simulated=simulated_words(self._statuses, is_simulated=self._is_simulated),
            places=self._places,
            traffic=traffic_words(traffic, self._pace(traffic, now)),
        )
        return grid_lines(frame, width=width, height=height, is_coloured=self._is_coloured, glyphs=self._glyphs)

    def _pace(self, traffic: Traffic | None, now: float) -> float | None:
        if traffic is None:
            return None
        self._paces.append((now, traffic.requests))
        while len(self._paces) > 1 and now - self._paces[0][0] > _PACE_SECONDS:
            self._paces.popleft()
        began, requests = self._paces[0]
        return (traffic.requests - requests) / (now - began) if now > began else None


class Display(Protocol):
    """Where a run is shown."""

    def begin(self, statuses: Mapping[str, DatasetStatus], selection: Collection[str]) -> None:
        """Show the datasets of the run; see `RunView.begin`."""

    def say(self, sentence: str) -> None:
        """Write a sentence that stays: at once, or when the grid is gone."""


@contextmanager
def displaying(
    board: ProgressBoard, *, source: str, is_simulated: bool, places: Mapping[str, str], is_quiet: bool
) -> Iterator[Display]:
    """Show a run on standard error for the length of the block.

    Args:
        board: Filled by the run, in any thread.
        source: Where data comes from, in words.
        is_simulated: Whether that is a simulator.
        places: Labels and absolute paths, for below the grid.
        is_quiet: Whether to show nothing.
    """
    # Dagster redirects the process's own stderr into its compute logs while a step runs.
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors="replace") as terminal:
        if is_quiet or not is_drawable(terminal):
            console = SafeConsole(file=terminal, quiet=is_quiet)
            with _writing_changes(board, console):
                yield _Lines(console, source)
            return
        view = RunView(
            board,
            source=source,
            is_simulated=is_simulated,
            places=places,
            is_coloured=is_coloured(terminal),
            glyphs=glyphs_for(terminal),
        )
        sentences = list[str]()
        try:
            with _drawing(view, terminal):
                yield _Grid(view, sentences)
        finally:
            for sentence in sentences:
                print_error(sentence)


@dataclass(frozen=True, slots=True)
class _Grid:
    _view: RunView
    _sentences: list[str]

    def begin(self, statuses: Mapping[str, DatasetStatus], selection: Collection[str]) -> None:
        self._view.begin(statuses, selection)

    def say(self, sentence: str) -> None:
        self._sentences.append(sentence)


@dataclass(frozen=True, slots=True)
class _Lines:
    _console: Console
    _source: str

    def begin(self, statuses: Mapping[str, DatasetStatus], selection: Collection[str]) -> None:
        self.say(f"refreshing {len(selection)} of {len(statuses)} datasets from {self._source}")

    def say(self, sentence: str) -> None:
        self._console.print(one_line(sentence), markup=False, soft_wrap=True)


@contextmanager
def _drawing(view: RunView, terminal: TextIO) -> Iterator[None]:
    """Draw the grid in place; nothing else is written to the terminal meanwhile."""
    with ExitStack() as stack:
        stack.enter_context(holding_logs())
        stack.enter_context(capturing_stderr())
        stack.enter_context(
            showing(
                view.frame,
                lambda _: None,
                terminal,
                output=terminal.fileno(),
                frame_seconds=_POLL_SECONDS,
                delay_seconds=_DELAY_SECONDS,
            )
        )
        yield


@contextmanager
def _writing_changes(board: ProgressBoard, console: Console) -> Iterator[None]:
    """Write a line for each change of the board."""
    ended = threading.Event()
    said: dict[str, Progress] = {}

    def say_changes() -> None:
        for name, work in board.snapshot().items():
            has_changed = name not in said or said[name].phase is not work.phase
            # What a waiting dataset waits for, and for how long it has, is all there is to say of it.
            if has_changed or (work.phase is Phase.WAITING and said[name].note != work.note):
                console.print(progress_line(name, work), highlight=False, markup=False, soft_wrap=True)
            said[name] = work

    def watch() -> None:
        while not ended.wait(_POLL_SECONDS):
            say_changes()

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        say_changes()
