# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Standard output and error: what they can show, how wide they are, and lines written to them.

It imports nothing that takes time. Tables are laid out by the console of `console`.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from io import TextIOWrapper
from textwrap import fill
from typing import Final, TextIO

from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.terminal.screen import SMALLEST, terminal_size

_NEAREST: Final = "ttapi_pipeline.nearest"
_SIGNS: Final = dict(zip("─━│░▒▓█●○–−…·±↑↓←→", "--|.:%#*o--~.~^v<>", strict=True))
"""What stands for the signs of grids, tables and figures where an encoding lacks them."""

WIDTH_WITHOUT_TERMINAL: Final = 160
"""A pipe or a file has no width; reasons should not be folded at 80."""


def accept_any_text() -> None:
    """Have output accept characters that the encoding of the terminal does not have.

    A name or a frame of a table would end the command otherwise. A sign of ours is written as the nearest one of ASCII,
    so that columns stay in place; any other character as an escape.
    """
    codecs.register_error(_NEAREST, _nearest_signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_NEAREST)


def _nearest_signs(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(
        _SIGNS.get(each) or each.encode("ascii", "backslashreplace").decode() for each in characters
    ), error.end


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
    """Write one line to standard error, however long it is; nothing where that is closed.

    A terminal gets it cut between words, which it would not do itself.
    """
    with suppress(OSError, ValueError):
        line = one_line(text)
        if sys.stderr.isatty():
            width = terminal_size(sys.stderr.fileno())[0]
            # A path that is longer than a line stays whole, so that it can be copied.
            line = fill(line, width, break_long_words=False, break_on_hyphens=False)
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
