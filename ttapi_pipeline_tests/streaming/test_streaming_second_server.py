# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A feed against a second DXLink server, written from docs/protocols/dxlink.md alone and for this module only."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect
from ttapi_pipeline.streaming.feed import QuoteFeed, quote_feed
from ttapi_pipeline.streaming.feed_options import FeedOptions
from ttapi_pipeline.streaming.market_data import SaleType
from ttapi_pipeline_tests.support.clocks import until
from ttapi_pipeline_tests.support.virtual_time import LoopClock

pytestmark = pytest.mark.virtual_time

SYMBOLS = ("AAPL", "MSFT", "SPX", "BRK/B")
Event = dict[str, Any]


class SecondServer:
    """Serves whatever `publish` is given to every client that asked for it; a test sets what else it does.

    Attributes:
        data_format: What it sends, whatever the client would like.
        layout: From the wished fields to those that it announces.
        has_several_types: Whether one message holds events of all types.
        not_entitled: The event types that a client is not entitled to: an ERROR, and nothing else.
        timeout: Seconds after which it drops a client that it has not heard; it announces them.
        heard: Every message of every client.
        values: The newest event by type and symbol; sent on subscription.
    """

    def __init__(self) -> None:
        self.url = ""
        self.data_format = "COMPACT"
        self.layout: Callable[[Sequence[str]], Sequence[str]] = tuple
        self.has_several_types = False
        self.not_entitled: set[str] = set()
        self.timeout = 60.0
        self.heard: list[dict[str, Any]] = []
        self.values: dict[tuple[str, str], Event] = {}
        self.clients: list[SecondClient] = []

    async def serve(self, socket: ServerConnection) -> None:
        client = SecondClient(self, socket)
        self.clients.append(client)
        with suppress(ConnectionClosed):
            while True:
                try:
                    async with asyncio.timeout(self.timeout):
                        message = json.loads(await socket.recv())
                except TimeoutError:
                    await client.send("ERROR", 0, error="TIMEOUT", message="nothing heard")
                    await socket.close(1001)
                    return
                self.heard.append(message)
                await client.react(message)

    async def publish(self, *events: Event) -> None:
        """Send these events, in order, to all that have subscribed them."""
        for event in events:
            self.values[event["eventType"], event["eventSymbol"]] = event
        for client in self.clients:
            with suppress(ConnectionClosed):
                await client.send_events(events)


class SecondClient:
    """One client of the second server."""

    def __init__(self, server: SecondServer, socket: ServerConnection) -> None:
        self.server = server
        self.socket = socket
        self.wishes: dict[int, Mapping[str, Sequence[str]]] = {}
        self.layouts: dict[tuple[int, str], Sequence[str]] = {}
        self.subscribed: dict[tuple[str, str], int] = {}

    async def send(self, kind: str, channel: int, **content: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "channel": channel, **content}))

    async def react(self, message: Mapping[str, Any]) -> None:
        channel = message["channel"]
        match message["type"]:
            case "SETUP":
                await self.send("SETUP", 0, version="1.0-second", keepaliveTimeout=self.server.timeout)
                await self.send("AUTH_STATE", 0, state="UNAUTHORIZED")
            case "AUTH":
                await self.send("AUTH_STATE", 0, state="AUTHORIZED", userId="u-2")
            case "CHANNEL_REQUEST":
                parameters = {**message["parameters"], "subFormat": "LIST"}
                await self.send("CHANNEL_OPENED", channel, service="FEED", parameters=parameters)
            case "FEED_SETUP":
                self.wishes[channel] = message["acceptEventFields"]
                await self.configure(channel)
            case "FEED_SUBSCRIPTION":
                await self.subscribe(channel, message)

    async def configure(self, channel: int, **content: Any) -> None:
        await self.send("FEED_CONFIG", channel, dataFormat=self.server.data_format, aggregationPeriod=0.1, **content)

    async def subscribe(self, channel: int, message: Mapping[str, Any]) -> None:
        if message.get("reset"):
            self.subscribed = {key: place for key, place in self.subscribed.items() if place != channel}
        for entry in message.get("remove", ()):
            self.subscribed.pop((entry["type"], entry["symbol"]), None)
        current = []
        for entry in message.get("add", ()):
            key = (entry["type"], entry["symbol"])
            if entry["type"] in self.server.not_entitled:
                await self.send("ERROR", channel, error="UNAUTHORIZED", message=f"not entitled to {entry['type']}")
                continue
            self.subscribed[key] = channel
            if key in self.server.values:
                current.append(self.server.values[key])
        await self.send_events(current)

    async def send_events(self, events: Sequence[Event]) -> None:
        """In as few messages as the server's manners allow."""
        pending: list[Event] = []
        for event in events:
            if (event["eventType"], event["eventSymbol"]) not in self.subscribed:
                continue
            if pending and not self.server.has_several_types and pending[-1]["eventType"] != event["eventType"]:
                await self._send_message(pending)
                pending = []
            pending.append(event)
        if pending:
            await self._send_message(pending)

    async def _send_message(self, events: Sequence[Event]) -> None:
        by_channel: dict[int, list[Event]] = {}
        for event in events:
            by_channel.setdefault(self.subscribed[event["eventType"], event["eventSymbol"]], []).append(event)
        for channel, some in by_channel.items():
            for kind in {event["eventType"] for event in some}:
                if (channel, kind) not in self.layouts:
                    # Lazy: the fields of a type are told before its first data, and not earlier.
                    await self.announce(channel, kind)
            if self.server.data_format == "FULL":
                # Empty fields may be left out.
                rows = [{name: value for name, value in event.items() if value != "NaN"} for event in some]
                await self.send("FEED_DATA", channel, data=rows)
                continue
            data: list[Any] = []
            for event in some:
                values = [event.get(name, 0) for name in self.layouts[channel, event["eventType"]]]
                if data and data[-2] == event["eventType"]:
                    data[-1] += values
                else:
                    data += [event["eventType"], values]
            await self.send("FEED_DATA", channel, data=data)

    async def announce(self, channel: int, kind: str) -> None:
        self.layouts[channel, kind] = self.server.layout(self.wishes[channel][kind])
        await self.configure(channel, eventFields={kind: list(self.layouts[channel, kind])})


