# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Published figures from MetaStock files of real prices, through the job that refreshes everything.

The exchange stands at the day of the last bar. Its own candles of the symbol have nothing to do with the real prices:
the snapshot keeps those of the file.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.simulator import SimulatorControl
from ttapi_pipeline_tests.support.worlds import World

NAMES = ("close_to_close", "zero_mean", "parkinson", "garman_klass", "rogers_satchell", "yang_zhang")
COLUMNS = ("usual_move", "usual_move_centered")
LAST = {"SPX": date(2018, 12, 31), "AAPL": date(2013, 3, 1)}

# docs/volatility.md, "Golden values": annualised volatility over n sessions, in the order of NAMES; deviation of
# returns over as many sessions as an expiration is away, in the order of COLUMNS.
VOLATILITY = {
    "SPX": {
        10: "0.354099 0.340879 0.298765 0.294153 0.290319 0.307727",
        21: "0.285244 0.286619 0.251281 0.247409 0.247192 0.269271",
        63: "0.237552 0.238691 0.199108 0.194900 0.192341 0.216622",
    },
    "AAPL": {
        10: "0.210692 0.237302 0.204346 0.198470 0.193197 0.210045",
        21: "0.261666 0.259282 0.234073 0.235169 0.234849 0.250632",
        63: "0.411304 0.415118 0.256929 0.252708 0.247656 0.384577",
    },
}
HORIZONS = {
    "SPX": {
        1: "0.010736 0.010754",
        5: "0.023679 0.023845",
        21: "0.036663 0.037770",
        42: "0.044610 0.045928",
        63: "0.052587 0.049168",
    },
    "AAPL": {
        5: "0.042388 0.042622",
        21: "0.084551 0.085988",
        42: "0.148004 0.153733",
        63: "0.167699 0.166038",
    },
}


def metastock_text(symbol: str) -> str:
    """The S&P 500 of the package `arch`, AAPL of `bokeh_sampledata`."""
    package, path, spelled = {
        "SPX": ("arch", "data/sp500/sp500.csv.gz", "%m/%d/%Y"),
        "AAPL": ("bokeh_sampledata", "_data/stocks.csv.gz", "%Y-%m-%d"),
    }[symbol]
    # Asked for by its spec, because importing `arch` takes seconds.
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    frame = pl.read_csv(gzip.decompress((Path(spec.origin).parent / path).read_bytes()))
    if "Ticker" in frame.columns:
        frame = frame.filter(pl.col("Ticker") == symbol)
    day = pl.col("Date").str.to_date(spelled).dt.strftime("%Y%m%d")
    rows = frame.select(pl.lit(symbol), day, "Open", "High", "Low", "Close", "Volume")
    return "<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n" + rows.write_csv(include_header=False)


def digits(row: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    return " ".join(f"{row[column]:.6f}" for column in columns)


@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
def test_a_run_of_everything_publishes_the_golden_values(symbol: str, tmp_path: Path) -> None:
    evening = datetime.combine(LAST[symbol], datetime.min.time(), UTC).replace(hour=23)
    folder = tmp_path / "metastock"
    folder.mkdir()
    (folder / f"{symbol}.txt").write_text(metastock_text(symbol))
    (tmp_path / "universe.txt").write_text(symbol)
    with SimulatorProcess(arguments=["--now", evening.isoformat()]) as process:
        settings = replace(
            Settings(),
            api_url=process.url,
            universe=str(tmp_path / "universe.txt"),
            data_dir=str(tmp_path / "data"),
            metastock_dir=folder,
            # The feed's prices are those of another market, and would stand where they contradict the files.
            history_start=LAST[symbol] + timedelta(days=1),
            min_coverage=0.0,
        )
        world = World(settings, SimulatorControl(process.url), clock=StoppedClock(evening))
        assert world.run().success
    (row,) = pl.read_parquet(world.data / "volatility.parquet").rows(named=True)
    for window, expected in VOLATILITY[symbol].items():
        assert digits(row, tuple(f"{name}_{window}" for name in NAMES)) == expected
    series = pl.read_parquet(world.data / "returns_stddev.parquet").rows(named=True)
    assert {each["as_of_session"] for each in series} == {LAST[symbol]}
    listed = {each["horizon_sessions"]: each for each in series}
    # What the exchange lists on that day; the other horizons are in the tests of the dataset.
    assert {5, 10} <= listed.keys()
    for horizon in listed.keys() & HORIZONS[symbol].keys():
        assert digits(listed[horizon], COLUMNS) == HORIZONS[symbol][horizon]
    for horizon in listed.keys() & VOLATILITY[symbol].keys():
        golden = VOLATILITY[symbol][horizon].split()[0]
        assert f"{listed[horizon]['realized_volatility']:.6f}" == golden
        assert listed[horizon]["returns_stddev"] == pytest.approx(float(golden) / 252**0.5, abs=1e-7)
