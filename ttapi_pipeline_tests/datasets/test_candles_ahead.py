# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Histories of candles that other processes have fetched: which of them a refresh takes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttapi_pipeline.core.sessions import session_under_way
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.daily_candles.ahead import CandleParts
from ttapi_pipeline.datasets.daily_candles.bars import FetchedBars
from ttapi_pipeline.datasets.daily_candles.spill import SpilledHistories
from ttapi_pipeline.datasets.daily_candles.table import DATASET
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline_tests.support.candles import history
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.flips import flip_any_bit
from ttapi_pipeline_tests.support.rows import calendar_rows

# Nothing of it may be used: nothing is fetched here.
OUTSIDE: Any = object()
START = date(2026, 11, 16)
CLOSES = {START: 10.0, date(2026, 11, 17): 10.1, date(2026, 11, 19): 10.2}
SATURDAY = datetime(2026, 11, 21, 15, tzinfo=UTC)
SYMBOLS = ("AAPL", "BRK/B")
STREAMERS = {"AAPL": "AAPL", "BRK/B": "BRK.B"}
"""What the feed calls them."""
STARTS = dict.fromkeys(SYMBOLS, START)


def parts(folder: Path, *, now: datetime = SATURDAY, is_forced: bool = False, **settings: Any) -> CandleParts:
    chosen = replace(Settings(data_dir=str(folder), partitions=1), **settings)
    return CandleParts.of(Refresh(chosen, now, OUTSIDE, OUTSIDE, is_forced, DATASET, folder, None))


def put(folder: Path, *, now: datetime = SATURDAY, key: str = "00-of-1") -> None:
    fetched = FetchedBars(SpilledHistories(), calendar_rows(START, now.date(), fetched_at=now), now)
    for symbol in SYMBOLS:
        fetched.histories.append(history(symbol, CLOSES, is_snipped=symbol == "AAPL"))
    parts(folder, now=now).put(key, fetched, STARTS, STREAMERS)


def taken(parts: CandleParts, *, now: datetime = SATURDAY, start: date = START, **options: Any) -> list[str]:
    options = {"not_before": None, **options}
    found = parts.take(dict.fromkeys(SYMBOLS, start), STREAMERS, now=now, **options)
    return [each.symbol for each, _ in found]


def test_they_come_back_as_they_were_with_when_they_were_fetched(tmp_path: Path) -> None:
    put(tmp_path)
    later = SATURDAY + timedelta(hours=3)
    first, second = parts(tmp_path, now=later).take(STARTS, STREAMERS, now=later, not_before=None)
    assert [(each.symbol, each.is_snipped, moment) for each, moment in (first, second)] == [
        ("AAPL", True, SATURDAY),
        ("BRK/B", False, SATURDAY),
    ]
    for each, _ in (first, second):
        expected = history(each.symbol, CLOSES)
        assert each.session.tolist() == expected.session.tolist()
        assert np.array_equal(each.close, expected.close)
        assert np.array_equal(each.implied_volatility, expected.implied_volatility, equal_nan=True)


def test_the_same_histories_are_the_same_file(tmp_path: Path) -> None:
    put(tmp_path / "one")
    put(tmp_path / "two")
    first, second = ((tmp_path / name).rglob("*.part") for name in ("one", "two"))
    assert next(first).read_bytes() == next(second).read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        lambda folder: taken(parts(folder, simulator_seed=8)),
        lambda folder: taken(parts(folder, is_forced=True)),
        lambda folder: taken(parts(folder, partitions=2)),
        lambda folder: taken(parts(folder), start=date(2026, 11, 17)),
        lambda folder: taken(parts(folder), not_before=SATURDAY + timedelta(seconds=1)),
        # Bars of days that are yet to come.
        lambda folder: taken(parts(folder), now=datetime(2026, 11, 18, 15, tzinfo=UTC)),
    ],
    ids=["another origin", "by force", "other buckets", "another start", "older than what is stored", "the future"],
)
def test_what_a_refresh_would_not_be_answered_now_is_not_taken(
    other: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    put(tmp_path)
    assert taken(parts(tmp_path)) == list(SYMBOLS)
    assert other(tmp_path) == []


@pytest.mark.parametrize(
    ("fetched", "asked", "is_taken"),
    [
        # In New York: on Friday at 10:00, at 15:00 and at 21:00, on Sunday, on Monday at 1:00.
        ((20, 15), (20, 20), True),
        ((20, 15), (21, 2), False),
        ((21, 2), (22, 15), True),
        ((21, 2), (23, 6), False),
        ((19, 20), (20, 20), False),
    ],
    ids=["of the same day", "before its end", "between two sessions", "before its beginning", "of the day before"],
)
def test_they_are_taken_while_the_same_sessions_are_settled_and_under_way(
    fetched: tuple[int, int], asked: tuple[int, int], *, is_taken: bool, tmp_path: Path
) -> None:
    put(tmp_path, now=datetime(2026, 11, *fetched, tzinfo=UTC))
    now = datetime(2026, 11, *asked, tzinfo=UTC)
    assert taken(parts(tmp_path, now=now), now=now) == (list(SYMBOLS) if is_taken else [])


def test_a_session_is_under_way_from_midnight_until_its_bar_is_final() -> None:
    def under_way(day: int, hour: int, minute: int = 0) -> date | None:
        return session_under_way(datetime(2026, 11, day, hour, minute, tzinfo=UTC))

    # New York is five hours behind, and bars are final at 20:00; on the day after Thanksgiving, at 17:00.
    friday = date(2026, 11, 20)
    assert [under_way(20, 4, 59), under_way(20, 5), under_way(21, 0, 59)] == [None, friday, friday]
    assert [under_way(21, 1), under_way(22, 15), under_way(26, 15)] == [None] * 3
    assert [under_way(27, 21, 59), under_way(27, 22)] == [date(2026, 11, 27), None]


def test_no_turned_bit_is_taken_for_a_history(tmp_path: Path) -> None:
    put(tmp_path)
    (path,) = tmp_path.rglob("*.part")
    whole = path.read_bytes()
    for seed in range(examples(100)):
        flip_any_bit(path, random.Random(seed))
        assert taken(parts(tmp_path)) == []
        path.write_bytes(whole)
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert taken(parts(tmp_path)) == []
    path.write_bytes(whole)
    assert taken(parts(tmp_path)) == list(SYMBOLS)
