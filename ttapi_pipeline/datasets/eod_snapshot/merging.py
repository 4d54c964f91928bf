# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The two sources of the snapshot, brought together one range of symbols at a time, so that memory stays bounded.

Which of the two stands where is decided in `sources`, and what is counted of a range in `survey`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from functools import partial
from hashlib import sha256
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.splits import price_steps
from ttapi_pipeline.datasets.eod_snapshot.ahead import SnapshotParts
from ttapi_pipeline.datasets.eod_snapshot.extras import Extras
from ttapi_pipeline.datasets.eod_snapshot.options import SnapshotOptions
from ttapi_pipeline.datasets.eod_snapshot.scales import scales
from ttapi_pipeline.datasets.eod_snapshot.sources import (
    BAR_COLUMNS,
    KEY,
    compare_sources,
    merge_sources,
    possible_splits_of_files,
    splits_of_sources,
)
from ttapi_pipeline.datasets.eod_snapshot.survey import COMPARISON, SPLITS, RangeSurvey, Survey, surveyed_ranges
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.importer import FolderImport
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.tables.sorting import sort_keys
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, cut_into_ranges, is_within, rows_per_symbol


class SnapshotMerge:
    """The two sources, brought together one range of symbols at a time.

    Args:
        imported: The files; None without a folder.
        candles: `daily_candles`.
        members: Of the universe.
        options: How.
        ahead: What other processes have merged; None for nothing.
        is_wanted: Whether a range is, by the name that it begins with; None for all of them.

    Attributes:
        extras: Symbols of the files that are left out.
        known_symbols: Those of the candles, and those that are left out.
        keys: One per range: stands for its rows.
        starts: The name that each range begins with.
    """

    def __init__(
        self,
        imported: FolderImport | None,
        candles: pl.LazyFrame,
        members: Collection[str],
        *,
        options: SnapshotOptions,
        ahead: SnapshotParts | None = None,
        is_wanted: Callable[[str], bool] | None = None,
    ) -> None:
        self._imported = imported
        self._candles = candles
        self._options = options
        self._ahead = ahead
        others = rows_per_symbol(candles)
        self.extras: Final = Extras.of(imported, options.extra, members, others["symbol"])
        self.known_symbols: Final = (*others["symbol"], *self.extras.left_out)
        ranges: Sequence[SymbolRange] = (
            cut_into_ranges(others.iter_rows(), most_rows=limits.RANGE_ROWS, symbols=limits.RANGE_SYMBOLS)
            if imported is None
            else imported.ranges(others=others)
        )
        files = ["" for _ in ranges] if imported is None else imported.versions(ranges)
        wanted = [each for each in zip(ranges, files, strict=True) if is_wanted is None or is_wanted(each[0][0])]
        self._ranges = [symbols for symbols, _ in wanted]
        self.starts: Final = [start for start, _ in self._ranges]
        self.keys: Final = [self._key(symbols, version) for symbols, version in wanted]

    def survey(self, calendar: pl.LazyFrame) -> Survey:
        """Compare the sources and count what their merge will hold, from a few columns."""
        options = self._options
        ranges = surveyed_ranges(
            self.keys,
            self._look,
            calendar,
            memory=options.cache,
            is_memory_trusted=options.is_cache_trusted,
            ahead=None if self._ahead is None else self._ahead.surveys,
        )
        return Survey(ranges)

    def surveyed(self, positions: Sequence[int], calendar: pl.LazyFrame) -> pl.DataFrame:
        """The same of some ranges, in the schema RANGES, without remembering it."""
        keys = [self.keys[position] for position in positions]
        return surveyed_ranges(keys, lambda at: self._look(positions[at]), calendar, memory=None)

    def pieces(self, comparison: pl.DataFrame) -> Pieces:
        """The snapshot; a piece per range of symbols, known by the files and the candles that it is made from."""
        pieces = [Piece(key, partial(self._taken, position, comparison)) for position, key in enumerate(self.keys)]
        return Pieces(EOD_SNAPSHOT.polars, pieces)

    def _taken(self, position: int, comparison: pl.DataFrame) -> pl.DataFrame:
        """The rows of a range that another process has merged; else they are merged here."""
        rows = None if self._ahead is None else self._ahead.rows(self.keys[position])
        return self.merged(position, comparison) if rows is None else rows

    def _key(self, symbols: SymbolRange, files: str) -> str:
        candles = data_version(self._feed(symbols), exclude=())
        facts: list[object] = [self._options.adjustment, self._options.is_rescaling, files, candles]
        if left_out := self.extras.within(symbols):
            facts.append(left_out)
        return sha256(json.dumps(facts).encode()).hexdigest()

    def _look(self, position: int) -> RangeSurvey:
        symbols = self._ranges[position]
        candles = self._feed(symbols)
        if candles.is_empty() and not self._divides_own_splits:
            read = self._bars(symbols, (*KEY, "close"))
            bars = self.extras.kept(read)
            return RangeSurvey(
                comparison=COMPARISON.to_frame(),
                splits=SPLITS.to_frame(),
                bars={"metastock": bars[list(KEY)]},
                possible_splits=SPLITS.to_frame(),
                steps=price_steps(self._glued(_widened(bars), candles, COMPARISON.to_frame()).lazy()),
                left_out=read.height - bars.height,
            )
        read = self._bars(symbols, (*KEY, "open", "close", "volume"))
        metastock = self.extras.kept(read)
        is_looked_at = _has_symbol_of(candles) | self._divides_own_splits
        shared = _widened(metastock.filter(is_looked_at))
        common = scales(shared.lazy(), candles.lazy())
        comparison = compare_sources(shared.lazy(), candles.lazy(), common)
        glued = self._glued(shared, candles, comparison, common)
        unknown = shared if self._options.adjustment == "unknown" else shared.clear()
        alone = self._glued(_widened(metastock.filter(~is_looked_at)), candles.clear(), comparison)
        kept = pl.concat([metastock.filter(~is_looked_at)[list(KEY)], glued.filter(source="metastock")[list(KEY)]])
        return RangeSurvey(
            comparison=comparison,
            splits=splits_of_sources(shared, common, comparison, adjustment=self._options.adjustment),
            possible_splits=possible_splits_of_files(unknown, common, comparison),
            bars={"metastock": kept, "dxlink": glued.filter(source="dxlink")[list(KEY)]},
            steps=price_steps(pl.concat([alone, glued]).sort(KEY).lazy()),
            replaced=metastock.height - kept.height,
            left_out=read.height - metastock.height,
        )

    @property
    def _divides_own_splits(self) -> bool:
        return self._options.adjustment == "raw"

    def merged(self, position: int, comparison: pl.DataFrame) -> pl.DataFrame:
        """The rows of a range, by the comparison of at least its own symbols."""
        symbols = self._ranges[position]
        read, candles = self._bars(symbols, (*BAR_COLUMNS, "fetched_at")), self._feed(symbols)
        metastock = self.extras.kept(read)
        if candles.is_empty():
            return self._glued(metastock, candles, comparison)
        is_shared = _has_symbol_of(candles)
        nothing = candles.clear()
        alone = self._glued(metastock.filter(~is_shared), nothing, comparison)
        merged = pl.concat([alone, self._glued(metastock.filter(is_shared), candles, comparison)], rechunk=True)
        keys = sort_keys(merged)
        return merged if (keys.diff() > 0).all() else merged.select(pl.all().gather(keys.arg_sort()))

    def _glued(
        self,
        metastock: pl.DataFrame,
        candles: pl.DataFrame,
        comparison: pl.DataFrame,
        common: pl.DataFrame | None = None,
    ) -> pl.DataFrame:
        return merge_sources(
            metastock.lazy(),
            candles.lazy(),
            comparison,
            common,
            adjustment=self._options.adjustment,
            is_rescaling=self._options.is_rescaling,
        ).collect()

    def _bars(self, symbols: SymbolRange, columns: Sequence[str]) -> pl.DataFrame:
        if self._imported is None:
            return pl.DataFrame(schema={name: EOD_SNAPSHOT.polars[name] for name in columns})
        if "fetched_at" not in columns:
            return self._imported.read(symbols, columns=columns)
        bars = self._imported.read(symbols, columns=["file" if name == "fetched_at" else name for name in columns])
        written_at = self._imported.written_at.gather(bars["file"])
        return bars.with_columns(fetched_at=written_at)[list(columns)]

    def _feed(self, symbols: SymbolRange) -> pl.DataFrame:
        return self._candles.filter(is_within(symbols)).collect()


def _has_symbol_of(candles: pl.DataFrame) -> pl.Expr:
    return pl.col("symbol").is_in(candles["symbol"].unique().implode())


def _widened(metastock: pl.DataFrame) -> pl.DataFrame:
    """Some columns of bars as all that a merge takes; what was not read is null."""
    return metastock.select(
        pl.col(name) if name in metastock.columns else pl.lit(None, EOD_SNAPSHOT.polars[name]).alias(name)
        for name in (*BAR_COLUMNS, "fetched_at")
    )
