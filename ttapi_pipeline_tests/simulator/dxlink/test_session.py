# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The protocol without a socket: messages in, messages out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.simulator.dxlink.candle_bars import CandleSource
from ttapi_pipeline.simulator.dxlink.events import EventSource
from ttapi_pipeline.simulator.dxlink.messages import Auth, decode
from ttapi_pipeline.simulator.dxlink.session import DxLinkSession
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.examples import examples

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def session(market: Market) -> DxLinkSession:
    return DxLinkSession(
        CandleSource(market),
        EventSource(market),
        is_valid_token=lambda token: token == "right",
        strike=lambda kinds, *places: (),
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


@settings(max_examples=examples(150))
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


def test_a_token_is_not_in_the_representation_of_its_message() -> None:
    message = decode('{"type": "AUTH", "channel": 0, "token": "canary-token"}')
    assert isinstance(message, Auth)
    assert "canary" not in repr(message)


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
