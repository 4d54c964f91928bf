# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Fits texts into the cells of a terminal: cut, elided, wrapped, in a colour, in characters that it can show."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final, TextIO

from rich.cells import cell_len, chop_cells, set_cell_size

from ttapi_pipeline.terminal.streams import can_write

_INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of bars, of cut text and of nulls; `ASCII` for an output that has no others."""

    full: str = "█"
    empty: str = "░"
    cut: str = "…"
    null: str = "–"


UNICODE: Final = Glyphs()
ASCII: Final = Glyphs("#", ".", "~", "-")


def glyphs_for(stream: TextIO) -> Glyphs:
    """The characters that a stream can show."""
    return UNICODE if can_write(stream, "".join(astuple(UNICODE))) else ASCII


@dataclass(frozen=True, slots=True)
class Pen:
    """What makes texts fit a terminal.

    Attributes:
        is_coloured: Whether texts may have colours, as escape sequences.
        glyphs: The characters that it can show.
        width: Its columns.
    """

    is_coloured: bool
    glyphs: Glyphs
    width: int

    def styled(self, text: str, style: str) -> str:
        """The text in a style, which is the number of an escape sequence; as it is where there are no colours."""
        return f"\x1b[{style}m{text}\x1b[0m" if style and text and self.is_coloured else text

    def cut(self, text: str, cells: int) -> str:
        """The text in at most that many cells, with a mark where it was cut."""
        if cell_len(text) <= cells:
            return text
        return (set_cell_size(text, cells - 1).rstrip() + self.glyphs.cut) if cells > 0 else ""

    def elided(self, path: str, cells: int) -> str:
        """A path with its middle left out where it does not fit: its end tells folders apart."""
        if cell_len(path) <= cells:
            return path
        start = max((cells - 1) // 3, 0)
        head, tail = _first_cells(path, start), _first_cells(path[::-1], max(cells - start - 1, 0))[::-1]
        return f"{head}{self.glyphs.cut}{tail}"


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most that many cells; a letter of some scripts takes two. Later lines are indented."""
    lines = [""]
    for word in text.split(" "):
        for at, piece in enumerate(chop_cells(word, width - len(_INDENT)) or [""]):
            gap = " " if at == 0 and lines[-1].strip() else ""
            if cell_len(lines[-1] + gap + piece) <= width and (at == 0):
                lines[-1] += gap + piece
            else:
                lines.append(_INDENT + piece)
    return lines


def _first_cells(text: str, cells: int) -> str:
    """As much of the beginning as fits; a letter of two cells that would be halved is left out."""
    return next(iter(chop_cells(text, cells)), "") if cells > 1 else ""
