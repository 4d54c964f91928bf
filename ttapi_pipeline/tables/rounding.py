# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rounding the columns of a table to the digits that count; which these are: see `digits`.

The result is the float next to the decimal number that is nearest to the value, as ``float(f"{value:.5e}")`` is for six
digits: of two equally near ones, that with an even last digit. So rounding twice is rounding once, and the result does
not depend on the machine. Nulls, NaN, infinities and both zeros stay as they are.

The rounding of Polars multiplies by powers of ten that floats do not hold exactly, so that very small and very
large numbers come out as NaN or other numbers.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, overload

import numpy as np
import polars as pl

from ttapi_pipeline.tables.digits import counted_digits

Floats = np.ndarray[Any, np.dtype[np.float64]]

_EXACT_POWERS: Final = 10.0 ** np.arange(23)
"""The powers of ten that a float holds exactly. With one of them, a product or quotient of whole numbers below 2^53 is
the float next to the true value."""

_NEAR_TIE: Final = 1e-6
"""So near to the middle of two decimal numbers, the product below may not tell on which side a value is. Its error is
below 1e-9, in units of the last digit."""


@overload
def rounded(table: pl.DataFrame) -> pl.DataFrame: ...


@overload
def rounded(table: pl.LazyFrame) -> pl.LazyFrame: ...


def rounded(table: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame | pl.LazyFrame:
    """A table with the digits that count; one in which all of them count comes back as it is."""
    digits = counted_digits(table.collect_schema())
    if not digits:
        return table
    return table.with_columns(
        pl.col(name).map_batches(
            partial(round_column, digits=kept), return_dtype=pl.Float64(), is_elementwise=True, returns_scalar=False
        )
        for name, kept in digits.items()
    )


def round_column(values: pl.Series, *, digits: int) -> pl.Series:
    """A column of floats, rounded to significant digits."""
    numbers = pl.Series(values.name, round_floats(values.fill_null(0.0).to_numpy(), digits))
    return numbers.zip_with(values.is_not_null(), values) if values.null_count() else numbers


def round_floats(values: Floats, digits: int) -> Floats:
    """Floats, rounded to significant digits."""
    with np.errstate(all="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(values)))
        # Next to a power of ten, the logarithm may be that of the other side: both give that power.
        is_plain = np.abs(places) < len(_EXACT_POWERS)
        power = _EXACT_POWERS[np.where(is_plain, np.abs(places), 0).astype(np.int64)]
        is_fraction = places >= 0
        scaled = np.where(is_fraction, values * power, values / power)
        units = np.rint(scaled)
        is_plain &= np.abs(np.abs(scaled - units) - 0.5) > _NEAR_TIE
        found = np.where(is_plain, np.where(is_fraction, units / power, units * power), values)
    for index in np.flatnonzero(~is_plain & np.isfinite(values) & (values != 0)):
        found[index] = float(f"{values[index]:.{digits - 1}e}")
    return found
