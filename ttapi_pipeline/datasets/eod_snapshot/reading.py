# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is asked of the stored snapshot by the datasets that are computed from it; how it is made is in `build`."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from ttapi_pipeline.core.errors import DataError


def last_final_session(snapshot: pl.LazyFrame, calendar: pl.LazyFrame, *, now: datetime) -> date:
    """The newest session that has closed and of which the snapshot has a final bar.

    A file may hold bars of days that are not sessions, or that are yet to come. Nothing is counted from them.

    Raises:
        DataError: There is no final bar.
    """
    closed = calendar.filter(pl.col("closes_at") <= now).select("session")
    final = snapshot.filter("is_final").select("session").unique().collect(engine="streaming").lazy()
    last = closed.join(final, on="session", how="semi").select(pl.col("session").max()).collect().item()
    if not isinstance(last, date):
        raise DataError("eod_snapshot has no final bar, so there is no session to count from; refresh it first")
    return last


def most_traded(snapshot: pl.LazyFrame, *, as_of: date) -> str:
    """The symbol that a chart of one symbol shows: SPY where the snapshot has it, else that with the highest turnover.

    Args:
        snapshot: `eod_snapshot`.
        as_of: The turnover is the median of close times volume in the three months before; ties go by name.

    Raises:
        DataError: There is no bar in these months.
    """
    turnover = (
        snapshot.filter(pl.col("session").is_between(as_of - timedelta(days=91), as_of))
        .group_by("symbol")
        .agg(turnover=(pl.col("close") * pl.col("volume")).median().fill_null(0.0))
        .sort(pl.col("symbol") != "SPY", -pl.col("turnover"), "symbol")
    )
    first = turnover.select("symbol").head(1).collect(engine="streaming")
    if first.is_empty():
        raise DataError("eod_snapshot has no bar in the last three months; refresh it first")
    return str(first.item())
