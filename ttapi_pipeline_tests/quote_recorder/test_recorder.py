# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The service against the simulator: what the feed has is on disk, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ttapi_pipeline.core.errors import AuthError, StorageError
from ttapi_pipeline.quote_recorder import log_keeper
from ttapi_pipeline.quote_recorder import recorder as recorder_module
from ttapi_pipeline.quote_recorder.compaction import compact_session
from ttapi_pipeline.quote_recorder.history import read_history, scan_quote_log
from ttapi_pipeline.quote_recorder.log import Origin, read_gaps
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.quote_recorder.recorder import QuoteRecorder, recording
from ttapi_pipeline.quote_recorder.rows import quote_rows, trade_rows
from ttapi_pipeline.quote_recorder.schemas import QUOTES, TRADES
from ttapi_pipeline.simulator.server import Simulator, build_simulator
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.feed_health import FeedGap
from ttapi_pipeline.streaming.feed_options import FeedOptions
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.streaming.market_data import NO_SALES, Sales
from ttapi_pipeline.streaming.quote_board import QuoteBoard
from ttapi_pipeline_tests.support import clocks
from ttapi_pipeline_tests.support.dxlink import linked
from ttapi_pipeline_tests.support.virtual_time import LoopClock

FRIDAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
END = datetime(2026, 11, 21, 1, tzinfo=UTC)
"""Friday, 20:00 in New York: the end of extended trading."""
SYMBOLS = {"AAPL": "AAPL", "BRK/B": "BRK/B", "MSFT": "MSFT"}


pytestmark = pytest.mark.virtual_time


async def until(is_true: Callable[[], object]) -> None:
    await clocks.until(is_true, within=300.0, every=0.1)


@dataclass
class Desk:
    """A service that runs beside the test, with what it needs."""

    data: Path
    simulator: Simulator
    recorder: QuoteRecorder
    log: LogWriter
    stop: asyncio.Event
    running: asyncio.Task[None]

    async def until(self, is_true: Callable[[], object]) -> None:
        await until(lambda: self.running.done() or is_true())
        assert not self.running.done()

    async def end(self) -> None:
        self.stop.set()
        await self.running

    def rows(self, table: str, session: date = FRIDAY) -> pl.DataFrame:
        return scan_quote_log(self.data, session, table).collect()  # type: ignore[arg-type]


@asynccontextmanager
async def desk(
    data: Path, *, start: datetime = NOON, flush_seconds: float = 0.5, fault: str | None = None
) -> AsyncIterator[Desk]:
    clock = LoopClock(start)
    simulator = build_simulator(seed=7, clock=clock)
    if fault is not None:
        simulator.faults.add_option(fault)
    stop = asyncio.Event()
    options = FeedOptions(has_sales=True, pace_seconds=0.01, backoff=Backoff(first_seconds=0.1))
    async with linked(simulator) as open_link:
        with LogWriter(data, Origin("simulator seed 7", is_simulated=True), now=clock.now()) as log:
            async with (
                recording(
                    open_link,
                    SYMBOLS,
                    log=log,
                    data=data,
                    flush_seconds=flush_seconds,
                    options=options,
                    clock=clock,
                ) as recorder,
                asyncio.TaskGroup() as tasks,
            ):
                running = tasks.create_task(recorder.run(stop))
                yield Desk(data, simulator, recorder, log, stop, running)
                stop.set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("quote-")]


async def test_what_was_received_is_on_disk_when_it_ends(tmp_path: Path) -> None:
    async with desk(tmp_path) as running:
        await running.until(lambda: len(running.rows("trades")) > 20 and running.recorder.health().feed.answered == 3)
        await running.end()
        health = running.recorder.health()
        assert health.is_complete
        assert health.log is not None
        trades, quotes = running.rows("trades"), running.rows("quotes")
        assert trades.height == health.feed.sales == health.log.trades
        assert trades.n_unique(["symbol", "traded_at", "sequence"]) == trades.height
        assert quotes.height == health.log.quotes
        latest = quotes.sort("received_at").group_by("symbol").last().sort("symbol")
        board = running.recorder.board
        for name in ("bid_price", "ask_price", "last_price", "day_volume", "previous_close"):
            stored = latest[name].to_numpy()
            assert np.array_equal(stored, getattr(board, name)[[0, 1, 2]], equal_nan=True), name
        assert latest["symbol"].to_list() == ["AAPL", "BRK/B", "MSFT"]
    gaps = read_gaps(tmp_path, FRIDAY)
    assert [gap.reason for gap in gaps] == ["not running", "connecting"]
    assert gaps[0].ended_at <= gaps[1].began_at


