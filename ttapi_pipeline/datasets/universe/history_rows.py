# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes the rows of `universe_history`: the column `membership`, which can name several lists, as a row per list."""

from __future__ import annotations

from typing import Final

import polars as pl

from ttapi_pipeline.datasets.history import HistoryRows, SessionState

_SEPARATOR: Final = "; "
_DATED: Final = r" as of \d{4}-\d{2}-\d{2}$"
"""A list that came with a later version of the program is the same list."""


def build(state: SessionState) -> HistoryRows:
    """A row per symbol and list; a symbol of two lists has two."""
    missing = sorted(state.manifest.provenance.missing)
    rows = (
        state.table.select(
            "symbol",
            list=pl.col("membership").str.split(_SEPARATOR),
            is_carried_over=pl.col("symbol").is_in(missing),
            fetched_at="fetched_at",
        )
        .explode("list")
        .with_columns(
            pl.col("list").str.replace(_DATED, ""),
            session=pl.lit(state.session),
            known_at=pl.lit(state.known_at, pl.Datetime("us", "UTC")),
        )
        .unique(["symbol", "list"])
        .select(state.history.schema.polars.names())
        .collect()
    )
    return HistoryRows(rows, {"symbols": rows["symbol"].n_unique()})
