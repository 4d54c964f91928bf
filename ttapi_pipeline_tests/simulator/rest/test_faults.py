# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every REST fault does what its name says."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api

ME = "/customers/me"
EQUITIES = "/instruments/equities?symbol[]=AAPL&symbol[]=MSFT&symbol[]=SPY"


async def test_a_status_with_html_and_retry_after_in_seconds(simulator: Api) -> None:
    await simulator.fault("status", ME, count=1, parameters={"status": 502, "body": "html", "retry_after": 7})
    reply = await simulator.get(ME)
    assert (reply.status, reply.headers["Content-Type"], reply.headers["Retry-After"]) == (502, "text/html", "7")
    assert (await simulator.get(ME)).status == 200


async def test_a_429_may_ask_with_a_date_or_not_at_all(simulator: Api) -> None:
    await simulator.fault("status", ME, count=1, parameters={"status": 429, "retry_after": 60, "form": "date"})
    # A minute after the tests' clock, 15:30:20 UTC on a Friday.
    assert (await simulator.get(ME)).headers["Retry-After"] == "Fri, 20 Nov 2026 15:31:20 GMT"
    await simulator.fault("status", ME, count=1, parameters={"status": 429})
    reply = await simulator.get(ME)
    assert (reply.status, reply.json["error"]["code"]) == (429, "too_many_requests")
    assert "Retry-After" not in reply.headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 422, 500, 503, 504, 599])
async def test_any_status_with_json_or_nothing(simulator: Api, status: int) -> None:
    await simulator.fault("status", "customers", count=1, parameters={"status": status})
    reply = await simulator.get(ME)
    assert reply.status == status
    assert {"code", "message"} <= set(reply.json["error"])
    await simulator.fault("status", "*", count=1, parameters={"status": status, "body": "empty"})
    assert (await simulator.get(ME)).body == b""


async def test_a_fault_strikes_its_own_route_only(simulator: Api) -> None:
    await simulator.fault("status", "/instruments/equities/{symbol}")
    assert (await simulator.get("/instruments/equities/AAPL")).status == 503
    assert (await simulator.get(EQUITIES)).status == 200
    assert (await simulator.get("/simulator/faults")).items[0]["struck"] == 1


async def test_latency_is_fixed_uniform_or_exponential(simulator: Api, clock: FakeClock) -> None:
    for distribution in ("fixed", "uniform", "exponential"):
        parameters = {"distribution": distribution, "seconds": 3, "low": 2}
        await simulator.fault("latency", ME, count=1, parameters=parameters)
        assert (await simulator.get(ME)).status == 200
    fixed, uniform, exponential = clock.sleeps
    assert fixed == 3
    assert 2 <= uniform <= 3
    assert exponential > 0


