# SPDX-License-Identifier: MIT
"""The DXLink server over a socket: a test or more per line of docs/protocols/dxlink.md, "Check-list for a server"."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Literal, cast

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from tastytrade import DXLinkStreamer, Session
from tastytrade.dxfeed import Candle, Greeks, Profile, Quote, Summary, Trade

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline.simulator.counters import Counters
from ttapi_pipeline.simulator.dxlink.tokens import QuoteTokens
from ttapi_pipeline.simulator.dxlink.websocket import add_dxlink
from ttapi_pipeline.simulator.faults import FaultPlan
from ttapi_pipeline.simulator.market.market import Market

OPEN_AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, 10:00 in New York
CLOSED_AT = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
NOVEMBER_2 = 1_793_577_600_000  # 2026-11-02 00:00 UTC, a Monday and a session
NOVEMBER_20 = 1_795_132_800_000
DAY_MS = 86_400_000
FIELDS = ["eventFlags", "eventSymbol", "time", "open", "high", "low", "close", "volume"]

Message = Mapping[str, Any]


class SteppedClock:
    """A clock that stands still; `advance` moves it second by second and lets sleepers run."""

    def __init__(self, at: datetime) -> None:
        self._start = at
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        sleeper = (self._elapsed + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    async def advance(self, seconds: int) -> None:
        for _ in range(seconds):
            self.jump(1.0)
            for wakes_at, future in tuple(self._sleepers):
                if wakes_at <= self._elapsed and not future.done():
                    future.set_result(None)
            for _ in range(10):
                await asyncio.sleep(0)

    def jump(self, seconds: float) -> None:
        """Move without waking anybody."""
        self._elapsed += seconds


@dataclass
class Server:
    """A DXLink server in the test's event loop, and what it was made of."""

    market: Market
    clock: SteppedClock
    tokens: QuoteTokens
    faults: FaultPlan = field(default_factory=FaultPlan)
    counters: Counters = field(default_factory=Counters)
    url: str = ""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        async with aiohttp.ClientSession() as session, session.ws_connect(self.url, max_msg_size=0) as socket:
            yield Client(socket, self)

    @asynccontextmanager
    async def feed(
        self, *types: str, contract: str = "AUTO", fields: Mapping[str, Sequence[str]] | None = None, **setup: object
    ) -> AsyncIterator[Client]:
        """A client with channel 1 open in COMPACT format, its FEED_CONFIG read."""
        async with self.connect() as client:
            await client.authorize()
            await client.open(1, contract)
            wishes = {"acceptEventFields": fields} if fields else {}
            await client.send("FEED_SETUP", 1, **{"acceptDataFormat": "COMPACT", **wishes, **setup})
            assert (await client.receive())["type"] == "FEED_CONFIG"
            yield client