async def test_a_session_that_ends_is_compacted_and_the_next_one_begins(tmp_path: Path) -> None:
    start = datetime(2026, 11, 21, 0, 59, 57, tzinfo=UTC)
    async with desk(tmp_path, start=start) as running:
        await running.until(lambda: running.rows("quotes").height)
        await running.until(lambda: read_history(tmp_path, FRIDAY))
        history = read_history(tmp_path, FRIDAY)
        assert history is not None
        assert running.log.session == date(2026, 11, 23)
        await running.end()
    assert history.tables["quotes"].rows == running.rows("quotes").height >= 3
    last_at = history.tables["quotes"].last_at
    assert last_at is not None
    assert last_at < END
    # It ran until the end, so that nothing is missing there.
    assert [gap.reason for gap in history.gaps] == ["not running", "connecting"]
    assert "not running" not in {gap.reason for gap in read_gaps(tmp_path, date(2026, 11, 23))}


async def test_a_lost_link_is_a_gap_and_nothing_else(tmp_path: Path) -> None:
    async with desk(tmp_path, fault="dx-close:code=1006,after=25,count=1") as running:
        await running.until(lambda: running.recorder.health().feed.reconnects)
        await running.until(lambda: running.recorder.health().feed.is_live)
        await running.end()
        health = running.recorder.health()
        assert not health.is_complete
        trades = running.rows("trades")
        assert trades.n_unique(["symbol", "traded_at", "sequence"]) == trades.height
    gaps = read_gaps(tmp_path, FRIDAY)
    assert len(gaps) == 2 + health.feed.gaps
    assert gaps[-1].symbols == 3


async def test_a_gap_that_has_not_ended_is_recorded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as running:
        await running.until(lambda: running.recorder.health().feed.is_live)
        feed = running.recorder._feed
        open_gap = FeedGap(1, NOON, None, "the link is down", ("AAPL",))
        monkeypatch.setattr(type(feed), "gaps", property(lambda self: [open_gap]))
        await running.end()
    (gap,) = [gap for gap in read_gaps(tmp_path, FRIDAY) if gap.reason == "the link is down"]
    assert gap.began_at == NOON < gap.ended_at
    assert gap.symbols == 1


async def test_a_disk_that_refuses_costs_time_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ttapi_pipeline.quote_recorder.log_keeper")
    write, is_full = pl.DataFrame.write_parquet, False

    def refuse(self: pl.DataFrame, file: Path, **options: object) -> None:
        if is_full:
            raise OSError(28, "No space left on device")
        write(self, file, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pl.DataFrame, "write_parquet", refuse)
    async with desk(tmp_path) as running:
        await running.until(lambda: running.rows("quotes").height)
        is_full = True
        await running.until(lambda: (log := running.recorder.health().log) and log.errors >= 3 and log.pending)
        refused = running.recorder.health()
        assert refused.log is not None
        assert "No space left on device; free some space" in str(refused.log.error)
        assert not refused.is_complete
        assert refused.feed.is_live, "the link does not mind"
        is_full = False
        await running.until(lambda: (log := running.recorder.health().log) and not log.error)
        await running.end()
        health = running.recorder.health()
        assert health.is_complete
        assert running.rows("trades").height == health.feed.sales
    messages = [record.getMessage() for record in caplog.records]
    assert len([message for message in messages if "cannot be written" in message]) == 1
    assert len([message for message in messages if "written again" in message]) == 1


async def test_sales_that_cannot_wait_any_longer_are_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path) as running:
        await running.until(lambda: running.recorder.health().feed.is_live)
        keeper = running.recorder._keeper
        assert keeper is not None
        keeper.sales.dropped += 7
        await running.until(lambda: (log := running.recorder.health().log) and log.lost == 7)
        await running.end()
        assert not running.recorder.health().is_complete
    assert "7 sales could not be kept" in read_gaps(tmp_path, FRIDAY)[-1].reason


async def test_a_disk_that_refuses_to_the_end_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", refuse)
    async with desk(tmp_path) as running:
        await running.until(lambda: (log := running.recorder.health().log) and log.pending)
        await running.end()
        log = running.recorder.health().log
        assert log is not None
        assert log.pending
        assert "No space left" in str(log.error)


