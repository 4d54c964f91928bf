# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Final bars that came with other figures than the stored ones: which they are, and whether a past was restated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from ttapi_pipeline.datasets.daily_candles.table import CANDLE_REVISIONS

MOST_REVISIONS: Final = 200_000
"""How many of the newest revisions are kept."""

RESTATEMENT_TOLERANCE: Final = 1e-3
"""Relative difference of a final close above which the past counts as restated; revisions are far smaller."""


def restated_symbols(fresh: pl.DataFrame, previous: pl.LazyFrame) -> Sequence[str]:
    """Symbols whose final closes differ between what is stored and what came, by symbol."""
    stored = previous.filter("is_final").select("symbol", "session", stored_close="close")
    ratio = pl.col("close") / pl.col("stored_close") - 1.0
    return (
        fresh.lazy()
        .join(stored, on=["symbol", "session"])
        .filter(ratio.abs() > RESTATEMENT_TOLERANCE)
        .select(pl.col("symbol").unique().sort())
        .collect()["symbol"]
        .to_list()
    )


def revisions(fresh: pl.DataFrame, previous: pl.LazyFrame) -> pl.DataFrame:
    """Final bars that came with another close or volume than the stored one, in the schema CANDLE_REVISIONS."""
    stored = previous.filter("is_final").select("symbol", "session", close_before="close", volume_before="volume")
    is_revised = pl.col("close").ne_missing(pl.col("close_before")) | pl.col("volume").ne_missing(
        pl.col("volume_before")
    )
    revised = fresh.lazy().join(stored, on=["symbol", "session"]).filter(is_revised)
    return revised.select(CANDLE_REVISIONS.polars.names()).collect()


def recorded_revisions(revised: pl.DataFrame, recorded: pl.LazyFrame | None) -> pl.DataFrame:
    """Revisions with those that were recorded before; the newest MOST_REVISIONS."""
    if recorded is None:
        return revised
    both = pl.concat([recorded.collect(), revised]).unique(CANDLE_REVISIONS.key, keep="last")
    return both.sort("fetched_at", "symbol", "session").tail(MOST_REVISIONS)
