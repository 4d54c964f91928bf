# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How requests are read: paths, arrays, headers, limits, and requests that no client should send."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from ttapi_pipeline_tests.support.simulator import Api


@pytest.mark.parametrize("path", ["/public-watchlists/S&P%20500", "/public-watchlists/S%26P%20500"])
async def test_an_ampersand_in_a_path_may_be_encoded_or_not(simulator: Api, path: str) -> None:
    reply = await simulator.get(path)
    assert reply.data["name"] == "S&P 500"
    assert reply.json["context"] == path


async def test_an_encoded_slash_stays_within_its_segment(simulator: Api) -> None:
    assert (await simulator.get("/instruments/equities/BRK%2FB")).data["symbol"] == "BRK/B"
    assert (await simulator.get("/option-chains/BRK%2FB/nested")).items[0]["root-symbol"] == "BRKB"
    assert (await simulator.get("/instruments/equities/BRK/B")).status == 404


async def test_option_symbols_keep_their_blanks(simulator: Api) -> None:
    call = (await simulator.get("/option-chains/AAPL/nested")).items[0]["expirations"][0]["strikes"][0]["call"]
    assert call.startswith("AAPL  ")
    path = f"/instruments/equity-options/{call.replace(' ', '%20')}"
    assert (await simulator.get(path)).data["symbol"] == call


async def test_a_future_option_comes_by_its_encoded_symbol(simulator: Api) -> None:
    symbol = (await simulator.get("/futures-option-chains/ES")).items[0]["symbol"]
    path = f"/instruments/future-options/{symbol.replace('/', '%2F').replace(' ', '%20')}"
    assert (await simulator.get(path)).data["symbol"] == symbol
    listed = await simulator.get("/instruments/future-options", params=None)
    assert (listed.status, listed.json["error"]["code"]) == (400, "validation_error")


@pytest.mark.parametrize(
    "query",
    [
        "equity%5B%5D=AAPL&equity%5B%5D=BRK%2FB",
        "equity[]=AAPL&equity[]=BRK/B",
        "equity=AAPL&equity=BRK%2FB",
        "equity=AAPL%2CBRK%2FB",
        "equity=AAPL,BRK/B",
    ],
)
async def test_lists_come_in_three_encodings(simulator: Api, query: str) -> None:
    reply = await simulator.get(f"/market-data/by-type?{query}")
    assert [row["symbol"] for row in reply.items] == ["AAPL", "BRK/B"]
    assert reply.json["pagination"] is None


async def test_a_plus_is_a_space_in_a_query_only(simulator: Api) -> None:
    option = (await simulator.get("/option-chains/AAPL")).items[0]["symbol"]
    reply = await simulator.get(f"/market-data/by-type?equity-option={option.replace(' ', '+')}")
    assert [row["symbol"] for row in reply.items] == [option]
    assert (await simulator.get("/public-watchlists/S&P+500")).status == 404


async def test_no_user_agent_is_a_401_in_html(simulator: Api) -> None:
    reply = await simulator.get("/customers/me", headers={"User-Agent": ""})
    assert reply.status == 401
    assert reply.headers["Content-Type"] == "text/html"
    assert b"nginx" in reply.body


@pytest.mark.parametrize("version", ["20200101", "latest", "2025081"])
async def test_an_old_or_odd_contract_is_a_406_with_a_numeric_code(simulator: Api, version: str) -> None:
    reply = await simulator.get("/customers/me", headers={"Accept-Version": version})
    assert reply.status == 406
    assert reply.json["error"]["code"] == 406


