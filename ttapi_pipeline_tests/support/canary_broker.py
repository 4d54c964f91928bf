# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A broker whose every secret is a canary, and which says them back in its failures.

It stands before a simulator and translates: client secret, refresh token, session tokens, quote tokens and account
numbers are its own. A plan says which of its answers are failures.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import WSMsgType, web

from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline_tests.support.echoes import Said

CLIENT_SECRET: Final = "canary-client-secret-4711"
REFRESH_TOKEN: Final = "canary-refresh-token-0815"
SESSION: Final = "canary-session-"
QUOTE: Final = "canary-quote-"
ACCOUNTS: Final = "7CA0000"
"""Account numbers begin so."""
ALERTS: Final = "canary-alert-token-1618"
"""Password and path of the webhook that is told."""

CANARIES: Final = (CLIENT_SECRET, REFRESH_TOKEN, SESSION, QUOTE, ACCOUNTS, ALERTS)

_OURS: Final = "5WT0000"
"""Account numbers of the simulator begin so."""

Plan = Callable[[str, int], Said | None]
"""The failure that answers the n-th request of a path, from 1; None for a true answer."""


def all_is_well(_: str, __: int) -> Said | None:
    return None


@dataclass
class CanaryBroker:
    """Listens in a thread of its own.

    Attributes:
        plan: What fails.
        dxlink: What the links say back: nothing, ``error``, ``close``, ``state`` or ``event``.
        failures: How many answers were failures.
        alerts: What its webhook was told.
        said: What clients have said so far, and what they were given: every canary that there is.
    """

    simulator: str
    url: str = ""
    plan: Plan = all_is_well
    dxlink: str = ""
    failures: int = 0
    links: int = 0
    alerts: list[str] = field(default_factory=list)
    said: dict[str, None] = field(default_factory=lambda: dict.fromkeys((CLIENT_SECRET, REFRESH_TOKEN)))
    _real_dxlink: str = ""
    _counts: dict[str, int] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/dxlink":
            return await self._link(request)
        if ALERTS in request.path:
            return await self._alert(request)
        path = request.rel_url.raw_path
        self._counts[path] = self._counts.get(path, 0) + 1
        body = (await request.read()).decode()
        failure = self.plan(path, self._counts[path])
        if failure is not None:
            self.failures += 1
            return await failure(" ".join([*self.said, request.headers.get("Authorization", ""), body]), request)
        return await self._true_answer(request, body)

    async def _alert(self, request: web.Request) -> web.Response:
        """Refuse it, and say all canaries back, as a webhook might."""
        self.alerts.append(await request.text())
        said = " ".join([*self.said, ALERTS])
        return web.Response(status=500, reason=said, text=said, headers={"X-Said": said})

    async def _true_answer(self, request: web.Request, body: str) -> web.Response:
        for canary, real in ((CLIENT_SECRET, SIMULATOR_CLIENT_SECRET), (REFRESH_TOKEN, SIMULATOR_REFRESH_TOKEN)):
            body = body.replace(canary, real)
        kept = {
            name: value.replace(SESSION, "")
            for name, value in request.headers.items()
            if name in {"Authorization", "Content-Type", "User-Agent", "Accept"}
        }
        url = self.simulator + str(request.rel_url).replace(ACCOUNTS, _OURS)
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, url, headers=kept, data=body or None) as answer,
        ):
            text = (await answer.text()).replace(_OURS, ACCOUNTS)
        if request.path == "/oauth/token" and answer.status == 200:
            granted = json.loads(text)
            granted["access_token"] = SESSION + granted["access_token"]
            self.said[granted["access_token"]] = None
            text = json.dumps(granted)
        if request.path == "/api-quote-tokens" and answer.status == 200:
            given = json.loads(text)
            self._real_dxlink = given["data"]["dxlink-url"]
            given["data"] |= {"token": QUOTE + given["data"]["token"], "dxlink-url": f"ws{self.url[4:]}/dxlink"}
            self.said[given["data"]["token"]] = None
            text = json.dumps(given)
        self.said |= {f"{ACCOUNTS}{number}": None for number in "123" if f"{ACCOUNTS}{number}" in text}
        return web.Response(status=answer.status, text=text, content_type="application/json")

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ours = web.WebSocketResponse(max_msg_size=0)
        await ours.prepare(request)
        self.links += 1
        async with aiohttp.ClientSession() as session, session.ws_connect(self._real_dxlink, max_msg_size=0) as theirs:

            async def back() -> None:
                async for message in theirs:
                    if message.type is WSMsgType.TEXT:
                        await ours.send_str(message.data)
                await ours.close()

            task = asyncio.create_task(back())
            try:
                async for message in ours:
                    if message.type is WSMsgType.TEXT:
                        if self.dxlink and '"FEED_SUBSCRIPTION"' in message.data and await self._say_back(ours):
                            break
                        await theirs.send_str(message.data.replace(QUOTE, ""))
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return ours

    async def _say_back(self, link: web.WebSocketResponse) -> bool:
        """Say the canaries back; whether the link is over then."""
        said = " ".join(self.said)
        self.failures += 1
        match self.dxlink:
            case "error":
                await link.send_json({"type": "ERROR", "channel": 0, "error": said, "message": said})
                return False
            case "event":
                config = {"Quote": ["eventSymbol"], "Candle": ["eventSymbol", "time", "eventFlags"]}
                await link.send_json({"type": "FEED_CONFIG", "channel": 1, "eventFields": config})
                await link.send_json({"type": "FEED_DATA", "channel": 1, "data": ["Quote", [said]]})
                return False
            case "state":
                await link.send_json({"type": "AUTH_STATE", "channel": 0, "state": said})
                return True
        # A reason has 123 bytes at most.
        quote_tokens = [each for each in self.said if each.startswith(QUOTE)]
        await link.close(code=4_000, message=quote_tokens[-1].encode()[:120])
        return True


@contextmanager
def canary_broker(simulator: str) -> Iterator[CanaryBroker]:
    """Before the simulator at that URL, for the length of the block."""
    broker = CanaryBroker(simulator)
    is_ready, ends = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", broker.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        broker.url = "http://{}:{}".format(*runner.addresses[0][:2])
        is_ready.set()
        await ends.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="canary-broker")
    thread.start()
    try:
        assert is_ready.wait(30)
        yield broker
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join(30)
        loop.close()


def now_and_then(*ways: Said, spared: str = "/oauth/token") -> Plan:
    """Every other request fails, in one way after the other; those of the spared path do not."""
    turns = itertools.cycle([way for each in ways for way in (each, None)])

    def plan(path: str, _: int) -> Said | None:
        return None if path == spared else next(turns)

    return plan


def always(way: Said, *, of: str = "", spared: str = "") -> Plan:
    """Every request of a path that begins so fails in that way."""

    def plan(path: str, _: int) -> Said | None:
        return way if path.startswith(of) and not (spared and path.startswith(spared)) else None

    return plan
