# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The Polars types of columns, by the names that `schema` has for them; `schema` itself does without Polars."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

UTC_DATETIME: Final = pl.Datetime("us", "UTC")

_USED: Final[tuple[pl.DataType, ...]] = (
    pl.String(),
    pl.Float64(),
    pl.Int64(),
    pl.Int32(),
    pl.Boolean(),
    pl.Date(),
    UTC_DATETIME,
    pl.List(pl.Float64()),
)

DTYPES: Final[Mapping[str, pl.DataType]] = MappingProxyType({str(dtype): dtype for dtype in _USED})
"""By the name that Polars writes, which is the value of a `ColumnType`."""
