# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Channels: opening and closing, layouts, subscriptions, and the limit of snapshots in flight."""

from __future__ import annotations

from typing import Any

import pytest

from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.raw_dxlink import (
    FIELDS,
    NOVEMBER_2,
    Server,
    compact,
)


async def test_an_even_channel_is_a_protocol_violation(server: Server) -> None:
    async with server.connect() as client:
        await client.authorize()
        await client.send("CHANNEL_REQUEST", 2, service="FEED", parameters={"contract": "AUTO"})
        assert await client.receive() == {
            "type": "ERROR",
            "channel": 0,
            "error": "BAD_ACTION",
            "message": "Protocol violation with an even channel usage.",
        }


@pytest.mark.parametrize("contract", ["AUTO", "TICKER", "STREAM", "HISTORY"])
async def test_an_opened_channel_echoes_its_parameters(server: Server, contract: str) -> None:
    async with server.connect() as client:
        await client.authorize()
        await client.send("CHANNEL_REQUEST", 7, service="FEED", parameters={"contract": contract})
        assert await client.receive() == {
            "type": "CHANNEL_OPENED",
            "channel": 7,
            "service": "FEED",
            "parameters": {"contract": contract, "subFormat": "LIST"},
        }


@pytest.mark.parametrize(
    "request_",
    [
        {"channel": 1, "service": "FEED", "parameters": {"contract": "AUTO"}},
        {"channel": 3, "service": "DOM", "parameters": {}},
        {"channel": 3, "service": "FEED", "parameters": {"contract": "EVERYTHING"}},
        {"channel": -1, "service": "FEED", "parameters": {"contract": "AUTO"}},
    ],
)
async def test_a_channel_that_is_open_or_makes_no_sense_is_a_bad_action(
    server: Server, request_: dict[str, Any]
) -> None:
    async with server.connect() as client:
        await client.authorize()
        await client.open(1)
        await client.send("CHANNEL_REQUEST", **request_)
        assert (await client.receive())["error"] == "BAD_ACTION"


async def test_only_so_many_channels_are_open_at_once(server: Server) -> None:
    async with server.connect() as client:
        await client.authorize()
        for channel in range(1, 513, 2):
            await client.open(channel)
        await client.send("CHANNEL_REQUEST", 513, service="FEED", parameters={"contract": "AUTO"})
        assert (await client.receive())["error"] == "BAD_ACTION"


async def test_a_cancelled_channel_is_closed_once_and_silent_until_it_is_opened_again(server: Server) -> None:
    async with server.feed() as client:
        await client.subscribe("Candle", *(f"{symbol}{{=d}}" for symbol in ("SPY", "QQQ", "IWM")), fromTime=0)
        await client.subscribe("Quote", "SPY")
        await client.send("CHANNEL_CANCEL", 1)
        while (await client.receive())["type"] != "CHANNEL_CLOSED":
            pass
        await server.clock.advance(2)
        await client.nothing()
        await client.send("CHANNEL_CANCEL", 1)
        assert (await client.receive())["error"] == "BAD_ACTION"
        await client.subscribe("Quote", "SPY")
        assert (await client.receive())["error"] == "BAD_ACTION"
        await client.open(1)


async def test_fields_are_announced_before_the_first_data_of_each_type_and_not_before(server: Server) -> None:
    fields = {"Quote": ["eventSymbol", "askPrice", "bidPrice"], "Trade": ["price", "eventSymbol"]}
    async with server.connect() as client:
        await client.authorize()
        await client.open(5)
        await client.send(
            "FEED_SETUP", 5, acceptAggregationPeriod=2, acceptDataFormat="COMPACT", acceptEventFields=fields
        )
        config = {"type": "FEED_CONFIG", "channel": 5, "dataFormat": "COMPACT", "aggregationPeriod": 2}
        assert await client.receive() == config
        for event_type, names in fields.items():
            await client.subscribe(event_type, "AAPL", channel=5)
            assert await client.receive() == {**config, "eventFields": {event_type: names}}
            (event,) = compact(await client.receive(), names)
            assert event["eventSymbol"] == "AAPL"
        await client.subscribe("Quote", "MSFT", channel=5)
        assert (await client.receive())["type"] == "FEED_DATA"


