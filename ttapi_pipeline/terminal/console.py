# SPDX-License-Identifier: MIT
"""Consoles for the output of commands; the tables that they print are in the modules beside this one."""

from __future__ import annotations

from typing import Final

from rich.console import Console

WIDTH_WITHOUT_TERMINAL: Final = 160
"""A pipe or a file has no width; reasons should not be folded at 80."""


def output_console() -> Console:
    """Standard output, as wide as the terminal that it is."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)


def print_error(text: str) -> None:
    """Write one line to standard error, however long it is; what is in brackets is not taken for markup."""
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)
