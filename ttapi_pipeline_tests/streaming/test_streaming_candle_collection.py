# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candle histories of many symbols over links that fail, against a scripted server."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ttapi_pipeline.core.errors import AuthError, StorageError, TransportError
from ttapi_pipeline.streaming import candle_collection
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.candle_collection import MAX_MUTE_LINKS, MUTE_SECONDS, collect_daily_candles
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.streaming.connection import MOST_UNREADABLE, DxLinkConnection, connect
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.virtual_time import LoopClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from websockets.asyncio.server import ServerConnection

    from ttapi_pipeline.core.collection import Collection
    from ttapi_pipeline_tests.support.dxlink import Exchange

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
NO_DELAY = Backoff(first_seconds=0.001, uniform=lambda: 0.0)


def closes(collection: Collection[CandleHistory]) -> dict[str, list[float]]:
    return {history.symbol: history.close.tolist() for history in collection.rows}


async def collect(exchange: Exchange, symbols: str, start: date, **options: Any) -> Collection[CandleHistory]:
    options.setdefault("backoff", NO_DELAY)
    return await collect_daily_candles(exchange.link, dict.fromkeys(symbols.split(), start), **options)


async def collect_over(exchange: Exchange, symbols: str, start: date, clock: LoopClock) -> Collection[CandleHistory]:
    """`collect` on a clock, with the delays of a real collection."""
    requests = dict.fromkeys(symbols.split(), start)
    return await collect_daily_candles(
        lambda: exchange.link(clock), requests, clock=clock, backoff=Backoff(uniform=lambda: 1.0)
    )


async def test_every_symbol_comes_with_its_bars_and_is_told_at_once(exchange: Exchange, start: date) -> None:
    told: list[str] = []
    steps: list[tuple[int, int]] = []
    collection = await collect(
        exchange,
        "AAPL BRK/B",
        start,
        on_symbol=lambda history: told.append(history.symbol),
        progress=lambda done, total: steps.append((done, total)),
    )
    assert closes(collection) == {"AAPL": [10.0, 11.0], "BRK/B": [10.0, 11.0]}
    assert (collection.missing, collection.empty, collection.requested) == ({}, frozenset(), 2)
    assert collection.rows[0].session.astype(str).tolist() == ["2026-11-19", "2026-11-20"]
    assert collection.rows[0].count.tolist() == [7, 7]
    assert told == ["AAPL", "BRK/B"]
    assert steps == [(0, 2), (1, 2), (2, 2)]


async def test_histories_that_the_listener_alone_gets_are_not_kept(exchange: Exchange, start: date) -> None:
    told: list[int] = []
    collection = await collect(
        exchange, "AAPL BRK/B", start, on_symbol=lambda history: told.append(len(history)), returns_rows=False
    )
    assert (told, collection.rows, collection.requested, collection.missing) == ([2, 2], [], 2, {})


async def test_what_is_asked_for_is_a_history_of_few_fields_from_midnight_utc(exchange: Exchange, start: date) -> None:
    await collect(exchange, "AAPL", start)
    request, setup, subscription, removal = exchange.received[2:]
    assert request["parameters"] == {"contract": "HISTORY"}
    assert setup["acceptEventFields"]["Candle"] == [
        *("eventFlags", "eventSymbol", "time", "sequence", "count", "open", "high", "low", "close"),
        *("volume", "vwap", "impVolatility", "openInterest"),
    ]
    # 20759 days from 1970-01-01 to 2026-11-02, the dayId 20777 of 2026-11-20 less 18.
    assert subscription["add"] == [{"type": "Candle", "symbol": "AAPL{=d}", "fromTime": 20759 * 86_400_000}]
    assert [entry["symbol"] for entry in removal["remove"]] == ["AAPL{=d}"]


async def test_a_snapshot_without_an_end_costs_its_symbol_and_no_memory(
    exchange: Exchange, start: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candle_collection, "MOST_EVENTS", 300)

    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if not symbol.startswith("BAD"):
            await exchange.send_two_bars(socket, symbol, link)
            return
        await exchange.send_bars(socket, (4, symbol, "2026-11-20", 11.0))
        for _ in range(40):
            await exchange.send_bars(socket, *[(0, symbol, "2026-11-19", 10.0)] * 10)

    exchange.answer = answer
    collection = await collect(exchange, "AAPL BAD KO", start, in_flight=1)
    assert closes(collection) == {"AAPL": [10.0, 11.0], "KO": [10.0, 11.0]}
    assert list(collection.missing) == ["BAD"]
    assert collection.missing["BAD"].startswith("a snapshot without an end: ")
    assert exchange.links == 1


