# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A link over a real socket: its order, its keepalive, and every way in which it can end."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from ttapi_pipeline.core.errors import ProtocolError, StreamClosedError, TransportError
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect
from ttapi_pipeline.streaming.events import FeedData, FeedReady
from ttapi_pipeline.streaming.messages import Contract, Subscription
from ttapi_pipeline_tests.support.dxlink import CANARY, Exchange

if TYPE_CHECKING:
    from ttapi_pipeline_tests.support.clocks import SteppedClock

FIELDS = {"Candle": ("eventFlags", "eventSymbol", "time", "close")}
SUBSCRIPTION = Subscription("Candle", "AAPL{=d}", 0)


async def first_data(link: DxLinkConnection) -> FeedData:
    while True:
        for event in await link.next_events():
            if isinstance(event, FeedData):
                return event


async def until_closed(link: DxLinkConnection) -> None:
    while True:
        await link.next_events()


async def test_the_handshake_is_in_order_and_data_arrives(exchange: Exchange) -> None:
    async with exchange.link() as link:
        channel = await link.open_feed(Contract.HISTORY, FIELDS)
        await link.subscribe(channel, add=[SUBSCRIPTION])
        data = await first_data(link)
    assert exchange.types() == ["SETUP", "AUTH", "CHANNEL_REQUEST", "FEED_SETUP", "FEED_SUBSCRIPTION"]
    assert data.columns["close"] == [11.0, 10.0, "NaN"]


async def test_waiting_for_events_ends_with_its_time(exchange: Exchange, clock: SteppedClock) -> None:
    async with exchange.link(clock) as link:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(link.next_events(within=7.0))
            await clock.pass_sleep(7.0)
        assert waiting.result() == []
        await link.open_feed(Contract.HISTORY, FIELDS)
        assert await link.next_events(within=7.0) == [FeedReady(1)]


async def test_a_keepalive_goes_out_after_half_of_the_servers_timeout(exchange: Exchange, clock: SteppedClock) -> None:
    async with exchange.link(clock):
        await clock.pass_sleep(30.0)
        await exchange.until_received("KEEPALIVE")


async def test_a_silent_link_is_closed_after_a_minute(exchange: Exchange, clock: SteppedClock) -> None:
    async with exchange.link(clock) as link, asyncio.TaskGroup() as tasks:
        tasks.create_task(move(clock))
        with pytest.raises(StreamClosedError, match="silent for 60 s") as caught:
            await until_closed(link)
        with pytest.raises(StreamClosedError, match="silent"):
            await link.next_events()
    assert caught.value.retryable


async def move(clock: SteppedClock) -> None:
    await clock.pass_sleep(30.0)
    await clock.pass_sleep(30.0)


async def test_a_slow_consumer_is_not_a_silent_server(exchange: Exchange, clock: SteppedClock) -> None:
    async def flood(socket: ServerConnection, symbol: str, link: int) -> None:
        for _ in range(5):
            await exchange.send_two_bars(socket, symbol, link)

    exchange.answer = flood
    async with exchange.link(clock, queued_frames=1) as link:
        channel = await link.open_feed(Contract.HISTORY, FIELDS)
        await link.next_events()
        await link.subscribe(channel, add=[SUBSCRIPTION])
        await asyncio.sleep(0.05)
        for _ in range(4):
            await clock.pass_sleep(30.0)
        assert [(await first_data(link)).count for _ in range(2)] == [3, 3]


@pytest.mark.parametrize("code", [1001, 1011])
async def test_events_before_a_close_are_delivered_and_then_its_reason(exchange: Exchange, code: int) -> None:
    async def answer_and_close(socket: ServerConnection, symbol: str, link: int) -> None:
        await exchange.send_two_bars(socket, symbol, link)
        await socket.close(code, f"maintenance {CANARY}")

    exchange.answer = answer_and_close
    async with exchange.link() as link:
        channel = await link.open_feed(Contract.HISTORY, FIELDS)
        await link.subscribe(channel, add=[SUBSCRIPTION])
        assert (await first_data(link)).count == 3
        with pytest.raises(StreamClosedError, match=f"{code}.*maintenance") as caught:
            await until_closed(link)
        with pytest.raises(StreamClosedError):
            await link.subscribe(channel, remove=[SUBSCRIPTION])
    assert CANARY not in "".join(traceback.format_exception(caught.value))


