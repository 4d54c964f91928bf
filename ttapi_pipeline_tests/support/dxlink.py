# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""DXLink servers for tests: a scripted one, written from the protocol notes alone, and links to a simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.simulator.server import Simulator, serving
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect
from ttapi_pipeline.streaming.links import OpenConnection

CANARY = "canary-quote-token-4711"
Answer = Callable[[ServerConnection, str, int], Awaitable[None]]


class Exchange:
    """A server that authorises everybody and serves candles; a test changes what it needs.

    Attributes:
        url: Where it listens.
        received: Every message of every client, in order.
        links: How many links were opened so far.
        refused_tokens: How many of the next tokens are refused.
        first_message: Sent in place of the answer to SETUP, when set.
        answer: Called with the socket, the candle symbol and the link's number for each subscription.
        active: Subscriptions of the newest link.
        most_active: The most there ever were.
    """

    def __init__(self) -> None:
        self.url = ""
        self.received: list[dict[str, Any]] = []
        self.links = 0
        self.refused_tokens = 0
        self.first_message: str | None = None
        self.layout: Sequence[str] | None = None
        self.answer: Answer = self.send_two_bars
        self.active: set[str] = set()
        self.most_active = 0
        self._heard = asyncio.Event()

    async def serve(self, socket: ServerConnection) -> None:
        self.links += 1
        link = self.links
        self.active = set()
        async for text in socket:
            message = json.loads(text)
            self.received.append(message)
            self._heard.set()
            await self._react(socket, message, link)

    async def _react(self, socket: ServerConnection, message: dict[str, Any], link: int) -> None:
        channel = message["channel"]
        match message["type"]:
            case "SETUP" if self.first_message is not None:
                await socket.send(self.first_message)
            case "SETUP":
                await send(socket, type="SETUP", channel=0, version="1.0-test", keepaliveTimeout=60)
                await send(socket, type="AUTH_STATE", channel=0, state="UNAUTHORIZED")
            case "AUTH" if self.refused_tokens:
                self.refused_tokens -= 1
                await send(socket, type="AUTH_STATE", channel=0, state="UNAUTHORIZED")
            case "AUTH":
                await send(socket, type="AUTH_STATE", channel=0, state="AUTHORIZED", userId="u-1")
            case "CHANNEL_REQUEST":
                parameters = {**message["parameters"], "subFormat": "LIST"}
                await send(socket, type="CHANNEL_OPENED", channel=channel, service="FEED", parameters=parameters)
            case "FEED_SETUP":
                self.layout = message["acceptEventFields"]["Candle"]
                await send(socket, type="FEED_CONFIG", channel=channel, dataFormat="COMPACT", aggregationPeriod=0)
                await send(
                    socket,
                    type="FEED_CONFIG",
                    channel=channel,
                    dataFormat="COMPACT",
                    aggregationPeriod=0,
                    eventFields={"Candle": self.layout},
                )
            case "FEED_SUBSCRIPTION":
                self.active -= {entry["symbol"] for entry in message.get("remove", ())}
                self.active |= {entry["symbol"] for entry in message.get("add", ())}
                self.most_active = max(self.most_active, len(self.active))
                for entry in message.get("add", ()):
                    await self.answer(socket, entry["symbol"], link)

    async def send_bars(self, socket: ServerConnection, *bars: tuple[int, str, str, float | str]) -> None:
        """Send one frame of (flags, symbol, session, close) bars."""
        values: list[Any] = []
        for flags, symbol, session, close in bars:
            milliseconds = int(datetime.fromisoformat(f"{session}T00:00:00+00:00").timestamp() * 1000)
            numbers: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), close)
            event = {"eventFlags": flags, "eventSymbol": symbol, "time": milliseconds, "sequence": 0, **numbers}
            values.extend(event.get(name, 7 if name == "count" else "NaN") for name in self.layout or ())
        await send(socket, type="FEED_DATA", channel=1, data=["Candle", values])

    async def send_two_bars(self, socket: ServerConnection, symbol: str, link: int) -> None:
        await self.send_bars(
            socket, (4, symbol, "2026-11-20", 11.0), (0, symbol, "2026-11-19", 10.0), (10, symbol, "2026-11-02", "NaN")
        )

    async def until_received(self, message_type: str) -> None:
        """Wait until such a message has come."""
        async with asyncio.timeout(10):
            while message_type not in (message["type"] for message in self.received):
                self._heard.clear()
                await self._heard.wait()

    def types(self) -> list[str]:
        """Types of what came, without keepalives."""
        return [message["type"] for message in self.received if message["type"] != "KEEPALIVE"]

    def added(self) -> list[str]:
        """Candle symbols subscribed, in order."""
        return [entry["symbol"] for message in self.received for entry in message.get("add", ())]

    def link(self, clock: Clock = SYSTEM_CLOCK, **options: Any) -> AbstractAsyncContextManager[DxLinkConnection]:
        """A client's link to this server."""
        return connect(self.url, CANARY, clock=clock, **options)


async def send(socket: ServerConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


@asynccontextmanager
async def listening(exchange: Exchange) -> AsyncIterator[Exchange]:
    async with serve(exchange.serve, "127.0.0.1", 0, compression=None, close_timeout=0.2) as server:
        exchange.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/realtime"
        yield exchange


@asynccontextmanager
async def linked(simulator: Simulator, **options: Any) -> AsyncIterator[OpenConnection]:
    """The simulator listens in this event loop; the value opens links to it on its clock, each with a new token."""
    async with serving(simulator) as url:

        @asynccontextmanager
        async def open_connection() -> AsyncIterator[DxLinkConnection]:
            token = simulator.tokens.issue().token
            place = f"ws{url.removeprefix('http')}/realtime"
            async with connect(place, token, clock=simulator.clock, **options) as link:
                yield link

        yield open_connection
