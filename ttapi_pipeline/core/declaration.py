# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The shape of a dataset's declaration. The declarations: see `datasets.registry`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

SettingName = Literal[
    "origin",
    "universe",
    "watchlist",
    "history_start",
    "lookback_sessions",
    "annualization_sessions",
    "metastock_symbol_map",
    "metastock_extra",
    "metastock_adjustment",
    "metastock_date_order",
    "metastock_periods",
    "metastock_suffixes",
    "metastock_code_page",
    "metastock_volume_multiplier",
    "rescale_candles",
    "earnings_file",
]
"""Settings that can shape a dataset's content."""


class Changes(StrEnum):
    """When a dataset's source can have something new. At other times the dataset stays fresh past its TTL."""

    ANY_TIME = "at any time"
    WHILE_OPEN = "while the exchange is open"
    """From a session's regular open to its close: quotes."""
    ONCE_SETTLED = "once a session has settled"
    """When another session's extended hours are over: bars, and datasets computed from them."""


class Keeps(StrEnum):
    """Which publications of a dataset keep their rows. A log of all of them is kept in any case."""

    EVERY_CHANGE = "every change"
    LAST_OF_SESSION = "the last of every session, and the newest ones"
    CHANGES = "every change of a row"
    """Tables of bars: millions of rows, of which each publication changes a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """When a dataset is due, and what it depends on. The Dagster asset, the verdict and the grid are made from it.

    Attributes:
        name: As in file names, asset keys and TT_TTL_<NAME>.
        description: One sentence for the web UI and the README; says what a row is.
        ttl: How long it stays fresh unless TT_TTL_<NAME> says otherwise.
        code_version: Raise it whenever the same inputs would give other rows.
        carries_on: Older code versions whose stored rows are as good as those of this one, once `storage.scan` has
            read them: an upgrade from these fetches nothing.
        upstream: The datasets (or `metastock_files`) that it is built from.
        consults: Upstream datasets whose change alone is no reason to build it again; the next refresh reads them anew.
        group: Dagster group.
        source: Where its rows come from, in words.
        shaped_by: Settings whose change makes the stored rows wrong.
        changes: When its source can have something new.
        is_fetched: Whether its rows come from the broker. Only one step at a time may use the broker's API.
        keeps: Which of its publications keep their rows once others have taken their place.
    """

    name: str
    description: str
    ttl: timedelta
    code_version: str
    group: str
    source: str
    carries_on: Sequence[str] = ()
    upstream: Sequence[str] = ()
    consults: Sequence[str] = ()
    shaped_by: Sequence[SettingName] = ("origin",)
    changes: Changes = Changes.ANY_TIME
    is_fetched: bool = True
    keeps: Keeps = Keeps.LAST_OF_SESSION

    @property
    def is_private(self) -> bool:
        """Whether its rows say what somebody owns: they are in no preview, and account numbers are masked."""
        return self.group == "accounts"