async def test_setups_are_merged_and_a_change_of_an_announced_layout_is_announced_before_its_use(
    server: Server,
) -> None:
    async with server.feed(fields={"Quote": ["eventSymbol", "bidPrice"]}) as client:
        await client.send("FEED_SETUP", 1, acceptEventFields={"Trade": ["eventSymbol", "size"]})
        config = await client.receive()
        assert (config["dataFormat"], "eventFields" in config) == ("COMPACT", False)
        await client.subscribe("Quote", "AAPL")
        assert (await client.receive())["eventFields"] == {"Quote": ["eventSymbol", "bidPrice"]}
        await client.receive()
        await client.send("FEED_SETUP", 1, acceptEventFields={"Quote": ["askPrice", "eventSymbol"]})
        assert (await client.receive())["eventFields"] == {"Quote": ["askPrice", "eventSymbol"]}
        await client.subscribe("Quote", "MSFT")
        (event,) = compact(await client.receive(), ["askPrice", "eventSymbol"])
        assert event["eventSymbol"] == "MSFT"


async def test_without_wishes_data_is_full_and_every_field_is_announced_with_the_type_first(server: Server) -> None:
    async with server.connect() as client:
        await client.authorize()
        await client.open(1)
        await client.subscribe("Quote", "AAPL")
        config = await client.receive()
        assert config["dataFormat"] == "FULL"
        names = config["eventFields"]["Quote"]
        assert names[:3] == ["eventType", "eventSymbol", "eventTime"]
        assert (await client.receive())["data"][0].keys() == set(names)


async def test_names_that_do_not_exist_are_dropped_from_the_layout(server: Server) -> None:
    async with server.feed(fields={"Candle": ["VWAP", "vwap", "close", "close"], "Quote": ["nothing"]}) as client:
        await client.subscribe("Candle", "AAPL{=d}", fromTime=NOVEMBER_2)
        assert (await client.receive())["eventFields"] == {"Candle": ["vwap", "close"]}
        await client.receive()
        await client.subscribe("Quote", "AAPL")
        assert (await client.receive())["eventFields"]["Quote"][0] == "eventType"


async def test_a_period_out_of_range_is_changed_and_announced(server: Server) -> None:
    async with server.feed() as client:
        for wished, announced in ((-1, 0), (0.25, 0.25), (1e9, 3600)):
            await client.send("FEED_SETUP", 1, acceptAggregationPeriod=wished)
            assert (await client.receive())["aggregationPeriod"] == announced


async def test_the_nineteenth_snapshot_in_flight_is_refused_and_the_others_complete(
    closed_server: Server, market: Market
) -> None:
    symbols = [f"{symbol}{{=d}}" for symbol in list(market.instruments)[:19] if "/" not in symbol]
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", *symbols, fromTime=NOVEMBER_2)
        await client.receive()
        assert await client.receive() == {
            "type": "ERROR",
            "channel": 1,
            "error": "BAD_ACTION",
            "message": "Your subscription rate is too high",
        }
        rows = await client.candles(*symbols[:18])
        assert {row["eventSymbol"] for row in rows} == set(symbols[:18])
        # All are sent: there is room again.
        await client.subscribe("Candle", symbols[18], fromTime=NOVEMBER_2)
        assert {row["eventSymbol"] for row in await client.candles(symbols[18])} == {symbols[18]}


async def test_removing_a_snapshot_makes_room_for_another(closed_server: Server, market: Market) -> None:
    symbols = [f"{symbol}{{=d}}" for symbol in list(market.instruments)[:20] if "/" not in symbol]
    async with closed_server.feed(contract="HISTORY", fields={"Candle": FIELDS}) as client:
        add = [{"type": "Candle", "symbol": symbol, "fromTime": NOVEMBER_2} for symbol in symbols]
        await client.send("FEED_SUBSCRIPTION", 1, add=add[:18])
        await client.send("FEED_SUBSCRIPTION", 1, reset=True, add=add[1:19])
        await client.send("FEED_SUBSCRIPTION", 1, remove=[{"type": "Candle", "symbol": symbols[18]}], add=add[:1])
        await client.send("CHANNEL_CANCEL", 1)
        kinds = []
        while "CHANNEL_CLOSED" not in kinds:
            kinds.append((await client.receive())["type"])
        assert "ERROR" not in kinds


async def test_removed_and_reset_symbols_are_silent(server: Server) -> None:
    fields = {"Quote": ["eventSymbol"]}
    async with server.feed(fields=fields) as client:
        await client.subscribe("Quote", "SPY", "QQQ", "IWM")
        await client.receive()
        await client.receive()
        await client.send("FEED_SUBSCRIPTION", 1, remove=[{"type": "Quote", "symbol": "SPY"}])
        await client.nothing()
        await server.clock.advance(1)
        assert (await client.receive())["data"] == ["Quote", ["QQQ", "IWM"]]
        await client.send("FEED_SUBSCRIPTION", 1, reset=True, add=[{"type": "Quote", "symbol": "DIA"}])
        assert (await client.receive())["data"] == ["Quote", ["DIA"]]
