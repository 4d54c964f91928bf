# SPDX-License-Identifier: MIT
"""Shows the progress of a run while it runs: a live grid on a terminal, a line per change elsewhere.

The table and the lines themselves are in `status_grid`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live

from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard
from ttapi_pipeline.terminal.status_grid import progress_line, progress_table

_POLL_SECONDS = 0.2


@contextmanager
def watching(board: ProgressBoard, names: Sequence[str], console: Console) -> Iterator[None]:
    """Show the board for the length of the block.

    Args:
        board: Filled by the run, in any thread.
        names: The datasets of the grid, in its order.
        console: Where to show it; lines instead of a grid when it is not a terminal.
    """
    shown = _live(board, names, console) if console.is_terminal else _lines(board, console)
    with shown:
        yield


@contextmanager
def _live(board: ProgressBoard, names: Sequence[str], console: Console) -> Iterator[None]:
    def grid() -> RenderableType:
        return progress_table(names, board.snapshot())

    with Live(get_renderable=grid, console=console, refresh_per_second=1 / _POLL_SECONDS, transient=True):
        yield


@contextmanager
def _lines(board: ProgressBoard, console: Console) -> Iterator[None]:
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
