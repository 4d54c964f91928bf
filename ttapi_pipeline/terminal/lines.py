# SPDX-License-Identifier: MIT
"""Lines for output that is no terminal: a program, a file. Whoever writes them does not wait for who reads them."""

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
        output: Where to.
        on_closed: Called in the thread, once, when nobody reads any more.
    """

    def __init__(self, output: Output, on_closed: Callable[[], object]) -> None:
        self._output = output
        self._on_closed = on_closed
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=QUEUED_LINES)
        # A daemon: a write that never ends must not keep the program from ending.
        self._thread = Thread(target=self._write, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Have a line written soon."""
        with suppress(queue.Full):
            self._lines.put_nowait(line)

    def close(self) -> None:
        """Have the lines written that wait, unless nobody reads them."""
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
