# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which symbol a ticker means: by the user's own table first, then by the scheme of the tickers beside it.

The table is read in `symbol_map`; the schemes are in `evidence`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from ttapi_pipeline.core.symbology import symbol_from_file_stem
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.evidence import Scheme, symbol_of
from ttapi_pipeline.metastock.file_names import FileName, is_share_class, read_file_name
from ttapi_pipeline.metastock.fingerprint import printable

NO_SYMBOL: Final = "the ticker is no symbol that we can spell; name it in TT_METASTOCK_SYMBOL_MAP"


class Symbols:
    """The canonical symbol of each spelling of a ticker.

    Args:
        symbol_map: Canonical symbol per spelling; goes before any scheme.
        suffixes: See `symbol_of`.
    """

    def __init__(self, symbol_map: Mapping[str, str], suffixes: frozenset[str] | None = None) -> None:
        self._map = symbol_map
        self._suffixes = suffixes
        self._possible: dict[str, bool] = {}

    def symbol(self, spelling: str, scheme: Scheme) -> str | None:
        """The canonical symbol; None when the spelling stands for no symbol that is known."""
        mapped = self._map.get(spelling)
        return symbol_of(spelling, scheme, suffixes=self._suffixes) if mapped is None else mapped

    def file_name(self, stem: str, dialect: str, *, are_words_tickers: bool = False) -> FileName:
        """What the name of a file without a ticker column says; see `read_file_name`."""
        suffixes = frozenset() if self._suffixes is None else self._suffixes
        return read_file_name(stem, dialect, suffixes=suffixes, are_words_tickers=are_words_tickers)

    def symbol_of_file(self, stem: str, name: FileName, scheme: Scheme) -> tuple[str | None, str | None]:
        """The canonical symbol of such a file, and the reason where there is none.

        Args:
            stem: As `file_ticker` gives it, by which the symbol map names the file.
            name: What it says.
            scheme: Of the tickers beside it.
        """
        if stem in self._map:
            return self._map[stem], None
        if name.ticker is None:
            return None, name.fault
        symbol = self.symbol(name.ticker, scheme)
        kind = "" if symbol is None else symbol.partition("/")[2]
        if symbol is None or is_share_class(kind):
            return symbol, None if symbol else NO_SYMBOL
        return None, (
            f"the file's name {stem!r} ends in {kind}, and the names beside it do not prove that this is an exchange;"
            f" write the line {stem},SYMBOL into the file of TT_METASTOCK_SYMBOL_MAP, or name the exchange in"
            " TT_METASTOCK_SUFFIXES"
        )

    def is_mapped(self, spelling: str) -> bool:
        """Whether the user says which symbol it is."""
        return spelling in self._map

    def is_stripped(self, spelling: str) -> bool:
        """Whether the spelling ends in a suffix that the user says is an exchange."""
        return self._suffixes is not None and spelling.rpartition(".")[2].upper() in self._suffixes

    def is_possible(self, spelling: str) -> bool:
        """Whether the spelling stands for a symbol in some scheme."""
        if len(spelling) > limits.TICKER_CHARACTERS:
            return self.is_mapped(spelling)
        # Two threads may work out the same spelling; both get the same answer.
        if spelling not in self._possible:
            self._possible[spelling] = any(self.symbol(spelling, scheme) is not None for scheme in Scheme)
        return self._possible[spelling]


def file_ticker(name: str) -> str:
    """The ticker that a file's name stands for: ``us/_prn.us.txt`` gives ``prn.us``."""
    return symbol_from_file_stem(PurePosixPath(printable(name)).stem)
