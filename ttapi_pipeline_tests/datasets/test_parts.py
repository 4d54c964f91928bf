# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A table put together from its buckets, of which some cannot be computed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.by_symbols import BySymbols, Collected
from ttapi_pipeline.datasets.parts import union_of_parts
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import shaping_settings
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.tables.conform import conform

# Nothing of it may be used: these tables are computed from what is stored.
OUTSIDE: Any = object()
AT = datetime(2026, 11, 21, 15, tzinfo=UTC)
DATASET = DATASETS["volatility_cone"]
SYMBOLS = ("AAPL", "BRK/B", "IBM", "KO", "MSFT", "SPY")
EVEN = ("BRK/B", "KO", "SPY")
"""The symbols whose hash is even: `printf KO | xxhsum -H3` ends in 6, of the others in 5, 9 and d."""


def rows(symbols: Collection[str], *, median: float) -> pl.DataFrame:
    schema = DATASET.schema.polars
    known = {"symbol": sorted(symbols), "horizon_sessions": 21, "median": median, "as_of_session": date(2026, 11, 20)}
    values = {name: known.get(name, 1 if dtype.is_numeric() else None) for name, dtype in schema.items()}
    return conform(pl.DataFrame(values, schema=schema), DATASET.schema)


def refresh(folder: Path, *, partitions: int = 2, is_stored: bool = True) -> Refresh:
    settings = Settings(data_dir=str(folder), partitions=partitions)
    made = Provenance(
        dataset=DATASET.name,
        code_version=DATASET.code_version,
        fetched_at=AT,
        settings=shaping_settings(settings, DATASET),
    )
    manifest = None
    if is_stored:
        manifest = publish(rows(SYMBOLS, median=1.0), DATASET.schema, folder, made).wait()
    return Refresh(settings, AT, OUTSIDE, OUTSIDE, False, DATASET, folder, manifest)


def collected(refresh: Refresh, *, failing: Collection[str]) -> Collected:
    """The table where nothing can be computed of some symbols, nor of what is computed with them."""

    def compute(symbols: Collection[str] | None) -> pl.DataFrame:
        chosen = SYMBOLS if symbols is None else symbols
        if set(chosen) & set(failing):
            raise DataError("its bars cannot be")
        return rows(chosen, median=2.0)

    return union_of_parts(refresh)(BySymbols(AT.date(), [pl.LazyFrame({"symbol": SYMBOLS})], compute))


def test_a_bucket_that_cannot_be_computed_keeps_its_stored_rows_and_is_missing_by_name(tmp_path: Path) -> None:
    found = collected(refresh(tmp_path), failing=["KO"])
    assert dict(found.frame.select("symbol", "median").iter_rows()) == {
        symbol: 1.0 if symbol in EVEN else 2.0 for symbol in SYMBOLS
    }
    assert found.missing == dict.fromkeys(EVEN, "bucket 00-of-2 cannot be computed: its bars cannot be")
    assert found.statistics == {"buckets": 2, "buckets_taken": 0, "coverage": 0.5}


def test_without_stored_rows_the_others_are_there_all_the_same(tmp_path: Path) -> None:
    found = collected(refresh(tmp_path, is_stored=False), failing=["KO"])
    assert set(found.frame["symbol"]) == set(SYMBOLS) - set(EVEN)
    assert set(found.missing) == set(EVEN)


def test_where_no_bucket_can_be_computed_the_refresh_fails(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its bars cannot be"):
        collected(refresh(tmp_path), failing=SYMBOLS)


def test_without_partitions_the_table_is_computed_at_once(tmp_path: Path) -> None:
    found = collected(refresh(tmp_path, partitions=0), failing=[])
    assert found.frame["symbol"].to_list() == list(SYMBOLS)
    assert (found.missing, found.statistics) == ({}, {})
