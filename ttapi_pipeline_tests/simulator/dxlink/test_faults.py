# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every DXLink fault does what its name says."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from ttapi_pipeline_tests.support.raw_dxlink import (
    FIELDS,
    NOVEMBER_2,
    Server,
    compact,
)


async def test_the_upgrade_can_be_refused(server: Server) -> None:
    server.faults.add("dx-upgrade", count=1)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with server.connect():
            pass
    assert refused.value.status == 502
    async with server.connect() as client:
        await client.authorize()


async def test_a_frozen_link_stays_open_and_says_nothing_any_more(closed_server: Server) -> None:
    closed_server.faults.add("dx-freeze", parameters={"after": 2})
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "SPY{=d}", fromTime=0)
        assert [(await client.receive())["type"] for _ in range(3)] == ["FEED_CONFIG", "FEED_DATA", "FEED_DATA"]
        await client.send("CHANNEL_CANCEL", 1)
        await closed_server.clock.advance(100)
        with pytest.raises(TimeoutError):
            await client.socket.receive(timeout=0.05)
        assert not client.socket.closed


@pytest.mark.parametrize("code", [1001, 1006, 1011])
async def test_the_link_can_be_closed_in_the_middle_of_a_snapshot(closed_server: Server, code: int) -> None:
    closed_server.faults.add("dx-close", parameters={"after": 1, "code": code})
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "SPY{=d}", fromTime=0)
        assert [(await client.receive())["type"] for _ in range(2)] == ["FEED_CONFIG", "FEED_DATA"]
        assert await client.closed() == code


async def test_the_format_can_switch_to_full_and_says_so(closed_server: Server) -> None:
    closed_server.faults.add("dx-full", parameters={"after": 1})
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "SPY{=d}", fromTime=0)
        await client.receive()
        assert isinstance((await client.receive())["data"][0], str)
        assert (await client.receive())["dataFormat"] == "FULL"
        assert (await client.receive())["data"][0]["eventType"] == "Candle"


async def test_candles_on_auto_can_be_empty_while_history_delivers(server: Server) -> None:
    server.faults.add("dx-auto-empty")
    for contract, count in (("AUTO", 1), ("HISTORY", 16)):
        async with server.feed(contract=contract, fields={"Candle": FIELDS}) as client:
            await client.subscribe("Candle", "SPY{=d}", fromTime=NOVEMBER_2)
            rows = await client.candles("SPY")
            assert len(rows) == count
            assert rows[-1]["eventFlags"] == (14 if count == 1 else 10)


async def test_snapshots_can_be_snipped_early(closed_server: Server) -> None:
    closed_server.faults.add("dx-snip", parameters={"rows": 7}, count=1)
    closed_server.faults.add("dx-snip", parameters={"rows": 1}, count=1)
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "SPY{=d}", fromTime=0)
        assert [row["eventFlags"] for row in await client.candles("SPY")] == [20]
        await client.subscribe("Candle", "QQQ{=d}", fromTime=NOVEMBER_2)
        assert len(await client.candles("QQQ")) == 16


async def test_rows_can_be_pending_repeated_and_out_of_order(closed_server: Server) -> None:
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:

        async def snapshot(kind: str, **parameters: object) -> list[dict[str, Any]]:
            closed_server.faults.clear()
            if kind:
                closed_server.faults.add(kind, parameters=parameters)
            await client.subscribe("Candle", "SPY{=d}", fromTime=NOVEMBER_2)
            return await client.candles("SPY")

        plain = await snapshot("")
        pending = await snapshot("dx-pending", runs=2)
        assert [row["eventFlags"] for row in pending] == [4, *[1] * 6, 0, *[1] * 6, 0, 10]
        assert [row["time"] for row in pending] == [row["time"] for row in plain]
        repeated = await snapshot("dx-duplicate", rows=2)
        assert repeated == [plain[0], plain[1], plain[1], plain[2], plain[2], *plain[3:]]
        reordered = await snapshot("dx-reorder", rows=3)
        assert reordered == [plain[0], plain[3], plain[2], plain[1], *plain[4:]]


