# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Stored tables of older versions in the types of now. Which version wrote a table: see its manifest."""

from __future__ import annotations

import polars as pl

from ttapi_pipeline.tables.schema import DatasetSchema


def in_types_of_now(frame: pl.LazyFrame, schema: DatasetSchema) -> pl.LazyFrame | None:
    """A stored table with the columns of a schema.

    A column that is a list now was once a text with spaces between the numbers, as it still is in the CSV.

    Returns:
        The table in the types of the schema; None when it has other columns, or types that never were theirs.
    """
    actual, expected = frame.collect_schema(), schema.polars
    if actual == expected:
        return frame
    if actual.names() != expected.names():
        return None
    differing = [name for name, dtype in expected.items() if actual[name] != dtype]
    if any(actual[name] != pl.String or not isinstance(expected[name], pl.List) for name in differing):
        return None
    return frame.with_columns(numbers_in(pl.col(name)) for name in differing)


def numbers_in(text: pl.Expr) -> pl.Expr:
    """The numbers of a text that has spaces between them; the text without a letter is the list without a number."""
    word = pl.element()
    return text.str.split(" ").list.eval(word.filter(word != "").cast(pl.Float64))


def text_of(numbers: pl.Expr) -> pl.Expr:
    """Numbers as text with spaces between them, each as short as it can be: 150.0 as ``150``, 2.5 as ``2.5``."""
    return numbers.list.eval(pl.element().cast(pl.String).str.strip_suffix(".0")).list.join(" ")
