# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Quotes, trades, summaries, profiles and sales: when they come, and that they agree with the market."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.raw_dxlink import (
    CLOSED_AT,
    FIELDS,
    OPEN_AT,
    Server,
    compact,
)


async def test_every_message_has_one_type_and_is_small_and_not_empty(server: Server, market: Market) -> None:
    symbols = [instrument.streamer_symbol for instrument in market.instruments.values()][:300]
    types = ("Quote", "Trade", "Summary")
    async with server.feed(*types) as client:
        add = [{"type": event_type, "symbol": symbol} for symbol in symbols for event_type in types]
        await client.send("FEED_SUBSCRIPTION", 1, add=add)
        config = await client.receive()
        layouts = config["eventFields"]
        assert set(layouts) == set(types)
        seen: set[tuple[str, str]] = set()
        while len(seen) < len(add):
            message = await client.receive()
            assert len(message["data"]) == 2
            event_type = message["data"][0]
            seen |= {(event_type, event["eventSymbol"]) for event in compact(message, layouts[event_type])}


async def test_a_quote_comes_at_once_and_then_as_often_as_its_period_allows(server: Server, market: Market) -> None:
    fields = ["eventSymbol", "bidPrice", "askPrice", "bidTime", "bidSize"]
    async with server.feed(fields={"Quote": fields}, acceptAggregationPeriod=3) as client:
        await client.subscribe("Quote", "AAPL", "NOSUCH", "/ESZ26:XCME")
        await client.receive()
        prices = [compact(await client.receive(), fields)[0]["bidPrice"]]
        for _ in range(2):
            await server.clock.advance(3)
            prices.append(compact(await client.receive(), fields)[0]["bidPrice"])
            await client.nothing()
        assert prices == [market.spot("AAPL", OPEN_AT + timedelta(seconds=n)).bid for n in (0, 3, 6)]
        assert len(set(prices)) > 1


async def test_a_stream_channel_is_not_conflated_by_the_period(server: Server) -> None:
    async with server.feed(contract="STREAM", acceptAggregationPeriod=30) as client:
        await client.subscribe("Quote", "SPY")
        await client.receive()
        for _ in range(3):
            assert (await client.receive())["data"][0] == "Quote"
            await server.clock.advance(1)


async def test_adding_an_active_quote_again_sends_its_present_value_again(closed_server: Server) -> None:
    async with closed_server.feed() as client:
        await client.subscribe("Quote", "SPY")
        await client.receive()
        first = await client.receive()
        await client.subscribe("Quote", "SPY")
        assert await client.receive() == first
        await closed_server.clock.advance(3)
        await client.nothing()


async def test_a_wildcard_on_a_stream_channel_is_everything_that_the_market_has(server: Server, market: Market) -> None:
    fields = {"Trade": ["eventSymbol"]}
    async with server.feed(contract="STREAM", fields=fields) as client:
        await client.subscribe("Trade", "SPY", "*")
        await client.receive()
        listed = {symbol for symbol, row in market.instruments.items() if row.listed_date <= OPEN_AT.date()}
        symbols: list[str] = []
        while len(symbols) < len(listed):
            symbols.extend(event["eventSymbol"] for event in compact(await client.receive(), fields["Trade"]))
        assert sorted(symbols) == sorted(listed)
        await client.send("FEED_SUBSCRIPTION", 1, remove=[{"type": "Trade", "symbol": "*"}])
        await client.nothing()
        await server.clock.advance(2)
        # A subscription by name stays.
        assert compact(await client.receive(), fields["Trade"]) == [{"eventSymbol": "SPY"}]


async def test_a_wildcard_on_another_channel_is_a_symbol_that_does_not_exist(server: Server) -> None:
    async with server.feed(contract="TICKER") as client:
        await client.subscribe("Trade", "*")
        assert (await client.receive())["type"] == "FEED_CONFIG"
        await client.nothing()


