# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The console for the tables of commands; the tables are in the modules beside this one. Without tables: `streams`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ttapi_pipeline.core.lines import visible_lines
from ttapi_pipeline.terminal.streams import output_width


class SafeConsole(Console):
    """A console that shows text from outside and obeys none of it: control characters are written as escapes.

    The cells of a table may hold what a server or a file said. The control codes of the console itself pass.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible_lines(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Leave it to the command, see `cli`, and do not end the process here."""
        raise  # noqa: PLE0704 - it is called where the error is handled


def output_console() -> Console:
    """Standard output, as wide as the terminal that it is, or as `streams.output_width` says."""
    console = SafeConsole()
    return console if console.is_terminal else SafeConsole(width=output_width())
