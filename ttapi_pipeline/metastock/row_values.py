# SPDX-License-Identifier: MIT
"""Polars expressions from the text of a row to numbers, and from these to the columns of a bar.

`row_rules` decides which rows are kept. Dates are read in `scan` by their format, and in `careful` by `dates`.
"""

from __future__ import annotations

import polars as pl

from ttapi_pipeline.metastock.layout import NUMBERS, Layout
from ttapi_pipeline.metastock.options import ImportOptions


def number_of(role: str) -> pl.Expr:
    """The number in a column, which keeps its text under its own name beside it."""
    return pl.col(f"{role}_number")


def numbers_from_text(layout: Layout, *, decimal_comma: bool) -> list[pl.Expr]:
    """A column of numbers for each numeric column of text; null where the text is not a number."""
    numbers = []
    for role in NUMBERS:
        if role in layout.columns:
            text = pl.col(role)
            if decimal_comma:
                text = pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True))
            numbers.append(text.cast(pl.Float64, strict=False).alias(f"{role}_number"))
    return numbers


def numbers_as_they_are(layout: Layout) -> list[pl.Expr]:
    """The same for columns that hold numbers already."""
    return [pl.col(role).alias(f"{role}_number") for role in NUMBERS if role in layout.columns]


def bar_columns(layout: Layout, options: ImportOptions) -> list[pl.Expr]:
    """The numeric columns of BARS; null throughout where the layout has no such column."""
    columns = []
    for role in NUMBERS:
        number = number_of(role) if role in layout.columns else pl.lit(None, pl.Float64)
        if role == "volume" and options.volume_multiplier != 1.0:
            number = number * options.volume_multiplier
        columns.append(number.alias(role))
    return columns