async def test_an_error_can_come_between_the_data(closed_server: Server) -> None:
    closed_server.faults.add("dx-error", parameters={"after": 1, "error": "UNKNOWN", "message": "java.lang.Exception"})
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "SPY{=d}", fromTime=0)
        messages = [await client.receive() for _ in range(4)]
        assert [message["type"] for message in messages] == ["FEED_CONFIG", "FEED_DATA", "ERROR", "FEED_DATA"]
        assert messages[2]["message"] == "java.lang.Exception"


async def test_a_valid_token_can_be_refused(server: Server) -> None:
    server.faults.add("dx-token", route="dxlink", count=1)
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        assert [(await client.receive()).get("state") for _ in range(3)] == [None, "UNAUTHORIZED", "UNAUTHORIZED"]
        assert await client.closed() == 1008


async def test_fewer_fields_than_asked_for_can_be_announced_and_sent(closed_server: Server) -> None:
    closed_server.faults.add("dx-fewer-fields", parameters={"fields": 2})
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "SPY{=d}", fromTime=NOVEMBER_2)
        assert (await client.receive())["eventFields"]["Candle"] == FIELDS[:-2]
        assert len(compact(await client.receive(), FIELDS[:-2])) == 16


async def test_a_subscription_can_be_refused_for_its_rate(closed_server: Server) -> None:
    closed_server.faults.add("dx-rate", count=1)
    async with closed_server.feed() as client:
        await client.subscribe("Quote", "SPY")
        error = await client.receive()
        assert (error["error"], error["message"]) == ("BAD_ACTION", "Your subscription rate is too high")
        await client.subscribe("Quote", "SPY")
        assert (await client.receive())["type"] == "FEED_CONFIG"


async def test_data_can_stop_while_keepalives_go_on(server: Server) -> None:
    server.faults.add("dx-mute", parameters={"after": 1})
    async with server.feed() as client:
        await client.subscribe("Quote", "SPY")
        assert [(await client.receive())["type"] for _ in range(2)] == ["FEED_CONFIG", "FEED_DATA"]
        await client.subscribe("Quote", "QQQ")
        await server.clock.advance(31)
        assert (await client.receive())["type"] == "KEEPALIVE"
        await client.nothing()


async def test_layouts_can_change_in_the_middle(server: Server) -> None:
    server.faults.add("dx-layout", parameters={"after": 1})
    names = ["eventSymbol", "bidPrice", "askPrice"]
    async with server.feed(fields={"Quote": names}) as client:
        await client.subscribe("Quote", "SPY")
        assert [(await client.receive())["type"] for _ in range(2)] == ["FEED_CONFIG", "FEED_DATA"]
        await client.subscribe("Quote", "QQQ")
        assert (await client.receive())["eventFields"] == {"Quote": names[::-1]}
        assert compact(await client.receive(), names[::-1])[0]["eventSymbol"] == "QQQ"


async def test_every_channel_can_be_closed_unasked_and_opened_again(server: Server) -> None:
    server.faults.add("dx-channel", parameters={"after": 1})
    async with server.feed() as client:
        await client.open(3)
        await client.subscribe("Quote", "SPY")
        assert [(await client.receive())["type"] for _ in range(2)] == ["FEED_CONFIG", "FEED_DATA"]
        await client.subscribe("Quote", "QQQ")
        closed = [await client.receive() for _ in range(2)]
        assert closed == [{"type": "CHANNEL_CLOSED", "channel": channel} for channel in (1, 3)]
        await client.nothing()
        await client.open(1)
        await client.subscribe("Quote", "QQQ")
        assert [(await client.receive())["type"] for _ in range(2)] == ["FEED_CONFIG", "FEED_DATA"]


