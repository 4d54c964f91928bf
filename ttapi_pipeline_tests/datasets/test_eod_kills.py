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
from ttapi_pipeline_tests.datasets.killed_snapshot import candles, import_and_publish
from ttapi_pipeline_tests.support.documents import ROOT

PROGRAM = "ttapi_pipeline_tests.datasets.killed_snapshot"


def start(files: Path, data: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, str(files), str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True
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


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 200))])
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
    import_and_publish(files, tmp_path, candles())
    assert scan(tmp_path, EOD_SNAPSHOT).collect().equals(expected)
    assert (tmp_path / "eod_snapshot.csv").read_bytes() == csv
    assert not list(tmp_path.rglob("*.staged"))
