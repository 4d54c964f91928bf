# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The page of all columns, `docs/columns.md`, made from the datasets' descriptions: run this module to print it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP
from ttapi_pipeline.datasets.quality_table import QUALITY
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.tables.schema import ColumnType, DatasetSchema

_HEAD: Final = """\
<!-- SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors -->
<!-- SPDX-License-Identifier: MIT -->

# Columns

Every column of every stored table. Made from the descriptions in `ttapi_pipeline/datasets/` by `make docs`; change
those, not this page. Prices and amounts are US dollars; volatilities, ranks, percentiles and yields are fractions;
times are UTC. A value is null where it is not known, and a column that has no null says "always".
"""

_TYPES: Final = {
    ColumnType.STRING: "text",
    ColumnType.FLOAT: "number",
    ColumnType.COUNT: "whole number",
    ColumnType.SMALL: "whole number",
    ColumnType.FLAG: "true or false",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "time, UTC",
    ColumnType.FLOATS: "numbers",
}


def columns_page() -> str:
    """The page as Markdown: a section for each dataset, each table that is published with one, and each history."""
    sections = [section for dataset in DATASETS.values() for section in _sections(dataset)]
    histories = [
        _section(
            history.schema,
            f"{history.description} Made with every publication of `{history.of}`.",
            rules=[],
            lineage=None,
        )
        for history in HISTORIES.values()
    ]
    quality = _section(
        QUALITY, "What became of every dataset in each session; see `tt quality`.", rules=[], lineage=None
    )
    words = "Which symbol was in which list, by the list that ships with the program and by `universe_history`."
    membership = _section(MEMBERSHIP, words, rules=[], lineage=None)
    return "\n".join([_HEAD, *sections, *histories, quality, membership])


def _sections(dataset: Dataset) -> Iterator[str]:
    upstream = ", ".join(f"`{name}`" for name in dataset.upstream)
    facts = [
        f"{dataset.description} Source: {dataset.source}. Stays fresh for {format_duration(dataset.ttl)}.",
        *([f"Made from {upstream}."] if upstream else []),
    ]
    yield _section(dataset.schema, " ".join(facts), rules=list(dataset.rules), lineage=dataset)
    for report in dataset.reports:
        yield _section(report, f"Published with `{dataset.name}`.", rules=[], lineage=None)


def _section(schema: DatasetSchema, text: str, *, rules: Sequence[str], lineage: Dataset | None) -> str:
    key = ", ".join(f"`{name}`" for name in schema.key)
    head = "| column | type | null | meaning |" + (" made from |" if lineage else "")
    lines = [f"## {schema.name}", "", f"{text} Key: {key}.", "", head, "| --- " * (head.count("|") - 1) + "|"]
    for column in schema.columns:
        cells = [
            f"`{column.name}`",
            _TYPES[column.type],
            "" if column.is_nullable else "always",
            column.description,
            *([_made_from(lineage, column.name)] if lineage else []),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    if rules:
        lines += ["", "Each row satisfies:", "", *(f"- {rule}" for rule in rules)]
    return "\n".join([*lines, ""])


def _made_from(dataset: Dataset, column: str) -> str:
    matching = [sources for pattern, sources in dataset.lineage.items() if fnmatchcase(column, pattern)]
    return ", ".join(dict.fromkeys(f"`{source}`" for sources in matching for source in sources))


if __name__ == "__main__":
    sys.stdout.write(columns_page())
