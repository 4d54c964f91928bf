# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.collection import Collection
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.daily_candles import feed as daily_candles
from ttapi_pipeline.datasets.daily_candles import revisions as candle_revisions
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles, candle_spool
from ttapi_pipeline.datasets.daily_candles.revisions import recorded_revisions, revisions
from ttapi_pipeline.datasets.daily_candles.spool import CandleSpool
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.tables.dtypes import UTC_DATETIME
from ttapi_pipeline_tests.support.candles import history
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.flips import flip_any_bit

START = date(2026, 1, 2)
SESSION = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


CLOSES = {START: 10.0, date(2026, 1, 5): 10.1}


def spool_in(folder: Path, *, origin: str = "here", session: date = SESSION) -> CandleSpool:
    return CandleSpool(folder / "candles", origin=origin, session=session)


def test_a_spooled_history_comes_back_as_it_was(tmp_path: Path) -> None:
    spool_in(tmp_path).put(history("BRK/B", CLOSES, is_snipped=True), START)
    (got,) = spool_in(tmp_path).take({"BRK/B": START, "AAPL": START}, last_session=SESSION)
    assert (got.symbol, got.is_snipped) == ("BRK/B", True)
    assert got.session.astype(object).tolist() == list(CLOSES)
    assert got.close.tolist() == list(CLOSES.values())
    assert got.implied_volatility.dtype == np.float64


def test_another_start_another_origin_and_another_session_are_not_answered(tmp_path: Path) -> None:
    spool_in(tmp_path).put(history("AAPL", CLOSES, is_snipped=True), START)
    assert spool_in(tmp_path).take({"AAPL": date(2026, 1, 5)}, last_session=SESSION) == []
    assert len(spool_in(tmp_path).take({"AAPL": START}, last_session=SESSION)) == 1
    assert spool_in(tmp_path, origin="elsewhere").take({"AAPL": START}, last_session=SESSION) == []
    # Opening it for something else removed what was there.
    assert spool_in(tmp_path).take({"AAPL": START}, last_session=SESSION) == []
    spool_in(tmp_path).put(history("AAPL", CLOSES, is_snipped=True), START)
    assert spool_in(tmp_path, session=date(2026, 11, 23)).take({"AAPL": START}, last_session=SESSION) == []


def test_a_file_that_was_cut_short_is_fetched_again(tmp_path: Path) -> None:
    spool_in(tmp_path).put(history("AAPL", CLOSES, is_snipped=True), START)
    (path,) = tmp_path.rglob("*.sealed")
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert spool_in(tmp_path).take({"AAPL": START}, last_session=SESSION) == []


def test_one_bit_of_a_spooled_history_has_it_fetched_again(tmp_path: Path) -> None:
    spool_in(tmp_path).put(history("AAPL", CLOSES, is_snipped=True), START)
    (path,) = tmp_path.rglob("*.sealed")
    for seed in range(examples(100)):
        whole = path.read_bytes()
        flip_any_bit(path, random.Random(seed))
        assert spool_in(tmp_path).take({"AAPL": START}, last_session=SESSION) == []
        path.write_bytes(whole)
    assert len(spool_in(tmp_path).take({"AAPL": START}, last_session=SESSION)) == 1
    path.rename(path.with_name(path.name.replace("AAPL", "MSFT")))
    assert spool_in(tmp_path).take({"MSFT": START}, last_session=SESSION) == []


def test_a_forced_collection_takes_nothing_from_the_spool(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    spool = candle_spool(settings, now=NOW)
    assert spool is not None
    spool.put(history("AAPL", CLOSES, is_snipped=True), START)
    forced = candle_spool(settings, now=NOW, is_trusted=False)
    assert forced is not None
    assert forced.take({"AAPL": START}, last_session=SESSION) == []


def test_what_is_published_is_forgotten(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.put(history("AAPL", CLOSES, is_snipped=True), START)
    spool.clear()
    assert list(tmp_path.iterdir()) == []


def test_what_another_instance_removes_is_made_again(tmp_path: Path) -> None:
    ours, other = spool_in(tmp_path), spool_in(tmp_path)
    other.clear()
    ours.put(history("AAPL", CLOSES, is_snipped=True), START)
    assert len(other.take({"AAPL": START}, last_session=SESSION)) == 1


def test_two_instances_that_open_write_and_clear_do_not_disturb_one_another(tmp_path: Path) -> None:
    def work(session: date) -> None:
        for _ in range(40):
            spool = spool_in(tmp_path, session=session)
            spool.put(history("AAPL", CLOSES, is_snipped=True), START)
            spool.take({"AAPL": START}, last_session=SESSION)
            spool.clear()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, [SESSION, SESSION, date(2026, 11, 19), date(2026, 11, 19)]))


