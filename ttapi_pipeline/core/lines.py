# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Text from outside (servers, file names, descriptions) made safe for one line of a screen or a log.

A line end would begin a line that nobody wrote, an escape character would command the terminal, and a mark of direction
would have a line read backwards.
"""

from __future__ import annotations

import json
import unicodedata


def one_line(text: str) -> str:
    """The text with an escape, such as ``\\n`` or ``\\x1b``, for everything that is neither visible nor a space."""
    return text if text.isprintable() else "".join(map(_visible, text))


def shortened(text: str, most: int = 80) -> str:
    """`one_line`, cut at this many characters: for a name or a message that somebody else chose."""
    return one_line(text if len(text) <= most else f"{text[: most - 1]}…")


def visible_lines(text: str) -> str:
    """The same for text of several lines: the line feeds stay."""
    return text if text.isprintable() else "\n".join(map(one_line, text.split("\n")))


def one_json_line(text: str) -> str:
    """The same for a JSON document without line feeds, with the escapes that JSON knows."""
    return (
        text if text.isprintable() else "".join(each if _is_visible(each) else json.dumps(each)[1:-1] for each in text)
    )


def _visible(character: str) -> str:
    return character if _is_visible(character) else character.encode("unicode_escape").decode("ascii")


def _is_visible(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
