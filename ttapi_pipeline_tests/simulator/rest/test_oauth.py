# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Grants and access tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import GRANT, Api


@pytest.mark.parametrize("encoding", ["json", "data"])
async def test_a_grant_is_flat_and_lasts_900_seconds(simulator: Api, encoding: str) -> None:
    reply = await simulator.post("/oauth/token", headers={"Authorization": ""}, **{encoding: GRANT})
    assert reply.status == 200
    assert set(reply.json) == {"access_token", "token_type", "expires_in"}
    assert (reply.json["token_type"], reply.json["expires_in"]) == ("Bearer", 900)


async def test_a_token_lasts_until_its_900th_second(simulator: Api, clock: FakeClock) -> None:
    clock.advance(timedelta(seconds=899))
    assert (await simulator.get("/customers/me")).status == 200
    clock.advance(timedelta(seconds=1))
    reply = await simulator.get("/customers/me")
    assert reply.status == 401
    assert reply.json["error"]["code"] == "unauthorized"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nonsense", "Basic YTpi"])
async def test_without_a_living_token_there_is_a_401_in_json(simulator: Api, authorization: str) -> None:
    reply = await simulator.get("/customers/me", headers={"Authorization": authorization})
    assert reply.status == 401
    assert isinstance(reply.json["error"], dict)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"refresh_token": "wrong"}, "invalid_grant"),
        ({"refresh_token": None}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
    ],
)
async def test_a_refused_grant_is_a_400_that_names_no_secret(simulator: Api, change: Any, code: str) -> None:
    reply = await simulator.post("/oauth/token", json={**GRANT, **change})
    assert (reply.status, reply.json["error"]["code"]) == (400, code)
    assert SIMULATOR_CLIENT_SECRET.encode() not in reply.body


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"grant_type": {}}'])
async def test_a_grant_request_that_is_no_object_is_a_400(simulator: Api, body: bytes) -> None:
    reply = await simulator.post("/oauth/token", data=body, headers={"Content-Type": "application/json"})
    assert reply.status == 400