async def test_a_dropped_socket_is_a_closed_link(exchange: Exchange) -> None:
    async def drop(socket: ServerConnection, symbol: str, link: int) -> None:
        socket.transport.abort()

    exchange.answer = drop
    async with exchange.link() as link:
        channel = await link.open_feed(Contract.HISTORY, FIELDS)
        await link.subscribe(channel, add=[SUBSCRIPTION])
        with pytest.raises(StreamClosedError):
            await until_closed(link)


async def test_a_frame_that_is_not_dxlink_ends_the_link(exchange: Exchange) -> None:
    async def babble(socket: ServerConnection, symbol: str, link: int) -> None:
        await socket.send('{"type": "FEED_DATA", "channel": ')

    exchange.answer = babble
    async with exchange.link() as link:
        channel = await link.open_feed(Contract.HISTORY, FIELDS)
        await link.subscribe(channel, add=[SUBSCRIPTION])
        with pytest.raises(ProtocolError, match=r"ws://127\.0\.0\.1.*not a DXLink message"):
            await until_closed(link)


async def test_a_refused_token_is_a_closed_link_and_is_not_tried_again(exchange: Exchange) -> None:
    exchange.refused_tokens = 5
    with pytest.raises(StreamClosedError, match="token was refused") as caught:
        async with exchange.link():
            pass
    assert exchange.types() == ["SETUP", "AUTH"]
    assert CANARY not in "".join(traceback.format_exception(caught.value))


async def test_a_server_that_does_not_authorise_is_given_up_with_what_it_said(
    exchange: Exchange, clock: SteppedClock
) -> None:
    exchange.first_message = f'{{"type": "ERROR", "channel": 0, "error": "UNKNOWN", "message": "no session {CANARY}"}}'

    async def open_link() -> None:
        with pytest.raises(StreamClosedError, match=r"not authorised within 10 s; .*UNKNOWN: no session \*\*\*"):
            async with exchange.link(clock):
                pass

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(open_link())
        await exchange.until_received("SETUP")
        # The complaint has to arrive before the time passes; it starts the wait for the next event anew.
        await asyncio.sleep(0.05)
        await clock.pass_sleep(10.0)


async def test_an_address_without_a_server_is_a_transport_error() -> None:
    async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
    with pytest.raises(TransportError, match="cannot connect") as caught:
        async with connect(f"ws://user:{CANARY}@127.0.0.1:{port}/realtime?key={CANARY}", CANARY):
            pass
    assert caught.value.retryable
    assert CANARY not in str(caught.value)


async def test_a_refused_upgrade_names_its_status() -> None:
    async with serve(
        lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=lambda socket, _: socket.respond(502, "bad gateway")
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(TransportError, match="HTTP 502"):
            async with connect(f"ws://127.0.0.1:{port}/", CANARY):
                pass


async def test_a_server_that_never_answers_the_upgrade_times_out() -> None:
    ended = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TransportError, match=r"no answer within 0\.05 s"):
            async with connect(f"ws://localhost:{port}/", CANARY, open_seconds=0.05):
                pass
        await ended.wait()


@pytest.mark.parametrize("url", ["http://feed.example/realtime", "wss://", "wss://[::1/x", "wss://feed.example:99999/"])
async def test_what_is_not_a_websocket_url_is_refused(url: str) -> None:
    with pytest.raises(ProtocolError, match="not a WebSocket URL"):
        async with connect(url, CANARY):
            pass


async def test_an_error_of_the_block_leaves_as_it_is(exchange: Exchange) -> None:
    async def fail() -> None:
        async with exchange.link() as link:
            assert CANARY not in repr(link)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def test_a_cancelled_block_closes_the_socket(exchange: Exchange) -> None:
    opened = asyncio.Event()

    async def hold() -> None:
        async with exchange.link() as link:
            opened.set()
            await until_closed(link)

    task = asyncio.create_task(hold())
    await opened.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any("DxLinkConnection" in repr(one.get_coro()) for one in asyncio.all_tasks())


async def test_no_log_at_any_level_holds_the_token(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    # The server in this process logs what it receives; only our side is looked at.
    logging.getLogger("websockets.server").setLevel(logging.INFO)
    try:
        async with exchange.link() as link:
            channel = await link.open_feed(Contract.HISTORY, FIELDS)
            await link.subscribe(channel, add=[SUBSCRIPTION])
            await first_data(link)
    finally:
        logging.getLogger("websockets.server").setLevel(logging.NOTSET)
    messages: list[Any] = [record.getMessage() for record in caplog.records]
    assert any("authorised" in message for message in messages)
    assert not any(CANARY in message for message in messages)
