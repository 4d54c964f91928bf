# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`eod_snapshot`: MetaStock bars in the share of today, and candles; one range of symbols at a time.

Which of the two stands where is decided in `sources`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.splits import price_steps
from ttapi_pipeline.broker.simulated_files import write_simulated_files
from ttapi_pipeline.core.collection import ProgressCallback, no_progress
from ttapi_pipeline.core.extra_symbols import extra_symbols
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.eod_snapshot.account import accounting, losses, unaccounted
from ttapi_pipeline.datasets.eod_snapshot.doubts import doubts, explain_conflicts
from ttapi_pipeline.datasets.eod_snapshot.extras import Extras
from ttapi_pipeline.datasets.eod_snapshot.reports import reports
from ttapi_pipeline.datasets.eod_snapshot.scales import scales
from ttapi_pipeline.datasets.eod_snapshot.sources import (
    BAR_COLUMNS,
    KEY,
    compare_sources,
    merge_sources,
    possible_splits_of_files,
    splits_of_sources,
)
from ttapi_pipeline.datasets.eod_snapshot.survey import COMPARISON, SPLITS, RangeSurvey, Survey, survey_ranges
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.status import metastock_folder, metastock_version, why_no_simulated_files
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.notices import NOTICES
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions, import_options
from ttapi_pipeline.metastock.symbol_map import read_symbol_map
from ttapi_pipeline.plots.charts import coverage_chart
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.places import cache_folder
from ttapi_pipeline.tables.sorting import sort_keys
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, cut_into_ranges, is_within, rows_per_symbol

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOptions:
    """How the snapshot is made.

    Attributes:
        cache: Where the import keeps what it read, and what the survey found; None for nowhere.
        symbol_map: Canonical symbol per ticker as the files spell it.
        reading: How to read what the files leave open.
        by_content: See `import_folder`.
        adjustment: What the MetaStock prices are adjusted for.
        is_rescaling: See `merge_sources`.
        is_cache_trusted: Whether what is kept in `cache` may be used; in any case it is kept.
        today: The exchange's date: rows of the files that are later are rejected. None accepts any date.
        extra: Symbols of the files that are wanted besides the universe; None for all of them.
    """

    cache: Path | None = None
    symbol_map: Mapping[str, str] = field(default_factory=dict)
    reading: ImportOptions = DEFAULT_OPTIONS
    by_content: bool = False
    adjustment: str = "unknown"
    is_rescaling: bool = False
    is_cache_trusted: bool = True
    today: date | None = None
    extra: frozenset[str] | None = None


def snapshot_options(
    settings: Settings, *, is_cache_trusted: bool = True, today: date | None = None
) -> SnapshotOptions:
    """The options that settings make.

    Raises:
        InvalidFormatError: The file of the symbol map, or one of symbols, is not one.
        StorageError: It cannot be read.
    """
    path = settings.metastock_symbol_map
    return SnapshotOptions(
        cache=cache_folder(settings) / "metastock",
        symbol_map={} if path is None else read_symbol_map(path),
        reading=import_options(settings),
        by_content=settings.metastock_by_content,
        adjustment=settings.metastock_adjustment,
        is_rescaling=settings.rescale_candles,
        is_cache_trusted=is_cache_trusted,
        today=today,
        extra=extra_symbols(settings.metastock_extra),
    )


