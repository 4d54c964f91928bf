# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What nobody could fetch again outlives forced refreshes, new code versions and other settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.earnings.table import EARNINGS
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.stored import read_manifest

NOW = datetime(2026, 5, 4, 16, tzinfo=UTC)
ROW = ("AAPL", date(2026, 4, 30), "AMC", True, NOW, "tastytrade", NOW)
OUTSIDE: Any = None
"""Neither clock nor API is asked."""


def store(folder: Path, settings: Mapping[str, str]) -> None:
    frame = pl.DataFrame([ROW], schema=EARNINGS.polars, orient="row")
    provenance = Provenance(dataset="earnings", code_version="0", fetched_at=NOW, settings=settings, is_simulated=True)
    publish(frame, EARNINGS, folder, provenance).wait()


def refresh(
    folder: Path, *, has_manifest: bool = True, settings: Settings | None = None, is_forced: bool = False
) -> Refresh:
    manifest = read_manifest(folder, "earnings") if has_manifest else None
    return Refresh(settings or Settings(), NOW, OUTSIDE, OUTSIDE, is_forced, DATASETS["earnings"], folder, manifest)


def test_accumulated_rows_outlive_a_code_version_and_a_setting(tmp_path: Path) -> None:
    store(tmp_path, {"origin": Settings().origin, "earnings_file": "sha256 of another"})
    kept = refresh(tmp_path).accumulated()
    assert kept is not None
    assert kept.collect().rows() == [ROW]
    assert refresh(tmp_path).previous() is None


def test_rows_of_another_environment_are_not_mixed_in(tmp_path: Path) -> None:
    store(tmp_path, {"origin": Settings().origin, "earnings_file": "none"})
    assert refresh(tmp_path, settings=replace(Settings(), simulator_seed=8)).accumulated() is None


def test_without_anything_stored_there_is_nothing_to_keep(tmp_path: Path) -> None:
    assert refresh(tmp_path, has_manifest=False).accumulated() is None


def test_what_is_there_and_cannot_be_read_is_not_built_over(tmp_path: Path) -> None:
    store(tmp_path, {"origin": Settings().origin, "earnings_file": "none"})
    with pytest.raises(CorruptFileError, match="manifest of earnings"):
        refresh(tmp_path, has_manifest=False).accumulated()
    DatasetFiles.of(tmp_path, "earnings").parquet.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(CorruptFileError, match="damaged"):
        refresh(tmp_path).accumulated()


def test_a_clock_that_is_set_back_for_one_run_costs_no_row(world: Any) -> None:
    quarters = [date(2026, 1, 29), date(2026, 4, 30), date(2026, 7, 30), date(2026, 10, 29)]
    rows = [
        (symbol, day, "AMC", True, NOW, "tastytrade", world.clock.at)
        for symbol in ("AAPL", "IBM", "KO", "MSFT")
        for day in quarters
    ]
    stored = world.manifest("earnings").provenance
    publish(pl.DataFrame(rows, schema=EARNINGS.polars, orient="row"), EARNINGS, world.data, stored).wait()
    world.clock.at -= timedelta(days=500)
    assert world.run("symbols", "earnings", force=True).success
    after = pl.read_parquet(world.data / "earnings.parquet")
    assert {(row[0], row[1]) for row in rows} <= set(after.select("symbol", "announced_date").iter_rows())
