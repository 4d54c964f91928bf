# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Prices that slip for a session or a few and come back are set aside; splits, crashes and spikes never are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ttapi_pipeline import cli
from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.metastock.importer import FolderImport, import_folder
from ttapi_pipeline.metastock.slips import slips_of_files
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

HEADER = "Ticker,Date,Open,High,Low,Close,Volume\n"
DAYS = sessions_between(date(2026, 1, 5), date(2026, 11, 20))


def row(day: date, close: float, *, opened: float | None = None) -> str:
    """A bar whose range holds its open and its close."""
    first = close if opened is None else opened
    return f"AAPL,{day},{first},{max(first, close)},{min(first, close)},{close},100\n"


def in_one_file(rows: Sequence[str]) -> Mapping[str, str]:
    return {"AAPL.csv": HEADER + "".join(rows)}


def in_one_file_with_care(rows: Sequence[str]) -> Mapping[str, str]:
    """A blank first line sends a file to the careful reading."""
    return {"AAPL.csv": "\n" + HEADER + "".join(rows)}


def in_one_file_per_session(rows: Sequence[str]) -> Mapping[str, str]:
    return {f"{each.split(',')[1]}.csv": HEADER + each for each in rows}


WAYS = (in_one_file, in_one_file_with_care, in_one_file_per_session)


def reasons_of(result: FolderImport) -> list[str]:
    return result.rejects["reason"].to_list()


@pytest.mark.parametrize("write", WAYS)
@pytest.mark.parametrize(
    ("closes", "slipped"),
    [
        ((150, 151, 1520, 152, 153), {2}),
        ((150, 151, 15.2, 152, 153), {2}),
        ((150, 151, 15_300, 152), {2}),
        ((151, 1520, 152), {1}),
        ((150, 151, 1520, 1530, 1525, 152, 153), {2, 3, 4}),
        # Two that slip near each other, and two ways in a row.
        ((150, 151, 1520, 152, 1510, 153, 15.4, 155), {2, 4, 6}),
        ((150, 151, 1520, 15.3, 152, 153), {2, 3}),
        ((150, 151, 99_999.99, 152), {2}),
        ((150, 151, 999_999, 152), {2}),
        ((150, 151, 9999, 152), {2}),
        # No power of ten, and too far for any share: what programs write for no number, and none of their digits.
        ((30, 31, 2_147_483_647, 30.5), {2}),
        ((30, 31, 65_535, 65_535, 30.5), {2, 3}),
        ((55, 56, 0.0001, 55.5), {2}),
        ((55, 56, 1e-300, 55.5), {2}),
        ((30, 31, 900, 30.5), set()),
        # It stays, or nothing follows or precedes it yet.
        ((150, 151, 1520, 1530, 1540, 1550, 1560, 1570), set()),
        ((150, 151, 152, 1530), set()),
        ((1520, 152, 153, 154), set()),
        # A fund at 99,999; penny shares, by five and by ten times; a biotech that trebles.
        ((99_990, 99_999, 99_980), set()),
        ((0.01, 0.05, 0.01), set()),
        ((0.01, 0.01, 0.1, 0.01, 0.01), set()),
        ((5, 5.2, 16, 15, 6), set()),
        # GameStop, January 2021, and the VIX of February 2018.
        ((39.12, 39.91, 43.03, 65.01, 76.79, 147.98, 347.51, 193.6, 325, 225, 90, 92.41, 53.5), set()),
        ((13.47, 17.31, 37.32, 29.98, 27.73, 33.46, 29.06, 25.61), set()),
        # A reverse split of 1:10, and a split of 10:1 some weeks later.
        ((*(0.5,) * 8, *(5.0,) * 20, *(0.5,) * 8), set()),
    ],
)
def test_a_close_that_leaves_and_comes_back_is_set_aside_and_the_rest_stays(
    write: object, closes: Sequence[float], slipped: set[int]
) -> None:
    assert callable(write)
    with folder_of(write([row(DAYS[at], close) for at, close in enumerate(closes)])) as folder:
        result = import_folder(folder)
    bars = check_account(result)
    assert bars["close"].to_list() == [close for at, close in enumerate(closes) if at not in slipped]
    found = reasons_of(result)
    assert len(found) == len(slipped)
    assert all(any(f"on {DAYS[at]} " in reason for reason in found) for at in slipped)


