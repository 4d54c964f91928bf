# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Simulators for tests: one in another process under control, one in the test's event loop, and a market to share."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import aiohttp
from yarl import URL

from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.server import Simulator

GRANT = {
    "grant_type": "refresh_token",
    "client_secret": SIMULATOR_CLIENT_SECRET,
    "refresh_token": SIMULATOR_REFRESH_TOKEN,
}
"""The body of a request for an access token."""


@cache
def shared_market() -> Market:
    """The market of seed 7 for all tests of a process: it remembers nothing but what it has computed.

    Drawing the paths of the S&P 500 takes two seconds. Ask it with an instant: its own clock is the machine's.
    """
    return Market()


@dataclass(frozen=True)
class SimulatorControl:
    """The control endpoints of the simulator at `url`; each call blocks until it is answered."""

    url: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The `data` of the answer to a request; `path` is what comes after ``/simulator``, such as ``/faults``."""
        request = urllib.request.Request(
            f"{self.url}/simulator{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "tests/1"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)["data"]

    def fault(self, kind: str, route: str = "*", **more: object) -> None:
        """Switch a fault on: `more` may be `count` and `parameters`."""
        self.call("POST", "/faults", {"kind": kind, "route": route, **more})

    def reset(self) -> None:
        """No faults, and every counter at zero."""
        self.call("DELETE", "/faults")
        self.call("POST", "/counters/reset")

    def counters(self) -> Mapping[str, Any]:
        """Everything that the simulator counts, since it started or was reset."""
        counted: Mapping[str, Any] = self.call("GET", "/counters")
        return counted

    def requests(self) -> Mapping[str, int]:
        """Requests per route; the control endpoints themselves are left out."""
        return {route: count for route, count in self.counters()["requests"].items() if "/simulator" not in route}

    def events(self) -> Mapping[str, int]:
        """How often each thing that is not a request happened, such as ``dxlink.snapshots``."""
        counted: Mapping[str, int] = self.counters()["events"]
        return counted

    def requests_in_flight(self) -> int:
        """REST requests that are being answered."""
        return int(self.counters()["in-flight"].get("rest", {"now": 0})["now"])


@dataclass
class Reply:
    """An answer to a request; `json` is None when the body is not JSON."""

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
    """A plain HTTP client of a simulator in the test's event loop; paths go out exactly as they are written."""

    url: str
    simulator: Simulator
    session: aiohttp.ClientSession
    token: str = ""

    async def login(self) -> str:
        """Get an access token and use it from here on."""
        reply = await self.post("/oauth/token", json=GRANT)
        self.token = reply.json["access_token"]
        return self.token

    async def request(self, method: str, path: str, **options: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers.update(options.pop("headers", {}))
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, **options) as response:
            body = await response.read()
            is_json = response.headers["Content-Type"].startswith("application/json")
            # The body may be cut short by a fault.
            payload = await response.json() if is_json and body[:1] in {b"{", b"["} and body[-1:] != b"," else None
            return Reply(response.status, dict(response.headers), body, payload)

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Reply:
        return await self.request("POST", path, **options)

    async def fault(self, kind: str, route: str = "*", **more: Any) -> None:
        """Switch a fault on: `more` may be `count`, `probability`, `seed` and `parameters`."""
        reply = await self.post("/simulator/faults", json={"kind": kind, "route": route, **more})
        assert reply.status == 201, reply.body
