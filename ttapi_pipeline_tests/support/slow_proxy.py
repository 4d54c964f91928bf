# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Between a client and an object store: every answer comes some milliseconds later; requests and bytes are counted."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from yarl import URL

_HOP_BY_HOP: Final = frozenset({"connection", "content-encoding", "keep-alive", "transfer-encoding"})
_MOST_BYTES: Final = 1 << 32


@dataclass
class Traffic:
    """What went through.

    Attributes:
        url: The address to use in place of the store's.
        requests: Method and path of each, in the order of their arrival.
        by_path: Bytes of bodies in both directions, by path.
        bytes_in: Bytes of bodies from the client.
        bytes_out: Bytes of bodies to the client.
        is_down: Whether connections are closed without an answer, as of a store that is away; to be set by a test.
        waves: Times at which a request came while none was in flight: at least so many times was waited for an answer.
    """

    url: str = ""
    requests: list[str] = field(default_factory=list)
    by_path: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    waves: int = 0
    is_down: bool = False
    _in_flight: int = 0

    def reset(self) -> None:
        """Count from zero."""
        self.requests.clear()
        self.by_path.clear()
        self.bytes_in = self.bytes_out = self.waves = 0

    @property
    def bytes(self) -> int:
        """Bytes of bodies in both directions."""
        return self.bytes_in + self.bytes_out


@contextmanager
def slow_proxy(server: str, *, delay_seconds: float = 0.03) -> Iterator[Traffic]:
    """Listen on a free port of this machine, in a thread, for the length of the block."""
    traffic, loop, stopped = Traffic(), asyncio.new_event_loop(), asyncio.Event()
    ready = threading.Event()

    async def serve() -> None:
        # Without auto_decompress=False, the lengths would be those of other bodies.
        connector = TCPConnector(limit=0)
        timeout = ClientTimeout(total=300)
        async with ClientSession(auto_decompress=False, connector=connector, timeout=timeout) as session:

            async def answer(request: web.Request) -> web.Response:
                return await _forward(request, session, server, traffic, delay_seconds)

            app = web.Application(client_max_size=_MOST_BYTES)
            app.router.add_route("*", "/{path:.*}", answer)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            traffic.url = f"http://{host}:{port}"
            ready.set()
            await stopped.wait()
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    if not ready.wait(30):
        raise TimeoutError("the proxy does not listen")
    try:
        yield traffic
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(30)
        loop.close()


async def _forward(
    request: web.Request, session: ClientSession, server: str, traffic: Traffic, delay_seconds: float
) -> web.Response:
    traffic.requests.append(f"{request.method} {request.raw_path}")
    traffic.waves += traffic._in_flight == 0
    traffic._in_flight += 1
    try:
        if traffic.is_down and request.transport is not None:
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        body = await request.read()
        traffic.bytes_in += len(body)
        traffic.by_path[request.path] += len(body)
        url = URL(server + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        # As a file, since aiohttp warns of large bodies as bytes.
        sent = BytesIO(body) if body else None
        async with session.request(request.method, url, data=sent, headers=headers) as reply:
            content = await reply.read()
            await asyncio.sleep(delay_seconds)
            kept = {name: value for name, value in reply.headers.items() if name.lower() not in _HOP_BY_HOP}
            if request.method != "HEAD":
                kept.pop("Content-Length", None)
                traffic.bytes_out += len(content)
                traffic.by_path[request.path] += len(content)
            return web.Response(status=reply.status, body=content or None, headers=kept)
    finally:
        traffic._in_flight -= 1