async def test_unknown_routes_symbols_accounts_and_methods(simulator: Api) -> None:
    assert (await simulator.get("/no/such/route")).status == 404
    assert (await simulator.get("/")).status == 404
    assert (await simulator.get("/instruments/equities/NOSUCH")).json["error"]["code"] == "not_found"
    assert (await simulator.get("/accounts/9ZZ99999/positions")).status == 403
    assert (await simulator.request("PATCH", "/watchlists/x")).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/instruments/futures/ESF6",
        "/instruments/futures/NOSUCH",
        "/instruments/future-products/CME/NOSUCH",
        "/instruments/future-products/CFE/ES",
        "/instruments/future-option-products/CME/NOSUCH",
        "/instruments/future-options/.%2FESZ6%20EW3Z6%20261218C1",
        "/instruments/future-options/nonsense",
        "/futures-option-chains/RTY",
        "/futures-option-chains/NOSUCH/nested",
        "/instruments/cryptocurrencies/DOGE%2FUSD",
        "/instruments/warrants/NOSUCH",
        "/market-data/Future/NOSUCH",
        "/market-data/Future%20Option/NOSUCH",
        "/market-data/Cryptocurrency/NOSUCH",
        "/market-data/Moon/AAPL",
        "/market-data/Equity/SPX",
        "/market-metrics/historic-corporate-events/dividends/NOSUCH",
        "/pairs-watchlists/NOSUCH",
        "/accounts/5WT00001/transactions/1",
        "/accounts/5WT00001/orders/1",
        "/accounts/5WT00001/complex-orders/1",
    ],
)
async def test_what_does_not_exist_is_a_404(simulator: Api, path: str) -> None:
    reply = await simulator.get(path)
    assert (reply.status, reply.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/market-metrics",
        "/market-data/by-type",
        "/market-time/sessions",
        "/market-time/sessions/current",
        "/market-time/sessions/current?instrument-collections[]=Moon",
        "/market-time/equities/sessions/next?date=soon",
        "/market-metrics/historic-corporate-events/earnings-reports/AAPL",
        "/accounts/5WT00001/balance-snapshots",
        "/accounts/5WT00001/balance-snapshots?time-of-day=NOON",
        "/accounts/5WT00001/net-liq/history",
        "/accounts/5WT00001/transactions?sort=up",
        "/accounts/5WT00001/transactions?start-at=yesterday",
        "/instruments/equities?is-etf=maybe",
        "/instruments/equities?lendability=Impossible",
        "/instruments/equities?per-page=-1",
        "/instruments/equities?per-page=0",
        "/instruments/equities?page-offset=99999999999999999999",
        "/instruments/equity-options",
    ],
)
async def test_bad_parameters_are_a_400_that_names_them(simulator: Api, path: str) -> None:
    reply = await simulator.get(path)
    assert (reply.status, reply.json["error"]["code"]) == (400, "validation_error")
    assert {"domain", "reason"} <= set(reply.json["error"]["errors"][0])


async def _raw(url: str, *, data: bytes) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(4096), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\x16\x03\x01garbage\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000_000 + b"\r\n\r\n",
        b"GET /" + b"%2F" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /%zz%00%ff?%=%&&&[]== HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nConnection: close\r\n\r\n",
        b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nContent-Length: 99999999\r\n\r\n{}",
        b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET",
        b"",
    ],
    ids=[
        "binary",
        "no version",
        "version",
        "huge header",
        "long path",
        "bad escapes",
        "short",
        "chunks",
        "cut",
        "none",
    ],
)
async def test_garbage_neither_stops_the_server_nor_gets_data(simulator: Api, data: bytes) -> None:
    answer = await _raw(simulator.url, data=data)
    assert b" 200 " not in answer.split(b"\r\n", 1)[0]
    assert (await simulator.get("/customers/me")).status == 200


async def test_a_body_beyond_the_limit_is_a_413(simulator: Api) -> None:
    reply = await simulator.post("/watchlists", data=b"[" + b"1," * 200_000 + b"1]")
    assert reply.status == 413


async def test_idle_connections_do_not_keep_others_out(simulator: Api) -> None:
    parts = urlsplit(simulator.url)
    idle = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(200)]
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{simulator.url}/simulator") as response:
            assert response.status == 200
    finally:
        for _, writer in idle:
            writer.close()
