# SPDX-License-Identifier: MIT
"""A running simulator under control: faults, counters, from outside of its process and event loop."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
