# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One request over a real socket: what is sent, what is repeated, and which error comes of which fault."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ttapi_pipeline import __version__
from ttapi_pipeline.client import (
    BreakerPolicy,
    Breakers,
    Family,
    Rate,
    RetryPolicy,
    TastytradeClient,
    TokenStore,
    TransportOptions,
)
from ttapi_pipeline.core.errors import (
    ApiTimeoutError,
    CircuitOpenError,
    ConfigError,
    HttpError,
    PayloadError,
    RateLimitError,
    TransportError,
)
from ttapi_pipeline.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttapi_pipeline_tests.support.clocks import FakeClock
    from ttapi_pipeline_tests.support.rest import Handler, ScriptedServer

    Connect = Callable[..., TastytradeClient]

HOLIDAYS = "/market-time/equities/holidays"
WATCHLIST = "/public-watchlists/S%26P%20500"
ONCE = RetryPolicy(attempts=1)


@pytest.fixture(autouse=True)
def holidays(server: ScriptedServer) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return server.payload({"market-holidays": ["2026-12-25", "2026-11-26"], "market-half-days": ["2026-11-27"]})

    server.answer(HOLIDAYS, answer)


async def test_a_request_says_who_asks_and_with_which_token(server: ScriptedServer, connect: Connect) -> None:
    async with connect() as client:
        days = await client.market_holidays()
    assert days.holidays == (date(2026, 11, 26), date(2026, 12, 25))
    (headers,) = server.headers
    assert headers["User-Agent"] == f"ttapi-pipeline/{__version__}"
    assert headers["Authorization"] == "Bearer canary-access-token-1"
    assert headers["Accept"] == "application/json"
    assert "gzip" in headers["Accept-Encoding"]
    assert "Accept-Version" not in headers
    assert "Cookie" not in headers


async def test_a_name_is_one_encoded_segment_of_the_path(server: ScriptedServer, connect: Connect) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return server.payload({"name": "S&P 500", "watchlist-entries": [{"symbol": "AAPL"}]})

    server.answer(WATCHLIST, answer)
    async with connect() as client:
        watchlist = await client.public_watchlist("S&P 500")
    assert [entry.symbol for entry in watchlist.entries] == ["AAPL"]
    assert server.hits[WATCHLIST] == 1


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_name_cannot_walk_out_of_its_path(server: ScriptedServer, connect: Connect, name: str) -> None:
    async with connect() as client:
        with pytest.raises(ValueError, match="public-watchlists"):
            await client.public_watchlist(name)
    assert server.total() == 0


async def test_a_throttled_request_waits_as_long_as_the_server_asked(
    server: ScriptedServer, connect: Connect, clock: FakeClock
) -> None:
    server.once(HOLIDAYS, server.error(429, Retry_After="7"))
    async with connect() as client:
        await client.market_holidays()
    assert clock.sleeps == [7.0]
    assert (client.stats.throttled, client.stats.retries, server.hits[HOLIDAYS]) == (1, 1, 2)


async def test_a_throttled_request_holds_back_its_family(
    server: ScriptedServer, connect: Connect, clock: FakeClock
) -> None:
    server.once(HOLIDAYS, server.error(429, Retry_After="7"))
    async with connect(retry_policy=ONCE) as client:
        with pytest.raises(RateLimitError, match="throttled") as caught:
            await client.market_holidays()
        await client.market_holidays()
    assert caught.value.retry_after == 7.0
    assert clock.sleeps == [7.0]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_fault_of_the_service_is_repeated_three_times_at_most(
    server: ScriptedServer, connect: Connect, status: int
) -> None:
    server.once(HOLIDAYS, *(web.Response(text="<title>Bad</title>", status=status) for _ in range(5)))
    async with connect() as client:
        with pytest.raises(HttpError, match=f"GET {HOLIDAYS}: HTTP {status}, Bad") as caught:
            await client.market_holidays()
    assert caught.value.status == status
    assert server.hits[HOLIDAYS] == 3


