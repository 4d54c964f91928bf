# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`earnings`: what the broker expects, day after day, and what is left of it once it has passed; by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import InvalidFormatError, StorageError
from ttapi_pipeline.datasets.earnings.build import build_earnings, merge_announcements, read_earnings_file
from ttapi_pipeline.datasets.earnings.table import EARNINGS
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.tables.rules import violations
from ttapi_pipeline_tests.support.examples import examples

Table = Callable[[str, Iterable[Mapping[str, object]]], pl.DataFrame]
Day = Callable[..., pl.DataFrame]

MAY_1, MAY_2, MAY_8 = date(2026, 5, 1), date(2026, 5, 2), date(2026, 5, 8)
JULY_30 = date(2026, 7, 30)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 16, tzinfo=UTC)


@pytest.fixture
def on(table: Table) -> Day:
    """Refresh on a day on which the broker expects these dates; None for a company without one."""

    def refresh(
        day: date, previous: pl.DataFrame | None, file: Path | None = None, **expected: date | None
    ) -> pl.DataFrame:
        rows = [
            {
                "symbol": symbol,
                "earnings_date": announced,
                "earnings_time_of_day": "AMC",
                "is_earnings_date_estimated": True,
                "fetched_at": noon(day),
            }
            for symbol, announced in expected.items()
        ]
        known = None if previous is None else previous.lazy()
        symbols = table("symbols", rows).lazy()
        built = build_earnings(symbols, previous=known, file=file, now=noon(day)).frame.lazy().collect()
        assert violations(built.lazy(), DATASETS["earnings"].rules) == {}
        return built

    return refresh


def dates(frame: pl.DataFrame, symbol: str = "AAPL") -> list[date]:
    return frame.filter(symbol=symbol)["announced_date"].sort().to_list()


def test_a_date_that_has_passed_stays_when_the_broker_names_the_next_one(on: Day) -> None:
    before = on(MAY_1, None, AAPL=MAY_2, MSFT=MAY_8)
    after = on(date(2026, 5, 4), before, AAPL=JULY_30, MSFT=MAY_8)
    assert (dates(after), dates(after, "MSFT")) == ([MAY_2, JULY_30], [MAY_8])


def test_a_date_that_moves_before_it_passes_replaces_the_one_before(on: Day) -> None:
    later = on(date(2026, 4, 21), on(date(2026, 4, 20), None, AAPL=MAY_2), AAPL=MAY_8)
    assert dates(later) == [MAY_8]
    assert dates(on(date(2026, 4, 22), later, AAPL=MAY_1)) == [MAY_1]
    # By a quarter too: it has not passed, so it did not happen.
    assert dates(on(date(2026, 4, 22), later, AAPL=JULY_30)) == [JULY_30]


def test_a_report_that_is_put_off_on_its_day_is_not_counted_twice(on: Day) -> None:
    assert dates(on(date(2026, 5, 4), on(MAY_1, None, AAPL=MAY_2), AAPL=MAY_8)) == [MAY_8]


def test_a_company_without_a_next_date_and_one_that_left_the_universe_keep_theirs(on: Day) -> None:
    known = on(MAY_1, None, AAPL=MAY_2, GONE=MAY_2)
    after = on(date(2026, 5, 4), known, AAPL=None)
    assert (dates(after), dates(after, "GONE")) == ([MAY_2], [MAY_2])


def test_the_passing_of_a_day_and_another_look_change_no_content(on: Day) -> None:
    first = on(MAY_1, None, AAPL=MAY_2)
    again = on(date(2026, 5, 3), first, AAPL=MAY_2)
    assert data_version(again) == data_version(first)
    assert again["first_seen_at"].to_list() == [noon(MAY_1)]
    assert again["fetched_at"].to_list() == [noon(date(2026, 5, 3))]


