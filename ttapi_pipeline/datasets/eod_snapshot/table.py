# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `eod_snapshot` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Changes, Keeps
from ttapi_pipeline.datasets.columns import BAR, BAR_NAMES, BAR_RULES, SESSION, SYMBOL
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES, Dataset, Preview
from ttapi_pipeline.tables.schema import COUNT, DATE, FLAG, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema, required

EOD_SNAPSHOT: Final = DatasetSchema(
    "eod_snapshot",
    (
        SYMBOL,
        SESSION,
        *BAR,
        Column("open_interest", FLOAT, "Open interest; null for shares"),
        required(
            "adjustment",
            STRING,
            "What prices are adjusted for: split, rebased (divided by proven splits), raw, or unknown",
        ),
        required("is_final", FLAG, "False while the session can still change it"),
        required("source", STRING, "metastock or dxlink"),
        required("fetched_at", TIMESTAMP, "When the candle was fetched, or the file with the row was last changed"),
    ),
    key=("symbol", "session"),
)

EOD_REJECTS: Final = DatasetSchema(
    "eod_rejects",
    (
        required("file", STRING, "File, relative to the MetaStock folder"),
        Column(
            "line",
            COUNT,
            "Line in the file, from 1; null for the whole file, all rows of a ticker in it, or one bar",
        ),
        Column("symbol", STRING, "As the file spells it; null when it could not be read"),
        required("reason", STRING, "Why the row was set aside"),
        required("rows", COUNT, "How many rows that are; a file that cannot be read counts as one"),
        Column(
            "raw", STRING, "The text of the row, its first 500 characters; null for all but the first 1,000 of a file"
        ),
    ),
    key=("file", "line", "symbol", "reason"),
)

EOD_NOTICES: Final = DatasetSchema(
    "eod_notices",
    (
        required("kind", STRING, "assumption, left out (in no table), warning, or conflict (rows that are set aside)"),
        required("subject", STRING, "What it is about: a dialect, the folder, a file, or a symbol"),
        Column("file", STRING, "File, relative to the MetaStock folder; null where it is not about one"),
        Column("rows", COUNT, "How many rows; null where it is not about rows"),
        required("notice", STRING, "In a sentence, with the setting that helps"),
    ),
    key=("kind", "subject", "file", "notice"),
)

EOD_OVERLAPS: Final = DatasetSchema(
    "eod_overlaps",
    (
        SYMBOL,
        required(
            "verdict",
            STRING,
            "agreed, split or scale (a constant ratio); drift, changed (another ratio at first) or strayed (another in"
            " between); other (instrument); possible_split where older bars open as after one; short_overlap or"
            " no_overlap for want of sessions",
        ),
        required("is_appended", FLAG, "Whether candles continue bars of the files; else these are left out"),
        required("is_proven", FLAG, "Whether the files' bars are known to be in today's share, or are re-based to it"),
        required("metastock_sessions", COUNT, "Bars in the files"),
        required("common_sessions", COUNT, "Sessions that files and candles both have"),
        Column("median_ratio", FLOAT, "Candle over file close over the newest common sessions; null without any"),
        Column("ratio_spread", FLOAT, "Largest less smallest ratio of these sessions"),
        Column("divisor", FLOAT, "What the newest prices of the files are divided by; null where nothing proves it"),
        required("splits", COUNT, "Splits between the sources, see eod_splits"),
        required("first_candle", DATE, "First session of the candles: older bars are of the files"),
        required("last_candle", DATE, "Last session of the candles"),
    ),
    key=("symbol",),
)

EOD_SPLITS: Final = DatasetSchema(
    "eod_splits",
    (
        SYMBOL,
        required("session", DATE, "First session after the split, of those that both sources have"),
        required("factor", FLOAT, "New shares per old one"),
        required("source", STRING, "Which bars were not adjusted and have been divided: metastock or dxlink"),
        required(
            "proof", STRING, "ratio: of candle to file close; open: of files said to be raw, against the last close"
        ),
    ),
    key=("symbol", "session"),
)

DATASET: Final = Dataset(
    name=EOD_SNAPSHOT.name,
    schema=EOD_SNAPSHOT,
    description="Daily bars, MetaStock first and candles where that ends; one row per symbol and session.",
    ttl=timedelta(days=1),
    code_version="8",
    group="market_data",
    keeps=Keeps.CHANGES,
    source="MetaStock files, DXLink",
    upstream=(METASTOCK_FILES, "daily_candles", "trading_calendar", "universe"),
    # Each new session reads them again. A closure announced for next year is no reason to start over, nor are new facts
    # of a member; new members come with candles.
    consults=("trading_calendar", "universe"),
    shaped_by=(
        "origin",
        "metastock_symbol_map",
        "metastock_extra",
        "metastock_adjustment",
        "metastock_date_order",
        "metastock_periods",
        "metastock_suffixes",
        "metastock_code_page",
        "metastock_volume_multiplier",
        "rescale_candles",
    ),
    changes=Changes.ONCE_SETTLED,
    is_fetched=False,
    rules=BAR_RULES,
    lineage={
        **{
            column: (f"metastock_files.{column}", f"daily_candles.{column}")
            for column in ("symbol", "session", *BAR_NAMES)
        },
        "open_interest": ("metastock_files.open_interest",),
        "is_final": ("daily_candles.is_final", "trading_calendar.closes_at"),
    },
    reports=(
        EOD_REJECTS,
        EOD_NOTICES,
        EOD_OVERLAPS,
        EOD_SPLITS,
    ),
    preview=Preview(
        ("symbol", "session", "open", "high", "low", "close", "volume", "source"), by="volume", latest="session"
    ),
    charts=("coverage",),
)
