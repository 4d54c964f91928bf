# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Files that are not daily, and rows that have not come: none of them is a bar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.metastock.series import CROWDED, INTRADAY, VARIED
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

SESSIONS = sessions_between(date(2024, 1, 2), date(2026, 11, 20))
HEADER = "Date,Open,High,Low,Close,Volume\n"


def rows(days: Sequence[date]) -> str:
    return HEADER + "".join(f"{day},10,11,9,10.5,100\n" for day in days)


def last_sessions(key: str) -> Sequence[date]:
    """The last session of each week or month, as a vendor dates its bars."""
    found = {day.strftime(key): day for day in SESSIONS}
    return list(found.values())


@pytest.mark.parametrize(
    ("days", "length"),
    [
        (last_sessions("%G-%V"), "a week"),
        (last_sessions("%G-%V")[:40:-1], "a week"),
        # Monday to Monday, with and without some weeks.
        ([date(2026, 1, 5) + timedelta(weeks=week) for week in range(30) if week not in {4, 11}], "a week"),
        (last_sessions("%G-%V")[::2], "two weeks"),
        (last_sessions("%Y-%m"), "a month"),
        ([date(2026, month, 1) for month in range(1, 12)], "a month"),
        (last_sessions("%Y-%m")[::3], "a quarter"),
    ],
)
@pytest.mark.parametrize("start", ["", "\n"])
def test_bars_of_a_longer_period_are_not_daily(days: Sequence[date], length: str, start: str) -> None:
    # A blank first line sends a file to the careful reading.
    with folder_of({"X.csv": start + rows(days), "Y.csv": rows(SESSIONS[-20:])}) as folder:
        result = import_folder(folder)
    assert check_account(result)["symbol"].unique().to_list() == ["Y"]
    assert result.rejects["reason"].unique().to_list() == [f"the bars are {length} apart, so these are no daily rows"]
    assert result.rejects.height == len(days)


@settings(max_examples=examples(60), deadline=None)
@given(
    key=st.sampled_from([("%G-%V", 1), ("%G-%V", 2), ("%Y-%m", 1), ("%Y-%m", 3)]),
    count=st.integers(6, 11),
    daily=st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda both: sum(both) > 1),
    copies=st.integers(1, 2),
    is_newest_first=st.booleans(),
    start=st.sampled_from(["", "\n"]),
    is_by_date=st.booleans(),
)
def test_a_run_of_bars_of_a_longer_period_is_not_daily_and_the_daily_bars_beside_it_are(
    key: tuple[str, int],
    count: int,
    daily: tuple[int, int],
    copies: int,
    *,
    is_newest_first: bool,
    start: str,
    is_by_date: bool,
) -> None:
    bars = last_sessions(key[0])[:: key[1]][1 : count + 1]
    before, after = SESSIONS.index(bars[0]), SESSIONS.index(bars[-1]) + 1
    daily_bars = [*SESSIONS[max(0, before - daily[0]) : before], *SESSIONS[after : after + daily[1]]]
    assume(len(daily_bars) > 1)
    days = sorted([*bars, *daily_bars] * copies, reverse=is_newest_first)
    if is_by_date:
        # Two tickers whose rows alternate; the other one is daily.
        lines = [f"X,{day:%Y%m%d},10\nY,{SESSIONS[at]:%Y%m%d},20\n" for at, day in enumerate(days)]
        content = start + "Ticker,Date,Close\n" + "".join(lines)
    else:
        content = start + rows(days)
    with folder_of({"X.csv": content}) as folder:
        result = import_folder(folder)
    found = check_account(result).filter(pl.col("symbol") == "X")["session"].to_list()
    # The daily bar just before the run is one period, or nearly, away from the second bar of the run.
    assert set(found) <= set(daily_bars)
    assert len(found) >= len(daily_bars) - 1
    assert result.rejects["reason"].str.contains("apart, so these are no daily rows").all()
    assert result.rejects.height == copies * (len(daily_bars) + len(bars) - len(found))


def test_fields_that_are_lost_in_rows_of_a_longer_period_are_not_counted() -> None:
    weeks = "".join(f"{day},-1,11,9,10.5,100\n" for day in last_sessions("%G-%V")[:20])
    days = "".join(f"{day},-1,11,9,10.5,100\n" for day in SESSIONS[-7:])
    with folder_of({"X.csv": HEADER + weeks + days}) as folder:
        result = import_folder(folder)
    assert check_account(result)["session"].to_list() == [*SESSIONS[-7:]]
    assert result.rejects["reason"].to_list() == ["the bars are a week apart, so these are no daily rows"] * 20
    assert result.lost == {"open": 7}


