# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`eod_snapshot`: MetaStock bars in the share of today, and candles; one range of symbols at a time.

Which of the two stands where is decided in `sources`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path

import polars as pl

from ttapi_pipeline.analytics.splits import price_steps
from ttapi_pipeline.broker.simulated_files import write_simulated_files
from ttapi_pipeline.core.collection import ProgressCallback, no_progress
from ttapi_pipeline.core.manifest import DOUBTS, Provenance, lost_facts
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.eod_snapshot.doubts import doubts, explain_conflicts
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
from ttapi_pipeline.datasets.status import metastock_folder, metastock_version
from ttapi_pipeline.metastock.current_bars import SymbolRange
from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.options import DEFAULT_OPTIONS, ImportOptions, import_options
from ttapi_pipeline.metastock.symbol_map import read_symbol_map
from ttapi_pipeline.plots.charts import coverage_chart
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.layout import state_folder
from ttapi_pipeline.tables.sorting import sort_keys


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
    """

    cache: Path | None = None
    symbol_map: Mapping[str, str] = field(default_factory=dict)
    reading: ImportOptions = DEFAULT_OPTIONS
    by_content: bool = False
    adjustment: str = "unknown"
    is_rescaling: bool = False
    is_cache_trusted: bool = True
    today: date | None = None


def snapshot_options(
    settings: Settings, *, is_cache_trusted: bool = True, today: date | None = None
) -> SnapshotOptions:
    """The options that settings make.

    Raises:
        InvalidFormatError: The file of the symbol map is not one.
        StorageError: It cannot be read.
    """
    state, path = state_folder(settings.data_dir), settings.metastock_symbol_map
    return SnapshotOptions(
        cache=None if state is None else state / "metastock",
        symbol_map={} if path is None else read_symbol_map(path),
        reading=import_options(settings),
        by_content=settings.metastock_by_content,
        adjustment=settings.metastock_adjustment,
        is_rescaling=settings.rescale_candles,
        is_cache_trusted=is_cache_trusted,
        today=today,
    )


def build_eod_snapshot(
    folder: Path | None,
    candles: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    metastock_version: str,
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
        options: How.
        progress: Told how many files are read, of those that have to be.

    Raises:
        StorageError: The folder cannot be read, or the cache cannot be written.
    """
    chosen = SnapshotOptions() if options is None else options
    imported = None if folder is None else _imported(folder, chosen, progress)
    merge = _Merge(imported, candles, options=chosen)
    survey = merge.survey(calendar)
    rebased = survey.comparison.filter(pl.col("newest_divisor") != 1.0)
    conflicts, doubted = explain_conflicts(survey.comparison), doubts(survey.steps, survey.possible_splits)
    return Build(
        frame=merge.pieces(survey.comparison),
        missing=conflicts,
        statistics={
            **_accounting(imported),
            **_losses(imported, doubted=doubted.height),
            **_unaccounted(imported, bars=survey.sources.get("metastock", 0) + survey.replaced),
            "metastock_replaced": survey.replaced,
            "symbols_in_conflict": len(conflicts),
            "symbols_without_overlap": survey.comparison.filter(verdict="no_overlap").height,
            "symbols_rebased": survey.splits["symbol"].append(rebased["symbol"]).n_unique(),
            "splits_between_sources": survey.splits.filter(proof="ratio").height,
            "symbols_with_price_steps": survey.steps["symbol"].n_unique(),
            "bars_on_other_days": survey.bars_on_other_days,
            "missing_sessions": survey.missing_sessions,
        },
        sources=survey.sources,
        reports={} if imported is None else reports(imported, survey, doubted, merge.symbols_of_candles),
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
        *,
        options: SnapshotOptions,
    ) -> None:
        self._imported = imported
        self._candles = candles
        self._options = options
        others = candles.group_by("symbol").agg(rows=pl.len().cast(pl.Int64)).collect(engine="streaming")
        self.symbols_of_candles = others["symbol"]
        self._ranges: Sequence[SymbolRange] = [("", None)] if imported is None else imported.ranges(others=others)
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
        facts = [self._options.adjustment, self._options.is_rescaling, files, candles]
        return sha256(json.dumps(facts).encode()).hexdigest()

    def _look(self, position: int) -> RangeSurvey:
        symbols = self._ranges[position]
        candles = self._feed(symbols)
        if candles.is_empty() and not self._divides_own_splits:
            bars = self._bars(symbols, (*KEY, "close"))
            return RangeSurvey(
                comparison=COMPARISON.to_frame(),
                splits=SPLITS.to_frame(),
                bars={"metastock": bars[list(KEY)]},
                possible_splits=SPLITS.to_frame(),
                steps=price_steps(self._glued(_widened(bars), candles, COMPARISON.to_frame()).lazy()),
            )
        metastock = self._bars(symbols, (*KEY, "open", "close", "volume"))
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
        )

    @property
    def _divides_own_splits(self) -> bool:
        return self._options.adjustment == "raw"

    def _merged(self, symbols: SymbolRange, comparison: pl.DataFrame) -> pl.DataFrame:
        metastock, candles = self._bars(symbols, (*BAR_COLUMNS, "fetched_at")), self._feed(symbols)
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
        start, stop = symbols
        is_inside = pl.col("symbol") >= start
        if stop is not None:
            is_inside &= pl.col("symbol") < stop
        return self._candles.filter(is_inside).collect()


