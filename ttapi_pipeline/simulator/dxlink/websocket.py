# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The DXLink WebSocket: carries messages between aiohttp and a `session`, which knows the protocol."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import ClientConnectionResetError, WSMsgType, web

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.simulator.counters import Counters
from ttapi_pipeline.simulator.dxlink.candle_bars import CandleSource
from ttapi_pipeline.simulator.dxlink.event_faults import is_event_place
from ttapi_pipeline.simulator.dxlink.events import EventSource
from ttapi_pipeline.simulator.dxlink.session import DxLinkSession
from ttapi_pipeline.simulator.dxlink.tokens import QuoteTokens
from ttapi_pipeline.simulator.faults import FaultPlan
from ttapi_pipeline.simulator.market.market import Market

ROUTE: Final = "/realtime"
INBOUND_LIMIT: Final = 65_536
"""Bytes of a message from a client; a larger one ends the connection with code 1009."""
FAULT_PLACES: Final = (ROUTE, "dxlink")
"""Where a fault of a connection strikes: route and family."""

_ANSWERS_WAITING: Final = 256
_CLOSE_SECONDS: Final = 1.0
_MESSAGES_PER_TURN: Final = 8


def add_dxlink(
    app: web.Application,
    *,
    market: Market,
    clock: Clock,
    tokens: QuoteTokens,
    faults: FaultPlan,
    counters: Counters,
) -> None:
    """Register the WebSocket route ROUTE.

    Faults of the ``dx-`` kinds strike at the route ``/realtime`` and the family ``dxlink``, those of events also at
    types and symbols. Open connections are closed with code 1001 when the application shuts down.
    """
    candles, events = CandleSource(market), EventSource(market)
    symbols = frozenset(events.symbols)
    faults.is_event_place = lambda place: is_event_place(place, symbols)
    sockets: set[web.WebSocketResponse] = set()

    async def realtime(request: web.Request) -> web.StreamResponse:
        for fault in faults.strike({"dx-upgrade"}, *FAULT_PLACES):
            return web.Response(status=int(fault.number("status")), text="Bad Gateway")
        # No deflate: on the loopback interface it costs more than it saves.
        socket = web.WebSocketResponse(max_msg_size=INBOUND_LIMIT + 1, compress=False, timeout=_CLOSE_SECONDS)
        await socket.prepare(request)
        session = DxLinkSession(
            candles,
            events,
            is_valid_token=tokens.is_valid,
            strike=lambda kinds, *places: faults.strike(kinds, *FAULT_PLACES, *places),
            monotonic=clock.monotonic(),
            count=counters.add,
        )
        sockets.add(socket)
        try:
            with counters.gauge("dxlink.connections"):
                await _Connection(request, socket, session, clock).run()
        finally:
            sockets.discard(socket)
        return socket

    async def close_sockets(_: web.Application) -> None:
        await asyncio.gather(*(socket.close(code=1001, message=b"shutting down") for socket in sockets))

    app.router.add_get(ROUTE, realtime)
    app.on_shutdown.append(close_sockets)


class _Connection:
    """Three tasks around one session: one reads, one writes, one lets time pass."""

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, session: DxLinkSession, clock: Clock
    ) -> None:
        self._request = request
        self._socket = socket
        self._session = session
        self._clock = clock
        self._has_news = asyncio.Event()
        self._has_room = asyncio.Event()

    async def run(self) -> None:
        """Return when either side has ended the connection."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            timekeeper = tasks.create_task(self._pass_time())
            await self._read()
            timekeeper.cancel()
            # The writer may be in the middle of closing: without its close frame the client would see code 1006.
            self._has_news.set()
            await asyncio.wait({writer}, timeout=_CLOSE_SECONDS)
            writer.cancel()

    async def _read(self) -> None:
        async for message in self._socket:
            # A binary frame is answered like any other message that is not JSON.
            if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                break
            self._session.receive(message.data, monotonic=self._clock.monotonic())
            self._has_news.set()
            while self._session.backlog > _ANSWERS_WAITING and not self._socket.closed:
                self._has_room.clear()
                await self._has_room.wait()

    async def _write(self) -> None:
        try:
            while not self._socket.closed:
                await self._has_news.wait()
                self._has_news.clear()
                await self._flush()
        except ClientConnectionResetError:
            return  # the reader sees the end of the connection too
        finally:
            self._has_room.set()

    async def _flush(self) -> None:
        at = self._clock.now()
        sent = 0
        while (message := self._session.next_message(at=at)) is not None:
            if message:
                # This waits for the client when the buffer of the transport is full.
                await self._socket.send_frame(message, WSMsgType.TEXT)
            sent += 1
            self._has_room.set()
            if sent % _MESSAGES_PER_TURN == 0 or not message:
                # Sending into a buffer with room does not yield: give the reader and other connections a turn.
                await asyncio.sleep(0)
                at = self._clock.now()
        if self._session.closing is None:
            return
        if self._session.closing.code == 1006:
            transport = self._request.transport
            if transport is not None:
                transport.abort()
        else:
            await self._socket.close(code=self._session.closing.code, message=self._session.closing.reason.encode())

    async def _pass_time(self) -> None:
        while True:
            # At each full second: the values of the market change once a second.
            await self._clock.sleep(1.0 - self._clock.now().microsecond / 1e6)
            self._session.tick(monotonic=self._clock.monotonic(), at=self._clock.now())
            self._has_news.set()
