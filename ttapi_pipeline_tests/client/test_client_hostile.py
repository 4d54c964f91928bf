# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""REST servers that mean harm: whatever they send, a call ends in time with a value or one clear sentence.

The deeds are in `support.hostile_rest`. A few run in every run, all in `make soak`; a deed that a seed composes is
repeated by its seed. Memory is measured in a process of its own: see "Servers that mean harm" in docs/faults.md.
"""

from __future__ import annotations

import asyncio
import random
import re
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

import pytest

from ttapi_pipeline.client.server_clock import server_clock_offset
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.debug_logs import logged_at_debug
from ttapi_pipeline_tests.support.harmless import (
    CALLS,
    CLIENT_SECRET,
    LONGEST_ERROR,
    REFRESH_TOKEN,
    can_measure,
    client_in_a_process,
    client_of,
    outcome,
    started_lines,
    told,
    unseen,
)
from ttapi_pipeline_tests.support.hostile_rest import DEEDS, TOKEN, HostileServer, hostile_server

SECRETS = (CLIENT_SECRET, REFRESH_TOKEN, TOKEN)
PATIENCE_SECONDS = 30.0
"""Far above the second after which the client gives a request up: a call that hangs would wait for hours."""


async def check(server: HostileServer, elsewhere: HostileServer, name: str, call: str) -> str:
    """Call once, and hold what holds in any case. Returns the sentence of the error, or nothing."""
    with logged_at_debug() as logged:
        async with asyncio.timeout(PATIENCE_SECONDS), client_of(f"{server.url}/{name}") as client:
            try:
                value, said = await outcome(client, call)
            except Exception:  # noqa: BLE001 - none of them may come out, and the seed has to be said
                pytest.fail(f"{name}, {call}: {traceback.format_exc()}")
        log = logged()
    where = f"{name}, {call}: {said!r}"
    assert not unseen(said), where
    assert "\n" not in said, where
    assert len(said) <= LONGEST_ERROR, where
    assert not told([said, log, repr(value)], SECRETS), where
    assert not unseen(log), where
    assert not started_lines(log), where
    assert "Traceback" not in log, f"{where}\n{log}"
    assert not elsewhere.heads, where
    assert not [head for head in server.heads.get(name, ()) if b"\ncookie:" in head.lower()], where
    return said


Servers = tuple[HostileServer, HostileServer]


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with hostile_server() as pair:
        yield pair


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(5, 1_500))])
async def test_whatever_a_server_sends_a_call_ends_with_a_value_or_one_sentence(servers: Servers, seed: int) -> None:
    for call in random.Random(seed).sample(list(CALLS), 2):
        await check(*servers, f"seed-{seed}", call)


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 1_000))])
async def test_whatever_a_body_says_a_call_ends_with_a_value_or_one_sentence(servers: Servers, seed: int) -> None:
    for call in CALLS:
        await check(*servers, f"body-{seed}", call)


SAID: Mapping[str, str] = {
    "endless-error": "HTTP 500, x+…$",
    "endless-redirect": "HTTP 302, a redirect, which is not followed$",
    # On a machine that is busy, its time may be over before there is too much of it.
    **dict.fromkeys(
        ("headers", "header-without-end", "headers-of-cookies"),
        "does not answer in HTTP|no complete answer from .* within",
    ),
    "redirect-host": "HTTP 302, a redirect, which is not followed$",
    "redirect-host-307": "HTTP 307, a redirect, which is not followed$",
    "redirect-host-308-grant": "POST /oauth/token: HTTP 308, a redirect, which is not followed$",
    "redirect-scheme": "HTTP 301, a redirect, which is not followed$",
    "redirect-loop": "HTTP 302, a redirect, which is not followed$",
    "retry-after-a-year": r"throttled \(HTTP 429",
    "retry-after-negative": r"throttled \(HTTP 429",
    "retry-after-9999": "HTTP 503",
    "retry-after-endless": "HTTP 503",
    "lines-grant": r"POST /oauth/token: breaks its contract: .*\$.access_token",
    "megabytes-grant": r"POST /oauth/token: breaks its contract: .*\$.access_token",
    "pages": "200 pages are read, and there are said to be 1,000,000,000$",
    **dict.fromkeys(
        ("slow-headers", "slow-status", "slow-body", "slow-chunks", "hints"), "no complete answer from .* within"
    ),
    **dict.fromkeys(("hundred-continue", "big-tiny-chunks"), "no complete answer from .* within"),
}
"""What comes of deeds, by name."""
SLOW = {"slow-status", "slow-body", "slow-chunks", "hints", "hundred-continue", "big-tiny-chunks", "megabytes-grant"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] if name in SLOW else []) for name in SAID]
)
async def test_a_deed_ends_in_time_with_its_sentence(servers: Servers, name: str) -> None:
    said = await check(*servers, name, "active_equities" if name == "pages" else "market_holidays")
    assert re.search(SAID[name], said), said


async def test_a_wait_of_a_year_does_not_hold_up_other_families(servers: Servers) -> None:
    server, _ = servers
    async with asyncio.timeout(PATIENCE_SECONDS), client_of(f"{server.url}/retry-after-a-year") as client:
        assert "throttled" in (await outcome(client, "market_holidays"))[1]
        assert "not sent, throttled for another 86400 s" in (await outcome(client, "market_sessions"))[1]
        assert (await outcome(client, "balance"))[1].startswith(
            "GET /accounts/{account_number}/balances/{currency}: thr"
        )


@pytest.mark.parametrize(
    ("name", "years_of_365_days"),
    [("date-2090", 64), ("date-1970", -57), ("date-9999", 7978), ("date-noise", None)],
)
async def test_a_servers_clock_may_say_anything(servers: Servers, name: str, years_of_365_days: int | None) -> None:
    clock = StoppedClock(datetime(2026, 11, 20, 15, tzinfo=UTC))
    offset = await server_clock_offset(f"{servers[0].url}/{name}/x", clock=clock)
    assert (None if offset is None else offset.days // 365) == years_of_365_days


BOUND_MEGABYTES = 100
TOGETHER_MEGABYTES = 400
CALL_OF: Mapping[str, str] = {"rows": "market_metrics", "strikes": "nested_option_chains", "pages": "active_equities"}
QUICK = ("bomb-gzip", "big-chunked", "endless-error")


@pytest.mark.skipif(not can_measure(), reason="this system tells no process its peak memory")
@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(DEEDS), marks=pytest.mark.soak)], ids=["some", "all"])
async def test_no_answer_takes_more_memory_than_its_bound(servers: Servers, names: Sequence[str]) -> None:
    server, elsewhere = servers
    async with client_in_a_process() as ask:
        # What is imported and allocated once.
        await ask(server.url, "redirect-nothing", "market_holidays", 1)
        for name in names:
            result = await ask(server.url, name, CALL_OF.get(name, "market_holidays"), 1)
            assert result["growth"] < BOUND_MEGABYTES, (name, result)
            assert not unseen(result["said"]), (name, result)
    assert not elsewhere.heads


@pytest.mark.soak
@pytest.mark.skipif(not can_measure(), reason="this system tells no process its peak memory")
@pytest.mark.parametrize("name", ["big-length", "big-chunked", "bomb-gzip", "numbers", "hints"])
async def test_forty_answers_at_once_stay_within_their_bound(servers: Servers, name: str) -> None:
    async with client_in_a_process() as ask:
        result = await ask(servers[0].url, name, "market_metrics", 40)
    assert result["growth"] < TOGETHER_MEGABYTES, result