@settings(max_examples=examples(40), deadline=None)
@given(
    bars=st.integers(2, 7),
    sessions=st.integers(4, 30),
    single=st.integers(0, 1),
    is_newest_first=st.booleans(),
    start=st.sampled_from(["", "\n"]),
)
def test_several_different_rows_in_nearly_every_session_are_intraday(
    bars: int, sessions: int, single: int, *, is_newest_first: bool, start: str
) -> None:
    lines = [
        f"{day},10,12,9,{10 + at / 10},100\n"
        for number, day in enumerate(SESSIONS[:sessions])
        for at in range(1 if number < single else bars)
    ]
    content = start + HEADER + "".join(lines[:: -1 if is_newest_first else 1])
    with folder_of({"X.csv": content, "Y.csv": rows(SESSIONS[:9])}) as folder:
        result = import_folder(folder)
    assert check_account(result)["symbol"].unique().to_list() == ["Y"]
    assert result.rejects["reason"].to_list() == [CROWDED] * len(lines)


def test_a_second_copy_of_the_bars_behind_the_first_corrects_it() -> None:
    with folder_of(
        {"X.csv": rows(SESSIONS[:9]) + rows(SESSIONS[:9]).removeprefix(HEADER).replace("10.5", "10.25")}
    ) as folder:
        result = import_folder(folder)
    assert check_account(result)["close"].to_list() == [10.25] * 9
    assert result.rejects.is_empty()


def test_rows_that_correct_some_sessions_and_rows_that_say_the_same_are_daily() -> None:
    corrected = HEADER + "".join(f"{day},10,11,9,10.6,100\n" for day in SESSIONS[:6])
    with folder_of(
        {"X.csv": rows(SESSIONS[:9]) + corrected.removeprefix(HEADER), "Y.csv": rows([*SESSIONS[:9]] * 3)}
    ) as folder:
        result = import_folder(folder)
    assert check_account(result).height == 18
    assert check_account(result).filter(symbol="X")["close"].to_list() == [10.6] * 6 + [10.5] * 3
    assert result.rejects.is_empty()


@pytest.mark.parametrize("start", ["", "\n"])
@pytest.mark.parametrize("form", ["{day} {hour}:30:00,10", "{day},{hour}:30:00,10"])
def test_one_row_per_session_at_ever_other_times_of_day_is_no_daily_bar(start: str, form: str) -> None:
    header = "Date,Time,Close" if ",{hour}" in form else "Date,Close"

    def content(hours: Sequence[int]) -> str:
        lines = [form.format(day=day, hour=hours[at % len(hours)]) for at, day in enumerate(SESSIONS[:30])]
        return start + "\n".join([header, *lines])

    # Summer time, and half a session now and then, as daily bars have it.
    daily = content([20] * 8 + [21] * 6 + [17])
    with folder_of({"X.csv": content([10, 11, 12, 13, 14, 15]), "Y.csv": daily}) as folder:
        result = import_folder(folder)
    assert check_account(result)["symbol"].to_list() == ["Y"] * 30
    assert result.rejects["reason"].to_list() == [VARIED] * 30


@settings(max_examples=examples(60), deadline=None)
@given(
    first=st.integers(0, 400),
    count=st.integers(1, 300),
    missing=st.sets(st.integers(0, 300), max_size=40),
    is_twice=st.booleans(),
)
def test_daily_bars_with_holes_are_daily(first: int, count: int, missing: set[int], *, is_twice: bool) -> None:
    days = [day for at, day in enumerate(SESSIONS[first : first + count]) if at == 0 or at not in missing]
    # With most of them gone, what is left may be a week apart.
    assume(2 * len(days) > len(SESSIONS[first : first + count]))
    with folder_of({"X.csv": rows(days * (1 + is_twice))}) as folder:
        result = import_folder(folder)
    assert check_account(result)["session"].to_list() == days
    assert result.rejects.is_empty()


@settings(max_examples=examples(60), deadline=None)
@given(
    step=st.sampled_from([7, 30, 91]),
    count=st.integers(3, 60),
    shifts=st.lists(st.integers(-1, 1), min_size=60, max_size=60),
    copies=st.integers(1, 2),
)
def test_bars_that_are_weeks_or_months_apart_are_refused_whole(
    step: int, count: int, shifts: list[int], copies: int
) -> None:
    days = [date(2000, 1, 10) + timedelta(days=step * at + shifts[at]) for at in range(count)]
    with folder_of({"X.csv": rows(days * copies)}) as folder:
        result = import_folder(folder)
    assert check_account(result).is_empty()
    assert result.rejects.height == count * copies


def test_a_period_is_a_word() -> None:
    weeks = [date(2026, 1, 5) + timedelta(weeks=week) for week in range(10)]
    lines = "".join(f"X,D,{day:%Y%m%d},10,11,9,10.5,100\n" for day in weeks)
    with folder_of({"X.txt": lines}) as folder:
        assert check_account(import_folder(folder)).height == 10


