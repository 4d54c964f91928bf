# SPDX-License-Identifier: MIT
"""The Polars type of each column type; `schema` describes columns without importing Polars."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from ttapi_pipeline.tables.schema import ColumnType

UTC_DATETIME: Final = pl.Datetime("us", "UTC")

DTYPES: Final[Mapping[ColumnType, pl.DataType]] = MappingProxyType(
    {
        ColumnType.STRING: pl.String(),
        ColumnType.FLOAT: pl.Float64(),
        ColumnType.COUNT: pl.Int64(),
        ColumnType.SMALL: pl.Int32(),
        ColumnType.FLAG: pl.Boolean(),
        ColumnType.DATE: pl.Date(),
        ColumnType.TIMESTAMP: UTC_DATETIME,
    }
)
