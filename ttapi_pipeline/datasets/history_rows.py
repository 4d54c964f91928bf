# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes the rows of a history whose rows are those of the dataset. Other histories: see `history`."""

from __future__ import annotations

import polars as pl

from ttapi_pipeline.datasets.history import HistoryRows, SessionState


def build(state: SessionState) -> HistoryRows:
    """The rows of the dataset, with the columns that the history has."""
    return HistoryRows(rows_of_table(state))


def rows_of_table(state: SessionState) -> pl.DataFrame:
    """The rows of the dataset, with those columns of the history that it has, and with what a publication says of all.

    A column that the dataset had not yet is null.
    """
    history, there = state.history, state.table.collect_schema()
    of_all = {"session", "known_at", "is_carried_over"}
    dtypes = {name: dtype for name, dtype in history.schema.polars.items() if name not in of_all}
    columns = [pl.col(name) if name in there else pl.lit(None, dtype).alias(name) for name, dtype in dtypes.items()]
    missing = sorted(state.manifest.provenance.missing)
    return (
        state.table.select(*columns, is_carried_over=pl.col(history.subject).is_in(missing))
        .with_columns(session=pl.lit(state.session), known_at=pl.lit(state.known_at, pl.Datetime("us", "UTC")))
        .select(history.schema.polars.names())
        .collect()
    )
