# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes the rows of `expirations_history`: what is listed now, compared with the session before."""

from __future__ import annotations

import polars as pl

from ttapi_pipeline.datasets.expiration_series.history import EXPIRED, GONE, LISTED, UNTRACKED
from ttapi_pipeline.datasets.expiration_series.table import EXPIRATION_SERIES
from ttapi_pipeline.datasets.history import HistoryRows, SessionState
from ttapi_pipeline.datasets.history_rows import rows_of_table

_KEY = list(EXPIRATION_SERIES.key)
_OWN = ("state", "first_seen_session", "listed_session", "last_seen_session", "gone_session")


def build(state: SessionState) -> HistoryRows:
    """A row per series that is listed, and per series that was listed in the session before and is not there now.

    In which session a series came or went is known to the session only if `expiration_series` was published in each; it
    is fetched every seven days unless its inputs change.
    """
    names = state.history.schema.polars.names()
    session = pl.lit(state.session)
    now = rows_of_table(state).drop(_OWN)
    live = _live_before(state)
    since = live.select(*_KEY, "first_seen_session", "listed_session")
    is_new = pl.col("first_seen_session").is_null()
    is_watched = pl.col("symbol").is_in(live["symbol"].unique().sort().to_list())
    listed = now.join(since, on=_KEY, how="left", maintain_order="left").with_columns(
        state=pl.lit(LISTED),
        first_seen_session=pl.coalesce("first_seen_session", session),
        listed_session=pl.when(is_new).then(pl.when(is_watched).then(session)).otherwise("listed_session"),
        last_seen_session=session,
        gone_session=pl.lit(None, pl.Date),
    )
    is_tracked = pl.col("symbol").is_in(now["symbol"].unique().sort().to_list())
    went = live.join(now, on=_KEY, how="anti").with_columns(
        session=session,
        state=pl.when(pl.col("expiration_date") <= session)
        .then(pl.lit(EXPIRED))
        .when(is_tracked)
        .then(pl.lit(GONE))
        .otherwise(pl.lit(UNTRACKED)),
        gone_session=session,
        is_carried_over=pl.lit(value=False),
        known_at=pl.lit(state.known_at, pl.Datetime("us", "UTC")),
    )
    rows = pl.concat([listed.select(names), went.select(names)])
    return HistoryRows(
        rows,
        {
            "listed": listed.height,
            "newly_listed": int((listed["listed_session"] == state.session).sum()),
            **{name: int((went["state"] == name).sum()) for name in (EXPIRED, GONE, UNTRACKED)},
        },
    )


def _live_before(state: SessionState) -> pl.DataFrame:
    """What was listed in the session before; no row where none is known."""
    if state.before is None:
        return state.history.schema.polars.to_frame()
    return state.before.filter(state=LISTED)