def build_eod_snapshot(
    folder: Path | None,
    candles: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    metastock_version: str,
    members: Collection[str] = (),
    options: SnapshotOptions | None = None,
    progress: ProgressCallback = no_progress,
) -> Build:
    """Import the folder, compare, merge: one range of symbols at a time, so that memory stays bounded.

    Args:
        folder: MetaStock files, read recursively; None for candles alone.
        candles: `daily_candles`.
        calendar: `trading_calendar`.
        metastock_version: The folder's fingerprint before it is read: a file that changes meanwhile costs another
            import instead of being missed.
        members: Symbols of the universe, for options that do not want all that the files have.
        options: How.
        progress: Told how many files are read, of those that have to be.

    Raises:
        StorageError: The folder cannot be read, or the cache cannot be written.
    """
    chosen = SnapshotOptions() if options is None else options
    imported = None if folder is None else _imported(folder, chosen, progress)
    merge = _Merge(imported, candles, members, options=chosen)
    survey = merge.survey(calendar)
    rebased = survey.comparison.filter(pl.col("newest_divisor") != 1.0)
    conflicts, doubted = explain_conflicts(survey.comparison), doubts(survey.steps, survey.possible_splits)
    notices = NOTICES.to_frame() if imported is None else merge.extras.notices(imported, rows=survey.left_out)
    return Build(
        frame=merge.pieces(survey.comparison),
        missing=conflicts,
        statistics={
            **accounting(imported),
            **losses(imported, notices, doubted=doubted.height),
            **unaccounted(imported, bars=survey.sources.get("metastock", 0) + survey.replaced + survey.left_out),
            "metastock_replaced": survey.replaced,
            **({} if chosen.extra is None else {"metastock_left_out": survey.left_out}),
            "symbols_in_conflict": len(conflicts),
            "symbols_without_overlap": survey.comparison.filter(verdict="no_overlap").height,
            "symbols_rebased": survey.splits["symbol"].append(rebased["symbol"]).n_unique(),
            "splits_between_sources": survey.splits.filter(proof="ratio").height,
            "symbols_with_price_steps": survey.steps["symbol"].n_unique(),
            "bars_on_other_days": survey.bars_on_other_days,
            "missing_sessions": survey.missing_sessions,
        },
        sources=survey.sources,
        reports={} if imported is None else reports(imported, survey, notices, doubted, merge.known_symbols),
        inputs={METASTOCK_FILES: metastock_version},
        charts={"coverage": partial(coverage_chart, survey.coverage)},
    )


def _imported(folder: Path, options: SnapshotOptions, progress: ProgressCallback) -> FolderImport:
    return import_folder(
        folder,
        cache=options.cache,
        symbol_map=options.symbol_map,
        options=options.reading,
        by_content=options.by_content,
        is_cache_trusted=options.is_cache_trusted,
        today=options.today,
        progress=progress,
    )


class _Merge:
    """The two sources, brought together one range of symbols at a time."""

    def __init__(
        self,
        imported: FolderImport | None,
        candles: pl.LazyFrame,
        members: Collection[str],
        *,
        options: SnapshotOptions,
    ) -> None:
        self._imported = imported
        self._candles = candles
        self._options = options
        others = rows_per_symbol(candles)
        self.extras: Final = Extras.of(imported, options.extra, members, others["symbol"])
        self.known_symbols: Final = (*others["symbol"], *self.extras.left_out)
        self._ranges: Sequence[SymbolRange] = (
            cut_into_ranges(others.iter_rows(), most_rows=limits.RANGE_ROWS, symbols=limits.RANGE_SYMBOLS)
            if imported is None
            else imported.ranges(others=others)
        )
        files = ["" for _ in self._ranges] if imported is None else imported.versions(self._ranges)
        self._keys = [self._key(symbols, version) for symbols, version in zip(self._ranges, files, strict=True)]

    def survey(self, calendar: pl.LazyFrame) -> Survey:
        """Compare the sources and count what their merge will hold, from a few columns."""
        options = self._options
        return survey_ranges(
            self._keys, self._look, calendar, memory=options.cache, is_memory_trusted=options.is_cache_trusted
        )

    def pieces(self, comparison: pl.DataFrame) -> Pieces:
        """The snapshot; a piece per range of symbols, known by the files and the candles that it is made from."""
        pieces = [
            Piece(key, partial(self._merged, symbols, comparison))
            for symbols, key in zip(self._ranges, self._keys, strict=True)
        ]
        return Pieces(EOD_SNAPSHOT.polars, pieces)

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

    def _merged(self, symbols: SymbolRange, comparison: pl.DataFrame) -> pl.DataFrame:
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


def build(
    refresh: Refresh, daily_candles: pl.LazyFrame, trading_calendar: pl.LazyFrame, universe: pl.LazyFrame
) -> Build:
    """Import the MetaStock folder and continue it with candles."""
    settings, folder = refresh.settings, metastock_folder(refresh.settings)
    why_none = why_no_simulated_files(settings)
    if why_none is not None:
        _LOGGER.warning("%s: %s", EOD_SNAPSHOT.name, why_none)
    if folder is not None and settings.metastock_dir is None and not folder.is_dir():
        write_simulated_files(
            folder, settings, clock=refresh.clock, progress=refresh.progress("generating MetaStock files")
        )
    return build_eod_snapshot(
        folder,
        daily_candles,
        trading_calendar,
        metastock_version=metastock_version(settings),
        members=universe.select("symbol").collect()["symbol"].to_list(),
        options=snapshot_options(
            settings,
            is_cache_trusted=not refresh.is_forced,
            today=refresh.clock.now().astimezone(NEW_YORK).date(),
        ),
        progress=refresh.progress("files"),
    )
