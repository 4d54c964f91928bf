# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Frames as others recorded or documented them, in every layout: what they say, spelled out by hand."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from ttapi_pipeline.streaming.candles import candle_rows
from ttapi_pipeline.streaming.events import ErrorReceived, FeedData
from ttapi_pipeline.streaming.market_data import TICKER_FIELDS, sales
from ttapi_pipeline.streaming.messages import Contract
from ttapi_pipeline.streaming.protocol import DxLinkProtocol
from ttapi_pipeline.streaming.quote_board import QuoteBoard

AT = 1_795_190_400_000_000

HANDSHAKE = [
    '{"type":"SETUP","channel":0,"keepaliveTimeout":60,"acceptKeepaliveTimeout":60,"version":"1.0-1.2.3-20240912-171526"}',
    '{"type":"AUTH_STATE","channel":0,"state":"UNAUTHORIZED"}',
    '{"type":"AUTH_STATE","channel":0,"state":"AUTHORIZED","userId":"u-1"}',
    '{"type":"CHANNEL_OPENED","channel":1,"service":"FEED","parameters":{"contract":"AUTO","subFormat":"LIST"}}',
    '{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0.1}',
]

# The layouts that the PyPI client requests, in its order.
PYPI_QUOTE = (
    '{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0.1,"eventFields":{"Quote":['
    '"eventSymbol","eventTime","sequence","timeNanoPart","bidTime","bidExchangeCode","askTime","askExchangeCode",'
    '"bidPrice","askPrice","bidSize","askSize"]}}'
)
PYPI_TRADE = (
    '{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0.1,"eventFields":{"Trade":['
    '"eventSymbol","eventTime","time","timeNanoPart","sequence","exchangeCode","dayId","tickDirection",'
    '"extendedTradingHours","price","change","size","dayVolume","dayTurnover"]}}'
)
PYPI_SUMMARY = (
    '{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0.1,"eventFields":{"Summary":['
    '"eventSymbol","eventTime","dayId","dayClosePriceType","prevDayId","prevDayClosePriceType","openInterest",'
    '"dayOpenPrice","dayHighPrice","dayLowPrice","dayClosePrice","prevDayClosePrice","prevDayVolume"]}}'
)
# All fields, in the order of the specification's table.
WHOLE_QUOTE = (
    '{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0,"eventFields":{"Quote":["eventType",'
    '"eventSymbol","eventTime","sequence","timeNanoPart","bidTime","bidExchangeCode","bidPrice","bidSize","askTime",'
    '"askExchangeCode","askPrice","askSize"]}}'
)
SHORT_QUOTE = (
    '{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0.1,'
    '"eventFields":{"Quote":["eventSymbol","bidPrice","askPrice","bidSize","askSize"]}}'
)

QUOTES = {
    "a short layout": [
        SHORT_QUOTE,
        '{"type":"FEED_DATA","channel":1,"data":["Quote",["AAPL",251.55,251.6,2.0,1.0,"MSFT",510.1,510.2,1.0,"NaN"]]}',
    ],
    "the PyPI client's layout": [
        PYPI_QUOTE,
        (
            '{"type":"FEED_DATA","channel":1,"data":["Quote",["AAPL",0,0,0,0,"Q",0,"Q",251.55,251.6,2.0,1.0,'
            '"MSFT",0,0,0,0,"\\u0000",0,"",510.1,510.2,1.0,"NaN"]]}'
        ),
    ],
    "every field": [
        WHOLE_QUOTE,
        (
            '{"type":"FEED_DATA","channel":1,"data":["Quote",["Quote","AAPL",0,0,0,0,"Q",251.55,2.0,0,"Q",251.6,1.0,'
            '"Quote","MSFT",0,0,0,0,"Q",510.1,1.0,0,"Q",510.2,"NaN"]]}'
        ),
    ],
    "objects": [
        (
            '{"type":"FEED_DATA","channel":1,"data":[{"eventType":"Quote","eventSymbol":"AAPL","bidPrice":251.55,'
            '"askPrice":251.6,"bidSize":2.0,"askSize":1.0},{"eventType":"Quote","eventSymbol":"MSFT","bidPrice":510.1,'
            '"askPrice":510.2,"bidSize":1.0}]}'
        ),
    ],
    "a switch to objects between two messages": [
        SHORT_QUOTE,
        '{"type":"FEED_DATA","channel":1,"data":["Quote",["AAPL",251.55,251.6,2.0,1.0]]}',
        '{"type":"FEED_CONFIG","channel":1,"dataFormat":"FULL","aggregationPeriod":0.1}',
        (
            '{"type":"FEED_DATA","channel":1,"data":[{"eventType":"Quote","eventSymbol":"MSFT","eventTime":0,"bidPrice":510.1,'
            '"askPrice":510.2,"bidSize":1.0,"askSize":"NaN"}]}'
        ),
    ],
    "compact although objects were announced": [
        SHORT_QUOTE.replace('"COMPACT"', '"FULL"'),
        '{"type":"FEED_DATA","channel":1,"data":["Quote",["AAPL",251.55,251.6,2.0,1.0,"MSFT",510.1,510.2,1.0,"NaN"]]}',
    ],
    "one event per message, several times the same type": [
        SHORT_QUOTE,
        (
            '{"type":"FEED_DATA","channel":1,"data":["Quote",["AAPL",251.55,251.6,2.0,1.0],'
            '"Quote",["MSFT",510.1,510.2,1.0,"NaN"]]}'
        ),
    ],
}


def played(*frames: str) -> list[FeedData]:
    protocol = DxLinkProtocol("local-dxlink-token")
    protocol.start()
    protocol.open_feed(Contract.TICKER, TICKER_FIELDS)
    events = [event for frame in (*HANDSHAKE, *frames) for event in protocol.receive(frame)]
    return [event for event in events if isinstance(event, FeedData)]


