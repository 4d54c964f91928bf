# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Parts of tables in a bucket, where workers of several machines meet: they are taken, and emptied once taken over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.daily_candles.ahead import CandleParts
from ttapi_pipeline.datasets.daily_candles.bars import FetchedBars
from ttapi_pipeline.datasets.daily_candles.spill import SpilledHistories
from ttapi_pipeline.datasets.eod_snapshot.ahead import SnapshotParts, has_part, put_part
from ttapi_pipeline.datasets.eod_snapshot.survey import RANGES
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline_tests.support.candles import history
from ttapi_pipeline_tests.support.rows import calendar_rows

# Nothing of it may be used: nothing is fetched here.
OUTSIDE: Any = object()
SATURDAY = datetime(2026, 11, 21, 15, tzinfo=UTC)
START = date(2026, 11, 16)


def refresh(name: str, place: ObjectPath, cache: Path) -> Refresh:
    settings = replace(Settings(data_dir=str(place), cache_dir=cache), partitions=1)
    return Refresh(settings, SATURDAY, OUTSIDE, OUTSIDE, False, DATASETS[name], place, None)


def test_histories_are_taken_by_another_machine_and_take_no_room_afterwards(prefix: ObjectPath, tmp_path: Path) -> None:
    starts, streamers = {"KO": START}, {"KO": "KO"}
    fetched = FetchedBars(SpilledHistories(), calendar_rows(START, SATURDAY.date(), fetched_at=SATURDAY), SATURDAY)
    fetched.histories.append(history("KO", {START: 10.0}))
    CandleParts.of(refresh("daily_candles", prefix, tmp_path / "one")).put("00-of-1", fetched, starts, streamers)
    other = CandleParts.of(refresh("daily_candles", prefix, tmp_path / "two"))
    ((found, fetched_at),) = other.take(starts, streamers, now=SATURDAY, not_before=None)
    assert (found.symbol, found.close.tolist(), fetched_at) == ("KO", [10.0], SATURDAY)
    other.clear()
    assert open_store(prefix).read_file(".state/parts/daily_candles/00-of-1.part") == b""
    assert not list(other.take(starts, streamers, now=SATURDAY, not_before=None))


def test_merged_ranges_are_taken_by_another_machine_and_take_no_room_afterwards(
    prefix: ObjectPath, tmp_path: Path
) -> None:
    settings = refresh("eod_snapshot", prefix, tmp_path / "one").settings
    values = {"symbol": "KO", "session": START, "close": 10.0}
    row = pl.DataFrame({name: [values.get(name)] for name in EOD_SNAPSHOT.polars}, schema=EOD_SNAPSHOT.polars)
    assert put_part(prefix, settings, "00-of-1", RANGES.to_frame(), [("a key", row)]) == 1
    assert has_part(prefix, settings, "00-of-1", ["a key"])
    assert not has_part(prefix, settings, "00-of-1", ["a key", "another"])
    other = SnapshotParts.open(refresh("eod_snapshot", prefix, tmp_path / "two"))
    assert other is not None
    found = other.rows("a key")
    assert found is not None
    assert found.equals(row)
    assert other.rows("another") is None
    assert other.counted(["a key", "another"]) == {"buckets": 1, "buckets_taken": 1, "ranges_taken": 1}
    other.clear()
    assert not has_part(prefix, settings, "00-of-1", ["a key"])
