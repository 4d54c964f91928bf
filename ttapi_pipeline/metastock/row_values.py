# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Polars expressions from the text of a row to its numbers, and to the columns of a bar.

`row_rules` decides which rows and which numbers are kept. Dates are read in `scan` by their format, and in `careful` by
`dates`.
"""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from ttapi_pipeline.metastock.layout import NUMBERS, Layout
from ttapi_pipeline.metastock.options import ImportOptions

NO_VALUE: Final = ("-", "--", ".", "N/A", "n/a", "NA", "null", "NULL", "None", "#N/A")
"""What vendors write for a number that they do not have."""


def numbers_from_text(layout: Layout, *, decimal_comma: bool) -> list[pl.Expr]:
    """Each numeric column of text as numbers: null where it is empty, NaN where its text is not a number."""
    numbers = []
    for role in NUMBERS:
        if role in layout.columns:
            text = pl.col(role)
            if decimal_comma:
                text = pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True))
            number = text.cast(pl.Float64, strict=False)
            numbers.append(pl.when(pl.col(role).is_not_null()).then(number.fill_null(math.nan)).alias(role))
    return numbers


def needs_care(layout: Layout, *, decimal_comma: bool) -> pl.Expr:
    """Whether a text of a numeric column is neither a number nor NO_VALUE, so that it may be a number after all."""
    numbers = {each.meta.output_name(): each for each in numbers_from_text(layout, decimal_comma=decimal_comma)}
    odd = [
        number.is_nan() & ~pl.col(role).is_in(NO_VALUE) & (pl.col(role).str.to_lowercase() != "nan")
        for role, number in numbers.items()
    ]
    return pl.any_horizontal(*odd, pl.lit(value=False)).fill_null(value=False)


def bar_columns(layout: Layout, options: ImportOptions) -> list[pl.Expr]:
    """The numeric columns of BARS, of columns that are numbers; null throughout where the layout has none."""
    columns = []
    for role in NUMBERS:
        number = pl.col(role) if role in layout.columns else pl.lit(None, pl.Float64)
        if role == "volume" and options.volume_multiplier != 1.0:
            number = number * options.volume_multiplier
        columns.append(number.alias(role))
    return columns
