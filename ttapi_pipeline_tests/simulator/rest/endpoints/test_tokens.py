# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/api-quote-tokens`."""

from __future__ import annotations

from datetime import timedelta

from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api


async def test_the_dxlink_url_follows_the_host_header(simulator: Api) -> None:
    reply = await simulator.get("/api-quote-tokens", headers={"Host": "simulator.internal:9000"})
    assert reply.data["dxlink-url"] == "ws://simulator.internal:9000/realtime"
    assert simulator.simulator.tokens.is_valid(reply.data["token"])


async def test_a_quote_token_lasts_24_hours(simulator: Api, clock: FakeClock) -> None:
    token = (await simulator.get("/api-quote-tokens")).data["token"]
    clock.advance(timedelta(hours=23, minutes=59))
    assert simulator.simulator.tokens.is_valid(token)
    clock.advance(timedelta(minutes=1))
    assert not simulator.simulator.tokens.is_valid(token)
