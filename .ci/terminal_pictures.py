# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Draws pictures of a terminal from what tmux captures, as those of the tour. They name no font of another host.

``tmux capture-pane -ep | python .ci/terminal_pictures.py TITLE > docs/tour/NAME.svg``
"""

from __future__ import annotations

import io
import re
import sys

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.ansi import AnsiDecoder
from rich.console import Console

WITHOUT_FONTS = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def picture(ansi: str, title: str) -> str:
    """An SVG of lines with ANSI colours, as wide as the longest of them."""
    # tmux writes a style once, and it holds until another one comes, in later lines too.
    lines = list(AnsiDecoder().decode(ansi.rstrip()))
    width = max(line.cell_len for line in lines)
    console = Console(record=True, file=io.StringIO(), width=width, force_terminal=True)
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    return console.export_svg(title=title, code_format=WITHOUT_FONTS)


if __name__ == "__main__":
    sys.stdout.write(picture(sys.stdin.read(), sys.argv[1]))
