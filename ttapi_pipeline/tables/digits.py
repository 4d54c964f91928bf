# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which columns count to how many significant digits, by the columns of a table alone.

An estimate from a year of returns is known to two digits, and is computed to sixteen. All of them are stored. Six of
them count for the data version of a table and for the rows that a publication has changed, and are in the versions of
the past.

A data version is taken of rows without a schema, as by whoever has read a Parquet file. So the columns themselves must
tell: a table with the column `as_of_session` is computed as of that session, and no other table has this column. Its
numbers are estimates, but for those in `TAKEN_OVER`. Schemas declare the digits, see `schema.estimate`, and are refused
where they say anything else. Rounding: see `rounding`. No Polars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ESTIMATE_DIGITS: Final = 6
"""Six keep a thousandth of a basis point of a volatility."""

AS_OF_SESSION: Final = "as_of_session"
"""The session that a table is computed as of; all four tables of estimates have it, and no other one does."""

TAKEN_OVER: Final = frozenset(
    {
        *("close", "dividend_before_expiration", "implied_volatility", "implied_volatility_30_day"),
        *("implied_volatility_rank", "implied_volatility_percentile"),
        *(f"historical_volatility_{days}_day" for days in (30, 60, 90)),
    }
)
"""Numbers in tables of estimates that come from elsewhere; all of their digits count."""

_FLOAT: Final = "Float64"


def counted_digits(columns: Mapping[str, object]) -> Mapping[str, int]:
    """How many significant digits of a column count.

    Args:
        columns: The types of a table's columns by name, as Polars has or writes them.

    Returns:
        The digits by name; columns of which everything counts are left out.
    """
    if AS_OF_SESSION not in columns:
        return {}
    return {name: ESTIMATE_DIGITS for name, dtype in columns.items() if str(dtype) == _FLOAT and name not in TAKEN_OVER}
