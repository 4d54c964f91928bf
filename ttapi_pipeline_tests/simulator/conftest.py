# SPDX-License-Identifier: MIT
"""A simulator in the test's own event loop, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from yarl import URL

from ttapi_pipeline.core.settings import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.server import Simulator, build_simulator, serving

FRIDAY_MORNING = datetime(2026, 11, 20, 15, 30, 20, tzinfo=UTC)
"""An hour into a regular session, New York 10:30."""


@dataclass
class FakeClock:
    """Stands still; `sleep` returns at once and moves it on."""

    at: datetime = FRIDAY_MORNING
    sleeps: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def advance(self, **duration: float) -> None:
        self.at += timedelta(**duration)


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    json: Any

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def items(self) -> Any:
        return self.json["data"]["items"]


@dataclass
class Api:
    """A plain HTTP client of one simulator; paths go out exactly as they are written."""

    url: str
    simulator: Simulator
    session: aiohttp.ClientSession
    token: str = ""

    async def login(self) -> str:
        reply = await self.post(
            "/oauth/token",
            json={
                "grant_type": "refresh_token",
                "client_secret": SIMULATOR_CLIENT_SECRET,
                "refresh_token": SIMULATOR_REFRESH_TOKEN,
            },
        )
        self.token = reply.json["access_token"]
        return self.token

    async def request(self, method: str, path: str, **options: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers.update(options.pop("headers", {}))
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, **options) as response:
            body = await response.read()
            is_json = response.headers["Content-Type"].startswith("application/json")
            # Error bodies of a fault may be no JSON at all.
            payload = await response.json() if is_json and body[:1] in {b"{", b"["} and body[-1:] != b"," else None
            return Reply(response.status, dict(response.headers), body, payload)

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Reply:
        return await self.request("POST", path, **options)

    async def fault(self, kind: str, route: str = "*", **more: Any) -> None:
        reply = await self.post("/simulator/faults", json={"kind": kind, "route": route, **more})
        assert reply.status == 201, reply.body


@pytest.fixture(scope="session")
def shared_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def market(shared_clock: FakeClock) -> Market:
    """One market for all tests: it remembers nothing but what it has computed."""
    return Market(clock=shared_clock)


@pytest.fixture
def clock(shared_clock: FakeClock) -> FakeClock:
    shared_clock.at = FRIDAY_MORNING
    shared_clock.sleeps.clear()
    return shared_clock


@pytest.fixture
async def simulator(clock: FakeClock, market: Market) -> AsyncIterator[Api]:
    """A running simulator and a client that has logged in."""
    built = build_simulator(clock=clock, market=market)
    async with serving(built) as url, aiohttp.ClientSession(headers={"User-Agent": "tests/1"}) as session:
        api = Api(url, built, session)
        await api.login()
        yield api
