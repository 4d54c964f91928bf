# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The streamer of the PyPI package `tastytrade`, unmodified: it asks its session for two things only."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

from tastytrade import DXLinkStreamer, Session
from tastytrade.dxfeed import Candle, Greeks, Profile, Quote, Summary, Trade

from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.raw_dxlink import (
    CLOSED_AT,
    OPEN_AT,
    Server,
)
from ttapi_pipeline_tests.support.tastytrade_streamer import tastytrade_streamer


@asynccontextmanager
async def third_party(server: Server) -> AsyncIterator[DXLinkStreamer]:
    async def get(path: str) -> dict[str, str]:
        assert path == "/api-quote-tokens"
        return {"token": server.tokens.issue().token, "dxlink-url": server.url}

    session = cast(Session, SimpleNamespace(_get=get, client_kwargs={}))
    async with tastytrade_streamer(session) as streamer:
        yield streamer


async def test_the_tastytrade_client_receives_every_daily_bar(closed_server: Server, market: Market) -> None:
    async with third_party(closed_server) as streamer:
        start = datetime(2019, 1, 2, tzinfo=UTC)
        await streamer.subscribe_candle(["AAPL", "BRK/B"], "1d", start_time=start)
        received: dict[str, list[Candle]] = {"AAPL{=d,tho=true}": [], "BRK/B{=d,tho=true}": []}
        ended = 0
        while ended < 2:
            candle = await asyncio.wait_for(streamer.get_event(Candle), 10)
            ended += candle.snapshot_end
            if not candle.remove:
                received[candle.event_symbol].append(candle)
        for symbol, candles in received.items():
            bars = market.bars(symbol.partition("{")[0], first=start.date(), at=CLOSED_AT)
            assert [candle.close for candle in reversed(candles)] == [Decimal(str(close)) for close in bars.close]
            assert [candle.count for candle in reversed(candles)] == bars.count.tolist()


async def test_the_tastytrade_client_receives_intraday_bars(closed_server: Server) -> None:
    async with third_party(closed_server) as streamer:
        await streamer.subscribe_candle("SPX", "5m", datetime(2026, 11, 20, tzinfo=UTC), extended_trading_hours=True)
        candles = [await asyncio.wait_for(streamer.get_event(Candle), 10) for _ in range(79)]
        assert [candle.event_flags for candle in candles] == [4, *[0] * 77, 10]
        assert {candle.event_symbol for candle in candles} == {"SPX{=5m}"}


async def test_the_tastytrade_client_receives_the_five_quote_type_events(server: Server, market: Market) -> None:
    expiration = market.expirations("SPY", OPEN_AT)[-1]
    strike = min(expiration.strikes, key=lambda strike: abs(float(strike) - market.spot("SPY", OPEN_AT).price))
    option = OptionSymbol(expiration.root_symbol, expiration.expiration_date, "C", strike).streamer
    async with third_party(server) as streamer:
        for event_class in (Quote, Trade, Summary, Profile):
            await streamer.subscribe(event_class, ["AAPL", "SPX"])
            events = [await asyncio.wait_for(streamer.get_event(event_class), 10) for _ in range(2)]
            assert {event.event_symbol for event in events} == {"AAPL", "SPX"}
        await streamer.subscribe(Greeks, [option])
        greeks = await asyncio.wait_for(streamer.get_event(Greeks), 10)
        assert greeks.event_symbol == option
        assert 0.3 < greeks.delta < 0.8
        assert math.isclose(
            greeks.price, market.option_quote(OptionSymbol.from_streamer(option).occ, OPEN_AT).theoretical_price
        )
        await streamer.subscribe(Quote, [option])
        quote = await asyncio.wait_for(streamer.get_event(Quote), 10)
        assert quote.bid_price <= greeks.price <= quote.ask_price
        await streamer.subscribe(Summary, [option])
        assert (await asyncio.wait_for(streamer.get_event(Summary), 10)).open_interest >= 0


async def test_the_tastytrade_client_can_unsubscribe_and_subscribe_again(server: Server) -> None:
    async with third_party(server) as streamer:
        await streamer.subscribe(Quote, ["SPY"])
        await asyncio.wait_for(streamer.get_event(Quote), 10)
        await streamer.unsubscribe_all(Quote)
        while "Quote" in streamer._subscription_state:  # noqa: ASYNC110 - the package offers no event to wait for
            await asyncio.sleep(0.001)
        await streamer.subscribe(Quote, ["QQQ"])
        assert (await asyncio.wait_for(streamer.get_event(Quote), 10)).event_symbol == "QQQ"
