# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table that can be computed for some of its symbols alone, and ways to put it together.

Next door: `parts` puts it together from buckets that other processes have computed; `by_ranges` bounds the memory of
one computation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

import polars as pl

from ttapi_pipeline.core.manifest import Fact


@dataclass(frozen=True, slots=True)
class BySymbols:
    """A table, not computed yet.

    Attributes:
        as_of: The session that it is computed as of, which is the same for all symbols.
        subjects: Frames with `symbol`; each symbol that can have rows is in one of them.
        rows: Computes the rows of some symbols, or of all for None. A symbol has the same rows whatever others are
            asked for.
    """

    as_of: date
    subjects: Sequence[pl.LazyFrame]
    rows: Callable[[Collection[str] | None], pl.DataFrame]

    def symbols(self) -> Sequence[str]:
        """All symbols that can have rows, sorted."""
        names = [each.select(pl.col("symbol").unique()).collect()["symbol"] for each in self.subjects]
        found: list[str] = pl.concat(names).unique().sort().to_list()
        return found


@dataclass(frozen=True, slots=True)
class Collected:
    """The rows of a table.

    Attributes:
        frame: All of them.
        missing: The reason for each symbol whose rows are those that were stored before.
        statistics: Figures of how they came together, for the manifest.
    """

    frame: pl.DataFrame
    missing: Mapping[str, str] = field(default_factory=dict)
    statistics: Mapping[str, Fact] = field(default_factory=dict)


Collect: TypeAlias = Callable[[BySymbols], Collected]


def at_once(table: BySymbols) -> Collected:
    """Compute all rows in this process."""
    return Collected(table.rows(None))


def of_symbols(table: pl.LazyFrame, symbols: Collection[str]) -> pl.LazyFrame:
    """The rows of these symbols, in the order of the table."""
    return table.filter(pl.col("symbol").is_in(sorted(symbols)))
