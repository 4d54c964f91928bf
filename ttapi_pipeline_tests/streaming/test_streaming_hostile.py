# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""DXLink servers that mean harm: whatever they send, candles, quotes and feeds end in time with what they have.

The deeds are in `support.hostile_dxlink`. A few run in every run, all in `make soak`; a deed that a seed composes is
repeated by its seed. Memory is measured in a process of its own: see "Servers that mean harm" in docs/faults.md.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from ttapi_pipeline.core.errors import StreamClosedError
from ttapi_pipeline.streaming.connection import connect
from ttapi_pipeline.streaming.messages import Contract, Subscription
from ttapi_pipeline_tests.support.debug_logs import logged_at_debug
from ttapi_pipeline_tests.support.harmless import (
    LONGEST_ERROR,
    can_measure,
    client_in_a_process,
    started_lines,
    told,
    unseen,
)
from ttapi_pipeline_tests.support.hostile_dxlink import DEEDS, UPGRADES, HostileFeed, hostile_feed
from ttapi_pipeline_tests.support.hostile_dxlink_calls import CANARY, SYMBOLS, USERS, outcome

Servers = tuple[HostileFeed, HostileFeed]
PATIENCE_SECONDS = 40.0
"""Far above what the deadlines of a call allow: one that hangs would wait for hours."""
SECONDS = 0.5
MOST_LINES = 400
"""Of the log, in both forms: a flood of messages is no flood of lines."""


async def check(servers: Servers, name: str, user: str, *, seconds: float = SECONDS) -> tuple[Any, str]:
    """Use a link once, and hold what holds in any case."""
    server, elsewhere = servers
    with logged_at_debug() as logged:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                value, said = await outcome(user, f"{server.url}/{name}", seconds)
        except Exception:  # noqa: BLE001 - none of them may come out, and the seed has to be said
            pytest.fail(f"{name}, {user}: {traceback.format_exc()}")
        log = logged()
    where = f"{name}, {user}: {said!r}"
    assert not unseen(said), where
    assert "\n" not in said, where
    assert len(said) <= LONGEST_ERROR, where
    assert not told([said, log, repr(value)], [CANARY]), where
    assert not unseen(log), where
    assert not started_lines(log), where
    assert "Traceback" not in log, f"{where}\n{log}"
    assert len(log.splitlines()) <= MOST_LINES, where
    assert max(map(len, log.splitlines()), default=0) <= 4 * LONGEST_ERROR, where
    assert not elsewhere.links, where
    return value, said


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with hostile_feed() as pair:
        yield pair


@pytest.mark.parametrize("user", USERS)
async def test_a_server_that_means_well_is_understood(servers: Servers, user: str) -> None:
    value, said = await check(servers, "good", user)
    assert not said
    if user in {"candles", "quotes"}:
        assert len(value) == len(SYMBOLS)
    else:
        assert (value.is_live, value.answered) == (True, len(SYMBOLS))


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(4, 800))])
async def test_whatever_a_server_sends_its_users_end_in_time_with_what_they_have(servers: Servers, seed: int) -> None:
    for user in USERS if seed >= 4 else [list(USERS)[seed]]:
        await check(servers, f"seed-{seed}", user)


async def test_a_server_that_talks_and_does_not_read_is_given_up(servers: Servers) -> None:
    server, _ = servers
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(StreamClosedError, match=r"has not read for 0.5 s what was sent to it$"):
            await subscribe_without_end(f"{server.url}/pings-and-keepalives/realtime")


async def subscribe_without_end(url: str) -> None:
    """Until nothing more fits into the buffers of both sides."""
    async with connect(url, CANARY, send_seconds=0.5) as link:
        channel = await link.open_feed(Contract.HISTORY, {"Candle": ("eventSymbol", "close")})
        while not await link.next_events():
            pass
        for number in itertools.count():
            symbols = [f"S{number}-{each:050}{{=d}}" for each in range(500)]
            await link.subscribe(channel, add=[Subscription("Candle", symbol, 0) for symbol in symbols])


