# SPDX-License-Identifier: MIT
"""The parts of the DXLink server that need no socket: symbols, bars, rows, messages, and the session itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.simulator.dxlink.candle_bars import NO_BARS, CandleBars, CandleSource
from ttapi_pipeline.simulator.dxlink.candle_rows import snapshot_rows, update_rows
from ttapi_pipeline.simulator.dxlink.candle_symbols import parse_candle_symbol
from ttapi_pipeline.simulator.dxlink.events import EventSource
from ttapi_pipeline.simulator.dxlink.feed_data import EVENT_FIELDS, MESSAGE_LIMIT, RowSender
from ttapi_pipeline.simulator.dxlink.messages import Auth, decode
from ttapi_pipeline.simulator.dxlink.session import DxLinkSession
from ttapi_pipeline.simulator.market.market import Market

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


# Candle symbols


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        # The examples of dxFeed's symbol guide and of tastyware/tastytrade #173.
        ("SPX{=1h}", "SPX{=h}"),
        ("GOOG{=1w,tho=true}", "GOOG{=w,tho=true}"),
        ("GOOG{tho=true,=1w}", "GOOG{=w,tho=true}"),
        ("AAPL{=60m}", "AAPL{=60m}"),
        ("AAPL{=d,price=last,a=m,tho=false}", "AAPL{=d}"),
        ("AAPL{=1DAY,a=session}", "AAPL{=d,a=s}"),
        ("AAPL{=d,tho=true,price=mark,a=s}", "AAPL{=d,a=s,price=mark,tho=true}"),
        ("/ESZ26:XCME{=1600t}", "/ESZ26:XCME{=1600t}"),
        (".AAPL261218C150{=h}", ".AAPL261218C150{=h}"),
        ("BTC/USD:CXTALP{=m,pl=0.5}", "BTC/USD:CXTALP{=m,pl=0.5}"),
        ("AAPL&Q{=1.50h}", "AAPL&Q{=1.5h}"),
        ("AAPL{tho=false}", "AAPL"),
        ("AAPL", "AAPL"),
    ],
)
def test_a_candle_symbol_has_one_canonical_form(text: str, canonical: str) -> None:
    assert parse_candle_symbol(text).canonical == canonical


@pytest.mark.parametrize(
    "text",
    ["", "{=d}", "AAPL{=d", "AAPL{}", "AAPL{d}", "AAPL{=d,=w}", "AAPL{=0d}", "AAPL{=-1d}", "AAPL{=5x}", "AAPL{tho=1}"],
)
def test_what_is_not_a_candle_symbol_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_candle_symbol(text)


@given(
    base=st.sampled_from(["AAPL", "BRK/B", "/ESZ26:XCME", ".SPY261218C600"]),
    period=st.integers(1, 10_000),
    unit=st.sampled_from(["t", "s", "m", "h", "d", "w", "mo", "o", "y", "v", "p", "minute", "week", "months"]),
    attributes=st.lists(
        st.sampled_from(["a=s", "a=midnight", "price=mark", "price=last", "tho=true", "tho=false", "pl=2"]),
        unique_by=lambda pair: pair.partition("=")[0],
    ),
    place=st.integers(0, 4),
)
def test_the_canonical_form_is_its_own_canonical_form_and_means_the_same(
    base: str, period: int, unit: str, attributes: list[str], place: int
) -> None:
    pairs = [*attributes[:place], f"={period}{unit}", *attributes[place:]]
    candle = parse_candle_symbol(f"{base}{{{','.join(pairs)}}}")
    assert parse_candle_symbol(candle.canonical) == candle
    assert candle.canonical.startswith(f"{base}{{=")


@given(st.text(max_size=40))
def test_any_text_is_a_candle_symbol_or_a_value_error(text: str) -> None:
    try:
        candle = parse_candle_symbol(text)
    except ValueError:
        return
    assert parse_candle_symbol(candle.canonical).canonical == candle.canonical


# Rows and messages


def bars(count: int, *, is_snipped: bool = False) -> CandleBars:
    price = np.linspace(100.0, 200.0, count)
    return CandleBars(
        time=(np.arange(count, dtype=np.int64)[::-1] + 10) * 86_400_000,
        count=np.arange(count, dtype=np.int64),
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=price * 10,
        vwap=np.where(np.arange(count) % 3 == 0, np.nan, price),
        implied_volatility=np.full(count, np.nan),
        is_snipped=is_snipped,
    )


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 700),
    fields=st.lists(st.sampled_from(EVENT_FIELDS["Candle"]), min_size=1, unique=True),
    from_time=st.integers(0, 10 * 86_400_000),
    is_full=st.booleans(),
    is_snipped=st.booleans(),
)
def test_messages_of_any_layout_hold_every_row_once_in_its_order(
    count: int, fields: list[str], from_time: int, is_full: bool, is_snipped: bool
) -> None:
    is_snipped = is_snipped and count > 0
    source = bars(count, is_snipped=is_snipped)
    sender = RowSender(snapshot_rows("A{=d}", source, from_time=from_time))
    received: list[dict[str, Any]] = []
    while not sender.is_done:
        text = sender.next_message(1, fields, "FULL" if is_full else "COMPACT")
        assert len(text) <= MESSAGE_LIMIT
        data = json.loads(text)["data"]
        if is_full:
            received.extend(data)
        else:
            flat: Sequence[Any] = data[1]
            received.extend(
                dict(zip(fields, flat[i : i + len(fields)], strict=True)) for i in range(0, len(flat), len(fields))
            )
    assert len(received) == count + (not is_snipped)
    for number, event in enumerate(received[:count]):
        expected = {
            "eventSymbol": "A{=d}",
            "time": int(source.time[number]),
            "close": float(source.close[number]),
            "vwap": "NaN" if number % 3 == 0 else float(source.close[number]),
            "impVolatility": "NaN",
        }
        assert all(event[name] == value for name, value in expected.items() if name in fields)
    if "eventFlags" in fields:
        flags = [event["eventFlags"] for event in received]
        last = 16 if is_snipped else 10
        assert flags == ([4 | last] if len(flags) == 1 else [4, *[0] * (len(flags) - 2), last])
    if not is_snipped and "time" in fields:
        assert received[-1]["time"] <= from_time


def test_infinities_are_strings() -> None:
    source = bars(2)
    source.close[:] = [np.inf, -np.inf]
    message = RowSender(update_rows("A{=d}", source)).next_message(1, ["close"], "COMPACT")
    assert json.loads(message)["data"] == ["Candle", ["-Infinity", "Infinity"]]


def test_a_token_is_not_in_the_representation_of_its_message() -> None:
    message = decode('{"type": "AUTH", "channel": 0, "token": "canary-token"}')
    assert isinstance(message, Auth)
    assert "canary" not in repr(message)


# The session


def session(market: Market) -> DxLinkSession:
    return DxLinkSession(
        CandleSource(market),
        EventSource(market),
        is_valid_token=lambda token: token == "right",
        strike=lambda kinds: (),
        monotonic=0.0,
        count=lambda name, amount: None,
    )


def drained(server: DxLinkSession, at: datetime = AT) -> list[dict[str, Any]]:
    messages = []
    while (message := server.next_message(at=at)) is not None:
        if message:
            messages.append(json.loads(message))
    return messages


def test_two_sessions_that_hear_the_same_say_the_same(market: Market) -> None:
    def conversation() -> list[bytes]:
        server = session(market)
        for message in (
            {"type": "SETUP", "channel": 0, "version": "0.1-test/1"},
            {"type": "AUTH", "channel": 0, "token": "right"},
            {"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED", "parameters": {"contract": "AUTO"}},
            {
                "type": "FEED_SUBSCRIPTION",
                "channel": 1,
                "add": [
                    {"type": "Candle", "symbol": "AAPL{=h}", "fromTime": 1_790_000_000_000},
                    {"type": "Candle", "symbol": "SPY{=d}", "fromTime": 0},
                    {"type": "Quote", "symbol": "SPY"},
                ],
            },
        ):
            server.receive(json.dumps(message), monotonic=0.0)
        said = []
        while (message_ := server.next_message(at=AT)) is not None:
            said.append(message_)
        return said

    first = conversation()
    assert len(first) > 10
    assert conversation() == first


def test_a_clock_that_jumps_brings_all_new_bars_even_when_they_fill_several_messages(market: Market) -> None:
    server = session(market)
    friday = datetime(2026, 11, 20, 14, 31, tzinfo=UTC)
    entry = {"type": "Candle", "symbol": "SPY{=5s}", "fromTime": 1_795_132_800_000}
    for text in (
        '{"type": "SETUP", "channel": 0, "version": "0.1-test/1"}',
        '{"type": "AUTH", "channel": 0, "token": "right"}',
        '{"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED"}',
        '{"type": "FEED_SETUP", "channel": 1, "acceptDataFormat": "COMPACT"}',
        '{"type": "FEED_SETUP", "channel": 1, "acceptEventFields": {"Candle": ["time", "eventFlags"]}}',
        json.dumps({"type": "FEED_SUBSCRIPTION", "channel": 1, "add": [entry]}),
    ):
        server.receive(text, monotonic=0.0)
    before = [value for message in drained(server, friday)[7:] for value in message["data"][1][::2]]
    # From 09:30 to 09:31 in New York there are twelve bars of five seconds, the one that begins, and the marker.
    assert len(before) == 14
    afternoon = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
    server.tick(monotonic=1.0, at=afternoon)
    updates = [message["data"][1] for message in drained(server, afternoon)]
    assert len(updates) > 1
    times = [time for values in updates for time in values[::2]]
    assert times == list(range(before[0], int(afternoon.timestamp() * 1000) + 1, 5_000))
    assert {flag for values in updates for flag in values[1::2]} == {0}


def test_the_number_of_subscriptions_is_bounded(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttapi_pipeline.simulator.dxlink.channels.MOST_SUBSCRIPTIONS", 3)
    server = session(market)
    for text in (
        '{"type": "SETUP", "channel": 0, "version": "0.1-test/1"}',
        '{"type": "AUTH", "channel": 0, "token": "right"}',
        '{"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED"}',
    ):
        server.receive(text, monotonic=0.0)
    drained(server)
    add = [{"type": "Quote", "symbol": symbol} for symbol in "ABCDE"]
    server.receive(json.dumps({"type": "FEED_SUBSCRIPTION", "channel": 1, "add": add}), monotonic=0.0)
    kinds = [message["type"] for message in drained(server)]
    assert "ERROR" in kinds


MESSAGES = st.sampled_from(
    [
        {"type": "SETUP", "channel": 0, "version": "0.1-test/1"},
        {"type": "AUTH", "channel": 0, "token": "right"},
        {"type": "AUTH", "channel": 0, "token": "wrong"},
        {"type": "KEEPALIVE", "channel": 0},
        {"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED", "parameters": {"contract": "AUTO"}},
        {"type": "CHANNEL_REQUEST", "channel": 3, "service": "FEED", "parameters": {"contract": "HISTORY"}},
        {"type": "CHANNEL_CANCEL", "channel": 1},
        {
            "type": "FEED_SETUP",
            "channel": 1,
            "acceptDataFormat": "COMPACT",
            "acceptEventFields": {"Quote": ["bidPrice"]},
        },
        {"type": "FEED_SUBSCRIPTION", "channel": 1, "add": [{"type": "Quote", "symbol": "SPY"}]},
        {
            "type": "FEED_SUBSCRIPTION",
            "channel": 3,
            "reset": True,
            "add": [{"type": "Candle", "symbol": "SPY{=d}", "fromTime": 1_790_000_000_000}],
        },
        {"type": "FEED_SUBSCRIPTION", "channel": 1, "remove": [{"type": "Quote", "symbol": "SPY"}]},
        {"type": "NONSENSE"},
    ]
)


@settings(max_examples=150, deadline=None)
@given(script=st.lists(st.one_of(MESSAGES, st.integers(0, 40)), max_size=40))
def test_whatever_a_client_does_every_data_message_follows_its_channel_and_its_layout(
    market: Market, script: list[dict[str, Any] | int]
) -> None:
    server = session(market)
    said: list[dict[str, Any]] = []
    clock = 0.0
    for step in script:
        if isinstance(step, int):
            clock += step
            server.tick(monotonic=clock, at=AT)
        else:
            server.receive(json.dumps(step), monotonic=clock)
        said.extend(drained(server))
    opened: set[int] = set()
    announced: dict[int, set[str]] = {}
    for message in said:
        channel = message["channel"]
        match message["type"]:
            case "CHANNEL_OPENED":
                assert channel not in opened
                opened.add(channel)
                announced[channel] = set()
            case "CHANNEL_CLOSED":
                opened.remove(channel)
            case "FEED_CONFIG":
                announced[channel] |= set(message.get("eventFields", {}))
            case "FEED_DATA":
                assert channel in opened
                first = message["data"][0]
                assert (first if isinstance(first, str) else first["eventType"]) in announced[channel]
    assert sum(message.get("state") == "UNAUTHORIZED" for message in said) <= 2


def test_no_bars_are_an_empty_snapshot() -> None:
    message = RowSender(snapshot_rows("X{=d}", NO_BARS, from_time=5)).next_message(1, ["eventFlags", "time"], "COMPACT")
    assert json.loads(message)["data"] == ["Candle", [14, 5]]
