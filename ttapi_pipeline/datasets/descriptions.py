# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What each stored table is, in some sentences for people. What its columns are is said in its schema."""

from __future__ import annotations

from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP
from ttapi_pipeline.datasets.quality_table import QUALITY
from ttapi_pipeline.datasets.reading import dataset_of
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES

_OTHERS = {
    QUALITY.name: "What became of every dataset in each session; see `tt quality`.",
    MEMBERSHIP.name: "Which symbol was in which list, by the list that ships with the program and by "
    "`universe_history`.",
}


def table_description(name: str) -> str:
    """What a dataset, a table that is published with one, or a history is, and what it is made from.

    Raises:
        ConfigError: There is no such table.
    """
    if name in _OTHERS:
        return _OTHERS[name]
    if name in HISTORIES:
        return f"{HISTORIES[name].description} Made with every publication of `{HISTORIES[name].of}`."
    if name not in DATASETS:
        return f"Published with `{dataset_of(name).name}`."
    dataset = DATASETS[name]
    words = f"{dataset.description} Source: {dataset.source}. Stays fresh for {format_duration(dataset.ttl)}."
    upstream = ", ".join(f"`{each}`" for each in dataset.upstream)
    return f"{words} Made from {upstream}." if upstream else words
