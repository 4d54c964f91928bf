# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/simulator`: the controls of the simulator itself, which the broker does not have: faults and counters."""

from __future__ import annotations

import time
from collections.abc import Sequence

import orjson

from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.simulator.counters import Counters
from ttapi_pipeline.simulator.faults import FaultPlan
from ttapi_pipeline.simulator.rest.endpoints.tokens import dxlink_url
from ttapi_pipeline.simulator.rest.oauth import OAuth
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import Answer, Call, RequestError, Row, instant, listing, single


class ControlRoutes:
    """Faults, counters, seed and time; all of them answer without an access token."""

    def __init__(self, *, seed: int, oauth: OAuth, faults: FaultPlan, counters: Counters) -> None:
        self._seed = seed
        self._oauth = oauth
        self._faults = faults
        self._counters = counters

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/simulator", self._simulator, is_open=True),
            Route("GET", "/simulator/counters", self._counted, is_open=True),
            Route("POST", "/simulator/counters/reset", self._reset, is_open=True),
            Route("GET", "/simulator/faults", self._list_faults, is_open=True),
            Route("POST", "/simulator/faults", self._add_faults, is_open=True),
            Route("DELETE", "/simulator/faults", self._clear_faults, is_open=True),
            Route("DELETE", "/simulator/faults/{id}", self._clear_fault, is_open=True),
        )

    def _simulator(self, call: Call) -> Answer:
        data = {
            "seed": self._seed,
            "time": instant(call.now),
            "url": f"http://{call.host}",
            "dxlink-url": dxlink_url(call),
            # A benchmark of a client subtracts the time that was spent here.
            "cpu-seconds": time.process_time(),
        }
        return single(call, data)

    def _counted(self, call: Call) -> Answer:
        return single(call, self._counters.snapshot())

    def _reset(self, call: Call) -> Answer:
        self._counters.reset()
        return self._counted(call)

    def _list_faults(self, call: Call) -> Answer:
        return listing(call, [fault.summary() for fault in self._faults.listing()])

    def _add_faults(self, call: Call) -> Answer:
        """Add one fault or a list of them; a list is added as a whole or not at all."""
        try:
            payload = orjson.loads(call.body)
        except orjson.JSONDecodeError as error:
            raise RequestError(400, "validation_error", "Request body is not valid JSON") from error
        specs: Sequence[Row] = payload if isinstance(payload, list) else [payload]
        added = []
        try:
            if not specs:
                raise ConfigError("there is no fault in the list")
            for spec in specs:
                if not isinstance(spec, dict):
                    raise ConfigError("a fault is an object with at least a kind")
                added.append(self._faults.add_spec(spec))
        except ConfigError as error:
            for fault in added:
                self._faults.clear(fault.id)
            raise RequestError(400, "validation_error", str(error)) from error
        return Answer(orjson.dumps({"data": {"items": [fault.summary() for fault in added]}}), 201)

    def _clear_faults(self, call: Call) -> Answer:
        self._oauth.forgive()
        return single(call, {"cleared": self._faults.clear()})

    def _clear_fault(self, call: Call) -> Answer:
        text = call.params["id"]
        cleared = self._faults.clear(int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
        if not cleared:
            raise RequestError(404, "not_found", f"There is no fault {text[:20]}")
        return single(call, {"cleared": cleared})
