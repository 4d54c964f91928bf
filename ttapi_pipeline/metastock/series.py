# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tells which rows of a ticker in a file are daily bars: by their times of day, their number in a session, and how far
apart they are.

No row by itself says so, so that the rules of `row_rules` cannot. Where rows have a period, that counts instead of
their times.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from ttapi_pipeline.metastock.layout import NUMBERS, Layout

INTRADAY: Final = "some sessions have several times of day, so these are no daily rows"

VARIED: Final = "the time of day differs from session to session, so these are no daily rows"
CROWDED: Final = "nearly every session has several rows, and they differ, so these are no daily rows"

_APART: Final = (
    ("a week", 5, 9),
    ("two weeks", 11, 17),
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

_LONG_STEP: Final = _APART[0][1]
_RUN_STEPS: Final = 5
"""Steps without a daily one between that show bars of a longer period among daily bars; a hole is one step."""

_HOLE: Final = 3
"""Times the usual step of a run: a longer one is a hole in the file."""

_CROWDED_SHARE: Final = 0.75
"""How many of the sessions have to have several rows that differ. A vendor that corrects a bar does so now and then."""

_VARIED_SESSIONS: Final = 10
_VARIED_TIMES: Final = 3
"""Daily bars have one time of day, or two with summer time, and a third after half a session."""

SERIES: Final = pl.Schema({"code": pl.UInt32(), "reason": pl.String()})
APART: Final = pl.Schema({"code": pl.UInt32(), "session": pl.Date(), "reason": pl.String()})


def needs_steps(layout: Layout) -> bool:
    """Whether the days between bars have to tell if rows are daily: a period is a vendor's own word."""
    return "period" not in layout.columns


def needs_times(layout: Layout) -> bool:
    """Whether the times of day have to tell if rows are daily."""
    return "time" in layout.columns and "period" not in layout.columns


def not_daily(rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The tickers of one file whose rows are not daily, and why.

    Args:
        rows: `code`, `session` and the numbers of each row that is good by itself, and `time`, anything that is equal
            for equal times of day, where times have to tell.
        layout: Of the file.

    Returns:
        Schema SERIES, by code.
    """
    found = [_by_time(rows)] if "time" in rows.columns else []
    if needs_steps(layout):
        found += [_crowded(rows), _sparse(rows)]
    return pl.concat([SERIES.to_frame(), *found]).unique("code", keep="first", maintain_order=True).sort("code")


def not_daily_runs(rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The bars of a longer period among the daily bars of a ticker, and why.

    Where such a run meets daily bars, the bar at its end belongs to the run: nothing tells that it is daily.

    Args:
        rows: `code` and `session` of each row, of tickers that `not_daily` does not name.
        layout: Of the file.

    Returns:
        Schema APART, by code and session.
    """
    if rows.is_empty() or not needs_steps(layout):
        return APART.to_frame()
    sessions = rows.select("code", "session").unique().sort("code", "session")
    steps = sessions.with_columns(days=pl.col("session").diff().over("code").dt.total_days())
    steps = steps.with_columns(is_long=(pl.col("days") >= _LONG_STEP).fill_null(value=False))
    steps = steps.with_columns(run=pl.struct("code", "is_long").rle_id())
    runs = (
        steps.filter("is_long")
        .group_by("run")
        .agg(steps=pl.len(), length=_length(), regular=_regular(), most=_HOLE * pl.col("days").median())
    )
    runs = runs.filter(
        pl.col("steps") >= _RUN_STEPS, pl.col("regular") >= _REGULAR_SHARE, pl.col("length").is_not_null()
    )
    named = steps.join(runs, on="run", how="left", maintain_order="left")
    # A step that is far longer is a hole; what comes behind it is no part of the run by that step.
    named = named.with_columns(length=pl.when(pl.col("days") <= pl.col("most")).then("length"))
    named = named.with_columns(length=pl.coalesce("length", pl.col("length").shift(-1).over("code")))
    # One bar that is left over has no daily step beside it.
    is_alone = pl.col("length").is_null().sum().over("code") == 1
    named = named.with_columns(
        length=pl.coalesce("length", pl.when(is_alone).then(pl.col("length").drop_nulls().last().over("code")))
    )
    return named.filter(pl.col("length").is_not_null()).select("code", "session", reason=_reason())


def may_vary(rows: pl.DataFrame) -> pl.Series:
    """The files whose rows have so many times of day that `not_daily` has to look at them: `file` and `time`."""
    times = rows.group_by("file").agg(pl.col("time").n_unique())
    return times.filter(pl.col("time") >= _VARIED_TIMES)["file"]


def may_be_other(runs: pl.DataFrame, sessions: pl.Series) -> pl.Series:
    """The files with a ticker whose bars may be too far apart or too many, by a look that costs little.

    Args:
        runs: `file`, `code` and `rows` of each run of rows with equal file and ticker.
        sessions: Of all these rows.
    """
    if runs.is_empty():
        return runs["file"]
    # A ticker that stands for no symbol sends its file to the careful reading anyhow.
    runs = runs.with_columns(pl.col("code").fill_null(0))
    days, counts = sessions.to_physical().to_numpy(), runs["rows"].to_numpy()
    starts = np.cumsum(counts, dtype=np.int64) - counts
    first, last = pl.Series(np.minimum.reduceat(days, starts)), pl.Series(np.maximum.reduceat(days, starts))
    steps = np.diff(days, prepend=days[:1])
    steps[starts] = 0
    is_long = np.abs(steps) >= _LONG_STEP
    many = is_long.copy()
    for shift in range(1, _RUN_STEPS):
        many[shift:] &= is_long[:-shift]
        many[:shift] = False
    groups = (
        runs.with_columns(
            first=first,
            last=last,
            repeats=pl.Series(np.add.reduceat(steps == 0, starts, dtype=np.int64) - 1),
            is_ordered=pl.Series(np.minimum.reduceat(steps, starts) * np.maximum.reduceat(steps, starts) >= 0),
            has_run=pl.Series(np.logical_or.reduceat(many, starts)),
        )
        .group_by("file", "code")
        .agg(
            pl.col("rows").cast(pl.Int64).sum(),
            pl.col("repeats").sum(),
            pl.col("has_run").any(),
            days=pl.col("last").max() - pl.col("first").min(),
            is_plain=(pl.len() == 1) & pl.col("is_ordered").all() & (pl.col("repeats") == 0).all(),
        )
    )
    # Daily bars are 1.45 days apart. Of those that are a week apart, some may be there twice or thrice.
    is_sparse = (pl.col("rows") >= _LEAST_SESSIONS) & (pl.col("days") >= 2 * (pl.col("rows") - 1))
    found = groups.filter(is_sparse | pl.col("has_run"))["file"]
    unclear = groups.filter(~pl.col("is_plain"), pl.col("rows") > _LEAST_SESSIONS).select("file", "code")
    if unclear.is_empty():
        return found.unique()
    rows = pl.DataFrame([pl.Series(runs[name].to_numpy().repeat(counts)).alias(name) for name in ("file", "code")])
    rows = rows.with_columns(session=sessions).join(unclear, on=["file", "code"], how="semi")
    return pl.concat([found, _unclear(rows.drop_nulls())]).unique()


def _unclear(rows: pl.DataFrame) -> pl.Series:
    """The same for rows in any order: `file`, `code` and `session`."""
    sessions = rows.group_by("file", "code", "session").len("rows").sort("file", "code", "session")
    is_long = (pl.col("session").diff().over("file", "code").dt.total_days() >= _LONG_STEP).fill_null(value=False)
    runs = sessions.select("file", "code", is_long=is_long).with_columns(run=pl.struct(pl.all()).rle_id())
    apart = runs.filter("is_long").group_by("run").agg(pl.col("file").first(), steps=pl.len())
    crowded = sessions.group_by("file", "code").agg(share=(pl.col("rows") > 1).mean())
    return pl.concat(
        [
            apart.filter(pl.col("steps") >= _RUN_STEPS)["file"],
            crowded.filter(pl.col("share") >= _CROWDED_SHARE)["file"],
        ]
    )


def _by_time(rows: pl.DataFrame) -> pl.DataFrame:
    """The tickers with several times of day in one session, or with ever other ones; schema SERIES."""
    sessions = rows.group_by("code", "session").agg(times=pl.col("time").n_unique(), time=pl.col("time").first())
    codes = sessions.group_by("code").agg(
        is_intraday=(pl.col("times") > 1).any(),
        is_varied=(pl.len() >= _VARIED_SESSIONS)
        & (pl.col("time").n_unique() >= _VARIED_TIMES)
        & (2 * pl.col("time").unique_counts().max() < pl.len()),
    )
    # A ticker with few rows does not show it by itself, in a file whose other tickers do.
    is_all = 2 * codes["is_intraday"].sum() >= codes.height
    is_intraday = pl.col("is_intraday") | pl.lit(bool(is_all) and bool(codes["is_intraday"].any()))
    reason = pl.when(is_intraday).then(pl.lit(INTRADAY)).when("is_varied").then(pl.lit(VARIED))
    return codes.select("code", reason=reason).drop_nulls("reason")


def _crowded(rows: pl.DataFrame) -> pl.DataFrame:
    """The tickers that have several different rows in nearly every session; schema SERIES.

    The rows of a session stand together in such a file. Another copy of the bars, put behind them, is a correction.
    """
    numbers = [name for name in NUMBERS if name in rows.columns]
    together = rows.select("code", "session", *numbers).sort("code", maintain_order=True)
    together = together.with_columns(run=pl.struct("code", "session").rle_id()).unique()
    sessions = together.group_by("code", "session", "run").len("rows").group_by("code", "session").agg(pl.max("rows"))
    codes = sessions.group_by("code").agg(several=(pl.col("rows") > 1).sum(), share=(pl.col("rows") > 1).mean())
    crowded = codes.filter(pl.col("several") >= _LEAST_SESSIONS, pl.col("share") >= _CROWDED_SHARE)
    return crowded.select("code", reason=pl.lit(CROWDED))


def _length() -> pl.Expr:
    """The period of which the middle one of some steps is, in words; null for a length of no period."""
    days = pl.col("days")
    return pl.coalesce(
        pl.when(days.median().is_between(least, most)).then(pl.lit(name)) for name, least, most in _APART
    )


def _regular() -> pl.Expr:
    """The greatest share of some steps that are of one length."""
    return pl.max_horizontal(pl.col("days").is_between(least, most).mean() for _, least, most in _APART)


def _reason() -> pl.Expr:
    return pl.format("the bars are {} apart, so these are no daily rows", "length")


def _sparse(rows: pl.DataFrame) -> pl.DataFrame:
    """The tickers whose sessions are a week, a month, a quarter or a year apart; schema SERIES."""
    sessions = rows.select("code", "session").unique().sort("code", "session")
    steps = sessions.with_columns(days=pl.col("session").diff().over("code").dt.total_days()).drop_nulls("days")
    return (
        steps.group_by("code")
        .agg(smallest=pl.col("days").min(), steps=pl.len(), length=_length(), regular=_regular())
        .filter(
            pl.col("smallest") >= _SMALLEST_STEP,
            pl.col("steps") >= _LEAST_SESSIONS - 1,
            pl.col("regular") >= _REGULAR_SHARE,
            pl.col("length").is_not_null(),
        )
        .select("code", reason=_reason())
    )