async def test_values_that_cannot_be_are_counted_and_a_symbol_without_any_bar_says_why(
    exchange: Exchange, start: date
) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        close = "Infinity" if symbol.startswith("BAD") else 10.0
        bars = [(4, symbol, "2026-11-20", close), (0, symbol, "2199-01-04", 10.0), (10, symbol, "2026-11-02", "NaN")]
        await exchange.send_bars(socket, *bars)

    exchange.answer = answer
    collection = await collect(exchange, "AAPL BAD", start, last_session=date(2026, 11, 20))
    assert closes(collection) == {"AAPL": [10.0]}
    assert collection.missing == {"BAD": "no bar that came can be: close in 1, time in 1"}
    assert collection.lost == {"candle.close": 1, "candle.time": 2}


async def test_no_symbol_is_a_collection_without_a_link(exchange: Exchange, start: date) -> None:
    collection = await collect(exchange, "", start)
    assert (len(collection.rows), collection.requested, exchange.links) == (0, 0, 0)


async def test_a_symbol_that_cannot_be_written_is_missing(exchange: Exchange, start: date) -> None:
    collection = await collect(exchange, "A{B AAPL", start)
    assert set(closes(collection)) == {"AAPL"}
    assert "not a candle symbol" in collection.missing["A{B"]


async def test_at_most_eighteen_symbols_are_in_flight(exchange: Exchange, start: date) -> None:
    collection = await collect(exchange, " ".join(f"S{n}" for n in range(60)), start)
    assert len(collection.rows) == 60
    assert exchange.most_active == 18


async def test_a_symbol_that_never_completes_is_missing_and_holds_up_no_other(exchange: Exchange, start: date) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if symbol == "STUCK{=d}":
            await exchange.send_bars(socket, (4, symbol, "2026-11-20", 1.0))
        else:
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    collection = await collect(exchange, "STUCK A B C", start, in_flight=2, deadline_seconds=0.1)
    assert sorted(closes(collection)) == ["A", "B", "C"]
    assert collection.missing == {"STUCK": "no complete snapshot within 0.1 s"}
    assert exchange.links == 1


async def test_an_empty_snapshot_is_asked_for_once_more(exchange: Exchange, start: date) -> None:
    seen: list[str] = []

    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        seen.append(symbol)
        if symbol == "NONE{=d}" or seen.count(symbol) == 1:
            await exchange.send_bars(socket, (14, symbol, "2026-11-02", "NaN"))
        else:
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    collection = await collect(exchange, "AAPL NONE", start)
    assert closes(collection) == {"AAPL": [10.0, 11.0]}
    assert collection.empty == {"NONE"}
    assert seen == ["AAPL{=d}", "NONE{=d}"] * 2


async def test_a_snipped_history_is_kept_and_marked(exchange: Exchange, start: date) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        await exchange.send_bars(socket, (4, symbol, "2026-11-20", 2.0), (16, symbol, "2026-11-19", 1.0))

    exchange.answer = answer
    (history,) = (await collect(exchange, "AAPL", start)).rows
    assert history.is_snipped
    assert history.close.tolist() == [1.0, 2.0]


async def test_late_updates_of_a_removed_symbol_are_dropped(exchange: Exchange, start: date) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        await exchange.send_bars(socket, (0, "GONE{=d}", "2026-11-20", 2.0))
        await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    assert set(closes(await collect(exchange, "AAPL", start))) == {"AAPL"}