@pytest.fixture
async def server() -> AsyncIterator[SecondServer]:
    second = SecondServer()
    async with serve(second.serve, "127.0.0.1", 0, compression=None, close_timeout=0.2, ping_interval=None) as sockets:
        second.url = f"ws://127.0.0.1:{next(iter(sockets.sockets)).getsockname()[1]}"
        yield second


@asynccontextmanager
async def fed(server: SecondServer, *symbols: str, **options: Any) -> AsyncIterator[QuoteFeed]:
    clock = LoopClock(datetime(2026, 11, 20, 15, 30, tzinfo=UTC))

    @asynccontextmanager
    async def open_connection() -> AsyncIterator[DxLinkConnection]:
        async with connect(server.url, "token-of-second", clock=clock) as link:
            yield link

    options = {"pace_seconds": 0.0, "backoff": Backoff(0.05, 0.1), **options}
    async with quote_feed(open_connection, symbols or SYMBOLS, options=FeedOptions(**options), clock=clock) as feed:
        yield feed


def quote(symbol: str, bid: float | str, ask: float | str = 2.0, size: float | str = 3.0) -> Event:
    return {
        "eventType": "Quote",
        "eventSymbol": symbol,
        "bidPrice": bid,
        "askPrice": ask,
        "bidSize": size,
        "askSize": size,
    }


def trade(symbol: str, price: float, volume: float, time: int = 1_795_190_400_000) -> Event:
    return {
        "eventType": "Trade",
        "eventSymbol": symbol,
        "price": price,
        "time": time,
        "dayVolume": volume,
        "size": 1.0,
    }


def sale(symbol: str, time: int, sequence: int, price: float, kind: str = "NEW") -> Event:
    return {
        "eventType": "TimeAndSale",
        "eventSymbol": symbol,
        "time": time,
        "sequence": sequence,
        "price": price,
        "size": 100.0,
        "type": kind,
        "eventFlags": 0,
        "exchangeCode": "Q",
        "bidPrice": "NaN",
        "askPrice": 2.0,
        "extendedTradingHours": False,
    }


def backwards(wished: Sequence[str]) -> Sequence[str]:
    return wished[::-1]


def shorter(wished: Sequence[str]) -> Sequence[str]:
    return wished[:-1]


def with_more(wished: Sequence[str]) -> Sequence[str]:
    return ("eventType", *wished[::-1], "eventTime")


