# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which symbols of MetaStock files the snapshot has, as TT_METASTOCK_EXTRA says, and what is told of the others.

Symbols of the universe, and those that have candles, are in it in any case.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from ttapi_pipeline.core.extra_symbols import VARIABLE
from ttapi_pipeline.metastock.importer import FolderImport
from ttapi_pipeline.metastock.notices import absent_symbols, left_out_symbols
from ttapi_pipeline.tables.symbol_ranges import SymbolRange


@dataclass(frozen=True, slots=True)
class Extras:
    """The symbols of the files that are not in the snapshot, and those that are wanted and in no file.

    Attributes:
        left_out: In order.
        absent: In order.
        found: All symbols that the files have rows of.
    """

    left_out: Sequence[str] = ()
    absent: Sequence[str] = ()
    found: Sequence[str] = ()

    @classmethod
    def of(
        cls, imported: FolderImport | None, named: Collection[str] | None, members: Collection[str], candles: pl.Series
    ) -> Extras:
        """Compare the files with what is wanted.

        Args:
            imported: The files; None without a folder.
            named: By the setting; None for all that the files have.
            members: Of the universe.
            candles: The symbols that have candles.
        """
        if imported is None or named is None:
            return cls()
        found = imported.rows_per_symbol.filter(pl.col("rows") > 0)["symbol"].to_list()
        known = {*members, *candles}
        return cls(
            sorted(set(found).difference(named, known)), sorted(set(named).difference(found, known)), sorted(found)
        )

    def within(self, symbols: SymbolRange) -> Sequence[str]:
        """Those of a range that are left out."""
        start, stop = symbols
        return [each for each in self.left_out if start <= each and (stop is None or each < stop)]

    def kept(self, bars: pl.DataFrame) -> pl.DataFrame:
        """The bars that are not left out."""
        return bars.filter(~pl.col("symbol").is_in(list(self.left_out))) if self.left_out else bars

    def notices(self, imported: FolderImport, *, rows: int) -> pl.DataFrame:
        """What is told of the files, schema `metastock.notices.NOTICES`: nothing doubtful of symbols that are left out.

        Args:
            imported: The files.
            rows: Bars that are left out.
        """
        is_moot = (pl.col("kind") == "warning") & pl.col("subject").is_in(list(self.left_out))
        return pl.concat(
            [
                imported.notices.filter(~is_moot),
                absent_symbols(self.absent, self.found, VARIABLE),
                left_out_symbols(self.left_out, rows, VARIABLE),
            ]
        )
