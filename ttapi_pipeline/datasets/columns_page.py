# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The page of all columns, `docs/columns.md`, made from the datasets' descriptions: run this module to print it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.descriptions import table_description
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP
from ttapi_pipeline.datasets.quality_table import QUALITY
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.tables.schema import DatasetSchema

_HEAD: Final = """\
<!-- SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors -->
<!-- SPDX-License-Identifier: MIT -->

# Columns

Every column of every stored table. Made from the descriptions in `ttapi_pipeline/datasets/` by `make docs`; change
those, not this page. Prices and amounts are US dollars; volatilities, ranks, percentiles and yields are fractions;
times are UTC. A value is null where it is not known, and a column that has no null says "always". A number "of 6
digits" is stored with all of its digits; six of them count for the data version, and are in the versions of the past.
"""


def columns_page() -> str:
    """The page as Markdown: a section for each dataset, each table that is published with one, and each history."""
    sections = [section for dataset in DATASETS.values() for section in _sections(dataset)]
    schemas = [*(history.schema for history in HISTORIES.values()), QUALITY, MEMBERSHIP]
    others = [_section(schema, table_description(schema.name), rules=[], lineage=None) for schema in schemas]
    return "\n".join([_HEAD, *sections, *others])


def _sections(dataset: Dataset) -> Iterator[str]:
    yield _section(dataset.schema, table_description(dataset.name), rules=list(dataset.rules), lineage=dataset)
    for report in dataset.reports:
        yield _section(report, table_description(report.name), rules=[], lineage=None)


def _section(schema: DatasetSchema, text: str, *, rules: Sequence[str], lineage: Dataset | None) -> str:
    key = ", ".join(f"`{name}`" for name in schema.key)
    head = "| column | type | null | meaning |" + (" made from |" if lineage else "")
    lines = [f"## {schema.name}", "", f"{text} Key: {key}.", "", head, "| --- " * (head.count("|") - 1) + "|"]
    for column in schema.columns:
        cells = [
            f"`{column.name}`",
            column.type.words if column.digits is None else f"{column.type.words} of {column.digits} digits",
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