@pytest.mark.parametrize("name", QUOTES)
def test_quotes_are_the_same_in_every_layout(name: str) -> None:
    board = QuoteBoard(["AAPL", "MSFT"])
    for data in played(*QUOTES[name]):
        board.receive(data, AT)
    np.testing.assert_array_equal(board.bid_price, [251.55, 510.1])
    np.testing.assert_array_equal(board.ask_price, [251.6, 510.2])
    np.testing.assert_array_equal(board.bid_size, [2.0, 1.0])
    np.testing.assert_array_equal(board.ask_size, [1.0, math.nan])


def test_trades_and_summaries_in_the_tastytrade_clients_layout() -> None:
    board = QuoteBoard(["AAPL", "SPX"])
    for data in played(
        PYPI_TRADE,
        PYPI_SUMMARY,
        '{"type":"FEED_DATA","channel":1,"data":["Trade",["AAPL",0,1795190399123,0,17,"Q",20777,"ZERO_UP",false,'
        '251.57,1.37,100.0,35348839.0,8.8e9,"SPX",0,0,0,0,"\\u0000",20777,"UP",false,6001.5,"NaN","NaN","NaN","NaN"]]}',
        '{"type":"FEED_DATA","channel":1,"data":["Summary",["AAPL",0,20777,"REGULAR",20776,"FINAL",0,249.1,252.24,'
        '248.37,"NaN",250.2,41200311.0]]}',
    ):
        board.receive(data, AT)
    np.testing.assert_array_equal(board.last_price, [251.57, 6001.5])
    np.testing.assert_array_equal(board.last_size, [100.0, math.nan])
    np.testing.assert_array_equal(board.day_volume, [35348839.0, math.nan])
    assert board.last_trade_at.tolist() == [1_795_190_399_123_000, 0]
    assert (board.day_open[0], board.day_high[0], board.day_low[0]) == (249.1, 252.24, 248.37)
    assert math.isnan(board.day_close[0])
    assert board.previous_close[0] == 250.2


def test_sales_with_every_field() -> None:
    (data,) = played(
        '{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0,"eventFields":{"TimeAndSale":['
        '"eventSymbol","eventTime","eventFlags","index","time","timeNanoPart","sequence","exchangeCode","price","size",'
        '"bidPrice","askPrice","exchangeSaleConditions","tradeThroughExempt","aggressorSide","spreadLeg",'
        '"extendedTradingHours","validTick","type","buyer","seller"]}}',
        '{"type":"FEED_DATA","channel":1,"data":["TimeAndSale",["AAPL",0,0,7710284054314090503,1795190399123,0,7,"Q",'
        '251.57,100.0,251.55,251.6,"@ TI","\\u0000","BUY",false,true,true,"NEW",null,null]]}',
    )
    rows = sales(data, {"AAPL": 0}, AT, Counter())
    assert (rows.time_ms[0], rows.sequence[0], rows.price[0], rows.size[0]) == (1_795_190_399_123, 7, 251.57, 100.0)
    assert (rows.bid_price[0], rows.ask_price[0], rows.exchange_code[0], rows.is_extended[0]) == (
        251.55,
        251.6,
        "Q",
        True,
    )


def test_a_snapshot_of_candles_with_its_marks() -> None:
    (data,) = played(
        '{"type":"FEED_CONFIG","channel":1,"dataFormat":"COMPACT","aggregationPeriod":0.1,"eventFields":{"Candle":['
        '"eventFlags","eventSymbol","time","open","high","low","close","volume"]}}',
        '{"type":"FEED_DATA","channel":1,"data":["Candle",[4,"AAPL{=d}",1795132800000,249.1,252.24,248.37,251.57,35348839.0,'
        '0,"AAPL{=d}",1795046400000,247.8,249.9,246.6,248.9,41200311.0,'
        '10,"AAPL{=d}",1793491200000,"NaN","NaN","NaN","NaN","NaN"]]}',
    )
    ((symbol, rows),) = candle_rows(data)
    assert symbol == "AAPL{=d}"
    assert rows.flags.tolist() == [4, 0, 10]
    np.testing.assert_array_equal(rows.numbers[4], [251.57, 248.9, math.nan])


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (
            '{"type":"ERROR","channel":0,"error":"BAD_ACTION","message":"Protocol violation with an even channel"}',
            [ErrorReceived(0, "BAD_ACTION", "Protocol violation with an even channel")],
        ),
        (
            '{"type":"ERROR","channel":1,"error":"BAD_ACTION","message":"Your subscription rate is too high"}',
            [ErrorReceived(1, "BAD_ACTION", "Your subscription rate is too high")],
        ),
        (
            '{"type":"ERROR","channel":0,"error":"UNAUTHORIZED","message":"AuthException: Session not found: api"}',
            [ErrorReceived(0, "UNAUTHORIZED", "AuthException: Session not found: api")],
        ),
        ('{"type":"KEEPALIVE","channel":0}', []),
        ('{"type":"SETUP","channel":0,"version":"1.0-1.2.3","keepaliveTimeout":30,"acceptKeepaliveTimeout":60}', []),
        ('{"type":"SOMETHING_NEW","channel":0,"content":{"a":[1]}}', []),
        ('{"type":"FEED_DATA","channel":1,"data":["Quote",[]]}', []),
    ],
)
def test_other_frames(frame: str, told: list[Any]) -> None:
    protocol = DxLinkProtocol("local-dxlink-token")
    protocol.start()
    protocol.open_feed(Contract.TICKER, TICKER_FIELDS)
    for earlier in HANDSHAKE:
        protocol.receive(earlier)
    assert protocol.receive(frame) == told
