# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Descriptions of tables without Polars, and the types that Polars makes of them."""

from __future__ import annotations

from ttapi_pipeline.tables.dtypes import DTYPES
from ttapi_pipeline.tables.schema import Column, ColumnType


def test_every_column_type_is_the_polars_type_of_that_name() -> None:
    assert set(DTYPES) == set(ColumnType)
    for column_type in ColumnType:
        assert str(Column("value", column_type, "A value").dtype) == column_type
