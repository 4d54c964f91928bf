# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candles of a universe that is never in memory: histories on the disk, and a dataset in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.collection import Collection, no_progress
from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.sessions import session_hours, sessions_between
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.daily_candles import feed, merging
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles
from ttapi_pipeline.datasets.daily_candles.spill import SpilledHistories
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.young_rows import YoungRows
from ttapi_pipeline.storage.incremental.pieces import Pieces
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline_tests.support.candles import history

START = date(2026, 9, 1)
SESSIONS = sessions_between(START, date(2026, 11, 20))
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")


class Feed:
    """Answers with a close of 10 per session; `closes` has other ones."""

    def __init__(self) -> None:
        self.closes: dict[str, Mapping[date, float]] = {}
        self.asked: list[dict[str, date]] = []

    async def __call__(
        self,
        _link: object,
        requests: Mapping[str, date],
        *,
        last_session: date,
        on_symbol: Callable[[CandleHistory], None],
        **_: object,
    ) -> Collection[CandleHistory]:
        self.asked.append(dict(requests))
        for symbol, start in requests.items():
            closes = {**dict.fromkeys(SESSIONS, 10.0), **self.closes.get(symbol, {})}
            on_symbol(history(symbol, {day: each for day, each in closes.items() if start <= day <= last_session}))
        return Collection([], requested=len(requests))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """The feed, with each symbol in a range of its own."""
    answers = Feed()
    monkeypatch.setattr(feed, "collect_daily_candles", answers)
    monkeypatch.setattr(merging, "RANGE_SYMBOLS", 1)
    return answers


async def built(
    *symbols: str, previous: pl.LazyFrame | None = None, now: datetime = NOW, young: YoungRows | None = None
) -> Build:
    hours = [session_hours(each) for each in SESSIONS]
    return await build_daily_candles(
        lambda: pytest.fail("the feed opens no link"),
        pl.DataFrame({"symbol": symbols, "streamer_symbol": symbols, "is_active": True}),
        pl.DataFrame({"session": SESSIONS, "closes_at": [each.closes_at for each in hours]}),
        previous=previous,
        history_start=START,
        now=now,
        clock=SYSTEM_CLOCK,
        min_coverage=1.0,
        progress=no_progress,
        young=young,
    )


def stored(build: Build, folder: Path) -> Manifest:
    provenance = Provenance(dataset="daily_candles", code_version="1", fetched_at=NOW)
    return publish(build.frame, DAILY_CANDLES, folder, provenance).wait()


def keys(build: Build) -> list[str]:
    assert isinstance(build.frame, Pieces)
    return [piece.key for piece in build.frame.pieces]


async def test_the_files_are_those_of_one_piece(answers: Feed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pieces = await built(*SYMBOLS)
    assert len(keys(pieces)) == len(SYMBOLS)
    monkeypatch.setattr(merging, "RANGE_SYMBOLS", 1 << 30)
    whole = await built(*SYMBOLS)
    assert len(keys(whole)) == 1
    first, second = stored(pieces, tmp_path / "pieces"), stored(whole, tmp_path / "whole")
    assert first.data_version == second.data_version
    assert first.csv == second.csv
    assert len(answers.asked) == 2


async def test_ranges_without_new_bars_keep_their_keys_so_that_their_bytes_are_copied(
    answers: Feed, tmp_path: Path
) -> None:
    before = await built(*SYMBOLS)
    manifest = stored(before, tmp_path)
    rows = scan(tmp_path, DAILY_CANDLES)
    young = YoungRows(rows, NOW, frozenset(), is_simulated=False)
    after = await built(*SYMBOLS, "ABC", previous=rows, now=NOW + timedelta(hours=1), young=young)
    assert list(answers.asked[-1]) == ["ABC"]
    assert set(keys(before)) <= set(keys(after))
    assert len(keys(after)) == len(SYMBOLS) + 1
    assert stored(after, tmp_path).rows == manifest.rows + len(SESSIONS)
    assert after.missing == {}


async def test_the_rows_that_are_new_changed_and_gone_are_counted(answers: Feed, tmp_path: Path) -> None:
    answers.closes["BBB"] = {SESSIONS[-1]: 20.0}
    first = await built(*SYMBOLS, "GONE")
    counted = {name: first.statistics[name] for name in ("rows_new", "rows_changed", "rows_gone")}
    assert counted == {"rows_new": 5 * len(SESSIONS), "rows_changed": 0, "rows_gone": 0}
    stored(first, tmp_path)
    # A volume is revised, as the closes of the feed stand for volumes too; a restated past needs a tenth of a percent.
    answers.closes["BBB"] = {SESSIONS[-1]: 20.0, SESSIONS[-2]: 10.001}
    again = await built(*SYMBOLS, "NEW", previous=scan(tmp_path, DAILY_CANDLES), now=NOW + timedelta(days=1))
    counted = {name: again.statistics[name] for name in ("rows_new", "rows_changed", "rows_gone")}
    assert counted == {"rows_new": len(SESSIONS), "rows_changed": 1, "rows_gone": len(SESSIONS)}


async def test_a_restated_past_replaces_the_stored_one_in_its_range_alone(answers: Feed, tmp_path: Path) -> None:
    before = await built(*SYMBOLS)
    stored(before, tmp_path)
    answers.closes["CCC"] = dict.fromkeys(SESSIONS, 5.0)
    after = await built(*SYMBOLS, previous=scan(tmp_path, DAILY_CANDLES), now=NOW + timedelta(days=1))
    assert list(answers.asked[-1]) == ["CCC"]
    rows = after.frame.lazy().collect()
    assert rows.filter(symbol="CCC")["close"].unique().to_list() == [5.0]
    assert rows.filter(pl.col("symbol") != "CCC")["close"].unique().to_list() == [10.0]
    assert after.statistics["symbols_restated"] == 1


def test_a_history_comes_back_from_the_disk_as_it_went(tmp_path: Path) -> None:
    histories = SpilledHistories(tmp_path / "scratch")
    sent = [
        history("AAA", dict.fromkeys(SESSIONS, 10.0)),
        history("EMPTY", {}),
        history("BBB", {SESSIONS[0]: 1.5}, is_snipped=True),
    ]
    for each in sent:
        histories.append(each)
    assert list(histories.known) == ["AAA", "EMPTY", "BBB"]
    for each in reversed(sent):
        came = histories.of(each.symbol)
        assert (came.symbol, came.is_snipped, len(came)) == (each.symbol, each.is_snipped, len(each))
        for name in ("session", "open", "close", "count", "implied_volatility", "open_interest"):
            assert np.array_equal(getattr(came, name), getattr(each, name), equal_nan=name != "session")
    # Nobody else sees the file, and nothing is left of it.
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        SpilledHistories(tmp_path / "file")
