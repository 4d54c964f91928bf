# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Ways in which a REST server says back what it was told, secrets included."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

Said = Callable[[str, web.Request], Awaitable[web.StreamResponse]]


def reply(status: int, text: str, kind: str = "application/json", **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, text=text, content_type=kind, headers=named)


async def tastytrades_error(said: str, _: web.Request) -> web.StreamResponse:
    return reply(
        403, json.dumps({"error": {"code": said, "message": said, "errors": [{"code": said, "message": said}]}})
    )


async def oauth_error(said: str, _: web.Request) -> web.StreamResponse:
    return reply(400, json.dumps({"error": said, "error_description": said}))


async def another_object(said: str, _: web.Request) -> web.StreamResponse:
    return reply(500, json.dumps({said: [said]}))


async def page(said: str, _: web.Request) -> web.StreamResponse:
    return reply(502, f"<title>{said}</title><p>{said}</p>", "text/html")


async def plain_text(said: str, _: web.Request) -> web.StreamResponse:
    return reply(401, said, "text/plain", WWW_Authenticate=said)


async def throttled(said: str, _: web.Request) -> web.StreamResponse:
    return reply(429, json.dumps({"error": {"code": "x", "message": said}}), Retry_After="1")


async def retry_after(said: str, _: web.Request) -> web.StreamResponse:
    return reply(503, said, "text/plain", Retry_After=said.replace("\n", ""))


async def redirect(said: str, _: web.Request) -> web.StreamResponse:
    return reply(302, "", Location=f"http://127.0.0.1:9/{said}")


async def no_json(said: str, _: web.Request) -> web.StreamResponse:
    return reply(200, f'{{"data": {said}')


async def another_type(said: str, _: web.Request) -> web.StreamResponse:
    return reply(200, json.dumps({"data": {"items": said, "token": [said], "dxlink-url": {said: said}, "level": 1}}))


async def a_row_that_cannot_be_read(said: str, _: web.Request) -> web.StreamResponse:
    return reply(200, json.dumps({"data": {"items": [{"symbol": [said], "account": said}, said]}}))


async def cut_off(said: str, request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "9999"})
    await answer.prepare(request)
    await answer.write(said.encode())
    assert request.transport is not None
    request.transport.abort()
    return answer


WAYS = (
    *(tastytrades_error, oauth_error, another_object, page, plain_text, throttled, retry_after, redirect, no_json),
    *(another_type, a_row_that_cannot_be_read, cut_off),
)
