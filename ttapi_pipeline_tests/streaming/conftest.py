# SPDX-License-Identifier: MIT
"""A clock that a test moves, and a small DXLink server written from docs/protocols/dxlink.md alone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect

CANARY = "canary-quote-token-4711"
Answer = Callable[[ServerConnection, str, int], Awaitable[None]]


class FakeClock:
    """Time moves only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._slept = asyncio.Event()

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 21, 0, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.seconds + seconds, waiter))
        self._slept.set()
        await waiter

    async def pass_sleep(self, seconds: float) -> None:
        """Wait until something sleeps for exactly that much longer, then let that time pass."""
        async with asyncio.timeout(10):
            while not self._has_sleeper(seconds):
                self._slept.clear()
                await self._slept.wait()
        self.seconds += seconds
        for at, waiter in self._sleepers:
            if at <= self.seconds + 1e-6 and not waiter.done():
                waiter.set_result(None)
        self._sleepers = [(at, waiter) for at, waiter in self._sleepers if not waiter.done()]

    def _has_sleeper(self, seconds: float) -> bool:
        waits = [at - self.seconds for at, waiter in self._sleepers if not waiter.done()]
        return any(abs(wait - seconds) < 1e-6 for wait in waits)


async def until(is_true: Callable[[], object], *, within: float = 20.0) -> None:
    """Wait until a condition holds that nobody tells."""
    async with asyncio.timeout(within):
        while True:
            if is_true():
                return
            await asyncio.sleep(0.01)


class ScaledClock:
    """Runs `speed` times as fast as the machine's, from a start; what it says of the day can be stopped.

    A simulator and its client on one such clock agree on all timeouts, and a test of minutes takes seconds.
    """

    def __init__(self, start: datetime, speed: float) -> None:
        self._start = start
        self._speed = speed
        self._began = time.monotonic()
        self._stopped: datetime | None = None

    def now(self) -> datetime:
        return self._stopped or self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    def stop(self) -> datetime:
        """Time of day stands still from here on; timeouts and delays go on."""
        self._stopped = self.now()
        return self._stopped


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


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with listening(Exchange()) as exchange:
        yield exchange


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def start() -> date:
    """The first session that tests ask for: 1793577600000 in epoch milliseconds."""
    return date(2026, 11, 2)