async def _raw_get(simulator: Api, path: str) -> bytes:
    """Without aiohttp's client, which by itself repeats a GET whose connection was lost."""
    parts = urlsplit(simulator.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        head = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: tests/1\r\n"
        writer.write(f"{head}Authorization: Bearer {simulator.token}\r\n\r\n".encode())
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_a_reset_before_the_body_sends_nothing(simulator: Api) -> None:
    await simulator.fault("reset", ME, count=1, parameters={"when": "before"})
    with pytest.raises(ConnectionResetError):
        await _raw_get(simulator, ME)
    assert (await simulator.get("/simulator/counters")).data["responses"]["0"] == 1


async def test_a_reset_during_the_body_cuts_it(simulator: Api) -> None:
    await simulator.fault("reset", ME, count=1, parameters={"when": "during"})
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
        await simulator.get(ME)


async def test_a_reset_after_the_body_leaves_it_whole(simulator: Api) -> None:
    await simulator.fault("reset", ME, count=1, parameters={"when": "after"})
    assert (await simulator.get(ME)).data["id"] == "me"
    # The connection that the client kept is gone; the next request gets a new one.
    assert (await simulator.get(ME)).status == 200


async def test_a_truncated_body_is_shorter_than_announced(simulator: Api) -> None:
    await simulator.fault("truncate", ME, count=1, parameters={"share": 0.25})
    with pytest.raises(aiohttp.ClientPayloadError):
        await simulator.get(ME)


async def test_a_slow_drip_arrives_whole(simulator: Api, clock: FakeClock) -> None:
    await simulator.fault("drip", ME, count=1, parameters={"chunk_bytes": 100, "seconds": 0.5})
    reply = await simulator.get(ME)
    assert reply.data["id"] == "me"
    assert clock.sleeps == [0.5] * -(-len(reply.body) // 100)


async def test_a_malformed_body_and_a_wrong_content_type(simulator: Api) -> None:
    await simulator.fault("malformed", ME, count=1)
    reply = await simulator.get(ME)
    assert reply.status == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(reply.body)
    await simulator.fault("content-type", ME, count=1, parameters={"value": "text/plain"})
    assert (await simulator.get(ME)).headers["Content-Type"] == "text/plain"


async def test_a_huge_body_is_still_json(simulator: Api) -> None:
    await simulator.fault("huge", ME, count=1, parameters={"megabytes": 3})
    reply = await simulator.get(ME)
    assert len(reply.body) > 3 * 2**20
    assert orjson.loads(reply.body)["data"]["id"] == "me"


async def test_a_client_that_hangs_up_on_a_huge_body_does_no_harm(simulator: Api) -> None:
    await simulator.fault("huge", ME, count=1, parameters={"megabytes": 64})
    headers = {"Authorization": f"Bearer {simulator.token}"}
    async with simulator.session.get(simulator.url + ME, headers=headers) as response:
        response.close()
    assert (await simulator.get(ME)).status == 200


async def test_symbols_are_dropped_and_pages_shrink(simulator: Api) -> None:
    await simulator.fault("drop-symbols", "/instruments/equities", count=1, parameters={"share": 1})
    assert (await simulator.get(EQUITIES)).items == []
    await simulator.fault("shrink-pages", "/instruments/equities", count=1, parameters={"items": 2})
    reply = await simulator.get(EQUITIES)
    assert len(reply.items) == reply.json["pagination"]["current-item-count"] == 1
    assert reply.json["pagination"]["total-items"] == 3


async def test_optional_fields_that_are_left_out_leave_the_required_ones(simulator: Api) -> None:
    for path in ("/instruments/futures?product-code[]=ES", "/option-chains/AAPL/nested"):
        whole = (await simulator.get(path)).items[0]
        await simulator.fault("missing-optional", path.split("?")[0], count=1, parameters={"share": 1})
        left = (await simulator.get(path)).items[0]
        required = {"is-closing-only", "next-active-month", "shares-per-contract", "option-chain-type"}
        assert required & set(whole)
        assert required & set(left) == required & set(whole)


async def test_optional_fields_go_missing_and_required_ones_stay(simulator: Api) -> None:
    await simulator.fault("missing-optional", "/market-metrics", count=1, parameters={"share": 1})
    [row] = (await simulator.get("/market-metrics?symbols=AAPL")).items
    assert set(row) == {"symbol", "market-cap", "updated-at"}


async def test_faults_on_the_content_leave_errors_alone(simulator: Api) -> None:
    for kind in ("drop-symbols", "missing-optional"):
        await simulator.fault(kind)
    assert (await simulator.get("/instruments/equities/NOSUCH")).json["error"]["code"] == "not_found"


async def test_an_expired_token_needs_one_renewal(simulator: Api) -> None:
    await simulator.fault("expire-token", ME, count=1)
    assert (await simulator.get(ME)).status == 401
    assert (await simulator.get(ME)).status == 401
    await simulator.login()
    assert (await simulator.get(ME)).status == 200


async def test_a_revoked_token_cannot_be_renewed_until_the_faults_are_cleared(simulator: Api) -> None:
    await simulator.fault("revoke-token", ME, count=1)
    assert (await simulator.get(ME)).status == 401
    grant = {
        "grant_type": "refresh_token",
        "client_secret": SIMULATOR_CLIENT_SECRET,
        "refresh_token": SIMULATOR_REFRESH_TOKEN,
    }
    assert (await simulator.post("/oauth/token", json=grant)).json["error"]["code"] == "invalid_grant"
    assert (await simulator.request("DELETE", "/simulator/faults")).data == {"cleared": 1}
    assert (await simulator.post("/oauth/token", json=grant)).status == 200


@pytest.mark.parametrize(("form", "kind"), [("object", dict), ("string", str)])
async def test_a_refused_grant_in_both_forms(simulator: Api, form: str, kind: type) -> None:
    await simulator.fault("refuse-grant", count=1, parameters={"form": form})
    reply = await simulator.post("/oauth/token", json={"grant_type": "refresh_token"})
    assert reply.status == 400
    assert isinstance(reply.json["error"], kind)


async def test_after_repeated_refusals_an_address_is_blocked_for_eight_hours(simulator: Api, clock: FakeClock) -> None:
    await simulator.fault("address-block", parameters={"refusals": 2})
    wrong = {"grant_type": "refresh_token", "client_secret": "wrong", "refresh_token": "wrong"}
    for _ in range(2):
        assert (await simulator.post("/oauth/token", json=wrong)).status == 400
    with pytest.raises(ConnectionResetError):
        await _raw_get(simulator, ME)
    # The tests' clock does not wait: it says how long the request would have hung.
    assert clock.sleeps == [28_800.0]
    await simulator.request("DELETE", "/simulator/faults")
    await simulator.login()
    assert (await simulator.get(ME)).status == 200


async def test_a_probability_with_a_seed_strikes_the_same_requests_again(simulator: Api) -> None:
    runs = []
    for _ in range(2):
        await simulator.fault("status", ME, probability=0.4, seed=11)
        runs.append([(await simulator.get(ME)).status for _ in range(30)])
        await simulator.request("DELETE", "/simulator/faults")
    assert runs[0] == runs[1]
    assert {200, 503} == set(runs[0])