async def test_a_feed_that_fails_for_good_ends_it_and_what_came_before_is_kept(tmp_path: Path) -> None:
    clock = LoopClock(NOON)
    simulator, opened = build_simulator(seed=7, clock=clock), 0
    simulator.faults.add_option("dx-close:code=1006,after=25")

    async def stream_for_ever(open_link: OpenConnection, log: LogWriter) -> None:
        @asynccontextmanager
        async def open_once() -> AsyncIterator[DxLinkConnection]:
            nonlocal opened
            opened += 1
            if opened > 1:
                raise AuthError("refused for good")
            async with open_link() as link:
                yield link

        options = FeedOptions(has_sales=True, backoff=Backoff(first_seconds=0.1))
        async with recording(
            open_once, SYMBOLS, log=log, data=tmp_path, flush_seconds=600, options=options, clock=clock
        ) as recorder:
            await recorder.run(asyncio.Event())

    origin = Origin("simulator", is_simulated=True)
    async with linked(simulator) as open_link:
        with LogWriter(tmp_path, origin, now=clock.now()) as log:
            with pytest.raises(AuthError, match="refused for good"):
                await stream_for_ever(open_link, log)
            session = log.session
    assert scan_quote_log(tmp_path, session, "quotes").collect()["symbol"].n_unique() == 3


async def test_without_a_log_nothing_is_written() -> None:
    simulator, stop = build_simulator(seed=7, clock=LoopClock(NOON)), asyncio.Event()
    async with (
        linked(simulator) as open_link,
        recording(open_link, SYMBOLS, log=None, clock=simulator.clock) as recorder,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(recorder.run(stop))
        await until(lambda: recorder.health().feed.answered == 3)
        document = json.loads(json.dumps(recorder.health().to_document()))
        stop.set()
    assert document["log"] is None
    assert document["answered"] == document["symbols"] == 3
    assert document["connections"][0]["state"] in {"live", "subscribing"}
    assert datetime.fromisoformat(document["at"]).tzinfo is not None


async def test_a_compaction_that_fails_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compact, failures = compact_session, 1

    def fail_once(*arguments: object, **named: object) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise StorageError("no room")
        return compact(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(log_keeper, "compact_session", fail_once)
    monkeypatch.setattr(log_keeper, "RETRY_COMPACTION_SECONDS", 0.05)
    async with desk(tmp_path, start=datetime(2026, 11, 21, 0, 59, 58, tzinfo=UTC)) as running:
        await running.until(lambda: read_history(tmp_path, FRIDAY))
        await running.end()
        log = running.recorder.health().log
        assert log is not None
        assert log.errors == 1
    assert "session 2026-11-20 is not compacted: no room" in caplog.text


async def test_health_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ttapi_pipeline.quote_recorder.recorder")
    monkeypatch.setattr(recorder_module, "HEALTH_SECONDS", 0.05)
    async with desk(tmp_path) as running:
        await running.until(lambda: "3 of 3 symbols" in caplog.text)
    record = next(record for record in caplog.records if "3 of 3 symbols" in record.getMessage())
    assert vars(record)["health"]["answered"] == 3


class TestRows:
    def test_what_the_feed_does_not_know_is_null(self) -> None:
        board = QuoteBoard(["A", "B", "C"])
        board.bid_price[1] = 10.0
        board.quote_received_at[1] = 1_795_194_000_000_001
        rows = quote_rows(board, np.array([1]), pl.Series(["A", "B/C", "C"]))
        assert rows.schema == QUOTES
        (row,) = rows.to_dicts()
        known = {name: value for name, value in row.items() if value is not None}
        assert known == {"symbol": "B/C", "bid_price": 10.0, "received_at": NOON.replace(microsecond=1)}
        assert quote_rows(board, np.array([], dtype=np.intp), pl.Series(["A", "B", "C"])).is_empty()

    def test_a_sale_is_as_it_was_reported(self) -> None:
        sales = Sales(
            position=np.array([1, 0]),
            time_ms=np.array([1_795_194_000_000, 1_795_194_000_500]),
            sequence=np.array([7, 8]),
            price=np.array([10.0, np.nan]),
            size=np.array([100.0, 5.0]),
            bid_price=np.array([9.9, 9.8]),
            ask_price=np.array([10.1, np.nan]),
            exchange_code=np.array(["Q", ""]),
            type=np.array([0, 2], dtype=np.int8),
            is_extended=np.array([False, True]),
            received_at=np.array([1_795_194_000_000_010, 1_795_194_000_500_000]),
        )
        rows = trade_rows(sales, pl.Series(["A", "B"]))
        assert rows.schema == TRADES
        assert rows.row(0) == (
            *("B", NOON, 7, NOON.replace(microsecond=10), 10.0, 100.0, 9.9, 10.1, "Q", "NEW", False),
        )
        assert rows.row(1)[4] is None
        assert rows.row(1)[-2:] == ("CANCEL", True)
        assert trade_rows(NO_SALES, pl.Series(["A"])).schema == TRADES
