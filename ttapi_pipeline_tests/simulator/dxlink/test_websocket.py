# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The socket itself: sizes, slow clients, the end of the server, counters."""

from __future__ import annotations

import asyncio

import aiohttp

from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.raw_dxlink import (
    FIELDS,
    NOVEMBER_2,
    OPEN_AT,
    Client,
    Server,
    serving,
)


async def test_a_message_of_64_kib_passes_and_one_byte_more_is_too_big(server: Server) -> None:
    async with server.connect() as client:
        start = '{"type": "KEEPALIVE", "channel": 0, "padding": "'
        await client.socket.send_str(start + "x" * (65_536 - len(start) - 2) + '"}')
        await client.nothing()
        await client.socket.send_str(start + "x" * (65_537 - len(start) - 2) + '"}')
        assert await client.closed() == 1009


async def send_without_end(client: Client) -> None:
    while True:
        await client.socket.send_str("?" * 1_000)


async def test_a_client_that_never_reads_is_not_buffered_for_without_end(server: Server) -> None:
    async with server.connect() as client:
        await client.authorize()
        sending = asyncio.create_task(send_without_end(client))
        answered = [server.counters.count("dxlink.errors")]
        # The server stops reading when its answers are not read: it answers no more, however long it is sent to.
        while len(answered) < 3 or len(set(answered[-3:])) > 1:
            await asyncio.sleep(0.1)
            answered.append(server.counters.count("dxlink.errors"))
        assert not sending.done()
        sending.cancel()
        assert answered[-1] - answered[0] < 100_000


async def test_plain_http_on_the_route_is_a_bad_request(server: Server) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url.replace("ws", "http", 1)) as response:
        assert response.status == 400


async def test_a_stopping_server_says_that_it_goes_away(market: Market) -> None:
    async with serving(market, OPEN_AT) as server:
        session = aiohttp.ClientSession()
        socket = await session.ws_connect(server.url)
        reading = asyncio.create_task(socket.receive(timeout=10))
        await asyncio.sleep(0)
    assert (await reading).data == 1001
    await session.close()


async def test_connections_are_counted(server: Server) -> None:
    async with server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "AAPL{=d}", fromTime=NOVEMBER_2)
        await client.receive()
        await client.candles("AAPL")
        counts = server.counters.snapshot()
        assert counts["in-flight"] == {"dxlink.connections": {"now": 1, "max": 1}}
        assert server.counters.count("dxlink.bars") == 15
