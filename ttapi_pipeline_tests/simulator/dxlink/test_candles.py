# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candle snapshots and updates, compared with the bars of the market."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.raw_dxlink import (
    CLOSED_AT,
    DAY_MS,
    FIELDS,
    NOVEMBER_2,
    NOVEMBER_20,
    OPEN_AT,
    Server,
    compact,
    serving,
)


async def test_a_daily_snapshot_is_the_markets_bars_newest_first_between_its_markers(
    closed_server: Server, market: Market
) -> None:
    fields = ["time", "eventFlags", "close", "count", "index", "volume", "vwap", "impVolatility", "sequence", "high"]
    async with closed_server.feed(contract="HISTORY", fields={"Candle": fields}) as client:
        await client.subscribe("Candle", "AAPL{=1d}", fromTime=NOVEMBER_2 - 1)
        await client.receive()
        *rows, marker = await client.candles("AAPL", fields=fields)
        bars = market.bars("AAPL", first=date(2026, 11, 2), at=CLOSED_AT)
        assert [row["eventFlags"] for row in rows] == [4] + [0] * 14
        assert [row["time"] for row in rows] == [NOVEMBER_20 - DAY_MS * n for n in range(19) if n % 7 not in {5, 6}]
        for name, column in (
            ("close", bars.close),
            ("count", bars.count),
            ("volume", bars.volume),
            ("vwap", bars.vwap),
            ("impVolatility", bars.implied_volatility),
            ("high", bars.high),
        ):
            assert [row[name] for row in rows] == column[::-1].tolist(), name
        # index = seconds << 32 | milliseconds << 22 | sequence
        assert all(row["index"] == row["time"] // 1000 * 2**32 and row["sequence"] == 0 for row in rows)
        assert marker == {
            "time": NOVEMBER_2 - 1,
            "eventFlags": 10,
            "close": "NaN",
            "count": 0,
            "volume": "NaN",
            "vwap": "NaN",
            "impVolatility": "NaN",
            "sequence": 0,
            "high": "NaN",
            "index": ((NOVEMBER_2 // 1000 - 1) << 32) | (999 << 22),
        }


async def test_the_marker_does_not_remove_a_bar_that_starts_at_the_requested_time(closed_server: Server) -> None:
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "AAPL{=d}", fromTime=NOVEMBER_2)
        *rows, marker = await client.candles("AAPL")
        assert rows[-1]["time"] == NOVEMBER_2
        assert marker["time"] == NOVEMBER_2 - 1


async def test_four_thousand_bars_come_complete_over_many_messages(closed_server: Server) -> None:
    from_time = int(datetime(2010, 1, 4, tzinfo=UTC).timestamp() * 1000)
    async with closed_server.feed(contract="HISTORY", fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "SPY{=d}", fromTime=from_time)
        *rows, _ = await client.candles("SPY")
        expected = sessions_between(date(2010, 1, 4), date(2026, 11, 20))
        assert [datetime.fromtimestamp(row["time"] / 1000, UTC).date() for row in rows] == list(expected[::-1])


async def test_more_than_eight_thousand_bars_are_snipped(closed_server: Server) -> None:
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "SPY{=d}", fromTime=10**9)
        rows = await client.candles("SPY")
        assert len(rows) == 8_000
        assert [row["eventFlags"] for row in rows] == [4, *[0] * 7_998, 16]
        assert all(isinstance(row["close"], float) for row in rows)


@pytest.mark.parametrize(
    "symbol",
    ["NOSUCH{=d}", "AAPL{=d,price=bid}", "AAPL{=1.5d}", "AAPL{=100t}", "AAPL", "AAPL{=d", "AAPL{=q}", "AAPL&Q{=d}"],
)
async def test_a_candle_that_the_market_does_not_have_is_an_empty_snapshot(server: Server, symbol: str) -> None:
    async with server.feed(fields={"Candle": [*FIELDS, "count"]}) as client:
        await client.subscribe("Candle", symbol, fromTime=NOVEMBER_2)
        (row,) = await client.candles(symbol, fields=[*FIELDS, "count"])
        assert (row["eventFlags"], row["count"], row["close"], row["eventSymbol"]) == (14, 0, "NaN", symbol)
        await server.clock.advance(2)
        await client.nothing()


@pytest.mark.parametrize("symbol", ["SPX{=1h}", "SPX{=h,price=last,a=midnight}", "SPX{tho=false,=1hour}"])
async def test_the_echoed_symbol_is_canonical(server: Server, symbol: str) -> None:
    async with server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", symbol, fromTime=NOVEMBER_20)
        assert {row["eventSymbol"] for row in await client.candles(symbol)} == {"SPX{=h}"}


async def test_regular_hours_history_starts_in_april_2018(closed_server: Server) -> None:
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "GOOG{=1d,tho=true}", fromTime=0)
        *rows, _ = await client.candles("GOOG")
        assert {row["eventSymbol"] for row in rows} == {"GOOG{=d,tho=true}"}
        assert datetime.fromtimestamp(rows[-1]["time"] / 1000, UTC).date().isoformat() == "2018-04-02"


