# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The jobs over assets, by the names that a user would guess, and the limits of every run.

Jobs over ops stand with their subject: `operations.retention`, `quote_history.job`.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.datasets.registry import DATASETS

REFRESH_JOB = "refresh_all"
END_OF_DAY_JOB = "end_of_day"

BROKER_POOL = "broker_api"
"""The pool of all steps that fetch. It has one slot, over all runs: each step may use all that the broker allows."""

RUN_TAGS = {"dagster/max_runtime": "3600"}
"""The daemon ends a run that takes longer than this, in seconds. A first fill over the whole universe takes minutes."""

PRICED_AT_THE_CLOSE = ("symbols", "implied_volatility", "earnings")
"""Fetched with the session's bars although their sources change at any time: what options price in is divided into the
close, and yesterday's would be of another session. `earnings` is made from `symbols`."""

END_OF_DAY = tuple(
    name
    for name, declaration in DATASETS.items()
    if declaration.changes is Changes.ONCE_SETTLED or name in PRICED_AT_THE_CLOSE
)
"""The datasets that the close of a session changes, upstream first."""


def build_jobs(*, without: str | None = None) -> Mapping[str, Any]:
    """The jobs over assets, by name. Each refreshes the due datasets of its selection and reuses the others.

    Args:
        without: A group of partitioned assets, of which a job of everything would ask for a partition; None for none.
    """
    groups = dg.AssetSelection.groups
    everything = dg.AssetSelection.all() if without is None else dg.AssetSelection.all() - groups(without)
    selections = {
        REFRESH_JOB: (everything, "Every dataset."),
        "reference": (groups("reference", "accounts"), "What there is to trade, when, and in which accounts."),
        "market_data": (groups("market_data"), "Metrics, implied volatility, quotes and daily bars."),
        "analytics": (groups("analytics"), "What is computed from the stored data, without a request."),
        END_OF_DAY_JOB: (
            dg.AssetSelection.assets(*END_OF_DAY),
            "What a session's close changes: bars, metrics and implied volatility, and what rests on them.",
        ),
    }
    return {
        name: dg.define_asset_job(
            name,
            selection=selection,
            description=f"{words} Refreshes what is due and reuses the others.",
            tags=RUN_TAGS,
        )
        for name, (selection, words) in selections.items()
    }