@pytest.mark.parametrize("name", ["<PER>", "Period", "Interval", "TimeFrame", "Freq"])
@pytest.mark.parametrize("period", ["W", "weekly", "60", "H", "1", "M", "1wk"])
def test_a_period_that_is_not_daily_counts_whatever_its_field_is_called(name: str, period: str) -> None:
    with folder_of({"X.txt": f"<TICKER>,{name},<DATE>,<CLOSE>\nX,{period},20261120,10\nX,D,20261119,10\n"}) as folder:
        result = import_folder(folder)
    assert check_account(result)["session"].to_list() == [date(2026, 11, 19)]
    assert result.rejects["reason"].to_list() == ["the period is not daily; TT_METASTOCK_PERIODS names those that are"]


@settings(max_examples=examples(60), deadline=None)
@given(
    bars=st.lists(st.tuples(st.integers(0, 5), st.integers(9, 16)), min_size=2, max_size=60, unique=True),
    form=st.sampled_from(
        ["<DATE>,<TIME>,<CLOSE>|{day:%Y%m%d},{hour:02}0000,10", "Date,Close|{day} {hour:02}:30:00,10"]
    ),
    start=st.sampled_from(["", "\n"]),
)
def test_no_row_of_an_intraday_file_is_a_daily_bar(bars: list[tuple[int, int]], form: str, start: str) -> None:
    header, row = form.split("|")
    lines = [row.format(day=SESSIONS[at], hour=hour) for at, hour in bars]
    with folder_of({"X.txt": start + "\n".join([header, *lines])}) as folder:
        result = import_folder(folder)
    is_intraday = len({at for at, _ in bars}) < len(bars)
    assert check_account(result).height == (0 if is_intraday else len(bars))
    assert set(result.rejects["reason"]) == ({INTRADAY} if is_intraday else set())


def test_one_row_of_another_ticker_in_an_intraday_file_is_not_daily_either() -> None:
    content = "Ticker,Date,Time,Close\nX,20261119,1000,10\nX,20261119,1100,10\nY,20261119,1000,20\n"
    with folder_of({"all.txt": content}) as folder:
        assert check_account(import_folder(folder)).is_empty()


def test_one_odd_time_in_a_file_of_many_tickers_costs_its_ticker_alone() -> None:
    lines = [f"T{at},20261119,1600,10" for at in range(9)] + ["T3,20261119,1601,10"]
    with folder_of({"all.txt": "\n".join(["Ticker,Date,Time,Close", *lines])}) as folder:
        result = import_folder(folder)
    assert "T3" not in check_account(result)["symbol"].to_list()
    assert result.files["rows_kept"].to_list() == [8]


def test_a_row_of_a_day_to_come_is_rejected_until_the_day_has_come(tmp_path: Path) -> None:
    folder, cache = tmp_path / "files", tmp_path / "cache"
    folder.mkdir()
    (folder / "X.csv").write_text(rows([date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)]))
    (folder / "Y.csv").write_text(rows([date(2026, 11, 19)]))

    def seen(today: date | None) -> tuple[int, int, list[str]]:
        result = import_folder(folder, cache=cache, today=today)
        alone = import_folder(folder, today=today)
        assert_frame_equal(check_account(result), check_account(alone))
        assert_frame_equal(result.rejects.drop("reason"), alone.rejects.drop("reason"))
        return result.files_read, check_account(result).height, list(result.versions(result.ranges()))

    read, bars, before = seen(date(2026, 11, 20))
    assert (read, bars) == (2, 3)
    # The cached file says when its next row comes, so that it is read again then and not every day.
    assert seen(date(2026, 11, 22))[:2] == (0, 3)
    read, bars, after = seen(date(2026, 11, 23))
    assert (read, bars) == (1, 4)
    assert after != before
    assert seen(date(2026, 11, 24))[0] == 0
    # A clock that is set back, or none.
    assert seen(date(2026, 11, 19))[:2] == (2, 2)
    assert seen(None)[:2] == (2, 4)


@settings(max_examples=examples(50), deadline=None)
@given(
    offsets=st.lists(st.integers(-400, 40_000), min_size=1, max_size=20, unique=True), start=st.sampled_from(["", "\n"])
)
def test_no_bar_is_later_than_today(offsets: list[int], start: str) -> None:
    today = date(2026, 11, 20)
    days = [today + timedelta(days=offset) for offset in offsets]
    content = start + "TICKER,PER,DATE,CLOSE\n" + "".join(f"X,D,{day:%Y%m%d},10\n" for day in days)
    with folder_of({"X.txt": content}) as folder:
        result = import_folder(folder, today=today)
    assert check_account(result)["session"].to_list() == sorted(day for day in days if day <= today)
    assert result.rejects["reason"].str.contains("had not come when the file was read, on 2026-11-20").all()