async def test_data_can_come_twice(server: Server) -> None:
    server.faults.add("dx-repeat", parameters={"after": 1, "messages": 1})
    async with server.feed() as client:
        await client.subscribe("Quote", "SPY")
        assert [(await client.receive())["type"] for _ in range(2)] == ["FEED_CONFIG", "FEED_DATA"]
        await client.subscribe("Quote", "QQQ")
        first, again = [await client.receive() for _ in range(2)]
        assert first == again
        await client.nothing()


async def test_a_connection_can_have_a_lifetime(server: Server) -> None:
    server.faults.add("dx-lifetime", parameters={"seconds": 5, "code": 1011})
    async with server.feed() as client:
        await server.clock.advance(4)
        await client.nothing()
        await server.clock.advance(2)
        assert await client.closed() == 1011


async def test_bars_can_be_left_out_and_a_snapshot_without_a_bar_is_its_marker(server: Server) -> None:
    server.faults.add("dx-drop", route="Candle/SPY", count=1)
    server.faults.add("dx-drop", route="Candle/QQQ", parameters={"first": 2, "rows": 3}, count=1)
    server.faults.add("dx-drop", route="Candle/IWM", parameters={"share": 0.5}, seed=3, count=1)
    async with server.feed(contract="HISTORY", fields={"Candle": FIELDS}) as client:
        seen: dict[str, list[Any]] = {}
        for _ in range(2):
            for symbol in ("SPY", "QQQ", "IWM"):
                await client.subscribe("Candle", f"{symbol}{{=d}}", fromTime=NOVEMBER_2)
                seen.setdefault(symbol, []).append(await client.candles(symbol))
    assert [row["eventFlags"] for row in seen["SPY"][0]] == [14]
    assert seen["SPY"][0][0]["close"] == "NaN"
    first, whole = ([row["time"] for row in rows] for rows in seen["QQQ"])
    assert first == whole[:2] + whole[5:]
    first, whole = ([row["time"] for row in rows] for rows in seen["IWM"])
    assert set(first) < set(whole)
    assert 3 < len(first) < len(whole) - 2
    assert [row["eventFlags"] for row in seen["IWM"][0]][:: len(first) - 1] == [4, 10]


@pytest.mark.parametrize(
    ("value", "sent"), [("Infinity", "Infinity"), ("-1", -1), ("true", True), ("null", None), ("1e308", 1e308)]
)
async def test_a_field_of_an_event_can_have_another_value(server: Server, value: str, sent: object) -> None:
    server.faults.add(
        "dx-event", route="Candle/SPY", parameters={"field": "close", "value": value, "first": 1, "rows": 2}
    )
    server.faults.add("dx-event", route="Trade", parameters={"field": "price", "value": value})
    async with server.feed(contract="HISTORY", fields={"Candle": FIELDS}) as client:
        for symbol, is_spoiled in (("SPY", [False, True, True, False]), ("QQQ", [False] * 4)):
            await client.subscribe("Candle", f"{symbol}{{=d}}", fromTime=NOVEMBER_2)
            rows = await client.candles(symbol)
            assert [row["close"] == sent for row in rows[:4]] == is_spoiled
    async with server.feed(fields={"Trade": ["eventSymbol", "price"]}) as client:
        await client.subscribe("Trade", "SPY")
        assert (await client.receive())["type"] == "FEED_CONFIG"
        assert (await client.receive())["data"] == ["Trade", ["SPY", sent]]


async def test_a_type_of_events_can_be_silent_for_a_symbol(server: Server) -> None:
    server.faults.add("dx-drop", route="Quote/SPX")
    fields = {"Quote": ["eventSymbol"], "Trade": ["eventSymbol"]}
    async with server.feed(fields=fields) as client:
        for event_type in fields:
            await client.subscribe(event_type, "SPX")
            await client.subscribe(event_type, "SPY")
        heard: list[str] = []
        while len(heard) < 3:
            message = await client.receive()
            if "data" in message:
                event_type, symbols = message["data"]
                heard += [f"{event_type}/{symbol}" for symbol in symbols]
    assert heard == ["Quote/SPY", "Trade/SPX", "Trade/SPY"]
