# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Draws lines in place on a terminal, and rewrites those that have changed. Only this module moves the cursor.

The text of the lines comes from the caller: see `quote_grid`.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final, Protocol

try:
    import termios
    import tty
except ImportError:
    # Windows: frames are drawn, and no key is taken.
    _TAKES_KEYS = False
else:
    _TAKES_KEYS = True

FRAME_SECONDS: Final = 0.1
SMALLEST: Final = (20, 4)
"""The least columns and lines to draw for: a terminal that does not know its size says 0."""

# Alternate screen, no cursor, no line breaks of the terminal's own, and everything erased; then back in reverse order.
_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
_LEAVE: Final = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
# Synchronised output: a terminal that knows this mode shows the frame at once, others ignore it.
_BEGIN_FRAME: Final = "\x1b[?2026h"
_END_FRAME: Final = "\x1b[?2026l"
_JOIN_SECONDS: Final = 1.0
_REDRAW: Final = b"\x0c"
"""Ctrl-L, which asks for a fresh screen wherever there is one."""


class Terminal(Protocol):
    """Where frames go."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Screen:
    """Remembers the lines that it has drawn, and writes those that differ, all of a frame in one write."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lines: list[str] = []
        self._size = (0, 0)

    def enter(self) -> None:
        """Switch to the alternate screen, without cursor and without line breaks of the terminal's own."""
        self._put(_ENTER)
        self.forget()

    def leave(self) -> None:
        """Switch back to the screen, cursor and line breaks that were there before."""
        self._put(_LEAVE)

    def forget(self) -> None:
        """Draw every line the next time, changed or not."""
        self._size = (0, 0)

    def draw(self, lines: Sequence[str], size: tuple[int, int]) -> int:
        """Show these lines, from the top.

        Args:
            lines: At most as many as fit, none wider than the terminal.
            size: Its columns and lines; when they have changed, everything is drawn again.

        Returns:
            The number of lines that were written.
        """
        is_new = size != self._size
        if is_new:
            self._lines, self._size = [], size
        before = self._lines
        changed = [
            # Erased before it is written: after a line of full width the cursor stands on its last cell, so that an
            # erasure would take that cell away.
            f"\x1b[{number};1H\x1b[K{line}\x1b[0m"
            for number, line in enumerate(lines, start=1)
            if number > len(before) or before[number - 1] != line
        ]
        surplus = len(before) > len(lines)
        if changed or surplus or is_new:
            clear = "\x1b[2J" if is_new else ""
            rest = f"\x1b[{len(lines) + 1};1H\x1b[J" if surplus else ""
            self._put(f"{_BEGIN_FRAME}{clear}{''.join(changed)}{rest}{_END_FRAME}")
        self._lines = list(lines)
        return len(changed)

    def _put(self, text: str) -> None:
        self._terminal.write(text)
        self._terminal.flush()


@contextmanager
def showing(
    frame: Callable[[int, int], Sequence[str]],
    on_key: Callable[[bytes], None],
    terminal: Terminal,
    *,
    output: int,
    keys: int | None = None,
    frame_seconds: float = FRAME_SECONDS,
    delay_seconds: float = 0.0,
) -> Iterator[None]:
    """Draw frames, and pass keys on, for as long as the block runs.

    A thread does this: a terminal that is held (Ctrl-S) or on a slow connection delays nothing else. A new size of the
    terminal is noticed with the next frame.

    Args:
        frame: Called in the thread with the columns and lines of the terminal; returns the lines of a frame.
        on_key: Called in the thread with the bytes that were typed, as the terminal sends them.
        terminal: Where to draw.
        output: The file descriptor behind it, which knows the size.
        keys: The file descriptor of the keyboard; None to take no keys. Ctrl-C stays a signal.
        frame_seconds: From one frame to the next.
        delay_seconds: Until the first frame; a block that ends sooner leaves the terminal as it is.
    """
    screen, ended = Screen(terminal), Event()

    def watch() -> None:
        # A terminal that is gone (its window was closed) ends the drawing and nothing else.
        with suppress(OSError, ValueError):
            source = keys if _TAKES_KEYS else None
            if delay_seconds and ended.wait(delay_seconds):
                return
            screen.enter()
            while not ended.is_set():
                size = terminal_size(output)
                screen.draw(frame(*size), size)
                if source is None:
                    ended.wait(frame_seconds)
                    continue
                typed = _typed(source, frame_seconds)
                if typed == _REDRAW:
                    screen.forget()
                elif typed:
                    on_key(typed)
                elif typed is not None:
                    # An end of file: the keyboard is gone, and a select on it would return at once for ever.
                    source = None
            screen.leave()

    with _unbuffered(keys):
        painter = Thread(target=watch, name="screen", daemon=True)
        painter.start()
        try:
            yield
        finally:
            ended.set()
            # A thread that cannot write, since the terminal is held, is left behind: it is a daemon.
            painter.join(_JOIN_SECONDS)


def terminal_size(descriptor: int) -> tuple[int, int]:
    """Columns and lines of a terminal."""
    size = os.get_terminal_size(descriptor)
    return max(size.columns, SMALLEST[0]), max(size.lines, SMALLEST[1])


def _typed(keys: int, seconds: float) -> bytes | None:
    """The bytes that are typed within that time; None when no key is typed, empty when the keyboard is gone."""
    readable, _, _ = select.select([keys], [], [], seconds)
    return os.read(keys, 64) if readable else None


@contextmanager
def _unbuffered(keys: int | None) -> Iterator[None]:
    """Let each key arrive at once and without echo, for the length of the block."""
    if keys is None or not _TAKES_KEYS:
        yield
        return
    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    try:
        yield
    finally:
        # A terminal that was closed cannot be set back, and need not be.
        with suppress(termios.error):
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
