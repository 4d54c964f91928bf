# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is kept of `expiration_series` for every session: when each series came, and when it went."""

from __future__ import annotations

from typing import Final

from ttapi_pipeline.datasets.expiration_series.table import EXPIRATION_SERIES
from ttapi_pipeline.datasets.history import CARRIED_OVER, FETCHED_AT, KNOWN_AT, SESSION, History, columns_of
from ttapi_pipeline.tables.schema import DATE, STRING, Column, DatasetSchema, required

LISTED: Final = "listed"
EXPIRED: Final = "expired"
GONE: Final = "gone"
UNTRACKED: Final = "untracked"

_FACTS: Final = ("option_chain_type", "expiration_type", "strike_count", "lowest_strike", "highest_strike")

HISTORY: Final = History(
    of=EXPIRATION_SERIES.name,
    schema=DatasetSchema(
        "expirations_history",
        (
            SESSION,
            *columns_of(EXPIRATION_SERIES, [*EXPIRATION_SERIES.key, *_FACTS]),
            required(
                "state",
                STRING,
                "listed; or, in the session in which it was first not there: expired, gone (before its expiration), "
                "untracked (with its symbol)",
            ),
            required("first_seen_session", DATE, "The first session in which it was listed without a break since"),
            Column(
                "listed_session",
                DATE,
                "The same, if its symbol had series in the session before; null where it may have been listed earlier",
            ),
            required("last_seen_session", DATE, "The last session in which it was listed"),
            Column("gone_session", DATE, "The session in which it was first not there; null while it is listed"),
            CARRIED_OVER,
            FETCHED_AT,
            KNOWN_AT,
        ),
        key=("session", *EXPIRATION_SERIES.key),
    ),
    description="The expirations that were listed at the end of each session, since when, and those that went in it; "
    "one row per session, root, date and settlement.",
    code_version="1",
    has_own_rows=True,
)
