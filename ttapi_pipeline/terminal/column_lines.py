# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the columns of a table mean, for `tt show DATASET --describe`: lines of any width, or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.tables.schema import Column, DatasetSchema
from ttapi_pipeline.terminal.pen import Pen, wrapped

_INDENT = "  "


def column_lines(schema: DatasetSchema, description: str, columns: Sequence[Column], pen: Pen) -> Iterator[str]:
    """The lines: what the table is, its key, then each column with its type, and its meaning below.

    Args:
        schema: Of the table.
        description: What the table is.
        columns: Those of it to describe, in order.
        pen: For the terminal.
    """
    first, *others = wrapped(f"{schema.name}: {one_line(description)}", pen.width)
    yield first.replace(schema.name, pen.styled(schema.name, "1"), 1)
    yield from others
    yield from wrapped(f"key: {', '.join(schema.key)}", pen.width)
    yield ""
    for column in columns:
        yield f"{pen.styled(column.name, '1')}  {_kind(column)}"
        yield from (_INDENT + line.lstrip() for line in wrapped(one_line(column.description), pen.width - len(_INDENT)))
    yield ""
    yield from wrapped(
        f"{len(columns)} of {len(schema.columns)} columns; prices and amounts are US dollars, volatilities, ranks, "
        "percentiles and yields are fractions, and a value is null where it is not known",
        pen.width,
    )


def columns_document(schema: DatasetSchema, description: str, columns: Sequence[Column]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "kind": "columns",
        "table": schema.name,
        "description": description,
        "key": list(schema.key),
        "columns": [
            {
                "name": column.name,
                "type": column.type.words,
                "is_nullable": column.is_nullable,
                "description": column.description,
            }
            for column in columns
        ],
    }


def _kind(column: Column) -> str:
    return column.type.words if column.is_nullable else f"{column.type.words}, never null"