@pytest.mark.parametrize("has_several_types", [False, True])
@pytest.mark.parametrize(
    ("data_format", "layout"),
    [("COMPACT", tuple), ("COMPACT", backwards), ("COMPACT", shorter), ("COMPACT", with_more), ("FULL", tuple)],
)
async def test_the_board_has_the_newest_values_in_every_layout_and_format(
    server: SecondServer,
    data_format: str,
    layout: Callable[[Sequence[str]], Sequence[str]],
    has_several_types: bool,
) -> None:
    server.data_format, server.layout, server.has_several_types = data_format, layout, has_several_types
    await server.publish(quote("AAPL", 1.0), quote("SPX", 6000.0, size="NaN"), trade("AAPL", 1.5, 10.0))
    async with fed(server) as feed:
        board = feed.board
        await until(lambda: board.has_answered("Trade")[0] and board.has_answered("Quote")[2])
        await server.publish(
            quote("AAPL", 1.1),
            quote("MSFT", 5.0, "NaN"),
            trade("AAPL", 1.6, 20.0),
            quote("AAPL", 1.2),
            trade("MSFT", 9, 5),
        )
        await until(lambda: board.has_answered("Trade")[1] and board.bid_price[0] == 1.2)
        assert board.bid_price[:3].tolist() == [1.2, 5.0, 6000.0]
        assert board.last_price[:2].tolist() == [1.6, 9.0]
        assert board.day_volume[:2].tolist() == [20.0, 5.0]
        assert math.isnan(board.ask_price[1])
        assert math.isnan(board.bid_size[2])
        assert math.isnan(board.bid_price[3])
        # The last wish of a Quote is not announced by a server that has fewer fields.
        assert math.isnan(board.ask_size[0]) == (layout is shorter)
        health = feed.health()
    assert (health.reconnects, health.unknown, health.errors) == (0, 0, 0)


async def test_a_message_that_cannot_be_read_is_counted_and_costs_neither_link_nor_values(server: SecondServer) -> None:
    await server.publish(quote("AAPL", 1.0))
    async with fed(server, "AAPL") as feed:
        board = feed.board
        await until(lambda: board.has_answered("Quote")[0])
        (client,) = server.clients
        (channel,) = set(client.subscribed.values())
        nameless = {"eventType": "Quote", "eventSymbol": None}
        mangled: Sequence[object] = (
            *(["Quote", ["AAPL", 9.0]], [[]], "Quote"),
            *([quote("AAPL", 1.1), nameless, 5], [nameless]),
        )
        for data in mangled:
            await client.send("FEED_DATA", channel, data=data)
        await server.publish(quote("AAPL", 1.2))
        await until(lambda: board.bid_price[0] == 1.2)
        health = feed.health()
    assert health.lost == {"part of a message": 4, "Quote.eventSymbol": 2}
    assert (health.reconnects, len(server.clients)) == (0, 1)


async def test_layout_and_format_can_change_in_the_middle(server: SecondServer) -> None:
    async with fed(server) as feed:
        await until(lambda: len(server.clients) and ("Quote", "BRK/B") in server.clients[0].subscribed)
        bids: list[float] = []
        layouts: list[Callable[[Sequence[str]], Sequence[str]]] = [tuple, backwards, tuple, with_more]
        for turn, layout in enumerate(layouts):
            server.data_format, server.layout = "FULL" if turn == 2 else "COMPACT", layout
            server.clients[0].layouts.clear()
            await server.publish(quote("AAPL", 10.0 + turn, ask=20.0 + turn))
            await until(lambda: feed.board.ask_price[0] == 20.0 + len(bids))
            bids.append(feed.board.bid_price[0])
        assert bids == [10.0, 11.0, 12.0, 13.0]
        assert feed.health().reconnects == 0


async def test_a_server_that_wants_to_be_heard_is(server: SecondServer) -> None:
    server.timeout = 0.3
    async with fed(server) as feed:
        await until(lambda: sum(message["type"] == "KEEPALIVE" for message in server.heard) >= 5)
        assert feed.health().reconnects == 0


async def test_a_server_can_shorten_its_timeout_later(server: SecondServer) -> None:
    async with fed(server) as feed:
        await until(lambda: len(server.clients) and ("Quote", "BRK/B") in server.clients[0].subscribed)
        server.timeout = 0.3
        await server.clients[0].send("SETUP", 0, version="1.0-second", keepaliveTimeout=0.3)
        await until(lambda: sum(message["type"] == "KEEPALIVE" for message in server.heard) >= 3)
        assert feed.health().reconnects == 0


