# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The table `membership`: which symbol was in which list, from when to when. It is made when it is read.

Two sources, which are not mixed: the list of the S&P 500 that ships with the package, with its past; and what was
tracked here, by `universe_history`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from ttapi_pipeline.core.universes import SP500_SOURCE, sp500, sp500_former
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP, SP500_LIST
from ttapi_pipeline.datasets.registry import HISTORIES
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.session_table import session_table

TRACKED_HERE: Final = "tracked here"


def open_membership(folder: Folder) -> pl.LazyFrame:
    """Every membership that is known; without a history of the universe, those of the shipped list alone.

    Raises:
        StorageError, CorruptFileError: The history of the universe cannot be read.
    """
    frames = [_shipped()]
    table = session_table(folder, HISTORIES["universe_history"].schema)
    sessions = list(table.parts())
    if sessions:
        frames.append(tracked(table.scan(), sessions))
    return pl.concat(frames).sort(MEMBERSHIP.key, nulls_last=False).lazy()


def tracked(universe: pl.LazyFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """The memberships in a history of the universe.

    Args:
        universe: Rows of `universe_history`.
        sessions: Those that it has, ascending. A session between them in which nothing was published changes nothing.

    Returns:
        A row for each stretch of sessions in which a symbol was in a list.
    """
    numbers = pl.DataFrame({"session": sessions}, schema={"session": pl.Date}).with_row_index("number").lazy()
    key = ("symbol", "list")
    after = dict(enumerate(sessions))
    stretches = (
        universe.select("session", *key)
        .join(numbers, on="session", how="inner")
        .sort(*key, "number")
        # Within a stretch, the number of the session and the number of the row grow alike.
        .with_columns(stretch=pl.col("number").cast(pl.Int64) - pl.int_range(pl.len()).over(key))
        .group_by(*key, "stretch")
        .agg(first=pl.col("number").min().cast(pl.Int64), last=pl.col("number").max().cast(pl.Int64))
        .collect()
    )
    return stretches.select(
        *key,
        from_date=pl.col("first").replace_strict(after, return_dtype=pl.Date),
        to_date=(pl.col("last") + 1).replace_strict(after, default=None, return_dtype=pl.Date),
        is_from_seen=pl.col("first") > 0,
        source=pl.lit(TRACKED_HERE),
    )


def _shipped() -> pl.DataFrame:
    now = [(each.symbol, SP500_LIST, each.added_date, None, True, SP500_SOURCE) for each in sp500()]
    former = [
        (each.symbol, SP500_LIST, each.added_date, each.removed_date, each.added_date is not None, SP500_SOURCE)
        for each in sp500_former()
    ]
    return pl.DataFrame([*now, *former], schema=MEMBERSHIP.polars, orient="row")