def test_the_file_adds_the_past_and_corrects_the_broker(on: Day, tmp_path: Path) -> None:
    file = tmp_path / "earnings.csv"
    file.write_text("symbol,announced_date,time_of_day\nAAPL,2026-01-29,amc\nAAPL,2026-05-01,\nBRK/B,2026-02-28,BTO\n")
    frame = on(date(2026, 5, 4), on(MAY_1, None, AAPL=MAY_2), file, AAPL=JULY_30)
    assert dates(frame) == [date(2026, 1, 29), MAY_1, JULY_30]
    assert frame.filter(symbol="AAPL").sort("announced_date")["time_of_day"].to_list() == ["AMC", None, "AMC"]
    assert frame.filter(symbol="BRK/B").select("time_of_day", "source", "is_estimated").row(0) == ("BTO", "file", False)
    file.write_text("symbol,announced_date\n")
    # What a file no longer says is gone; what the broker said stays.
    assert dates(on(date(2026, 5, 5), frame, file, AAPL=JULY_30)) == [JULY_30]


def test_symbols_of_the_file_are_read_as_those_of_the_universe(tmp_path: Path) -> None:
    file = tmp_path / "earnings.csv"
    file.write_text("symbol,announced_date\naapl,2026-01-29\nBRK.B,2026-02-28\n brk-a ,2026-02-28\nAAPL,2026-01-29\n")
    read = read_earnings_file(file, now=noon(MAY_1))
    assert read["symbol"].to_list() == ["BRK/B", "BRK/A", "AAPL"]


def test_columns_of_the_file_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    file = tmp_path / "earnings.csv"
    file.write_bytes(b'\xef\xbb\xbfnote,announced_date,"symbol"\r\n,2026-01-29,AAPL\r\n"a,\nb",2026-02-28,BRK.B\r\n')
    read = read_earnings_file(file, now=noon(MAY_1))
    assert read.select("symbol", "announced_date").rows() == [
        ("AAPL", date(2026, 1, 29)),
        ("BRK/B", date(2026, 2, 28)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("symbol,date\nAAPL,2026-05-01\n", "no column announced_date"),
        ("symbol,announced_date\nAAPL,2026-05-01\nAAPL,01.05.2026\n", "line 3: 'AAPL', '01.05.2026'"),
        ("symbol,announced_date\n,2026-05-01\n", "line 2: nothing, '2026-05-01', nothing"),
        ("symbol,announced_date\nAAPL,2026-05-01\nAPPLE INC,2026-05-01\n", "line 3: 'APPLE INC'"),
        ("symbol,announced_date,time_of_day\nAAPL,2026-05-01,noon\n", "line 2: 'AAPL', '2026-05-01', 'NOON'"),
        ("", "no column symbol"),
        ("symbol,announced_date,symbol\n", "2 columns symbol"),
        ("symbol,announced_date" + 100 * ",x" + "\n", "more than 100 columns"),
        ("symbol,announced_date\nAAPL,\x1b[2J\u202e\n", r"line 2: 'AAPL', '\\x1b\[2J\\u202e', nothing;"),
        ("symbol,announced_date\n\nAAPL,2026-05-01\n", "line 2: nothing, nothing, nothing"),
        ("symbol,announced_date\nAAPL,2026-05-01,AMC,more\n", "not a CSV file"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_names_the_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "earnings.csv"
    file.write_text(text)
    with pytest.raises(InvalidFormatError, match=message):
        read_earnings_file(file, now=noon(MAY_1))
    with pytest.raises(StorageError, match="cannot be read"):
        read_earnings_file(tmp_path / "gone.csv", now=noon(MAY_1))


@settings(max_examples=examples(50))
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(-3, 12)), min_size=1, max_size=40))
def test_what_has_passed_is_never_lost_but_to_a_date_of_the_same_report(steps: list[tuple[int, int]]) -> None:
    today, known = date(2026, 1, 5), EARNINGS.polars.to_frame()
    for days, weeks in steps:
        today += timedelta(days=days)
        expected = today + timedelta(weeks=weeks)
        row = ("AAPL", expected, "AMC", True, noon(today), "tastytrade", noon(today))
        fresh = pl.DataFrame([row], schema=EARNINGS.polars, orient="row")
        merged = merge_announcements(known, fresh, None, today=today)
        passed = [day for day in dates(known) if day < today]
        lost = set(passed) - set(dates(merged))
        assert all(abs(day - expected) <= timedelta(days=45) for day in lost)
        assert [day for day in dates(merged) if day >= today] == ([expected] if expected >= today else [])
        known = merged