SAID: Mapping[str, str] = {
    "upgrade-redirect": "no WebSocket, HTTP 302$",
    "upgrade-noise": "did not receive a valid HTTP response$",
    "upgrade-accept": "did not receive a valid HTTP response$",
    "upgrade-headers": "no answer within 0.5 s$",
    "upgrade-slow": "no answer within 0.5 s$",
    "upgrade-body": "no answer within 0.5 s$",
    "silent": "not authorised within 0.5 s$",
    "setups": "not authorised within 0.5 s$",
    "giant-claim": "frame with 4611686018427387904 bytes exceeds limit|not authorised within 0.5 s$",
    "giant-frame": "frame with 419430400 bytes exceeds limit of 2097152 bytes|no complete snapshot within 0.5 s",
    "fragments-empty": r"silent for \d+ s|too many fragments|no complete snapshot within 0.5 s",
    "fragments-of-kilobytes": "exceeds limit of 2097152 bytes|no complete snapshot within 0.5 s",
    "layouts": "FEED_CONFIG: (more than 64 types, or 256|a name of more than 100)|no complete snapshot within 0.5 s",
    "echo": r"AUTH_STATE is '\*\*\*' in phase auth$",
    "fickle": "the session's token is no longer accepted$",
    "closing-channels": "the server closed the candle channel$",
    "opened-unknown": "CHANNEL_OPENED for channel 99, which was not requested$",
    "config-unknown": "FEED_CONFIG for channel 1000000000, which was not requested$",
    "digits": "CHANNEL_OPENED for channel 9{19}…, which was not requested$",
    "deflate": "reserved bits must be 0",
    "close-code": r"received 4999 \(private use\) \\u202e\\x1b\[1m",
    "close-no-utf8": "invalid start byte",
    "no-utf8": "a frame is not a DXLink message: 'utf-8' codec can't decode byte",
    "no-json": "a frame is not a DXLink message: JSON is malformed",
    "deep": "a frame is not a DXLink message: ",
    "opcodes": "invalid opcode",
    "masked": "incorrect masking",
    **dict.fromkeys(("keepalives", "pings-and-keepalives", "unique-candles"), "no complete snapshot within 0.5 s$"),
    "snapshot-without-end": r"no complete snapshot within 0.5 s$|a snapshot without an end: [\d,]+ events$",
    "errors": "no complete snapshot within 0.5 s$",
}
"""What comes of candles, by deed."""
QUICK = ("upgrade-redirect", "echo", "digits", "deflate", "close-code", "deep")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.soak]) for name in SAID]
)
async def test_a_deed_ends_in_time_with_its_sentence(servers: Servers, name: str) -> None:
    _, said = await check(servers, name, "candles")
    assert re.search(SAID[name], said.split(" / ")[0]), said


async def test_a_server_that_wants_a_keepalive_each_nanosecond_gets_ten_a_second(servers: Servers) -> None:
    value, _ = await check(servers, "fast-keepalive", "feed", seconds=1.2)
    assert value.answered == len(SYMBOLS)
    (link,) = servers[0].links["fast-keepalive"]
    # Half of the least timeout: one each tenth of a second.
    assert 1 <= sum(message["type"] == "KEEPALIVE" for message in link.heard) <= 13


async def test_a_symbol_that_is_no_text_costs_itself(servers: Servers) -> None:
    """An event whose symbol is a list came last: the link went on asking with it, and the feed ended in a TypeError."""
    value, _ = await check(servers, "symbol-of-lists", "feed", seconds=1.0)
    assert value.answered == len(SYMBOLS)
    assert value.lost["Quote.eventSymbol"] > 0


BOUND_MEGABYTES = 100
HEAVY = ("columns",)


@pytest.mark.skipif(not can_measure(), reason="this system tells no process its peak memory")
@pytest.mark.parametrize(
    ("names", "users", "seconds"),
    [(HEAVY, ["feed"], 0.5), pytest.param((*UPGRADES, *DEEDS), list(USERS), 5.0, marks=pytest.mark.soak)],
    ids=["some", "all"],
)
async def test_no_link_takes_more_memory_than_its_bound(
    servers: Servers, names: Sequence[str], users: Sequence[str], seconds: float
) -> None:
    server, elsewhere = servers
    async with client_in_a_process("dxlink") as ask:
        for user in users:
            # What is imported and allocated once.
            await ask(server.url, "good", user, 0.2)
        for name in names:
            for user in users:
                result = await ask(server.url, name, user, seconds)
                assert result["growth"] < BOUND_MEGABYTES, (name, user, result)
    assert not elsewhere.links