def _has_symbol_of(candles: pl.DataFrame) -> pl.Expr:
    return pl.col("symbol").is_in(candles["symbol"].unique().implode())


def _widened(metastock: pl.DataFrame) -> pl.DataFrame:
    """Some columns of bars as all that a merge takes; what was not read is null."""
    return metastock.select(
        pl.col(name) if name in metastock.columns else pl.lit(None, EOD_SNAPSHOT.polars[name]).alias(name)
        for name in (*BAR_COLUMNS, "fetched_at")
    )


def account_problems(provenance: Provenance, *, bars: int, rejects: int) -> Sequence[str]:
    """Sentences about rows of the import that are not accounted for; none when every row is.

    Rows read must be rows kept, duplicates and rejected ones. What was kept, less what gave way to candles, and what
    was rejected must be what is stored. Each file must have as many rows and rejects as its own account says, which the
    import has compared.

    Args:
        provenance: Of the stored snapshot.
        bars: Rows from MetaStock files that it holds.
        rejects: Rows that are stored as rejected.
    """
    statistics = provenance.statistics
    read, kept, duplicates, rejected = (
        int(statistics.get(f"metastock_{name}", 0)) for name in ("rows_read", "rows_kept", "duplicates", "rejected")
    )
    problems = []
    if read != kept + duplicates + rejected:
        problems.append(f"of {read} rows, {kept} were kept, {duplicates} are duplicates and {rejected} were rejected")
    replaced = int(statistics.get("metastock_replaced", 0))
    if kept != bars + replaced:
        gave_way = f", {replaced} of them gave way to candles," if replaced else ","
        problems.append(f"{kept} rows were kept{gave_way} and the snapshot has {bars}")
    if rejected != rejects:
        problems.append(f"{rejected} rows were rejected, and {rejects} are stored as such")
    if "metastock_unaccounted" in statistics:
        problems.append(str(statistics["metastock_unaccounted"]))
    return problems


def _unaccounted(imported: FolderImport | None, *, bars: int) -> Mapping[str, str]:
    """The files whose account and whose rows disagree, in words; nothing when there are none."""
    if imported is None:
        return {}
    rejects = imported.rejects.group_by("file").agg(listed=pl.col("rows").sum())
    balance = pl.col("rows_kept") + pl.col("duplicates") + pl.col("rejected")
    wrong = imported.files.join(rejects, on="file", how="left").filter(
        (pl.col("rows_read") != balance) | (pl.col("rejected") != pl.col("listed").fill_null(0))
    )["file"]
    problems = [f"the account of {name} does not add up" for name in wrong.head(20)]
    kept = int(imported.files["rows_kept"].cast(pl.Int64).sum())
    if kept != bars:
        problems.append(f"{bars} bars came out of {kept} rows")
    return {"metastock_unaccounted": "; ".join(problems)} if problems else {}


def _losses(imported: FolderImport | None, *, doubted: int) -> Mapping[str, int]:
    """Fields and rows that could not be read, rows of tickers that were set aside, and what a person should look at."""
    if imported is None:
        return {DOUBTS: doubted} if doubted else {}
    rejected = int(imported.files["rejected"].cast(pl.Int64).sum())
    kinds = dict(imported.notices.group_by("kind").len().iter_rows())
    doubtful = kinds.get("warning", 0) + doubted
    return {
        **lost_facts({**imported.lost, "rows": rejected}),
        **({DOUBTS: doubtful} if doubtful else {}),
        "metastock_tickers_set_aside": kinds.get("conflict", 0),
    }


def _accounting(imported: FolderImport | None) -> Mapping[str, int]:
    if imported is None:
        return {}
    totals = imported.files.select(pl.col("rows_read", "rows_kept", "duplicates", "rejected").cast(pl.Int64).sum()).row(
        0, named=True
    )
    return {
        "metastock_files": imported.files.height,
        "metastock_files_read": imported.files_read,
        **{f"metastock_{name}": value for name, value in totals.items()},
    }


def build(refresh: Refresh, daily_candles: pl.LazyFrame, trading_calendar: pl.LazyFrame) -> Build:
    """Import the MetaStock folder and continue it with candles."""
    settings, folder = refresh.settings, metastock_folder(refresh.settings)
    if folder is not None and settings.metastock_dir is None and not folder.is_dir():
        write_simulated_files(
            folder, settings, clock=refresh.clock, progress=refresh.progress("generating MetaStock files")
        )
    return build_eod_snapshot(
        folder,
        daily_candles,
        trading_calendar,
        metastock_version=metastock_version(settings),
        options=snapshot_options(
            settings,
            is_cache_trusted=not refresh.is_forced,
            today=refresh.clock.now().astimezone(NEW_YORK).date(),
        ),
        progress=refresh.progress("files"),
    )
