# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The tables beside `eod_snapshot`: what became of the files' rows, and how the two sources compare."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from ttapi_pipeline.datasets.eod_snapshot.survey import Survey
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_NOTICES, EOD_OVERLAPS, EOD_REJECTS, EOD_SPLITS
from ttapi_pipeline.metastock.importer import FolderImport


def reports(
    imported: FolderImport, survey: Survey, notices: pl.DataFrame, doubted: pl.DataFrame, known: Collection[str]
) -> Mapping[str, pl.DataFrame]:
    """The tables by name.

    Args:
        imported: The files.
        survey: Of both sources.
        notices: About the files.
        doubted: Notices about single symbols.
        known: The symbols that have candles or are left out; of others it is not known whether the broker has them.
    """
    is_doubted = pl.col("symbol").is_in(survey.possible_splits["symbol"].unique().implode())
    overlaps = survey.comparison.with_columns(
        verdict=pl.when(is_doubted).then(pl.lit("possible_split")).otherwise("verdict"),
        is_appended=pl.col("verdict") != "other",
        is_proven=pl.col("newest_divisor").is_not_null() & ~is_doubted,
        divisor="newest_divisor",
    )
    unknown = imported.unknown_symbols(known, "daily_candles")
    return {
        EOD_REJECTS.name: imported.rejects,
        EOD_NOTICES.name: pl.concat([notices, unknown, doubted.cast(notices.schema)]),
        EOD_OVERLAPS.name: overlaps.select(EOD_OVERLAPS.polars.names()),
        EOD_SPLITS.name: survey.splits,
    }
