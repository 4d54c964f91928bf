# SPDX-License-Identifier: MIT
"""Consoles for the output of commands; the tables that they print are in the modules beside this one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import Any, Final, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ttapi_pipeline.core.lines import one_line, visible_lines
from ttapi_pipeline.terminal.screen import SMALLEST, terminal_size

WIDTH_WITHOUT_TERMINAL: Final = 160
"""A pipe or a file has no width; reasons should not be folded at 80."""


class SafeConsole(Console):
    """A console that shows text from outside and obeys none of it: control characters are written as escapes.

    The cells of a table may hold what a server or a file said. The control codes of the console itself pass.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible_lines(segment.text), segment.style)


def output_console() -> Console:
    """Standard output, as wide as the terminal that it is."""
    console = SafeConsole()
    return console if console.is_terminal else SafeConsole(width=WIDTH_WITHOUT_TERMINAL)


def accept_any_text() -> None:
    """Have standard output write an escape for a letter that the encoding of the terminal does not have.

    A name or a frame of a table would end the command otherwise. Standard error does so by itself.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def print_lines(lines: Iterable[str]) -> None:
    """Write lines that are made for this terminal, escape sequences of colours included, to standard output."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def output_width() -> int:
    """Columns of standard output: of the terminal that it is, else COLUMNS, else enough for most reasons."""
    if sys.stdout.isatty():
        return terminal_size(sys.stdout.fileno())[0]
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) >= SMALLEST[0] else WIDTH_WITHOUT_TERMINAL


def is_drawable(stream: TextIO) -> bool:
    """Whether it is a terminal on which the cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def is_coloured(stream: TextIO) -> bool:
    """Whether colours may be written there: it is a terminal that knows them, and NO_COLOR is not set."""
    return is_drawable(stream) and not os.environ.get("NO_COLOR")


def can_write(stream: TextIO, text: str) -> bool:
    """Whether the encoding of a stream has these characters."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def print_error(text: str) -> None:
    """Write one line to standard error, however long it is; what is in brackets is not taken for markup."""
    SafeConsole(stderr=True).print(one_line(text), markup=False, soft_wrap=True)
