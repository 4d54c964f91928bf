# SPDX-License-Identifier: MIT
"""The one that owns the cursor: lines in place on a terminal, rewritten where they have changed; what they say is not
its business.
"""

from __future__ import annotations

import os
import select
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Final, Protocol

FRAME_SECONDS: Final = 0.1
SMALLEST: Final = (20, 4)
"""Columns and lines that are drawn for at least: a terminal that says 0 does not know its size."""

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
_LEAVE: Final = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
# Terminals that know it show the frame at once, the others ignore it.
_BEGIN_FRAME: Final = "\x1b[?2026h"
_END_FRAME: Final = "\x1b[?2026l"
_JOIN_SECONDS: Final = 1.0
_REDRAW: Final = b"\x0c"


class Terminal(Protocol):
    """Where frames go."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Screen:
    """Remembers what it has drawn and writes the difference, a frame in one piece."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lines: list[str] = []
        self._size = (0, 0)

    def enter(self) -> None:
        """Switch to the alternate screen, without cursor and without line breaks of the terminal's own."""
        self._put(_ENTER)
        self.forget()

    def leave(self) -> None:
        """Give the terminal back as it was."""
        self._put(_LEAVE)

    def forget(self) -> None:
        """Draw everything the next time."""
        self._size = (0, 0)

    def draw(self, lines: Sequence[str], size: tuple[int, int]) -> int:
        """Show these lines, from the top.

        Args:
            lines: At most as many as fit, none wider than the terminal.
            size: Its columns and lines; when they have changed, everything is drawn again.

        Returns:
            How many lines were written.
        """
        is_new = size != self._size
        if is_new:
            self._lines, self._size = [], size
        before = self._lines
        changed = [
            # Erased first: behind a line of full width, the cursor still stands on its last cell.
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
) -> Iterator[None]:
    """Draw frames, and pass keys on, for as long as the block runs.

    This is done in a thread: a terminal that is held (Ctrl-S) or a slow connection delays nothing else. A new size is
    noticed with the next frame.

    Args:
        frame: The lines of a frame for that many columns and lines. It is called in the thread.
        on_key: Told what was typed, as it comes from the terminal. Likewise.
        terminal: Where to draw.
        output: The file descriptor behind it, which knows the size.
        keys: The file descriptor of the keyboard; None for none. Ctrl-C stays a signal.
        frame_seconds: From one frame to the next.
    """
    screen, ended = Screen(terminal), Event()

    def watch() -> None:
        # A terminal that has gone away ends the drawing and nothing else.
        with suppress(OSError, ValueError):
            source = keys
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
                    # The keyboard has gone away.
                    source = None
            screen.leave()

    with _unbuffered(keys):
        painter = Thread(target=watch, name="screen", daemon=True)
        painter.start()
        try:
            yield
        finally:
            ended.set()
            # One that cannot write, since the terminal is held, is left behind.
            painter.join(_JOIN_SECONDS)


def terminal_size(descriptor: int) -> tuple[int, int]:
    """Columns and lines of a terminal."""
    size = os.get_terminal_size(descriptor)
    return max(size.columns, SMALLEST[0]), max(size.lines, SMALLEST[1])


def _typed(keys: int, seconds: float) -> bytes | None:
    """What is typed within that time; None when nothing is, empty when there is no keyboard any more."""
    readable, _, _ = select.select([keys], [], [], seconds)
    return os.read(keys, 64) if readable else None


@contextmanager
def _unbuffered(keys: int | None) -> Iterator[None]:
    """Keys one by one and without echo for the length of the block."""
    if keys is None:
        yield
        return
    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    try:
        yield
    finally:
        # One that was closed needs nothing.
        with suppress(termios.error):
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