@pytest.mark.parametrize(
    ("period", "first", "count"),
    # Weeks start on Monday; 2026-11-26 is Thanksgiving, so all three weeks from 2026-11-02 have five sessions.
    [("w", "2026-11-02", 5), ("mo", "2026-11-01", 15), ("2d", "2026-11-01", 1), ("y", "2026-01-01", 224)],
)
async def test_longer_bars_are_made_of_the_markets_daily_bars(
    closed_server: Server, market: Market, period: str, first: str, count: int
) -> None:
    async with closed_server.feed(fields={"Candle": [*FIELDS, "vwap", "count"]}) as client:
        start = datetime.fromisoformat(first).replace(tzinfo=UTC)
        await client.subscribe("Candle", f"AAPL{{={period}}}", fromTime=int(start.timestamp() * 1000))
        *rows, _ = await client.candles("AAPL", fields=[*FIELDS, "vwap", "count"])
        oldest = rows[-1]
        assert oldest["time"] == start.timestamp() * 1000
        bars = market.bars("AAPL", first=start.date(), at=CLOSED_AT)
        days = slice(0, count)
        assert (oldest["open"], oldest["close"]) == (bars.open[days][0], bars.close[days][-1])
        assert (oldest["high"], oldest["low"]) == (bars.high[days].max(), bars.low[days].min())
        assert (oldest["volume"], oldest["count"]) == (bars.volume[days].sum(), bars.count[days].sum())
        turnover = (bars.vwap[days] * bars.volume[days]).sum()
        assert oldest["vwap"] == pytest.approx(turnover / bars.volume[days].sum(), abs=1e-4)


@pytest.mark.parametrize(
    ("period", "starts"),
    # Intraday bars count from midnight in New York, or from the open (14:30 UTC in November) with a=s.
    [("h", range(14, 21)), ("h,a=s", None), ("5m", None), ("60m", range(14, 21))],
)
async def test_intraday_bars_of_a_session_add_up_to_its_daily_bar(
    closed_server: Server, market: Market, period: str, starts: range | None
) -> None:
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", f"AAPL{{={period}}}", fromTime=NOVEMBER_20)
        *rows, marker = await client.candles("AAPL")
        assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
        bar = market.bars("AAPL", first=date(2026, 11, 20), at=CLOSED_AT)
        assert rows[-1]["open"] == bar.open[0]
        assert rows[0]["close"] == bar.close[0]
        assert max(row["high"] for row in rows) == bar.high[0]
        assert min(row["low"] for row in rows) == bar.low[0]
        assert sum(row["volume"] for row in rows) == bar.volume[0]
        assert marker["eventFlags"] == 10
        if starts is not None:
            assert [row["time"] - NOVEMBER_20 for row in rows] == [hour * 3_600_000 for hour in reversed(starts)]
        elif period == "h,a=s":
            assert [(row["time"] - NOVEMBER_20) % 3_600_000 for row in rows] == [1_800_000] * 7
        else:
            assert len(rows) == 78