async def test_a_type_that_we_are_not_entitled_to_takes_nothing_else_away(
    server: SecondServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.not_entitled = {"TimeAndSale", "Summary"}
    await server.publish(*(quote(symbol, 1.0) for symbol in SYMBOLS))
    with caplog.at_level(logging.WARNING):
        async with fed(server, has_sales=True) as feed:
            await until(lambda: feed.board.has_answered("Quote").all() and feed.health().is_live)
            await server.publish(quote("MSFT", 7.0))
            await until(lambda: feed.board.bid_price[1] == 7.0)
            health = feed.health()
    assert (health.reconnects, health.gaps, health.errors) == (0, 0, 8)
    # One line for each channel, not one for each symbol.
    assert len(caplog.records) == 2


async def test_sales_corrections_and_cancels_come_once(server: SecondServer) -> None:
    async with fed(server, has_sales=True) as feed, feed.sales() as sales:
        await until(lambda: len(server.clients) and ("Quote", "BRK/B") in server.clients[0].subscribed)
        first = [sale("AAPL", 1000, 1, 1.5), sale("AAPL", 1000, 2, 1.6), sale("MSFT", 1000, 1, 5.0)]
        changes = [sale("AAPL", 1000, 1, 1.4, "CORRECTION"), sale("MSFT", 1000, 1, 5.0, "CANCEL")]
        await server.publish(*first)
        await server.publish(*first, *changes)
        await server.publish(*changes, sale("AAPL", 2000, 0, 1.7))
        await until(lambda: feed.health().sales >= 6)
        rows = sales.take()
        health = feed.health()
    symbols = [SYMBOLS[position] for position in rows.position]
    assert list(zip(symbols, rows.time_ms, rows.sequence, rows.price, rows.type, strict=True)) == [
        ("AAPL", 1000, 1, 1.5, SaleType.NEW),
        ("AAPL", 1000, 2, 1.6, SaleType.NEW),
        ("MSFT", 1000, 1, 5.0, SaleType.NEW),
        ("AAPL", 1000, 1, 1.4, SaleType.CORRECTION),
        ("MSFT", 1000, 1, 5.0, SaleType.CANCEL),
        ("AAPL", 2000, 0, 1.7, SaleType.NEW),
    ]
    assert (health.sales, health.duplicates) == (6, 5)


async def test_after_a_reconnect_nothing_is_counted_again_and_the_gap_is_told(server: SecondServer) -> None:
    await server.publish(quote("AAPL", 1.0), sale("AAPL", 1000, 1, 1.5))
    async with fed(server, "AAPL", has_sales=True) as feed:
        await until(lambda: feed.health().is_live and feed.health().sales == 1)
        await server.clients[0].socket.close(1011, "maintenance")
        await until(lambda: len(server.clients) == 2 and feed.health().is_live)
        await server.publish(sale("AAPL", 2000, 0, 1.7))
        await until(lambda: feed.health().sales == 2)
        assert feed.health().duplicates == 1
        (gap,) = feed.gaps
        assert "maintenance" in gap.reason
        assert gap.until is not None
        assert gap.symbols == ("AAPL",)
    resets = [message for message in server.heard if message["type"] == "FEED_SUBSCRIPTION" and message.get("reset")]
    assert len(resets) == 4
    assert [message["type"] for message in server.heard].count("AUTH") == 2


async def test_many_symbols_go_out_in_frames_within_the_limits(server: SecondServer) -> None:
    symbols = [f"SYM{number}" for number in range(1_000)]
    async with fed(server, *symbols, has_sales=True, symbols_per_connection=300):
        await until(lambda: sum(len(client.subscribed) for client in server.clients) == 4_000)
    subscriptions = [message for message in server.heard if message["type"] == "FEED_SUBSCRIPTION"]
    assert len(server.clients) == 4
    assert max(len(message["add"]) for message in subscriptions) <= 200
    assert max(len(json.dumps(message)) for message in subscriptions) <= 20_000


async def test_the_token_is_in_no_log_line_or_health(server: SecondServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with fed(server, "AAPL") as feed:
            await until(lambda: len(server.clients) and ("Quote", "AAPL") in server.clients[0].subscribed)
            await server.clients[0].send("ERROR", 0, error="UNKNOWN", message="old: token-of-second")
            await server.clients[0].socket.close(1011, "bad token-of-second")
            await until(lambda: feed.health().reconnects == 1 and feed.health().errors == 1)
            seen = repr(feed.health()) + repr(feed.gaps)
    # What the server in this process logs is not ours.
    lines = [record.getMessage() for record in caplog.records if record.name != "websockets.server"]
    assert "token-of-second" not in seen + "".join(lines)
    assert any("old: ***" in line for line in lines)