@pytest.mark.parametrize("write", WAYS)
def test_an_open_of_a_hundred_times_its_bar_is_set_aside_with_its_bar(write: object) -> None:
    assert callable(write)
    rows = [row(day, 150 + at, opened=15_050 if at == 3 else 150) for at, day in enumerate(DAYS[:6])]
    with folder_of(write(rows)) as folder:
        result = import_folder(folder)
    assert check_account(result)["session"].to_list() == [*DAYS[:3], *DAYS[4:6]]
    (reason,) = reasons_of(result)
    assert reason == (
        f"an open of 15050.0 on {DAYS[3]} lies between closes of 152.0 and 154.0: a price that slips by a power of ten,"
        " or a placeholder, and comes back; the bar is set aside"
    )


def test_where_another_file_has_the_session_its_bar_counts() -> None:
    good = HEADER + "".join(row(day, 60 + at) for at, day in enumerate(DAYS[:4]))
    slipped = HEADER + "".join(row(day, 60 + at if at != 2 else 6.2) for at, day in enumerate(DAYS[:4]))
    with folder_of({"1.csv": good, "2.csv": slipped}) as folder:
        result = import_folder(folder)
    assert check_account(result)["close"].to_list() == [60, 61, 62, 63]
    assert result.rejects.select("file", "symbol", "rows").rows() == [("2.csv", "AAPL", 1)]
    assert result.files["duplicates"].to_list() == [3, 0]


@settings(max_examples=examples(40), deadline=None)
@example(moves=[0.0] * 30, at=1, count=5, digits=-2, is_lasting=False)
@given(
    moves=st.lists(st.floats(-0.05, 0.05), min_size=30, max_size=60),
    at=st.integers(1, 24),
    count=st.integers(1, 5),
    digits=st.sampled_from([-3, -2, -1, 1, 2, 3]),
    is_lasting=st.booleans(),
)
def test_a_decimal_point_that_moves_is_found_and_one_that_stays_moved_is_a_step(
    moves: Sequence[float], at: int, count: int, digits: int, *, is_lasting: bool
) -> None:
    closes = [150.0]
    for move in moves:
        closes.append(max(100.0, min(closes[-1] * (1 + move), 220.0)))
    last = len(closes) if is_lasting else at + count
    moved = [close * 10.0**digits if at <= day < last else close for day, close in enumerate(closes)]
    days = [DAYS[0] + timedelta(days=day) for day in range(len(moved))]
    bars = pl.DataFrame({"session": days, "close": moved}).with_columns(
        symbol=pl.lit("X"), open=pl.col("close"), file=pl.lit(0, pl.UInt32)
    )
    found = slips_of_files(bars)["session"].to_list()
    assert set(found) <= set(days[at:last])
    if is_lasting:
        assert found == []
    elif max(closes[at - 1 : last + 1]) < 1.2 * min(closes[at - 1 : last + 1]):
        assert found == days[at:last]


def test_no_bar_of_a_real_series_is_set_aside() -> None:
    """AAPL, FB, GOOG, IBM and MSFT as traded, 2000 to 2013, with three splits; 12,154 bars."""
    path = files("bokeh_sampledata").joinpath("_data/stocks.csv.gz")
    bars = (
        pl.read_csv(path.read_bytes())
        .select(
            symbol="Ticker",
            session=pl.col("Date").str.to_date(),
            open=pl.col("Open").cast(pl.Float64),
            close=pl.col("Close").cast(pl.Float64),
            file=pl.lit(0, pl.UInt32),
        )
        .sort("symbol", "session")
    )
    assert bars.height == 12_154
    for unit in (1.0, 100.0):
        assert slips_of_files(bars.with_columns(pl.col("open", "close") / unit)).is_empty()


def test_the_dry_run_tells_the_bar_and_a_bar_after_it_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Narrower, the sentence is broken in the middle of its cell.
    monkeypatch.setenv("COLUMNS", "200")
    rows = [row(DAYS[at], close) for at, close in enumerate((150, 151, 152, 1530))]
    (tmp_path / "AAPL.csv").write_text(HEADER + "".join(rows))
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == OK
    capsys.readouterr()
    (tmp_path / "AAPL.csv").write_text(HEADER + "".join([*rows, row(DAYS[4], 154)]))
    assert cli.main(["import", "--dry-run", str(tmp_path)]) == INCOMPLETE
    text = " ".join(capsys.readouterr().out.split())
    assert f"a close of 1530.0 on {DAYS[3]} lies between closes of 152.0 and 154.0" in text