@pytest.mark.parametrize("status", [301, 400, 403, 404, 406, 422])
async def test_a_mistake_of_ours_is_not_repeated_and_opens_no_breaker(
    server: ScriptedServer, connect: Connect, status: int
) -> None:
    server.once(HOLIDAYS, *(server.error(status, Location="/elsewhere") for _ in range(30)))
    async with connect() as client:
        for _ in range(30):
            with pytest.raises(HttpError):
                await client.market_holidays()
    assert server.hits[HOLIDAYS] == 30
    assert server.hits["/elsewhere"] == 0
    assert client.breakers.states()["market-time"].state == "closed"


async def truncated(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"data": ')
    assert request.transport is not None
    request.transport.close()
    return response


async def not_json(_: web.Request) -> web.StreamResponse:
    return web.Response(text='{"data": {', content_type="application/json")


async def not_http(request: web.Request) -> web.StreamResponse:
    assert isinstance(request.transport, asyncio.Transport)
    request.transport.write(b"220 ready\r\n\r\n")
    request.transport.close()
    return web.Response()


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (truncated, TransportError, "broke off"),
        (not_json, PayloadError, "is not JSON"),
        (not_http, PayloadError, "does not answer in HTTP"),
        (hang_up, TransportError, "closed the connection without an answer"),
    ],
)
async def test_a_garbled_answer_is_asked_for_again_and_named_when_it_stays(
    server: ScriptedServer, connect: Connect, fault: Handler, error: type[Exception], said: str
) -> None:
    server.once(HOLIDAYS, fault, fault)
    async with connect() as client:
        await client.market_holidays()
        assert server.hits[HOLIDAYS] >= 3
        server.once(HOLIDAYS, *[fault] * 6)
        with pytest.raises(error, match=said) as caught:
            await client.market_holidays()
    assert str(caught.value).startswith(f"GET {HOLIDAYS}: ")


async def test_a_connection_that_the_server_closed_while_idle_is_no_failure(
    server: ScriptedServer, connect: Connect
) -> None:
    async with connect(retry_policy=ONCE) as client:
        await client.market_holidays()
        server.once(HOLIDAYS, hang_up)
        await client.market_holidays()
    assert (client.stats.replays, client.stats.retries) == (1, 0)
    assert client.breakers.states()["market-time"].failures == 0


