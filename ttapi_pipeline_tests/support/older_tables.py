# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tables as older versions of the program stored them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from ttapi_pipeline.datasets.expiration_series.table import EXPIRATION_SERIES
from ttapi_pipeline.tables.older_types import text_of
from ttapi_pipeline.tables.schema import STRING, DatasetSchema

SERIES_WITH_TEXTS: Final = DatasetSchema(
    EXPIRATION_SERIES.name,
    [replace(each, type=STRING) if each.name == "strikes" else each for each in EXPIRATION_SERIES.columns],
    key=EXPIRATION_SERIES.key,
)
"""`expiration_series` of code version 1.1, whose strikes were a text."""


def with_texts(series: pl.DataFrame) -> pl.DataFrame:
    """Rows of today as that version had them."""
    return series.with_columns(text_of(pl.col("strikes")))
