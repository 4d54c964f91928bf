# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`eod_snapshot`: MetaStock bars in the share of today, and candles; one range of symbols at a time.

Which of the two stands where is decided in `sources`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from ttapi_pipeline.broker.simulated_files import write_simulated_files
from ttapi_pipeline.core.collection import ProgressCallback, no_progress
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.eod_snapshot.account import accounting, losses, unaccounted
from ttapi_pipeline.datasets.eod_snapshot.ahead import SnapshotParts
from ttapi_pipeline.datasets.eod_snapshot.doubts import doubts, explain_conflicts
from ttapi_pipeline.datasets.eod_snapshot.merging import SnapshotMerge
from ttapi_pipeline.datasets.eod_snapshot.options import SnapshotOptions, snapshot_options
from ttapi_pipeline.datasets.eod_snapshot.reports import reports
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.status import metastock_folder, metastock_version, why_no_simulated_files
from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.notices import NOTICES
from ttapi_pipeline.plots.charts import coverage_chart

_LOGGER = logging.getLogger(__name__)


def build_eod_snapshot(
    folder: Path | None,
    candles: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    metastock_version: str,
    members: Collection[str] = (),
    options: SnapshotOptions | None = None,
    progress: ProgressCallback = no_progress,
    ahead: SnapshotParts | None = None,
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
        ahead: What other processes have merged; None for nothing.

    Raises:
        StorageError: The folder cannot be read, or the cache cannot be written.
    """
    chosen = SnapshotOptions() if options is None else options
    imported = None if folder is None else imported_files(folder, chosen, progress)
    merge = SnapshotMerge(imported, candles, members, options=chosen, ahead=ahead)
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
            **({} if ahead is None else ahead.counted(merge.keys)),
        },
        sources=survey.sources,
        reports={} if imported is None else reports(imported, survey, notices, doubted, merge.known_symbols),
        inputs={METASTOCK_FILES: metastock_version},
        charts={"coverage": partial(coverage_chart, survey.coverage)},
        after_publication=None if ahead is None else ahead.clear,
    )


def imported_files(folder: Path, options: SnapshotOptions, progress: ProgressCallback) -> FolderImport:
    """The files of a folder, read by these options."""
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
        members=members_of(universe),
        options=options_of(settings, refresh.clock.now(), is_cache_trusted=not refresh.is_forced),
        progress=refresh.progress("files"),
        ahead=SnapshotParts.open(refresh),
    )


def members_of(universe: pl.LazyFrame) -> Collection[str]:
    """The symbols of the universe."""
    members: list[str] = universe.select("symbol").collect()["symbol"].to_list()
    return members


def options_of(settings: Settings, now: datetime, *, is_cache_trusted: bool = True) -> SnapshotOptions:
    """The options of a refresh at this moment; errors as of `snapshot_options`."""
    today = now.astimezone(NEW_YORK).date()
    return snapshot_options(settings, is_cache_trusted=is_cache_trusted, today=today)