async def test_requests_in_a_row_share_a_connection_and_requests_at_once_have_one_per_slot(
    server: ScriptedServer, connect: Connect, settings: Settings
) -> None:
    connections: set[object] = set()

    async def note(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        connections.add(request.transport.get_extra_info("peername"))
        await asyncio.sleep(0.002)
        return server.payload({"market-holidays": []})

    server.answer(HOLIDAYS, note)
    async with connect(settings=replace(settings, max_concurrency=3)) as client:
        for _ in range(5):
            await client.market_holidays()
        assert len(connections) == 1
        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(client.market_holidays())
    assert server.hits[HOLIDAYS] == 35
    assert len(connections) == 3


async def test_a_server_that_hangs_up_on_a_new_connection_is_not_asked_behind_our_back(
    server: ScriptedServer, connect: Connect
) -> None:
    tokens = TokenStore()
    async with connect(tokens=tokens) as client:
        await client.market_holidays()
    server.once(HOLIDAYS, *[hang_up] * 9)
    async with connect(tokens=tokens, retry_policy=ONCE) as client:
        with pytest.raises(TransportError, match="closed the connection without an answer"):
            await client.market_holidays()
    assert (server.hits[HOLIDAYS], client.stats.replays) == (2, 0)


async def test_an_unreachable_api_is_one_clear_sentence(connect: Connect) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with connect(base_url=f"http://127.0.0.1:{port}") as client:
        with pytest.raises(TransportError) as caught:
            await client.market_holidays()
    assert str(caught.value) == (
        f"POST /oauth/token: 127.0.0.1:{port} cannot be reached: connection refused; check TT_API_URL and the network"
    )


async def test_an_unknown_host_is_one_clear_sentence(connect: Connect) -> None:
    async with connect(base_url="http://no-such-host.invalid") as client:
        with pytest.raises(TransportError, match=r"no-such-host\.invalid:80 cannot be reached: the host name is not"):
            await client.market_holidays()


async def test_plain_http_behind_https_is_a_failure_of_tls(server: ScriptedServer, connect: Connect) -> None:
    async with connect(base_url=server.url.replace("http:", "https:")) as client:
        with pytest.raises(TransportError, match="cannot be reached: TLS failed"):
            await client.market_holidays()


async def test_a_slow_answer_ends_at_the_deadline(server: ScriptedServer, connect: Connect) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    server.once(HOLIDAYS, *[never] * 3)
    async with connect(
        retry_policy=RetryPolicy(attempts=2), transport_options=TransportOptions(total_seconds=0.05)
    ) as c:
        with pytest.raises(ApiTimeoutError, match=r"no complete answer from 127\.0\.0\.1:\d+ within 0\.05 s"):
            await c.market_holidays()
    assert server.hits[HOLIDAYS] == 2


async def test_a_request_whose_time_is_over_is_not_sent(
    server: ScriptedServer, connect: Connect, clock: FakeClock
) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        clock.advance(200)
        return server.error(401)

    server.once(HOLIDAYS, slow)
    async with connect() as client:
        with pytest.raises(ApiTimeoutError, match="not sent, its time was over"):
            await client.market_holidays()
    assert server.hits[HOLIDAYS] == 1


async def test_time_lost_before_a_request_is_sent_is_no_failure_of_the_service(
    server: ScriptedServer, connect: Connect, clock: FakeClock
) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        clock.advance(121)
        return web.json_response({"access_token": "late", "expires_in": 900})

    server.once("/oauth/token", slow)
    async with connect() as client:
        with pytest.raises(ApiTimeoutError, match="not sent, its time was over"):
            await client.market_holidays()
        assert client.breakers.states()["market-time"].failures == 0
    assert server.hits[HOLIDAYS] == 0


async def test_a_body_is_decompressed_and_bounded(server: ScriptedServer, connect: Connect) -> None:
    body = gzip.compress(b'{"data": {"market-holidays": []}, "padding": "' + b"x" * 100_000 + b'"}')
    assert len(body) < 1000
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    server.once(HOLIDAYS, *(web.Response(body=body, headers=headers) for _ in range(2)))
    async with connect() as client:
        await client.market_holidays()
        assert client.stats.bytes_received > 100_000
    async with connect(transport_options=TransportOptions(max_body_bytes=50_000)) as client:
        with pytest.raises(PayloadError, match="larger than 50000 bytes"):
            await client.market_holidays()
    assert server.hits[HOLIDAYS] == 2


async def test_a_family_that_is_down_is_left_alone_while_others_work(
    server: ScriptedServer, connect: Connect, clock: FakeClock
) -> None:
    server.once(HOLIDAYS, *(web.Response(status=502) for _ in range(4)))
    breakers = Breakers(policy=BreakerPolicy(failures=4, successes=1), clock=clock)
    async with connect(breakers=breakers) as client:
        with pytest.raises(HttpError):
            await client.market_holidays()
        with pytest.raises(CircuitOpenError, match=r"market-time is open until .* \(last failure: .*502"):
            await client.market_holidays()
        with pytest.raises(CircuitOpenError):
            await client.market_sessions(date(2026, 1, 1), date(2026, 2, 1))
        assert server.hits[HOLIDAYS] == 4
        with pytest.raises(HttpError, match="404"):
            await client.accounts()
        clock.advance(30)
        await client.market_holidays()
    assert breakers.states()["market-time"].state == "closed"


async def test_those_who_wait_for_a_probe_keep_no_other_family_waiting(
    server: ScriptedServer, connect: Connect, settings: Settings, clock: FakeClock
) -> None:
    probing, answered = asyncio.Event(), asyncio.Event()

    async def probed(_: web.Request) -> web.StreamResponse:
        probing.set()
        await answered.wait()
        return server.payload({"market-holidays": []})

    async def watchlist(_: web.Request) -> web.StreamResponse:
        return server.payload({"name": "x"})

    server.once(HOLIDAYS, web.Response(status=502), probed)
    server.answer("/public-watchlists/x", watchlist)
    breakers = Breakers(policy=BreakerPolicy(failures=1, successes=1), clock=clock)
    async with connect(breakers=breakers, settings=replace(settings, max_concurrency=2)) as client:
        with pytest.raises(CircuitOpenError):
            await client.market_holidays()
        clock.advance(30)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(client.market_holidays())
            await probing.wait()
            # One of the two slots is the probe's; four requests wait for it and have none.
            await client.public_watchlist("x")
            answered.set()
    assert breakers.states()["market-time"].state == "closed"


async def test_what_a_client_did_is_plain_values(server: ScriptedServer, connect: Connect, clock: FakeClock) -> None:
    server.once(HOLIDAYS, web.Response(status=502))
    breakers = Breakers(policy=BreakerPolicy(failures=2), clock=clock)
    async with connect(breakers=breakers) as client:
        await client.market_holidays()
        report = client.report()
        # The grant, the request and its retry.
        assert (report["attempts"], report["retries"], report["renewals"]) == (3, 1, 1)
        assert report["circuit_breakers"] == "all closed"
        server.once(HOLIDAYS, *(web.Response(status=502) for _ in range(2)))
        with pytest.raises(CircuitOpenError):
            await client.market_holidays()
        assert client.report()["circuit_breakers"] == (f"market-time open (GET {HOLIDAYS}: HTTP 502, no message)")


async def test_the_rate_of_a_family_is_kept(server: ScriptedServer, connect: Connect, clock: FakeClock) -> None:
    async with connect(rates={Family.MARKET_TIME: Rate(per_second=2.0, burst=1)}) as client:
        for _ in range(3):
            await client.market_holidays()
    assert clock.sleeps == [0.5, 0.5]


async def test_simulated_data_says_so(server: ScriptedServer, connect: Connect) -> None:
    async with connect() as client:
        await client.market_holidays()
        assert not client.is_simulated
        server.once(HOLIDAYS, web.json_response({"data": {"market-holidays": []}}, headers={"X-Simulated": "true"}))
        await client.market_holidays()
        await client.market_holidays()
        assert client.is_simulated


async def test_every_attempt_is_one_log_record_without_an_account_number(
    server: ScriptedServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="ttapi_pipeline.client")
    path = "/accounts/5WT00001/balances/USD"

    async def answer(_: web.Request) -> web.StreamResponse:
        return server.payload({"account-number": "5WT00001", "cash-balance": "100000.0"})

    server.answer(path, answer)
    server.once(path, server.error(503), hang_up)
    async with connect() as client:
        balance = await client.balance("5WT00001")
    assert balance.cash_balance == 100_000.0
    records = [vars(record) for record in caplog.records if vars(record)["route"].startswith("/accounts")]
    assert (records[0]["outcome"], records[0]["status"], records[0]["attempt"]) == ("503", 503, 1)
    assert (records[-1]["outcome"], records[-1]["status"], records[-1]["bytes"] > 0) == ("200", 200, True)
    assert {record["route"] for record in records} == {"/accounts/{account_number}/balances/{currency}"}
    assert len({record["request_id"] for record in records}) == 1
    assert all(record["method"] == "GET" and record["elapsed_ms"] >= 0 for record in records)
    assert not any("5WT00001" in repr(record) + record["message"] for record in records)


async def test_a_cancelled_request_leaves_nothing_behind(server: ScriptedServer, connect: Connect) -> None:
    reached = asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse:
        reached.set()
        await asyncio.sleep(60)
        return web.Response()

    server.once(HOLIDAYS, never)
    before = len(asyncio.all_tasks())
    async with connect() as client:
        request = asyncio.ensure_future(client.market_holidays())
        await reached.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await client.market_holidays()
        assert client.breakers.states()["market-time"].failures == 0
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= before


async def test_a_client_that_is_not_open_says_so(connect: Connect) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await connect().market_holidays()


def test_a_client_needs_a_url() -> None:
    with pytest.raises(ConfigError, match="TT_API_URL is not set"):
        TastytradeClient(Settings())