def test_a_clock_that_is_set_back_for_one_run_loses_nothing(on: Day) -> None:
    quarters = [date(2025, 7, 30), date(2025, 10, 30), date(2026, 1, 29), MAY_2, JULY_30]
    known = None
    for before, after in pairwise(quarters):
        known = on(before - timedelta(days=1), known, AAPL=before, MSFT=before)
        known = on(before + timedelta(days=2), known, AAPL=after, MSFT=after)
    assert known is not None
    assert dates(known) == quarters
    # A year before, a broker that is asked then says what it said then, and one that has the time says what is.
    for expected in (date(2025, 7, 29), JULY_30, None):
        again = on(date(2025, 5, 4), known, AAPL=expected, MSFT=expected)
        assert (dates(again), dates(again, "MSFT")) == (quarters, quarters)
    # A report that was ahead may be moved all the same, and further dates are taken.
    assert dates(on(date(2025, 5, 4), known, AAPL=date(2026, 8, 5))) == [*quarters[:-1], date(2026, 8, 5)]
    assert dates(on(date(2025, 5, 4), known, AAPL=date(2026, 10, 29))) == [*quarters, date(2026, 10, 29)]
    # The next run has the right time, and goes on from there.
    now = on(date(2026, 8, 2), on(date(2025, 5, 4), known, AAPL=date(2025, 7, 29)), AAPL=date(2026, 10, 29))
    assert dates(now) == [*quarters, date(2026, 10, 29)]


def test_a_clock_that_was_ahead_for_one_run_is_forgotten(on: Day) -> None:
    known = on(date(2031, 5, 4), on(MAY_1, None, AAPL=MAY_2), AAPL=JULY_30)
    again = on(date(2026, 5, 4), known, AAPL=JULY_30)
    assert dates(again) == [MAY_2, JULY_30]
    assert dates(on(date(2026, 5, 5), again, AAPL=date(2026, 8, 6))) == [MAY_2, date(2026, 8, 6)]


@settings(max_examples=examples(50))
@example(
    [(1, 1, 90), (20, 10, 0), (1, 4, 0)]
)  # A date near two that are known is of the one and replaces not the other.
@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(0, 12), st.sampled_from([0, 0, -900, -90, -3, 90, 900])), max_size=30
    )
)
def test_whatever_the_clock_says_accumulated_dates_are_lost_to_none_but_the_same_report(
    steps: list[tuple[int, int, int]],
) -> None:
    """The true day, in how many weeks the broker expects the report, and by how many days the clock is wrong."""
    true, known = date(2026, 1, 5), EARNINGS.polars.to_frame()
    for days, weeks, wrong in steps:
        true += timedelta(days=days)
        today, expected = true + timedelta(days=wrong), true + timedelta(weeks=weeks)
        row = ("AAPL", expected, "AMC", True, noon(today), "tastytrade", noon(today))
        merged = merge_announcements(
            known, pl.DataFrame([row], schema=EARNINGS.polars, orient="row"), None, today=today
        )
        latest = max([moment.date() for moment in known["fetched_at"]], default=today)
        lost = set(dates(known)) - set(dates(merged))
        if today < latest:
            assert all(day >= latest and abs(day - expected) <= timedelta(days=45) for day in lost)
            assert merged.height >= known.height
        else:
            assert all(day >= today or abs(day - expected) <= timedelta(days=45) for day in lost)
        assert merged.select("symbol", "announced_date").is_unique().all()
        known = merged
