# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The candle history of a universe, killed in the middle: the next run asks for what is missing, and no more."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.datasets.killed_candles import SATURDAY, collect
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.simulator import SimulatorControl

PROGRAM = "ttapi_pipeline_tests.datasets.killed_candles"


@pytest.fixture(scope="module")
def exchange() -> Iterator[SimulatorControl]:
    with SimulatorProcess(arguments=["--now", SATURDAY.isoformat()]) as process:
        yield SimulatorControl(process.url)


# A small part of the S&P 500, and all of it.
@pytest.mark.parametrize(("count", "dies_after"), [(40, 24), pytest.param(503, 300, marks=pytest.mark.soak)])
def test_a_run_killed_after_some_symbols_goes_on_with_the_next_one(
    exchange: SimulatorControl, tmp_path: Path, count: int, dies_after: int
) -> None:
    symbols = [each.symbol for each in sp500()][:count]
    assert len(symbols) == count
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    killed.mkdir()
    undisturbed.mkdir()

    def snapshots() -> int:
        """How many histories were sent since the last time."""
        counted = exchange.events()["dxlink.snapshots"]
        exchange.reset()
        return counted

    command = [sys.executable, "-m", PROGRAM, exchange.url, str(killed), str(dies_after), *symbols]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=120).returncode == -signal.SIGKILL
    assert not (killed / "bars.parquet").exists()
    snapshots()

    collect(exchange.url, killed, symbols, lambda *_: None)
    assert snapshots() == len(symbols) - dies_after
    collect(exchange.url, undisturbed, symbols, lambda *_: None)
    assert snapshots() == len(symbols)
    bars = pl.read_parquet(killed / "bars.parquet")
    assert bars.equals(pl.read_parquet(undisturbed / "bars.parquet"))
    assert bars["symbol"].n_unique() == len(symbols)
    # What is published is no longer kept.
    assert not list(killed.rglob("*.sealed"))
