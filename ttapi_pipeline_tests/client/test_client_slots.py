# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Requests in flight: as many as allowed, fewer where a server answers fewer, and more again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.client.retries import RetryPolicy
from ttapi_pipeline.client.slots import Load, Slots
from ttapi_pipeline.client.transport import TransportOptions
from ttapi_pipeline.core.environments import Environment
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline_tests.support.rest import CLIENT_SECRET, REFRESH_TOKEN


class BusyServer:
    """Answers this many requests at a time, each after a while; what it does with more is its `manner`."""

    def __init__(self, capacity: int, manner: str) -> None:
        self.capacity, self.manner = capacity, manner
        self.at_work = self.most = self.refused = self.asked = 0
        self.room = asyncio.Semaphore(capacity)

    async def grant(self, request: web.Request) -> web.Response:
        return web.json_response({"access_token": "t" * 40, "expires_in": 900, "token_type": "Bearer"})

    async def chain(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            if self.manner in {"429", "503"} and self.at_work > self.capacity:
                self.refused += 1
                return web.json_response({"error": {"message": "busy"}}, status=int(self.manner))
            async with self.room:
                await asyncio.sleep(0.05)
        finally:
            self.at_work -= 1
        return web.json_response({"data": {"items": []}})


@asynccontextmanager
async def busy(capacity: int, manner: str) -> AsyncIterator[tuple[BusyServer, str]]:
    server = BusyServer(capacity, manner)
    app = web.Application()
    app.router.add_post("/oauth/token", server.grant)
    app.router.add_get("/option-chains/{symbol}/nested", server.chain)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield server, f"http://{host}:{port}"
    finally:
        await runner.cleanup()


SETTINGS = Settings(
    environment=Environment.PRODUCTION,
    client_secret=CLIENT_SECRET,
    refresh_token=REFRESH_TOKEN,
    max_concurrency=100,
)
QUICK = RetryPolicy(base_seconds=0.05, max_wait_seconds=0.2)


@pytest.mark.parametrize("manner", ["429", "503", "silence"])
async def test_more_requests_than_a_server_answers_at_a_time_shrink_and_all_are_answered(manner: str) -> None:
    """It serves 6 at a time; by a breaker that opens after five failures, the first wave of 100 would be the last."""
    symbols = [f"S{number}" for number in range(400)]
    options = TransportOptions(read_seconds=0.5)
    async with busy(6, manner) as (server, url), AsyncExitStack() as stack:
        client = TastytradeClient(SETTINGS, base_url=url, rates={}, retry_policy=QUICK, transport_options=options)
        await stack.enter_async_context(client)
        collected = await client.nested_option_chains(symbols)
    assert dict(collected.missing) == {}
    assert server.refused or server.most > 50
    assert server.asked < 2 * len(symbols)
    assert {each.state for each in client.breakers.states().values()} == {"closed"}


async def test_a_server_that_serves_all_gets_as_many_as_allowed() -> None:
    async with busy(1000, "503") as (server, url), AsyncExitStack() as stack:
        client = TastytradeClient(SETTINGS, base_url=url, rates={}, retry_policy=QUICK)
        await stack.enter_async_context(client)
        await client.nested_option_chains([f"S{number}" for number in range(400)])
    assert (client.stats.most_in_flight, server.refused, server.asked) == (100, 0, 400)


async def test_a_failure_halves_the_number_once_and_answers_raise_it_again() -> None:
    slots = Slots(8)
    async with AsyncExitStack() as stack:
        numbers = [await stack.enter_async_context(slots.slot()) for _ in range(8)]
        assert slots.overloaded(numbers[0]) is Load.TOO_MUCH
        assert [slots.overloaded(number) for number in numbers[1:]] == [Load.TOO_MUCH_BEFORE] * 7
        assert slots.limit == 4
    for _ in range(5):
        slots.answered()
    # 4 + 1/4 + 1/4.25 + ... : five answers are a round of four and a little more.
    assert slots.limit == 5
    for _ in range(100):
        slots.answered()
    assert slots.limit == 8


async def test_a_request_that_is_alone_says_nothing_of_the_number() -> None:
    slots = Slots(8)
    async with slots.slot() as number:
        assert slots.overloaded(number) is Load.FINE
    assert slots.limit == 8


async def test_slots_are_given_in_order_and_those_of_the_cancelled_to_others() -> None:
    slots, order = Slots(1), list[int]()

    async def work(number: int) -> None:
        async with slots.slot():
            order.append(number)
            await asyncio.sleep(0)

    async with slots.slot():
        tasks = [asyncio.create_task(work(number)) for number in range(4)]
        await asyncio.sleep(0)
        tasks[1].cancel()
    # The slot was given to the first task, which is cancelled before it takes it.
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [2, 3]
    assert slots.in_flight == 0