@dataclass
class Client:
    """A raw client: JSON out, JSON in, nothing interpreted."""

    socket: aiohttp.ClientWebSocketResponse
    server: Server

    async def send(self, kind: str, channel: int, **content: object) -> None:
        await self.socket.send_str(json.dumps({"type": kind, "channel": channel, **content}))

    async def receive(self) -> Message:
        """The next message, checked for what every message must be."""
        message = await self.socket.receive(timeout=10)
        assert message.type is WSMsgType.TEXT, message
        assert len(message.data.encode()) < 32_768
        content = json.loads(message.data, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert isinstance(content, dict)
        return content

    async def closed(self) -> int | None:
        """The code that the server closes with, when that is all that it still has to say."""
        message = await self.socket.receive(timeout=10)
        assert message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED}, message
        return message.data if message.type is WSMsgType.CLOSE else self.socket.close_code

    async def authorize(self) -> None:
        await self.send("SETUP", 0, version="0.1-test/1", keepaliveTimeout=60, acceptKeepaliveTimeout=60)
        await self.send("AUTH", 0, token=self.server.tokens.issue().token)
        kinds = [(await self.receive())["type"] for _ in range(3)]
        assert kinds == ["SETUP", "AUTH_STATE", "AUTH_STATE"]

    async def open(self, channel: int, contract: str = "AUTO") -> None:
        await self.send("CHANNEL_REQUEST", channel, service="FEED", parameters={"contract": contract})
        assert (await self.receive())["type"] == "CHANNEL_OPENED"

    async def subscribe(self, event_type: str, *symbols: str, channel: int = 1, **entry: object) -> None:
        add = [{"type": event_type, "symbol": symbol, **entry} for symbol in symbols]
        await self.send("FEED_SUBSCRIPTION", channel, add=add)

    async def nothing(self) -> None:
        """Nothing was sent up to now: the answer to a wrong message is the next thing to come."""
        await self.socket.send_str("?")
        assert (await self.receive())["error"] == "INVALID_MESSAGE"

    async def candles(self, *symbols: str, fields: Sequence[str] = FIELDS, rows: int = 0) -> list[dict[str, Any]]:
        """Candle events until as many snapshots have ended as there are symbols, or until there are that many."""
        events: list[dict[str, Any]] = []
        ended = 0
        while (len(events) < rows) if rows else (ended < len(symbols)):
            message = await self.receive()
            if message["type"] == "FEED_DATA":
                new = compact(message, fields)
                ended += sum(1 for event in new if event["eventFlags"] & (8 | 16))
                events.extend(new)
        return events


def compact(message: Message, fields: Sequence[str]) -> list[dict[str, Any]]:
    """The events of a COMPACT message, which has one type and whole events."""
    event_type, values = message["data"]
    assert isinstance(event_type, str)
    assert values
    assert len(values) % len(fields) == 0
    return [dict(zip(fields, values[i : i + len(fields)], strict=True)) for i in range(0, len(values), len(fields))]


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


@asynccontextmanager
async def serving(market: Market, at: datetime) -> AsyncIterator[Server]:
    clock = SteppedClock(at)
    server = Server(market, clock, QuoteTokens(clock))
    app = web.Application()
    add_dxlink(app, market=market, clock=clock, tokens=server.tokens, faults=server.faults, counters=server.counters)
    async with TestServer(app, host="127.0.0.1") as listening:
        server.url = str(listening.make_url("/realtime")).replace("http", "ws", 1)
        yield server


@pytest.fixture
async def server(market: Market) -> AsyncIterator[Server]:
    """While the session is open."""
    async with serving(market, OPEN_AT) as running:
        yield running


@pytest.fixture
async def closed_server(market: Market) -> AsyncIterator[Server]:
    """On a Saturday: nothing moves."""
    async with serving(market, CLOSED_AT) as running:
        yield running


# 1. SETUP, AUTH, order


