# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a console would show, as plain text."""

from __future__ import annotations

from io import StringIO

from rich.console import RenderableType

from ttapi_pipeline.terminal.console import SafeConsole


def render(renderable: RenderableType, *, width: int = 160) -> str:
    """The text without colours, at most `width` columns wide, without spaces at the ends of lines."""
    console = SafeConsole(file=StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).rstrip() + "\n"