async def test_a_lost_link_is_replaced_and_goes_on_with_what_is_left(exchange: Exchange, start: date) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if link == 1 and symbol == "C{=d}":
            await exchange.send_bars(socket, (4, symbol, "2026-11-20", 99.0))
            await socket.close(1011, "restart")
        elif link == 1 and symbol == "D{=d}":
            return
        else:
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    collection = await collect(exchange, "A B C D", start)
    assert closes(collection) == {symbol: [10.0, 11.0] for symbol in "ABCD"}
    assert exchange.links == 2
    assert exchange.added() == ["A{=d}", "B{=d}", "C{=d}", "D{=d}", "C{=d}", "D{=d}"]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "CHANNEL_CLOSED", "channel": 1},
        {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"},
    ],
)
async def test_a_channel_or_session_that_ends_is_a_lost_link(
    exchange: Exchange, start: date, message: dict[str, Any]
) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if link == 1:
            await socket.send(json.dumps(message))
        else:
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    assert set(closes(await collect(exchange, "AAPL", start))) == {"AAPL"}
    assert exchange.links == 2


MANGLED: Sequence[object] = (
    ["Candle", [1, 2, 3]],
    ["Candle", None],
    [["Candle", []]],
    "Candle",
    ["Nope", [1]],
    [{"eventSymbol": "AAPL{=d}"}],
)


async def test_a_message_that_cannot_be_read_costs_itself_and_is_counted(exchange: Exchange, start: date) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        for data in MANGLED:
            await socket.send(json.dumps({"type": "FEED_DATA", "channel": 1, "data": data}))
        await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    collection = await collect(exchange, "AAPL", start)
    assert closes(collection) == {"AAPL": [10.0, 11.0]}
    assert exchange.links == 1
    assert collection.lost == {"candle.part of a message": len(MANGLED)}


async def test_a_link_that_sends_nothing_that_can_be_read_is_given_up_with_a_sentence(
    exchange: Exchange, start: date
) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        for _ in range(MOST_UNREADABLE):
            await socket.send(json.dumps({"type": "FEED_DATA", "channel": 1, "data": ["Candle", [1, 2, 3]]}))

    exchange.answer = answer
    collection = await collect(exchange, "AAPL", start)
    assert collection.rows == []
    (reason,) = collection.missing.values()
    assert "the link was lost and not replaced" in reason
    assert "20 messages in a row could not be read; of the last one, 3 values of 'Candle' are no events of" in reason


async def test_a_refused_token_is_replaced(exchange: Exchange, start: date) -> None:
    exchange.refused_tokens = 1
    assert set(closes(await collect(exchange, "AAPL", start))) == {"AAPL"}
    assert exchange.links == 2


async def test_a_refused_subscription_waits_and_is_asked_for_again(exchange: Exchange, start: date) -> None:
    refused: list[str] = []

    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if len(refused) < 3:
            refused.append(symbol)
            await socket.send('{"type":"ERROR","channel":1,"error":"BAD_ACTION","message":"rate is too high"}')
        else:
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    collection = await collect(exchange, "A B C", start)
    assert set(closes(collection)) == {"A", "B", "C"}
    assert exchange.links == 1


async def test_a_server_that_refuses_for_ever_leaves_every_symbol_missing(exchange: Exchange, start: date) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        await socket.send('{"type":"ERROR","channel":1,"error":"BAD_ACTION","message":"rate is too high"}')

    exchange.answer = answer
    collection = await collect(exchange, "A B", start, max_failures=2)
    assert set(collection.missing) == {"A", "B"}
    assert "2 subscriptions in a row were refused" in collection.missing["A"]
    assert exchange.links == 2


async def test_links_that_keep_failing_end_the_collection_with_what_came(exchange: Exchange, start: date) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if symbol == "POISON{=d}":
            await socket.close(1011, "crash")
        else:
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    collection = await collect(exchange, "POISON A B", start, in_flight=1, max_failures=3)
    assert sorted(closes(collection)) == ["A", "B"]
    assert "crash" in collection.missing["POISON"]
    # The first link fails at once; the second brings A and B and so starts the count again.
    assert exchange.links == 4


async def test_an_error_that_no_retry_helps_is_raised_when_there_never_was_a_link(start: date) -> None:
    def refuse() -> AbstractAsyncContextManager[DxLinkConnection]:
        raise AuthError("the grant was refused")

    with pytest.raises(AuthError, match="refused"):
        await collect_daily_candles(refuse, {"AAPL": start})


