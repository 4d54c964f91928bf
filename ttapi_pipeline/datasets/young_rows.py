# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Stored rows that are not due by their age: when symbols join the universe, only these are fetched.

Whether there are such rows: see `Refresh.young_rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import polars as pl

from ttapi_pipeline.core.collection import Collection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class YoungRows:
    """What is stored of a dataset.

    Attributes:
        rows: In the dataset's schema, `symbol` among its columns.
        fetched_at: When their collection began. The age of rows that are kept counts from here.
        missing: The symbols that did not come then: they are asked for again.
        is_simulated: Whether any of them is invented.
    """

    rows: pl.LazyFrame
    fetched_at: datetime
    missing: frozenset[str]
    is_simulated: bool

    def lacking(self, symbols: Iterable[str]) -> Sequence[str]:
        """Those of the symbols that have to be fetched, in their order."""
        known = set(self.rows.select(pl.col("symbol").unique()).collect()["symbol"].to_list()) - self.missing
        return [symbol for symbol in symbols if symbol not in known]

    def kept(self, symbols: Iterable[str], asked: Iterable[str]) -> pl.DataFrame:
        """The rows of the symbols that were not asked for."""
        return self.rows.filter(pl.col("symbol").is_in(sorted(set(symbols) - set(asked)))).collect()


def to_ask(symbols: Sequence[str], young: YoungRows | None) -> Sequence[str]:
    """The symbols that have to be fetched: all of them without young rows."""
    return symbols if young is None else young.lacking(symbols)


def kept_rows(
    empty: pl.DataFrame, symbols: Sequence[str], asked: Sequence[str], young: YoungRows | None
) -> pl.DataFrame:
    """The stored rows of the symbols that were not asked for, in the columns of `empty`; none without young rows."""
    return empty.clear() if young is None else young.kept(symbols, asked).select(empty.columns)


def of_all(came: Collection[T], symbols: Sequence[str]) -> Collection[T]:
    """What came, as the answer for all symbols: those that were not asked for count as answered."""
    return replace(came, requested=max(came.requested, len(symbols)))
