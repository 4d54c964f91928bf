# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candles of options, compared with the quotes of the market."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Literal

import pytest

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.raw_dxlink import (
    CLOSED_AT,
    FIELDS,
    NOVEMBER_2,
    NOVEMBER_20,
    OPEN_AT,
    Server,
)


def _near_the_money(market: Market, symbol: str, expiration_date: date, side: Literal["C", "P"]) -> OptionSymbol:
    expiration = next(e for e in market.expirations(symbol, OPEN_AT) if e.expiration_date == expiration_date)
    price = market.spot(symbol, OPEN_AT).price
    strike = min(expiration.strikes, key=lambda strike: abs(float(strike) - price))
    return OptionSymbol(expiration.root_symbol, expiration_date, side, strike)


async def test_the_newest_daily_bar_of_an_option_is_its_day(server: Server, market: Market) -> None:
    option = _near_the_money(market, "SPY", date(2026, 12, 18), "C")
    async with server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", f"{option.streamer}{{=d}}", fromTime=0)
        rows = await client.candles(option.streamer)
    assert [row["eventFlags"] for row in rows] == [4, *[0] * (len(rows) - 2), 10]
    quote = market.option_quote(option.occ, OPEN_AT)
    newest = rows[0]
    assert newest["time"] == NOVEMBER_20
    assert [newest[name] for name in ("open", "high", "low", "close", "volume")] == [
        *(quote.open, quote.high, quote.low, quote.last, quote.volume)
    ]
    sessions = [datetime.fromtimestamp(row["time"] / 1000, UTC).date() for row in rows[:-1]]
    assert 20 < len(sessions) == len(set(sessions) & set(sessions_between(sessions[-1], date(2026, 11, 20))))
    assert all(row["low"] <= min(row["open"], row["close"]) for row in rows[:-1])


async def test_intraday_bars_of_an_option_add_up_to_its_day(closed_server: Server, market: Market) -> None:
    option = _near_the_money(market, "SPY", date(2026, 11, 20), "P").streamer
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", f"{option}{{=5m}}", fromTime=NOVEMBER_20)
        # Expired the day before, and still there.
        rows = (await client.candles(option))[:-1]
        await client.subscribe("Candle", f"{option}{{=d}}", fromTime=NOVEMBER_20)
        day = (await client.candles(option))[0]
    assert len(rows) == 78
    assert sum(row["volume"] for row in rows) == day["volume"]
    assert rows[0]["close"] == day["close"]
    # At its end it is worth the distance from the underlying up to the strike: nothing, or a little.
    spot = market.spot("SPY", CLOSED_AT).price
    assert day["close"] == pytest.approx(max(0.0, float(OptionSymbol.from_streamer(option).strike) - spot), abs=0.03)


@pytest.mark.parametrize("symbol", [".SPY261218C1", ".NOSUCH261218C100", ".SPY261217C680", ".nonsense"])
async def test_an_option_that_was_never_listed_is_an_empty_snapshot(server: Server, symbol: str) -> None:
    async with server.feed(fields={"Candle": FIELDS}) as client:
        for period in ("d", "5m"):
            await client.subscribe("Candle", f"{symbol}{{={period}}}", fromTime=NOVEMBER_2)
            assert [row["eventFlags"] for row in await client.candles(symbol)] == [14]