async def test_an_unreachable_server_is_tried_a_bounded_number_of_times(start: date) -> None:
    attempts = 0

    def refuse() -> AbstractAsyncContextManager[DxLinkConnection]:
        nonlocal attempts
        attempts += 1
        raise TransportError("nobody there")

    with pytest.raises(TransportError, match="nobody there"):
        await collect_daily_candles(refuse, {"AAPL": start}, backoff=NO_DELAY, max_failures=4)
    assert attempts == 4


async def test_an_error_that_no_retry_helps_keeps_what_an_earlier_link_brought(exchange: Exchange, start: date) -> None:
    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if symbol == "B{=d}":
            await socket.close(1001, "bye")
        else:
            await exchange.send_two_bars(socket, symbol, link)

    @asynccontextmanager
    async def once() -> AsyncIterator[DxLinkConnection]:
        if exchange.links:
            raise AuthError("the grant was refused")
        async with connect(exchange.url, "token") as link:
            yield link

    exchange.answer = answer
    collection = await collect_daily_candles(once, dict.fromkeys("AB", start), backoff=NO_DELAY)
    assert set(closes(collection)) == {"A"}
    assert "the grant was refused" in collection.missing["B"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("has_keepalives", [False, True])
async def test_a_mute_link_costs_no_symbol(exchange: Exchange, start: date, has_keepalives: bool) -> None:
    clock = LoopClock(NOW)

    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if link == 1 and has_keepalives:
            await socket.send('{"type":"KEEPALIVE","channel":0}')
        if link > 1:
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    collection = await collect_over(exchange, "AAPL KO", start, clock)
    assert set(closes(collection)) == {"AAPL", "KO"}
    assert exchange.links == 2
    assert MUTE_SECONDS <= clock.monotonic() < MUTE_SECONDS + 5


@pytest.mark.virtual_time
async def test_a_server_that_keeps_the_link_alive_and_sends_nothing_is_given_up_within_a_minute(
    exchange: Exchange, start: date
) -> None:
    clock = LoopClock(NOW)

    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        await socket.send('{"type":"KEEPALIVE","channel":0}')
        # An event of another symbol is no answer.
        await exchange.send_bars(socket, (4, "OTHER{=d}", "2026-11-20", 1.0))

    exchange.answer = answer
    collection = await collect_over(exchange, " ".join(f"S{n}" for n in range(503)), start, clock)
    assert len(collection.missing) == 503
    assert exchange.links == MAX_MUTE_LINKS == 3
    (reason,) = set(collection.missing.values())
    assert "no candle within 15 s of a subscription, on 3 links in a row" in reason
    assert exchange.url in reason
    assert clock.monotonic() < 60


def test_the_page_of_the_protocol_has_the_rule_of_mute_links() -> None:
    page = " ".join((ROOT / "docs" / "protocols" / "dxlink.md").read_text(encoding="utf-8").split())
    assert (MUTE_SECONDS, MAX_MUTE_LINKS) == (15, 3)
    assert "A link on which nothing of any symbol has come for 15 s" in page
    assert "after three such links in a row the collection ends" in page


@pytest.mark.virtual_time
async def test_what_came_before_a_server_fell_mute_is_kept(exchange: Exchange, start: date) -> None:
    clock = LoopClock(NOW)

    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        if link == 1 and symbol != "E{=d}":
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = answer
    collection = await collect_over(exchange, "A B C D E F G", start, clock)
    assert set(closes(collection)) == {*"ABCDFG"}
    assert set(collection.missing) == {"E"}
    assert exchange.added() == [f"{symbol}{{=d}}" for symbol in "ABCDEFGEE"]


async def test_a_cancelled_collection_closes_its_link(exchange: Exchange, start: date) -> None:
    asked = asyncio.Event()

    async def answer(socket: ServerConnection, symbol: str, link: int) -> None:
        asked.set()

    exchange.answer = answer
    task = asyncio.create_task(collect(exchange, "AAPL", start))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert exchange.links == 1


async def test_an_error_of_the_listener_is_not_taken_for_a_lost_link(exchange: Exchange, start: date) -> None:
    def fail(history: CandleHistory) -> None:
        raise StorageError(f"{history.symbol}: disk full")

    with pytest.raises(StorageError, match="AAPL: disk full"):
        await collect(exchange, "AAPL", start, on_symbol=fail)
    assert exchange.links == 1
