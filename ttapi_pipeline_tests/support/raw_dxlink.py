# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The DXLink socket of a simulator in the test's event loop, and a client of it that interprets nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from ttapi_pipeline.simulator.counters import Counters
from ttapi_pipeline.simulator.dxlink.tokens import QuoteTokens
from ttapi_pipeline.simulator.dxlink.websocket import add_dxlink
from ttapi_pipeline.simulator.faults import FaultPlan
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.clocks import SteppedClock

OPEN_AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, 10:00 in New York
CLOSED_AT = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
NOVEMBER_2 = 1_793_577_600_000  # 2026-11-02 00:00 UTC, a Monday and a session
NOVEMBER_20 = 1_795_132_800_000
DAY_MS = 86_400_000
FIELDS = ["eventFlags", "eventSymbol", "time", "open", "high", "low", "close", "volume"]

Message = Mapping[str, Any]


@dataclass
class Server:
    """A DXLink server in the test's event loop, and what it was made of."""

    market: Market
    clock: SteppedClock
    tokens: QuoteTokens
    faults: FaultPlan = field(default_factory=FaultPlan)
    counters: Counters = field(default_factory=Counters)
    url: str = ""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        async with aiohttp.ClientSession() as session, session.ws_connect(self.url, max_msg_size=0) as socket:
            yield Client(socket, self)

    @asynccontextmanager
    async def feed(
        self, *types: str, contract: str = "AUTO", fields: Mapping[str, Sequence[str]] | None = None, **setup: object
    ) -> AsyncIterator[Client]:
        """A client with channel 1 open in COMPACT format, its FEED_CONFIG read."""
        async with self.connect() as client:
            await client.authorize()
            await client.open(1, contract)
            wishes = {"acceptEventFields": fields} if fields else {}
            await client.send("FEED_SETUP", 1, **{"acceptDataFormat": "COMPACT", **wishes, **setup})
            assert (await client.receive())["type"] == "FEED_CONFIG"
            yield client


@dataclass
class Client:
    """A raw client: JSON out, JSON in, nothing interpreted."""

    socket: aiohttp.ClientWebSocketResponse
    server: Server

    async def send(self, kind: str, channel: int, **content: object) -> None:
        await self.socket.send_str(json.dumps({"type": kind, "channel": channel, **content}))

    async def receive(self) -> Message:
        """The next message, checked for what every message must be."""
        message = await self.socket.receive(timeout=10)
        assert message.type is WSMsgType.TEXT, message
        assert len(message.data.encode()) < 32_768
        content = json.loads(message.data, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert isinstance(content, dict)
        return content

    async def closed(self) -> int | None:
        """The code that the server closes with, when that is all that it still has to say."""
        message = await self.socket.receive(timeout=10)
        assert message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED}, message
        return message.data if message.type is WSMsgType.CLOSE else self.socket.close_code

    async def authorize(self) -> None:
        await self.send("SETUP", 0, version="0.1-test/1", keepaliveTimeout=60, acceptKeepaliveTimeout=60)
        await self.send("AUTH", 0, token=self.server.tokens.issue().token)
        kinds = [(await self.receive())["type"] for _ in range(3)]
        assert kinds == ["SETUP", "AUTH_STATE", "AUTH_STATE"]

    async def open(self, channel: int, contract: str = "AUTO") -> None:
        await self.send("CHANNEL_REQUEST", channel, service="FEED", parameters={"contract": contract})
        assert (await self.receive())["type"] == "CHANNEL_OPENED"

    async def subscribe(self, event_type: str, *symbols: str, channel: int = 1, **entry: object) -> None:
        add = [{"type": event_type, "symbol": symbol, **entry} for symbol in symbols]
        await self.send("FEED_SUBSCRIPTION", channel, add=add)

    async def nothing(self) -> None:
        """Nothing was sent up to now: the answer to a wrong message is the next thing to come."""
        await self.socket.send_str("?")
        assert (await self.receive())["error"] == "INVALID_MESSAGE"

    async def candles(self, *symbols: str, fields: Sequence[str] = FIELDS, rows: int = 0) -> list[dict[str, Any]]:
        """Candle events until as many snapshots have ended as there are symbols, or until there are that many."""
        events: list[dict[str, Any]] = []
        ended = 0
        while (len(events) < rows) if rows else (ended < len(symbols)):
            message = await self.receive()
            if message["type"] == "FEED_DATA":
                new = compact(message, fields)
                ended += sum(1 for event in new if event["eventFlags"] & (8 | 16))
                events.extend(new)
        return events


def compact(message: Message, fields: Sequence[str]) -> list[dict[str, Any]]:
    """The events of a COMPACT message, which has one type and whole events."""
    event_type, values = message["data"]
    assert isinstance(event_type, str)
    assert values
    assert len(values) % len(fields) == 0
    return [dict(zip(fields, values[i : i + len(fields)], strict=True)) for i in range(0, len(values), len(fields))]


@asynccontextmanager
async def serving(market: Market, at: datetime) -> AsyncIterator[Server]:
    """A server whose clock stands at that time."""
    clock = SteppedClock(at)
    server = Server(market, clock, QuoteTokens(clock))
    app = web.Application()
    add_dxlink(app, market=market, clock=clock, tokens=server.tokens, faults=server.faults, counters=server.counters)
    async with TestServer(app, host="127.0.0.1") as listening:
        server.url = str(listening.make_url("/realtime")).replace("http", "ws", 1)
        yield server
