# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The three users of DXLink links, with deadlines of a second, for tests against `hostile_dxlink`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from typing import Final

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.candle_collection import collect_daily_candles
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect
from ttapi_pipeline.streaming.feed import quote_feed
from ttapi_pipeline.streaming.feed_options import FeedOptions
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.streaming.quote_board import QuoteBoard
from ttapi_pipeline.streaming.quote_collection import collect_quotes

CANARY: Final = "canary-quote-token-4711"

FIRST: Final = date(2026, 11, 2)
LAST: Final = date(2026, 11, 20)
SYMBOLS: Final = ("AAPL", "KO", "SPX")

_QUICK: Final = Backoff(0.01, 0.02)


def opening(url: str, *, seconds: float) -> OpenConnection:
    """Opens links that are given up after this time of silence."""

    @asynccontextmanager
    async def open_connection() -> AsyncIterator[DxLinkConnection]:
        place = f"{url}/realtime"
        async with connect(place, CANARY, open_seconds=seconds, silence_seconds=seconds) as link:
            yield link

    return open_connection


async def candles(url: str, seconds: float) -> tuple[object, str]:
    """The histories that came, and the reasons of the others."""
    collection = await collect_daily_candles(
        opening(url, seconds=seconds),
        dict.fromkeys(SYMBOLS, FIRST),
        last_session=LAST,
        deadline_seconds=seconds,
        backoff=_QUICK,
        max_failures=2,
    )
    return collection.rows, " / ".join(collection.missing.values())


async def quotes(url: str, seconds: float) -> tuple[object, str]:
    """The symbols that answered, and the reasons of the others."""
    board = QuoteBoard(SYMBOLS)
    answers = await collect_quotes(opening(url, seconds=seconds), board, deadline_seconds=seconds, backoff=_QUICK)
    return answers.rows, " / ".join(answers.missing.values())


async def feed(url: str, seconds: float, *, has_sales: bool = False) -> tuple[object, str]:
    """The health of a feed after that time, and the reason why its last link was lost."""
    options = FeedOptions(
        has_sales=has_sales, pace_seconds=0.01, open_seconds=seconds, probe_seconds=seconds / 2, backoff=_QUICK
    )
    async with quote_feed(opening(url, seconds=seconds), SYMBOLS, options=options, clock=SYSTEM_CLOCK) as running:
        async with running.quotes() as consumer, running.sales() as sales:
            until = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < until:
                await asyncio.sleep(seconds / 20)
                consumer.take()
                sales.take()
        health = running.health()
    return health, " / ".join(connection.reason for connection in health.connections)


USERS: Final[Mapping[str, Callable[[str, float], Awaitable[tuple[object, str]]]]] = {
    "candles": candles,
    "quotes": quotes,
    "feed": feed,
    "sales": partial(feed, has_sales=True),
}


async def outcome(user: str, url: str, seconds: float) -> tuple[object, str]:
    """The value of a user, or the sentence of its error. Any other exception goes through."""
    try:
        return await USERS[user](url, seconds)
    except TTError as error:
        return None, str(error)


async def dxlink_case(url: str, deed: str, user: str, seconds: float) -> str:
    """For `harmless`."""
    value, said = await outcome(user, f"{url}/{deed}", seconds)
    return said or str(value)