async def test_the_sales_of_some_seconds_are_their_volume(server: Server, market: Market) -> None:
    fields = {"TimeAndSale": ["eventSymbol", "time", "index", "price", "size", "bidPrice", "askPrice", "type"]}
    async with server.feed(contract="STREAM", fields=fields) as client:
        await client.subscribe("TimeAndSale", "AAPL", "SPX")
        await client.receive()
        sales = compact(await client.receive(), fields["TimeAndSale"])
        while len(sales) < 21:
            await server.clock.advance(1)
            sales.extend(compact(await client.receive(), fields["TimeAndSale"]))
    # An index does not trade.
    assert {sale["eventSymbol"] for sale in sales} == {"AAPL"}
    start = OPEN_AT.timestamp() * 1000
    assert [sale["time"] for sale in sales] == [start + 1000 * second for second in range(21)]
    # The seconds from bit 32 on, as the published samples have it.
    assert all(sale["index"] == sale["time"] // 1000 << 32 for sale in sales)
    volumes = [market.spot("AAPL", OPEN_AT + timedelta(seconds=second)).volume for second in (-1, 20)]
    assert sum(sale["size"] for sale in sales) == volumes[1] - volumes[0]


async def test_an_index_is_quoted_without_sizes_and_exchange(server: Server) -> None:
    fields = ["bidPrice", "askPrice", "bidSize", "askSize", "bidExchangeCode"]
    async with server.feed(fields={"Quote": fields}) as client:
        await client.subscribe("Quote", "SPX")
        await client.receive()
        (quote,) = compact(await client.receive(), fields)
        assert quote["bidPrice"] == quote["askPrice"] > 0
        assert (quote["bidSize"], quote["askSize"], quote["bidExchangeCode"]) == ("NaN", "NaN", "")


async def test_types_and_symbols_without_events_are_accepted_silently(server: Server) -> None:
    async with server.feed() as client:
        await client.subscribe("TheoPrice", "SPY")
        await client.subscribe("Nonsense", "SPY")
        await client.subscribe("Greeks", "SPY", ".SPY261219C12345", ".nonsense")
        assert set((await client.receive())["eventFields"]) == {"Greeks"}
        await client.nothing()


async def test_summary_and_trade_agree_with_the_daily_bars(closed_server: Server, market: Market) -> None:
    async with closed_server.feed() as client:
        await client.subscribe("Summary", "AAPL")
        layout = (await client.receive())["eventFields"]["Summary"]
        (summary,) = compact(await client.receive(), layout)
        bars = market.bars("AAPL", at=CLOSED_AT)
        # 20777 days from 1970-01-01 are 2026-11-20.
        assert (summary["dayId"], summary["prevDayId"]) == (20_777, 20_776)
        assert summary["dayClosePrice"] == bars.close[-1]
        assert (summary["dayHighPrice"], summary["dayLowPrice"]) == (bars.high[-1], bars.low[-1])
        assert (summary["prevDayClosePrice"], summary["prevDayVolume"]) == (bars.close[-2], bars.volume[-2])
        await client.subscribe("Trade", "AAPL")
        layout = (await client.receive())["eventFields"]["Trade"]
        (trade,) = compact(await client.receive(), layout)
        assert (trade["price"], trade["dayVolume"]) == (bars.close[-1], bars.volume[-1])
        assert trade["change"] == pytest.approx(bars.close[-1] - bars.close[-2], abs=1e-4)
        assert trade["time"] == datetime(2026, 11, 20, 21, tzinfo=UTC).timestamp() * 1000


async def test_a_profile_has_the_year_before_its_session(server: Server, market: Market) -> None:
    async with server.feed() as client:
        await client.subscribe("Profile", "AAPL")
        layout = (await client.receive())["eventFields"]["Profile"]
        (profile,) = compact(await client.receive(), layout)
        bars = market.bars("AAPL", first=date(2025, 11, 20), at=OPEN_AT)
        assert profile["high52WeekPrice"] == bars.high[:-1].max()
        assert profile["low52WeekPrice"] == bars.low[:-1].min()
        assert profile["description"] == market.instruments["AAPL"].description
        assert profile["tradingStatus"] == "ACTIVE"


async def test_halted_new_and_unlisted_symbols_have_what_there_is_of_them(server: Server) -> None:
    fields = {"Profile": ["eventSymbol", "tradingStatus", "haltStartTime"], "Candle": FIELDS}
    async with server.feed(fields=fields) as client:
        await client.subscribe("Profile", "HALTD", "NEWCO")
        await client.receive()
        # It traded last on 14 September 2026 until 16:00 in New York.
        halted_ms = datetime(2026, 9, 14, 20, tzinfo=UTC).timestamp() * 1000
        rows = compact(await client.receive(), fields["Profile"])
        assert [tuple(row.values()) for row in rows] == [("HALTD", "HALTED", halted_ms), ("NEWCO", "ACTIVE", 0)]
        await client.subscribe("Candle", "HALTD{=d}", "NEWCO{=d}", fromTime=0)
        candles = await client.candles("HALTD", "NEWCO")
        newest = next(row for row in candles if row["eventSymbol"] == "HALTD{=d}")
        oldest = [row for row in candles if row["eventSymbol"] == "NEWCO{=d}"][-2]
        days = [datetime.fromtimestamp(row["time"] / 1000, UTC).date() for row in (newest, oldest)]
        assert days == [date(2026, 9, 14), date(2026, 8, 20)]
