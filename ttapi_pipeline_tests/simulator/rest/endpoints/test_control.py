# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/simulator`: faults, counters, seed, time and address."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api

ME = "/customers/me"


async def test_faults_are_listed_added_together_and_cleared_one_by_one(simulator: Api) -> None:
    both = [{"kind": "huge"}, {"kind": "latency", "route": ME, "count": 2}]
    added = (await simulator.post("/simulator/faults", json=both)).items
    listed = (await simulator.get("/simulator/faults")).items
    assert listed == added
    assert listed[1]["count"] == 2
    assert (await simulator.request("DELETE", f"/simulator/faults/{added[0]['id']}")).status == 200
    assert (await simulator.request("DELETE", f"/simulator/faults/{added[0]['id']}")).status == 404
    assert [fault["kind"] for fault in (await simulator.get("/simulator/faults")).items] == ["latency"]


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "explosion"},
        {},
        [],
        7,
        [{"kind": "huge"}, {"kind": "explosion"}],
        {"kind": "status", "probability": 2},
        {"kind": "status", "probability": "often"},
        {"kind": "status", "count": 0},
        {"kind": "status", "seed": -1},
        {"kind": "status", "route": ""},
        {"kind": "status", "route": 1},
        {"kind": "status", "status": 503},
        {"kind": "status", "parameters": {"colour": "red"}},
        {"kind": "status", "parameters": {"status": None}},
        {"kind": "status", "parameters": {"body": "xml"}},
        {"kind": "status", "parameters": {"status": 42}},
        {"kind": "content-type", "parameters": {"value": "a\r\nb"}},
        {"kind": "truncate", "parameters": {"share": 2}},
        {"kind": "drip", "parameters": {"seconds": -1}},
    ],
)
async def test_what_is_no_fault_is_refused_and_changes_nothing(simulator: Api, spec: Any) -> None:
    reply = await simulator.post("/simulator/faults", json=spec)
    assert (reply.status, reply.json["error"]["code"]) == (400, "validation_error")
    assert (await simulator.get("/simulator/faults")).items == []


async def test_a_body_that_is_no_json_is_no_fault(simulator: Api) -> None:
    assert (await simulator.post("/simulator/faults", data=b"{")).status == 400


async def test_counters_name_routes_tokens_grants_and_concurrency(simulator: Api, clock: FakeClock) -> None:
    await simulator.post("/simulator/counters/reset")
    await asyncio.gather(*(simulator.get(f"/option-chains/{symbol}/nested") for symbol in ("AAPL", "BRK%2FB", "KO")))
    await simulator.get("/nowhere")
    await simulator.login()
    await simulator.get(ME)
    counted = (await simulator.get("/simulator/counters")).data
    assert counted["requests"] == {
        "GET /option-chains/{symbol}/nested": 3,
        "unknown": 1,
        "POST /oauth/token": 1,
        f"GET {ME}": 1,
    }
    assert counted["requests-total"] == 6
    assert counted["responses"] == {"200": 5, "404": 1}
    assert counted["in-flight"]["rest"]["now"] == 0
    assert 1 <= counted["in-flight"]["rest"]["max"] <= 3
    assert sorted(counted["access-tokens"].values()) == [1, 3]
    assert counted["events"] == {"oauth.granted": 1}
    assert simulator.token not in orjson.dumps(counted).decode()
    assert (await simulator.post("/simulator/counters/reset")).data["requests-total"] == 0


async def test_the_simulator_tells_seed_time_and_address(simulator: Api) -> None:
    reply = await simulator.get("/simulator", headers={"Authorization": ""})
    assert reply.data["seed"] == 7
    assert reply.data["time"] == "2026-11-20T15:30:20.000+00:00"
    assert reply.data["url"] == simulator.url
