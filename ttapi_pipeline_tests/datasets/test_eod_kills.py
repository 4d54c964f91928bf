# SPDX-License-Identifier: MIT
"""An import that is killed at any moment costs time and nothing else."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.storage.repair import repair
from ttapi_pipeline.storage.scan import read_csv_back, scan

ROOT = Path(__file__).resolve().parents[2]

# Small chunks and ranges, so that there are many moments in between.
PROGRAM = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
import polars as pl
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.eod_snapshot.build import SnapshotOptions, build_eod_snapshot
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.metastock import limits
limits.BATCH_BYTES = 60_000
limits.RANGE_ROWS = 4_000
files, data = Path(sys.argv[1]), Path(sys.argv[2])
now = datetime(2026, 11, 21, tzinfo=UTC)
# Of every second symbol, from the last hundred days of its file on, with the file's closes.
days = pl.DataFrame({"session": pl.date_range(date(2020, 1, 1), date(2022, 3, 31), eager=True)}).with_row_index("at")
close = 10 + pl.col("at") % 7 / 10
symbols = pl.DataFrame({"symbol": [f"S{number:02}" for number in range(0, 40, 2)]})
candles = conform(
    symbols.join(days.filter(pl.col("session") > date(2021, 9, 23)), how="cross").select(
        "symbol", "session", open=close, high=close, low=close, close=close, volume=100.0, vwap=None, trade_count=None,
        implied_volatility=None, is_final=True, source=pl.lit("dxlink"), fetched_at=pl.lit(now),
    ),
    DAILY_CANDLES,
)
print("ready", flush=True)
built = build_eod_snapshot(
    files,
    candles.lazy(),
    TRADING_CALENDAR.polars.to_frame().lazy(),
    metastock_version="",
    options=SnapshotOptions(cache=data / ".state" / "metastock"),
)
provenance = Provenance(dataset="eod_snapshot", code_version="1", fetched_at=now)
publish(built.frame, EOD_SNAPSHOT, data, provenance).wait()
"""


def start(files: Path, data: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(files), str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def finish(process: subprocess.Popen[str]) -> int:
    code = process.wait()
    assert process.stdout is not None
    process.stdout.close()
    return code


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for number in range(40):
        days = pl.date_range(pl.date(2020, 1, 1), pl.date(2022, 1, 1), eager=True).dt.strftime("%Y%m%d")
        text = "".join(f"S{number:02},{day},10,11,9,{10 + at % 7 / 10},100\n" for at, day in enumerate(days))
        (folder / f"S{number:02}.txt").write_text(text)
    return folder


@pytest.fixture(scope="module")
def undisturbed(files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, bytes, float]:
    """The rows, the CSV's bytes and how many seconds the work took."""
    data = tmp_path_factory.mktemp("data")
    process = start(files, data)
    began = time.perf_counter()
    assert finish(process) == 0
    seconds = time.perf_counter() - began
    rows = scan(data, EOD_SNAPSHOT).collect()
    # 40 files of 732 days; 20 symbols go on for the 89 days from 2022-01-02 to 2022-03-31.
    assert rows["source"].value_counts().sort("source").rows() == [("dxlink", 20 * 89), ("metastock", 40 * 732)]
    return rows, (data / "eod_snapshot.csv").read_bytes(), seconds


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(4, 200))])
def test_the_run_after_a_kill_ends_with_the_same_bytes(
    seed: int, files: Path, undisturbed: tuple[pl.DataFrame, bytes, float], tmp_path: Path
) -> None:
    expected, csv, seconds = undisturbed
    process = start(files, tmp_path)
    time.sleep(random.Random(seed).uniform(0, seconds))
    process.kill()
    finish(process)
    if (tmp_path / "eod_snapshot.parquet").exists():
        # What a reader sees is whole.
        assert scan(tmp_path, EOD_SNAPSHOT).collect().equals(expected)
    if (tmp_path / "eod_snapshot.csv").exists():
        assert read_csv_back(tmp_path, EOD_SNAPSHOT).equals(expected)
    repair(tmp_path, EOD_SNAPSHOT)
    assert finish(start(files, tmp_path)) == 0
    assert scan(tmp_path, EOD_SNAPSHOT).collect().equals(expected)
    assert (tmp_path / "eod_snapshot.csv").read_bytes() == csv
    assert not list(tmp_path.rglob("*.staged"))
