# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows of the datasets that charts are drawn from, of which a test gives what matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

import polars as pl
import pytest

from ttapi_pipeline.datasets.registry import DATASETS


@pytest.fixture(scope="session")
def table() -> Callable[[str, Iterable[Mapping[str, object]]], pl.DataFrame]:
    """A frame in the schema of a dataset; what is not given is null, or the as-of session."""

    def make(dataset: str, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
        filled = [{"as_of_session": date(2026, 11, 20), **row} for row in rows]
        return pl.DataFrame(filled, schema=DATASETS[dataset].schema.polars)

    return make
