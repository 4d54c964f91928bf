# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writes lines to a program or a file without waiting for it: a slow reader does not delay the caller.

On a terminal, a grid is drawn instead: see `screen`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final, Protocol

QUEUED_LINES: Final = 100
_JOIN_SECONDS: Final = 1.0


class Output(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class LineWriter:
    """Writes lines in a thread; while the reader does not read, QUEUED_LINES wait and further ones are left out.

    Args:
        output: Where the lines go.
        on_closed: Called in the thread, once, when the reader has closed the output.
    """

    def __init__(self, output: Output, on_closed: Callable[[], object]) -> None:
        self._output = output
        self._on_closed = on_closed
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=QUEUED_LINES)
        # A daemon: a write that never ends must not keep the program from ending.
        self._thread = Thread(target=self._write, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Queue a line, without its end; it is left out when the queue is full."""
        with suppress(queue.Full):
            self._lines.put_nowait(line)

    def close(self) -> None:
        """Write the lines that wait, but give up after a second: the reader may have stopped reading."""
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(_JOIN_SECONDS)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._output.write(line + "\n")
                self._output.flush()
            except (OSError, ValueError):
                self._on_closed()
                return
