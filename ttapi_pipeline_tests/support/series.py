# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`returns_stddev` built from what a test gives of its inputs; the rest is empty."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.returns_stddev.build import Inputs, build_returns_stddev


def build_series(now: datetime, *, lookback: int = 252, **inputs: pl.DataFrame | pl.LazyFrame) -> Build:
    """Build it from tables by the names of their datasets."""
    empty = {name: pl.LazyFrame(schema=DATASETS[name].schema.polars) for name in DATASETS["returns_stddev"].upstream}
    given = {name: table.lazy() for name, table in inputs.items()}
    return build_returns_stddev(Inputs(**{**empty, **given}), now=now, lookback=lookback, annualization=252)
