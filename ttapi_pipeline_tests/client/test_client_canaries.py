# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Servers that say the client's secrets back, in every way that they can fail: none is in an error or a log record."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline_tests.support.debug_logs import logged_at_debug
from ttapi_pipeline_tests.support.echoes import WAYS, Said

if TYPE_CHECKING:
    from ttapi_pipeline.client import TastytradeClient
    from ttapi_pipeline_tests.support.rest import ScriptedServer

CALLS: Mapping[str, Callable[[TastytradeClient], Awaitable[object]]] = {
    "/market-metrics": lambda client: client.market_metrics(["AAPL"]),
    "/customers/me/accounts": lambda client: client.accounts(),
    "/api-quote-tokens": lambda client: client.quote_token(),
    "/oauth/token": lambda client: client.accounts(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", CALLS)
async def test_a_secret_that_is_said_back_is_nowhere(
    server: ScriptedServer, connect: Callable[..., TastytradeClient], path: str, way: Said
) -> None:
    async def say_back(request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        # The last of `secrets` is only the beginning of the tokens; the whole one is in the header.
        return await way(" ".join([*server.secrets[:2], authorization, (await request.read()).decode()]), request)

    server.once(path, *[say_back] * 9)
    texts = []
    with logged_at_debug() as logged:
        async with connect() as client:
            try:
                result = await CALLS[path](client)
                texts.append(repr(result))
            except TTError as error:
                texts += [str(error), repr(error), "".join(traceback.format_exception(error))]
        texts.append(logged())
    assert server.hits[path]
    assert len(texts[-1]) > 100
    assert [text for text in texts if "canary" in text] == []
