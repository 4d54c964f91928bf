# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Each folder of `cases` holds inputs beside the bars and rejects that they give, both written by hand."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline import cli
from ttapi_pipeline.analytics.current import bar_quality
from ttapi_pipeline.commands import import_files
from ttapi_pipeline.commands.exit_codes import INCOMPLETE
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot
from ttapi_pipeline.datasets.eod_snapshot.options import SnapshotOptions
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.metastock.frames import BARS
from ttapi_pipeline.metastock.importer import REJECTS, import_folder
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.metastock import check_account

FOLDER = Path(__file__).parent / "cases"
CASES = sorted(path.name for path in FOLDER.iterdir())
NOW = datetime(2026, 11, 28, 22, tzinfo=UTC)
TODAY = date(2026, 11, 28)

LOST = {
    "case_decimal_slip": {"high": 1, "open": 1},
    "case_neg_volume": {"volume": 1},
    # A dash, N/A and NaN; an empty volume came as one.
    "case_volume_text": {"volume": 3},
    "case_zero_open": {"open": 2},
}
"""What came and could not be believed, where there is any."""


def bars_of(case: str) -> pl.DataFrame:
    return pl.read_csv(FOLDER / case / "bars.csv", schema=BARS)


def rejects_of(case: str) -> pl.DataFrame:
    return pl.read_csv(FOLDER / case / "rejects.csv", schema={name: REJECTS[name] for name in REJECTS.names()[:4]})


@pytest.mark.parametrize("case", CASES)
def test_a_folder_gives_the_bars_and_rejects_beside_it(case: str) -> None:
    result = import_folder(FOLDER / case / "input", today=TODAY if case.startswith("case_") else None)
    assert_frame_equal(check_account(result), bars_of(case))
    assert_frame_equal(result.rejects.select(REJECTS.names()[:4]), rejects_of(case))
    if case.startswith("case_"):
        assert dict(result.lost) == LOST.get(case, {})


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("case_")])
def test_the_snapshot_and_the_dry_run_say_the_same_of_a_case(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bars, rejects = bars_of(case), rejects_of(case)
    built = build_eod_snapshot(
        FOLDER / case / "input",
        DAILY_CANDLES.polars.to_frame().lazy(),
        TRADING_CALENDAR.polars.to_frame().lazy(),
        metastock_version="1",
        options=SnapshotOptions(today=TODAY),
    )
    assert_frame_equal(built.frame.lazy().select(BARS.names()).collect(), bars)
    assert_frame_equal(built.reports["eod_rejects"].select(rejects.columns), rejects)
    lost = LOST.get(case, {})
    assert lost_facts(lost).items() <= built.statistics.items()

    monkeypatch.setattr(import_files, "SYSTEM_CLOCK", FakeClock(NOW))
    monkeypatch.chdir(tmp_path)
    code = cli.main(["import", "--dry-run", "--json", str(FOLDER / case / "input")])
    told = json.loads(capsys.readouterr().out)
    assert told["first_session"] == (None if bars.is_empty() else str(bars["session"].min()))
    assert sum(each["rejected"] for each in told["dialects"]) == rejects.height
    assert told["lost"] == lost
    if lost or rejects.height:
        assert code == INCOMPLETE


def test_a_low_of_a_tenth_is_a_caution() -> None:
    bars = bars_of("case_decimal_slip")
    first, last = bars["session"].min(), bars["session"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    calendar = pl.DataFrame({"session": sessions_between(first, last)})
    slipped = bars.filter(2 * pl.col("low") < pl.col("close"))
    assert slipped.height == 1
    quality = bar_quality(bars.lazy().with_columns(adjustment=pl.lit("split")), calendar.lazy(), as_of=last).collect()
    assert "bad_range" in quality["cautions"][0].split()
    sound = bars.filter(pl.col("session") < slipped["session"][0]).drop_nulls("open").drop_nulls("high")
    before = bar_quality(
        sound.lazy().with_columns(adjustment=pl.lit("split")), calendar.lazy(), as_of=sound["session"][-1]
    ).collect()
    assert "bad_range" not in (before["cautions"][0] or "").split()
