# SPDX-License-Identifier: MIT
"""Which instrument a ticker means: from its spelling in a file, or in a file's name, to the canonical symbol.

The user's own table of tickers is read in `symbol_map`; the rules for vendors' spellings are in `core.symbology`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from ttapi_pipeline.core.symbology import symbol_from_file_stem, symbol_from_metastock
from ttapi_pipeline.metastock.fingerprint import printable


class Symbols:
    """The canonical symbol of each spelling: by the symbol map first, then by the rules of symbology."""

    def __init__(self, symbol_map: Mapping[str, str], suffixes: frozenset[str] | None) -> None:
        self._map = symbol_map
        self._suffixes = suffixes
        self._resolved: dict[str, str | None] = {}

    def canonical(self, spelling: str) -> str | None:
        """The canonical symbol; None when the spelling stands for no symbol that is known."""
        # Two threads may work out the same spelling; both get the same symbol.
        if spelling not in self._resolved:
            symbol = self._map.get(spelling)
            if symbol is None:
                try:
                    symbol = symbol_from_metastock(spelling, exchange_suffixes=self._suffixes)
                except ValueError:
                    symbol = None
            self._resolved[spelling] = symbol
        return self._resolved[spelling]


def file_ticker(name: str) -> str:
    """The ticker that a file's name stands for: ``us/_prn.us.txt`` gives ``prn.us``."""
    return symbol_from_file_stem(PurePosixPath(printable(name)).stem)
