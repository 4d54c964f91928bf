# SPDX-License-Identifier: MIT
"""Tells whether the rows of a ticker in a file are daily bars: by their times of day, and by how far apart they are.

No row by itself says so, so that the rules of `row_rules` cannot. Where rows have a period, that counts instead of
their times.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from ttapi_pipeline.metastock.layout import Layout

INTRADAY: Final = "some sessions have several times of day, so these are no daily rows"

_APART: Final = (
    ("a week", 5, 9),
    ("a month", 26, 35),
    ("a quarter", 84, 98),
    ("a year", 358, 373),
)
"""Days between bars of longer periods: holidays move a bar by some days either way."""

_SMALLEST_STEP: Final = 4
"""Days between two sessions of daily bars are fewer than this, somewhere: only holidays make more of a weekend."""

_LEAST_SESSIONS: Final = 3
_REGULAR_SHARE: Final = 0.75
"""How many of the steps have to be of one length; a week without a bar makes one of two weeks."""

SERIES: Final = pl.Schema({"code": pl.UInt32(), "reason": pl.String()})


def needs_steps(layout: Layout) -> bool:
    """Whether the days between bars have to tell if rows are daily: a period is a vendor's own word."""
    return "period" not in layout.columns


def needs_times(layout: Layout) -> bool:
    """Whether the times of day have to tell if rows are daily."""
    return "time" in layout.columns and "period" not in layout.columns


def not_daily(rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The tickers of one file whose rows are not daily, and why.

    Args:
        rows: `code` and `session` of each row that is good by itself, and `time`, anything that is equal for equal
            times of day, where times have to tell.
        layout: Of the file.

    Returns:
        Schema SERIES, by code.
    """
    apart = _sparse(rows) if needs_steps(layout) else SERIES.to_frame()
    if "time" not in rows.columns:
        return apart.sort("code")
    sessions = rows.group_by("code", "session").agg(times=pl.col("time").n_unique())
    codes = sessions.group_by("code").agg(is_intraday=(pl.col("times") > 1).any())
    # A ticker with few rows does not show it by itself, in a file whose other tickers do.
    is_all = 2 * codes["is_intraday"].sum() >= codes.height
    intraday = codes.filter(pl.col("is_intraday") | pl.lit(bool(is_all) and bool(codes["is_intraday"].any())))
    by_time = intraday.select("code", reason=pl.lit(INTRADAY))
    return pl.concat([by_time, apart.join(by_time, on="code", how="anti")]).sort("code")


def may_be_sparse(runs: pl.DataFrame, sessions: pl.Series) -> pl.Series:
    """The files with a ticker whose bars may be too far apart, by a look that costs little.

    Args:
        runs: `file`, `code` and `rows` of each run of rows with equal file and ticker.
        sessions: Of all these rows.
    """
    if runs.is_empty():
        return runs["file"]
    days, starts = sessions.to_physical().to_numpy(), (runs["rows"].cum_sum() - runs["rows"]).to_numpy()
    first, last = pl.Series(np.minimum.reduceat(days, starts)), pl.Series(np.maximum.reduceat(days, starts))
    groups = (
        runs.with_columns(first=first, last=last)
        .group_by("file", "code")
        .agg(pl.col("rows").cast(pl.Int64).sum(), days=pl.col("last").max() - pl.col("first").min())
    )
    # Daily bars are 1.45 days apart. Of those that are a week apart, some may be there twice or thrice.
    is_sparse = (pl.col("rows") >= _LEAST_SESSIONS) & (pl.col("days") >= 2 * (pl.col("rows") - 1))
    return groups.filter(is_sparse)["file"].unique()


def _sparse(rows: pl.DataFrame) -> pl.DataFrame:
    """The tickers whose sessions are a week, a month, a quarter or a year apart; schema SERIES."""
    sessions = rows.select("code", "session").unique().sort("code", "session")
    steps = sessions.with_columns(days=pl.col("session").diff().over("code").dt.total_days()).drop_nulls("days")
    days = pl.col("days")
    named = pl.coalesce(
        pl.when(days.median().is_between(least, most)).then(pl.lit(name)) for name, least, most in _APART
    )
    regular = pl.max_horizontal(days.is_between(least, most).mean() for _, least, most in _APART)
    return (
        steps.group_by("code")
        .agg(smallest=days.min(), steps=pl.len(), length=named, regular=regular)
        .filter(
            pl.col("smallest") >= _SMALLEST_STEP,
            pl.col("steps") >= _LEAST_SESSIONS - 1,
            pl.col("regular") >= _REGULAR_SHARE,
            pl.col("length").is_not_null(),
        )
        .select("code", reason=pl.format("the bars are {} apart, so these are no daily rows", "length"))
    )