async def test_setup_is_answered_with_both_timeouts_and_then_the_need_for_a_token(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1", keepaliveTimeout=45, acceptKeepaliveTimeout=20)
        setup = await client.receive()
        assert (setup["type"], setup["channel"]) == ("SETUP", 0)
        assert setup["version"].startswith("1.0-")
        assert (setup["keepaliveTimeout"], setup["acceptKeepaliveTimeout"]) == (20, 45)
        assert await client.receive() == {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}


async def test_a_client_that_names_no_timeouts_is_told_sixty_seconds(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        setup = await client.receive()
        assert (setup["keepaliveTimeout"], setup["acceptKeepaliveTimeout"]) == (60, 60)


async def test_messages_sent_without_waiting_are_answered_in_their_order(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        await client.send("CHANNEL_REQUEST", 3, service="FEED", parameters={"contract": "AUTO"})
        await client.send("FEED_SETUP", 3, acceptDataFormat="COMPACT")
        await client.subscribe("Candle", "SPY{=d}", channel=3, fromTime=NOVEMBER_2)
        answers = [await client.receive() for _ in range(7)]
        assert [answer["type"] for answer in answers] == [
            *("SETUP", "AUTH_STATE", "AUTH_STATE", "CHANNEL_OPENED", "FEED_CONFIG", "FEED_CONFIG", "FEED_DATA")
        ]
        assert answers[2]["state"] == "AUTHORIZED"
        assert answers[2]["userId"]


async def test_setup_may_be_repeated_to_change_the_timeouts_without_a_second_question_for_the_token(
    server: Server,
) -> None:
    async with server.connect() as client:
        await client.authorize()
        await client.send("SETUP", 0, version="0.1-test/1", acceptKeepaliveTimeout=15)
        assert (await client.receive())["keepaliveTimeout"] == 15
        await client.nothing()


async def test_what_comes_before_setup_or_before_the_token_is_refused(server: Server) -> None:
    async with server.connect() as client:
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        assert (await client.receive())["error"] == "BAD_ACTION"
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.receive()
        await client.receive()
        await client.send("CHANNEL_REQUEST", 1, service="FEED", parameters={"contract": "AUTO"})
        assert (await client.receive())["error"] == "UNAUTHORIZED"


async def test_an_unknown_protocol_version_is_unsupported(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="9.0-test/1")
        assert (await client.receive())["error"] == "UNSUPPORTED_PROTOCOL"


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{", '{"type": "SETUP"}', '{"type": "NEWS", "channel": 0}', "[" * 2_000),
        *('{"type": "SETUP", "channel": "0", "version": "0.1"}', '{"type": "AUTH", "channel": 0, "token": 7}'),
        '{"type": "SETUP", "channel": 0, "version": "0.1", "keepaliveTimeout": NaN}',
    ],
)
async def test_what_is_not_a_message_is_invalid_and_the_connection_goes_on(server: Server, text: str) -> None:
    async with server.connect() as client:
        await client.socket.send_str(text)
        error = await client.receive()
        assert (error["type"], error["channel"], error["error"]) == ("ERROR", 0, "INVALID_MESSAGE")
        await client.socket.send_bytes(b"\xff\xfe\x00")
        assert (await client.receive())["error"] == "INVALID_MESSAGE"
        await client.authorize()


async def test_a_token_is_not_repeated_in_an_error(server: Server) -> None:
    async with server.connect() as client:
        await client.socket.send_str('{"type": "AUTH", "channel": {}, "token": "canary-token"}')
        assert "canary" not in json.dumps(await client.receive())


async def test_an_error_of_the_client_needs_no_answer(server: Server) -> None:
    async with server.connect() as client:
        await client.send("ERROR", 0, error="TIMEOUT", message="no keepalive")
        await client.nothing()


async def test_a_strict_server_refuses_what_comes_before_its_last_answer(server: Server) -> None:
    server.faults.add("dx-strict-auth")
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        assert (await client.receive())["type"] == "SETUP"
        error = await client.receive()
        assert (error["error"], error["message"]) == ("UNAUTHORIZED", "AuthException: Session not found: api")
        await server.clock.advance(1)
        assert (await client.receive())["state"] == "UNAUTHORIZED"
        await client.send("AUTH", 0, token=server.tokens.issue().token)
        await client.send("CHANNEL_REQUEST", 1, service="FEED", parameters={"contract": "AUTO"})
        assert (await client.receive())["error"] == "UNAUTHORIZED"
        await server.clock.advance(1)
        assert (await client.receive())["state"] == "AUTHORIZED"
        await client.open(1)


# 2. Tokens


async def test_a_refused_token_is_unauthorized_once_and_then_closed(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1")
        await client.receive()
        await client.receive()
        await client.send("AUTH", 0, token="wrong")
        assert (await client.receive())["state"] == "UNAUTHORIZED"
        await client.send("AUTH", 0, token="wrong")
        assert await client.closed() == 1008


async def test_a_token_older_than_a_day_is_refused_and_a_connection_outlives_its_token(server: Server) -> None:
    token = server.tokens.issue().token
    async with server.connect() as first:
        await first.authorize()
        server.clock.jump(24 * 3600 + 1)
        await first.open(1)
        async with server.connect() as client:
            await client.send("SETUP", 0, version="0.1-test/1")
            await client.send("AUTH", 0, token=token)
            assert [(await client.receive()).get("state") for _ in range(3)] == [None, "UNAUTHORIZED", "UNAUTHORIZED"]
            assert await client.closed() == 1008


# 3. Channels


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


# 4. FEED_SETUP and FEED_CONFIG


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


# 5. FEED_DATA


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


async def test_candles_in_full_format_are_objects_of_all_wished_fields(server: Server) -> None:
    async with server.feed(acceptDataFormat="FULL", fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "AAPL{=d}", fromTime=NOVEMBER_2)
        assert (await client.receive())["dataFormat"] == "FULL"
        events = (await client.receive())["data"]
        assert all(event.keys() == {"eventType", *FIELDS} for event in events)
        assert [event["eventFlags"] for event in events] == [4, *[0] * 14, 10]
        assert events[-1]["close"] == "NaN"


# 6. Candles


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


# The limit of snapshots in flight


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
    # At its end it is worth what the underlying lies below the strike, which is nothing or a little.
    spot = market.spot("SPY", CLOSED_AT).price
    assert day["close"] == pytest.approx(max(0.0, float(OptionSymbol.from_streamer(option).strike) - spot), abs=0.03)


@pytest.mark.parametrize("symbol", [".SPY261218C1", ".NOSUCH261218C100", ".SPY261217C680", ".nonsense"])
async def test_an_option_that_was_never_listed_is_an_empty_snapshot(server: Server, symbol: str) -> None:
    async with server.feed(fields={"Candle": FIELDS}) as client:
        for period in ("d", "5m"):
            await client.subscribe("Candle", f"{symbol}{{={period}}}", fromTime=NOVEMBER_2)
            assert [row["eventFlags"] for row in await client.candles(symbol)] == [14]


# 7. Quotes and the like


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
        # What was subscribed to by name stays.
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


# 8. Keepalives


async def test_a_keepalive_comes_every_thirty_seconds_whatever_else_is_sent(server: Server) -> None:
    async with server.feed(fields={"Quote": ["eventSymbol"]}) as client:
        await client.subscribe("Quote", "SPY")
        await client.receive()
        for _ in range(3):
            server.clock.jump(29)
            await server.clock.advance(1)
            await client.send("KEEPALIVE", 0)
            kinds = [(await client.receive())["type"]]
            while kinds[-1] != "KEEPALIVE":
                kinds.append((await client.receive())["type"])
            assert set(kinds) <= {"KEEPALIVE", "FEED_DATA"}


async def test_a_client_with_a_short_timeout_is_kept_alive_in_time(server: Server) -> None:
    async with server.connect() as client:
        await client.send("SETUP", 0, version="0.1-test/1", keepaliveTimeout=10)
        await client.receive()
        await client.receive()
        await server.clock.advance(5)
        assert (await client.receive())["type"] == "KEEPALIVE"


@pytest.mark.parametrize("is_set_up", [True, False])
async def test_a_client_silent_for_longer_than_announced_is_told_so_and_dropped(
    server: Server, is_set_up: bool
) -> None:
    async with server.connect() as client:
        if is_set_up:
            await client.authorize()
        server.clock.jump(60)
        await server.clock.advance(1)
        messages = [await client.receive()]
        while messages[-1]["type"] == "KEEPALIVE":
            messages.append(await client.receive())
        assert messages[-1]["error"] == "TIMEOUT"
        assert await client.closed() == 1001


# 9. Limits


async def test_a_message_of_64_kib_passes_and_one_byte_more_is_too_big(server: Server) -> None:
    async with server.connect() as client:
        start = '{"type": "KEEPALIVE", "channel": 0, "padding": "'
        await client.socket.send_str(start + "x" * (65_536 - len(start) - 2) + '"}')
        await client.nothing()
        await client.socket.send_str(start + "x" * (65_537 - len(start) - 2) + '"}')
        assert await client.closed() == 1009


async def send_without_end(client: Client) -> None:
    while True:
        await client.socket.send_str("?" * 60_000)


async def test_a_client_that_never_reads_is_not_buffered_for_without_end(server: Server) -> None:
    async with server.connect() as client:
        await client.authorize()
        before = server.counters.count("dxlink.errors")
        sending = asyncio.create_task(send_without_end(client))
        _, pending = await asyncio.wait({sending}, timeout=2)
        assert pending == {sending}
        sending.cancel()
        # The server stops reading: far fewer messages were answered than a socket takes in two seconds.
        assert server.counters.count("dxlink.errors") - before < 100_000


async def test_plain_http_on_the_route_is_a_bad_request(server: Server) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url.replace("ws", "http", 1)) as response:
        assert response.status == 400


async def test_a_stopping_server_says_that_it_goes_away(market: Market) -> None:
    async with serving(market, OPEN_AT) as server:
        session = aiohttp.ClientSession()
        socket = await session.ws_connect(server.url)
        reading = asyncio.create_task(socket.receive(timeout=10))
        await asyncio.sleep(0)
    assert (await reading).data == 1001
    await session.close()


async def test_connections_are_counted(server: Server) -> None:
    async with server.feed(fields={"Candle": FIELDS}) as client:
        await client.subscribe("Candle", "AAPL{=d}", fromTime=NOVEMBER_2)
        await client.receive()
        await client.candles("AAPL")
        counts = server.counters.snapshot()
        assert counts["in-flight"] == {"dxlink.connections": {"now": 1, "max": 1}}
        assert server.counters.count("dxlink.bars") == 15


# 10. Faults


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


# The PyPI package `tastytrade`, unmodified: its streamer asks its session for two things only


@asynccontextmanager
async def third_party(server: Server) -> AsyncIterator[DXLinkStreamer]:
    async def get(path: str) -> dict[str, str]:
        assert path == "/api-quote-tokens"
        return {"token": server.tokens.issue().token, "dxlink-url": server.url}

    session = cast(Session, SimpleNamespace(_get=get, client_kwargs={}))
    streamer = DXLinkStreamer(session)
    try:
        async with streamer:
            yield streamer
    finally:
        # The package leaves its queues open, which warns when they are collected.
        for queue in (*streamer._send.values(), *streamer._recv.values()):
            await queue.aclose()


async def test_the_pypi_client_receives_every_daily_bar(closed_server: Server, market: Market) -> None:
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


async def test_the_pypi_client_receives_intraday_bars(closed_server: Server) -> None:
    async with third_party(closed_server) as streamer:
        await streamer.subscribe_candle("SPX", "5m", datetime(2026, 11, 20, tzinfo=UTC), extended_trading_hours=True)
        candles = [await asyncio.wait_for(streamer.get_event(Candle), 10) for _ in range(79)]
        assert [candle.event_flags for candle in candles] == [4, *[0] * 77, 10]
        assert {candle.event_symbol for candle in candles} == {"SPX{=5m}"}


async def test_the_pypi_client_receives_the_five_quote_type_events(server: Server, market: Market) -> None:
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


async def test_the_pypi_client_can_unsubscribe_and_subscribe_again(server: Server) -> None:
    async with third_party(server) as streamer:
        await streamer.subscribe(Quote, ["SPY"])
        await asyncio.wait_for(streamer.get_event(Quote), 10)
        await streamer.unsubscribe_all(Quote)
        while "Quote" in streamer._subscription_state:  # noqa: ASYNC110 - the package offers no event to wait for
            await asyncio.sleep(0.001)
        await streamer.subscribe(Quote, ["QQQ"])
        assert (await asyncio.wait_for(streamer.get_event(Quote), 10)).event_symbol == "QQQ"