@pytest.mark.parametrize("day", [date(1969, 12, 31), date(2199, 1, 4), START - timedelta(days=1)])
def test_a_history_with_a_bar_that_cannot_be_is_fetched_again(tmp_path: Path, day: date) -> None:
    spool_in(tmp_path).put(history("AAPL", {**CLOSES, day: 10.0}, is_snipped=True), START)
    assert spool_in(tmp_path).take({"AAPL": START}, last_session=SESSION) == []


def test_a_history_remembers_what_was_lost_of_it(tmp_path: Path) -> None:
    spool_in(tmp_path).put(replace(history("AAPL", CLOSES, is_snipped=True), lost={"close": 2}), START)
    (got,) = spool_in(tmp_path).take({"AAPL": START}, last_session=SESSION)
    assert got.lost == {"close": 2}


@pytest.mark.parametrize("data_dir", ["data", "s3://bucket/tables"])
def test_the_spool_is_among_the_caches_of_the_machine(tmp_path: Path, data_dir: str) -> None:
    settings = Settings(data_dir=data_dir, cache_dir=tmp_path / "caches")
    candle_spool(settings, now=NOW).put(history("AAPL", CLOSES), START)
    assert [path.name for path in (tmp_path / "caches").iterdir()] == ["candles"]
    assert candle_spool(settings, now=NOW).take({"AAPL": START}, last_session=SESSION)


async def test_a_killed_run_goes_on_with_the_next_symbol(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    calendar_frame: Callable[..., pl.DataFrame],
    universe_rows: Callable[..., pl.DataFrame],
) -> None:
    asked: list[list[str]] = []

    class Killed(BaseException):
        """As good as SIGKILL for what is on disk."""

    def feed(dies_after: int) -> Callable[..., Any]:
        async def collect(_link: object, requests: Mapping[str, date], **options: Any) -> Collection[CandleHistory]:
            asked.append(list(requests))
            rows: list[CandleHistory] = []
            for symbol in requests:
                if len(rows) == dies_after:
                    raise Killed
                rows.append(history(symbol, CLOSES, is_snipped=True))
                options["on_symbol"](rows[-1])
                options["progress"](len(rows), len(requests))
            return Collection(rows, requested=len(requests))

        return collect

    seen: list[tuple[int, int]] = []

    async def build() -> Any:
        return await build_daily_candles(
            lambda: pytest.fail("no link is needed"),
            universe_rows("AAA", "BBB", "CCC"),
            calendar_frame(START, date(2026, 12, 31)),
            previous=None,
            history_start=START,
            now=NOW,
            clock=SYSTEM_CLOCK,
            min_coverage=1.0,
            progress=lambda done, total: seen.append((done, total)),
            spool=spool_in(tmp_path),
        )

    monkeypatch.setattr(daily_candles, "collect_daily_candles", feed(2))
    with pytest.raises(Killed):
        await build()
    monkeypatch.setattr(daily_candles, "collect_daily_candles", feed(9))
    built = await build()
    assert asked == [["AAA", "BBB", "CCC"], ["CCC"]]
    assert seen[-1] == (3, 3)
    assert built.frame.lazy().collect()["symbol"].unique().sort().to_list() == ["AAA", "BBB", "CCC"]
    built.after_publication()
    assert spool_in(tmp_path).take(dict.fromkeys(["AAA", "BBB", "CCC"], START), last_session=SESSION) == []


def test_revisions_are_recorded_with_the_old_and_the_new_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = pl.DataFrame(
        {
            "symbol": ["A", "A", "A"],
            "session": [date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 6)],
            "close": [10.0, 11.0, 12.0],
            "volume": [100.0, 200.0, 300.0],
            "is_final": [True, True, False],
        }
    )
    came = datetime(2026, 1, 7, tzinfo=UTC)
    fresh = stored.with_columns(volume=pl.Series([100.0, 250.0, 999.0]), fetched_at=pl.lit(came, UTC_DATETIME))
    revised = revisions(fresh, stored.lazy())
    assert revised.rows() == [("A", date(2026, 1, 5), came, 11.0, 11.0, 200.0, 250.0)]
    assert recorded_revisions(revised, None).equals(revised)
    # The same fetch is recorded once, another one beside it; the oldest go first when there are too many.
    later = revised.with_columns(fetched_at=pl.lit(came + timedelta(days=1), UTC_DATETIME), volume=pl.lit(251.0))
    assert recorded_revisions(revised, revised.lazy()).equals(revised)
    both = recorded_revisions(later, revised.lazy())
    assert both["volume"].to_list() == [250.0, 251.0]
    monkeypatch.setattr(candle_revisions, "MOST_REVISIONS", 1)
    assert recorded_revisions(later, revised.lazy()).equals(later)