async def test_intraday_history_beyond_its_limits_is_snipped(
    closed_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttapi_pipeline.simulator.dxlink.candle_bars.INTRADAY_SESSIONS", 30)
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "AAPL{=1m}", fromTime=0)
        rows = await client.candles("AAPL")
        assert (len(rows), rows[-1]["eventFlags"]) == (8_000, 16)
        await client.subscribe("Candle", "AAPL{=4h,a=s}", fromTime=0)
        rows = await client.candles("AAPL")
        # 30 sessions of two bars each.
        assert [row["eventFlags"] for row in rows] == [4, *[0] * 58, 16]


async def test_the_forming_bar_repeats_with_its_index_as_it_moves(server: Server, market: Market) -> None:
    fields = ["eventFlags", "time", "index", "close", "volume"]
    async with server.feed(contract="HISTORY", fields={"Candle": fields}) as client:
        await client.subscribe("Candle", "AAPL{=d}", "AAPL{=m}", fromTime=NOVEMBER_20)
        await client.receive()
        rows = await client.candles("AAPL", "AAPL", fields=fields)
        await server.clock.advance(1)
        updates = await client.candles(fields=fields, rows=2)
        spot = market.spot("AAPL", OPEN_AT + timedelta(seconds=1))
        assert [row["close"] for row in updates] == [spot.price] * 2
        assert [row["eventFlags"] for row in updates] == [0, 0]
        assert updates[0]["index"] == rows[0]["index"]
        # A new minute: the last state of the bar before it, then the new one, oldest first.
        await client.nothing()
        server.clock.jump(58)
        await server.clock.advance(1)
        ten_o_clock = int(OPEN_AT.timestamp() * 1000)
        times = [row["time"] for row in await client.candles(fields=fields, rows=3)]
        assert times == [NOVEMBER_20, ten_o_clock, ten_o_clock + 60_000]


async def test_after_the_close_the_last_values_come_once_and_then_nothing(market: Market) -> None:
    closes_at = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    before_close = serving(market, closes_at - timedelta(seconds=1))
    async with before_close as server, server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "AAPL{=d}", fromTime=NOVEMBER_20)
        await client.receive()
        await client.candles("AAPL")
        await server.clock.advance(5)
        *_, last = await client.candles(rows=1)
        assert last["close"] == market.bars("AAPL", at=CLOSED_AT).close[-1]
        await client.nothing()


async def test_adding_a_candle_again_with_another_start_is_a_new_snapshot(closed_server: Server) -> None:
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "AAPL{=d}", fromTime=NOVEMBER_2)
        assert len(await client.candles("AAPL")) == 16
        await client.subscribe("Candle", "AAPL{=1d}", fromTime=NOVEMBER_20)
        assert len(await client.candles("AAPL")) == 2


async def test_a_ticker_channel_and_a_candle_without_start_bring_the_newest_bar_alone(closed_server: Server) -> None:
    for contract, entry in (("TICKER", {"fromTime": NOVEMBER_2}), ("AUTO", {})):
        async with closed_server.feed(contract=contract, fields={"Candle": FIELDS}) as client:
            await client.subscribe("Candle", "AAPL{=d}", **entry)
            (row,) = await client.candles(rows=1)
            assert (row["eventFlags"], row["time"]) == (0, NOVEMBER_20)
            await client.nothing()


async def test_snapshots_of_several_symbols_take_turns_and_leave_room_for_other_answers(
    closed_server: Server,
) -> None:
    symbols = [f"{symbol}{{=d}}" for symbol in ("SPY", "QQQ", "IWM")]
    async with closed_server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", *symbols, fromTime=0)
        await client.receive()
        order = [compact(await client.receive(), FIELDS)[0]["eventSymbol"] for _ in range(6)]
        assert order == symbols * 2


async def test_candles_in_full_format_are_objects_of_all_wished_fields(server: Server) -> None:
    async with server.feed(acceptDataFormat="FULL", fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "AAPL{=d}", fromTime=NOVEMBER_2)
        assert (await client.receive())["dataFormat"] == "FULL"
        events = (await client.receive())["data"]
        assert all(event.keys() == {"eventType", *FIELDS} for event in events)
        assert [event["eventFlags"] for event in events] == [4, *[0] * 14, 10]
        assert events[-1]["close"] == "NaN"
