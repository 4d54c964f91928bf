# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A small REST server that answers as a test tells it to, and counts what it was asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

CLIENT_SECRET = "canary-client-secret-4711"
REFRESH_TOKEN = "canary-refresh-token-0815"
TOKEN = "canary-access-token"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class ScriptedServer:
    """Answers by raw path: one prepared answer after the other, then the path's handler.

    Attributes:
        url: Where it listens.
        hits: Requests per raw path, as they came in.
        tokens: Access tokens that were used, in order.
        grants: Bodies of the token requests.
        lifetime: `expires_in` of the tokens that it grants.
        accepted: Tokens that it accepts; every token that it has granted and not withdrawn.
    """

    url: str = ""
    hits: Counter[str] = field(default_factory=Counter)
    queries: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    grants: list[dict[str, str]] = field(default_factory=list)
    lifetime: float = 900.0
    accepted: set[str] = field(default_factory=set)
    handlers: dict[str, Handler] = field(default_factory=dict)
    prepared: dict[str, list[web.StreamResponse | Handler]] = field(default_factory=dict)
    most_in_flight: int = 0
    secrets: tuple[str, ...] = (CLIENT_SECRET, REFRESH_TOKEN, TOKEN)
    _in_flight: int = 0

    @staticmethod
    def payload(data: object, **beside: object) -> web.Response:
        return web.json_response({"data": data, **beside})

    @staticmethod
    def items(*rows: object, **beside: object) -> web.Response:
        return ScriptedServer.payload({"items": list(rows)}, **beside)

    @staticmethod
    def error(status: int, message: str = "some message", *, code: str = "some_code", **headers: str) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=named)

    @staticmethod
    async def hang_up(request: web.Request) -> web.StreamResponse:
        """Close the connection without an answer."""
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def answer(self, path: str, handler: Handler) -> None:
        self.handlers[path] = handler

    def once(self, path: str, *answers: web.StreamResponse | Handler) -> None:
        self.prepared.setdefault(path, []).extend(answers)

    def total(self) -> int:
        return sum(count for path, count in self.hits.items() if path != "/oauth/token")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        self.hits[path] += 1
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            return await self._answer(request, path)
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        if path == "/oauth/token":
            self.grants.append(json.loads(await request.read()))
        else:
            self.queries.append(request.rel_url.raw_query_string)
            self.headers.append(dict(request.headers))
        prepared = self.prepared.get(path)
        if prepared:
            answer = prepared.pop(0)
            return answer if isinstance(answer, web.StreamResponse) else await answer(request)
        if path == "/oauth/token":
            token = f"{TOKEN}-{len(self.grants)}"
            self.accepted.add(token)
            return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime})
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.accepted:
            return self.error(401, "This token is not known", code="unauthorized")
        if path in self.handlers:
            return await self.handlers[path](request)
        return self.error(404, "No such route", code="not_found")


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """A server that listens on this machine for the length of the block, without answers of its own."""
    server = ScriptedServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield server
    finally:
        await runner.cleanup()
