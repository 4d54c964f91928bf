# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The way of a REST request to its answer, with the checks in the order of the real gateway.

The routes are in `endpoints`, the faults on the way are carried out in `faults`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import orjson
from aiohttp import web

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.simulator.counters import Counters
from ttapi_pipeline.simulator.faults import REST_KINDS, Fault, FaultPlan
from ttapi_pipeline.simulator.rest import faults as rest_faults
from ttapi_pipeline.simulator.rest.oauth import OAuth
from ttapi_pipeline.simulator.rest.router import Route, Router
from ttapi_pipeline.simulator.rest.wire import Answer, Call, Query, RequestError, error_answer, html_answer

CONTROL_FAMILY: Final = "simulator"
TOKEN_TEMPLATE: Final = "/oauth/token"  # noqa: S105 - a path

# The oldest contract that is still served, from a date on; a request without Accept-Version gets this one. The date and
# value of the first row are documented; before it, the contract with single balances was served as well.
_OLDEST_CONTRACTS: Final = ((date(2026, 10, 12), 20250813), (date.min, 20240101))
_GRANT_KINDS: Final = frozenset({"refuse-grant", "address-block"})
_REQUEST_KINDS: Final = frozenset(REST_KINDS) - _GRANT_KINDS


@dataclass(frozen=True, slots=True)
class Gateway:
    """Answers every request that is not a WebSocket.

    Attributes:
        router: All routes, including the controls of the simulator.
    """

    router: Router
    clock: Clock
    oauth: OAuth
    faults: FaultPlan
    counters: Counters

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.rel_url.raw_path
        route: Route | None = None
        params: Mapping[str, str] = {}
        unrouted = Answer(b"")
        try:
            route, params = self.router.match(request.method, path)
        except RequestError as error:
            unrouted = error_answer(error)
        if route is not None and route.family == CONTROL_FAMILY:
            return await rest_faults.send(request, await self._answer(request, route, params, ()), (), self.clock)
        with self.counters.gauge("rest"):
            self.counters.request("unknown" if route is None else route.name)
            address = request.remote or ""
            if (blocked := self.oauth.blocked_seconds(address)) > 0:
                await self.clock.sleep(blocked)
                return self._reset(request)
            if not request.headers.get("User-Agent", "").strip():
                return await self._send(request, html_answer(401, "Authorization Required"), ())
            if route is None:
                return await self._send(request, unrouted, ())
            struck: Sequence[Fault] = ()
            if self.faults:
                struck = self.faults.strike(_REQUEST_KINDS, route.template, request.rel_url.raw_path, route.family)
            for fault in struck:
                if fault.kind == "latency":
                    await rest_faults.delay(fault, self.clock)
            for fault in struck:
                if fault.kind == "reset" and fault.text("when") == "before":
                    return self._reset(request)
                if fault.kind == "status":
                    return await self._send(request, rest_faults.status_answer(fault, self.clock), ())
            answer = await self._answer(request, route, params, struck)
            if route.template == TOKEN_TEMPLATE and answer.status == 400:
                self._note_refusal(address)
            return await self._send(request, rest_faults.changed(answer, struck, family=route.family), struck)

    async def _answer(
        self, request: web.Request, route: Route, params: Mapping[str, str], struck: Sequence[Fault]
    ) -> Answer:
        try:
            contract = self._contract(request.headers.get("Accept-Version"))
            if not route.is_open:
                self._authorize(request.headers.get("Authorization"), struck)
            call = Call(
                path=request.rel_url.raw_path,
                params=params,
                query=Query(request.rel_url.raw_query_string),
                host=request.headers.get("Host", ""),
                now=self.clock.now(),
                contract=contract,
                content_type=request.content_type,
                body=await request.read() if request.can_read_body else b"",
            )
            if route.template == TOKEN_TEMPLATE and (refusal := self._refused_grant()) is not None:
                return refusal
            return route.handler(call)
        except RequestError as error:
            return error_answer(error)
        except web.HTTPRequestEntityTooLarge:
            return error_answer(RequestError(413, "payload_too_large", "Request body is too large"))

    def _contract(self, accept_version: str | None) -> int:
        today = self.clock.now().date()
        oldest = next(version for since, version in _OLDEST_CONTRACTS if since <= today)
        if accept_version is None:
            return oldest
        text = accept_version.strip()
        if len(text) != 8 or not text.isascii() or not text.isdecimal() or int(text) < oldest:
            raise RequestError(406, 406, f"Accept-Version {text[:20]} is not supported; the oldest is {oldest}")
        return int(text)

    def _authorize(self, authorization: str | None, struck: Sequence[Fault]) -> None:
        token = self.oauth.check(authorization)
        kinds = {fault.kind for fault in struck}
        if "revoke-token" in kinds:
            self.oauth.revoke()
        elif "expire-token" in kinds:
            self.oauth.expire(token)
        else:
            return
        self.oauth.check(authorization)

    def _refused_grant(self) -> Answer | None:
        for fault in self.faults.strike({"refuse-grant"}, TOKEN_TEMPLATE, "oauth"):
            status, code = int(fault.number("status")), fault.text("code")
            said = "User is not a TastyTrade customer" if code == "invalid_request" else "Grant revoked"
            match fault.text("form"):
                case "string":
                    return Answer(orjson.dumps({"error": code, "error_description": said}), status)
                case "error-code":
                    return Answer(orjson.dumps({"error_code": code, "error_description": said}), status)
            return error_answer(RequestError(status, code, said))
        return None

    def _note_refusal(self, address: str) -> None:
        refusals = self.oauth.refused(address)
        for fault in self.faults.strike({"address-block"}, TOKEN_TEMPLATE, "oauth"):
            if refusals >= int(fault.number("refusals")):
                self.oauth.block(address, seconds=fault.number("seconds"))

    async def _send(self, request: web.Request, answer: Answer, struck: Sequence[Fault]) -> web.StreamResponse:
        self.counters.response(answer.status)
        return await rest_faults.send(request, answer, struck, self.clock)

    def _reset(self, request: web.Request) -> web.StreamResponse:
        self.counters.response(0)
        rest_faults.abort(request)
        return web.Response(status=503)
