# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What TT_METASTOCK_EXTRA can say: which symbols of MetaStock files count besides the universe. The lists of the
universe itself: see `universes`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.core.universes import lists_of, read_symbol_file

ALL: Final = "all"
NONE: Final = "none"
VARIABLE: Final = "TT_METASTOCK_EXTRA"

_SYMBOL: Final = re.compile(r"[A-Za-z0-9]+(?:[./-][A-Za-z0-9]{1,2})?", re.ASCII)
"""A symbol as one types it, with a share class of at most two letters: ``my.txt`` is a file."""


def words_of(text: str, folder: Path | None = None) -> Sequence[str]:
    """The symbols and paths that the setting names, between commas, as they are written.

    Args:
        text: The value, which is neither ``all`` nor ``none``. A file that is there and has a comma in its name is one.
        folder: A relative path is relative to it; the current folder by default.
    """
    return lists_of(text, folder)


def is_symbol(word: str) -> bool:
    """Whether a word is a symbol by its form; else it is the path of a file."""
    return _SYMBOL.fullmatch(word) is not None


def extra_symbols(value: str) -> frozenset[str] | None:
    """The canonical symbols that a checked value of the setting names; None for all that the files hold.

    Raises:
        InvalidFormatError: A line of a file that it names is not a symbol.
        StorageError: Such a file cannot be read.
    """
    if value == ALL:
        return None
    named: set[str] = set()
    for word in () if value == NONE else words_of(value):
        named.update([canonical_symbol(word)] if is_symbol(word) else read_symbol_file(Path(word), VARIABLE))
    return frozenset(named)
