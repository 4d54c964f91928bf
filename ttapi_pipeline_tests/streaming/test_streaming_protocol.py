# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The protocol object: frames in, events and frames out, in the order that docs/protocols/dxlink.md demands."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.events import (
    Authorized,
    ChannelClosed,
    ErrorReceived,
    FeedData,
    FeedReady,
    TokenRefused,
    Unreadable,
    joined,
    may_join,
)
from ttapi_pipeline.streaming.messages import Contract, Subscription
from ttapi_pipeline.streaming.protocol import DxLinkProtocol, Handshake
from ttapi_pipeline_tests.support.examples import examples

CANARY = "canary-quote-token-4711"
QUOTE_FIELDS = ("eventSymbol", "bidPrice", "askPrice")
UNAUTHORIZED = {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}
AUTHORIZED = {"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED", "userId": "u-1"}


def tell(protocol: DxLinkProtocol, **message: Any) -> list[Any]:
    return list(protocol.receive(json.dumps(message)))


def sent(protocol: DxLinkProtocol) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in protocol.outgoing()]


def ready(*others: str) -> DxLinkProtocol:
    """A session with an open, configured channel 1, of quotes and other types."""
    protocol = DxLinkProtocol(CANARY)
    protocol.start()
    tell(protocol, **UNAUTHORIZED)
    tell(protocol, **AUTHORIZED)
    protocol.open_feed(Contract.TICKER, {"Quote": QUOTE_FIELDS, **dict.fromkeys(others, ("eventSymbol", "time"))})
    tell(protocol, type="CHANNEL_OPENED", channel=1, service="FEED", parameters={"contract": "TICKER"})
    tell(protocol, type="FEED_CONFIG", channel=1, dataFormat="COMPACT", aggregationPeriod=0.1)
    tell(protocol, type="FEED_CONFIG", channel=1, dataFormat="COMPACT", eventFields={"Quote": list(QUOTE_FIELDS)})
    protocol.outgoing()
    return protocol


def columns(events: list[Any]) -> list[tuple[str, dict[str, list[Any]]]]:
    return [(event.event_type, {name: list(values) for name, values in event.columns.items()}) for event in events]


def test_everything_asked_for_at_once_goes_out_step_by_step() -> None:
    protocol = DxLinkProtocol(CANARY, keepalive_seconds=60)
    protocol.start()
    assert protocol.open_feed(Contract.HISTORY, {"Candle": ("eventSymbol", "time")}, aggregation_seconds=0) == 1
    protocol.subscribe(1, add=[Subscription("Candle", "AAPL{=d}", 0)])
    assert sent(protocol) == [
        {
            "type": "SETUP",
            "channel": 0,
            "version": "0.1-ttapi-pipeline/0.1",
            "keepaliveTimeout": 60,
            "acceptKeepaliveTimeout": 60,
        }
    ]
    assert tell(protocol, type="SETUP", channel=0, version="1.0", keepaliveTimeout=60) == []
    assert sent(protocol) == []
    assert tell(protocol, **UNAUTHORIZED) == []
    assert sent(protocol) == [{"type": "AUTH", "channel": 0, "token": CANARY}]
    assert tell(protocol, **AUTHORIZED) == [Authorized()]
    assert sent(protocol) == [
        {"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED", "parameters": {"contract": "HISTORY"}}
    ]
    assert tell(protocol, type="CHANNEL_OPENED", channel=1, service="FEED", parameters={}) == []
    assert sent(protocol) == [
        {
            "type": "FEED_SETUP",
            "channel": 1,
            "acceptDataFormat": "COMPACT",
            "acceptEventFields": {"Candle": ["eventSymbol", "time"]},
            "acceptAggregationPeriod": 0,
        }
    ]
    assert tell(protocol, type="FEED_CONFIG", channel=1, dataFormat="COMPACT") == [FeedReady(1)]
    assert sent(protocol) == [
        {
            "type": "FEED_SUBSCRIPTION",
            "channel": 1,
            "add": [{"type": "Candle", "symbol": "AAPL{=d}", "fromTime": 0}],
        }
    ]


def test_a_server_that_needs_no_token_gets_none() -> None:
    protocol = DxLinkProtocol("")
    protocol.start()
    assert tell(protocol, **AUTHORIZED) == [Authorized()]
    assert tell(protocol, **AUTHORIZED) == []
    assert [message["type"] for message in sent(protocol)] == ["SETUP"]


def test_a_refused_token_is_sent_once() -> None:
    protocol = DxLinkProtocol(CANARY)
    protocol.start()
    tell(protocol, **UNAUTHORIZED)
    assert tell(protocol, **UNAUTHORIZED) == [TokenRefused()]
    assert protocol.handshake is Handshake.REFUSED
    assert [message["type"] for message in sent(protocol)] == ["SETUP", "AUTH"]
    with pytest.raises(ProtocolError, match="AUTH_STATE"):
        tell(protocol, **AUTHORIZED)


def test_a_token_that_is_withdrawn_later_ends_the_session() -> None:
    assert tell(ready(), **UNAUTHORIZED) == [TokenRefused()]


def test_channels_are_odd_and_counted_up() -> None:
    protocol = ready()
    assert [protocol.open_feed(Contract.STREAM, {}) for _ in range(3)] == [3, 5, 7]


def test_a_keepalive_goes_out_at_half_of_what_the_server_grants() -> None:
    protocol = DxLinkProtocol(CANARY)
    assert protocol.keepalive_interval == 30
    tell(protocol, type="SETUP", channel=0, version="1.0", keepaliveTimeout=20)
    assert protocol.keepalive_interval == 10
    protocol.keepalive()
    assert sent(protocol) == [{"type": "KEEPALIVE", "channel": 0}]
    tell(protocol, type="SETUP", channel=0, version="1.0", keepaliveTimeout=600)
    assert protocol.keepalive_interval == 30


def test_compact_events_are_columns_in_the_announced_layout() -> None:
    protocol = ready()
    events = tell(protocol, type="FEED_DATA", channel=1, data=["Quote", ["AAPL", 251.55, 251.6, "MSFT", 510.1, "NaN"]])
    assert columns(events) == [
        ("Quote", {"eventSymbol": ["AAPL", "MSFT"], "bidPrice": [251.55, 510.1], "askPrice": [251.6, "NaN"]})
    ]
    assert [event.count for event in events] == [2]


def test_a_new_layout_holds_from_the_next_message_on_for_the_types_that_it_names() -> None:
    protocol = ready()
    tell(protocol, type="FEED_CONFIG", channel=1, eventFields={"Trade": ["price", "eventSymbol"]})
    tell(protocol, type="FEED_CONFIG", channel=1, eventFields={"Quote": ["askPrice", "eventSymbol"]})
    events = tell(protocol, type="FEED_DATA", channel=1, data=["Quote", [1.0, "A"], "Trade", [2.0, "B", 3.0, "C"]])
    assert columns(events) == [
        ("Quote", {"askPrice": [1.0], "eventSymbol": ["A"]}),
        ("Trade", {"price": [2.0, 3.0], "eventSymbol": ["B", "C"]}),
    ]


def test_full_events_are_the_same_columns_whatever_was_announced() -> None:
    protocol = ready()
    quotes = [{"eventType": "Quote", "eventSymbol": "A", "bidPrice": 1.0}, {"eventType": "Quote", "eventSymbol": "B"}]
    others = [{"eventType": "Trade", "price": 2.0}, {"eventType": "Quote", "askPrice": 3.0, "unwanted": 4.0}]
    events = tell(protocol, type="FEED_DATA", channel=1, data=[*quotes, *others])
    # Neither types nor fields that nobody asked for are kept.
    assert columns(events) == [
        (
            "Quote",
            {
                "eventType": ["Quote", "Quote", "Quote"],
                "eventSymbol": ["A", "B", None],
                "bidPrice": [1.0, None, None],
                "askPrice": [None, None, 3.0],
            },
        ),
    ]


@pytest.mark.parametrize("data", [[], ["Quote", []]])
def test_data_without_events_is_nothing(data: list[Any]) -> None:
    assert tell(ready(), type="FEED_DATA", channel=1, data=data) == []


@pytest.mark.parametrize(
    ("data", "count", "reason"),
    [
        (["Quote"], 1, "compact data are no pairs of a type and its values"),
        (["Quote", ["A", 1.0]], 1, "2 values of 'Quote' are no events of 3 fields"),
        (["Quote", "A"], 1, "compact data are no pairs of a type and its values"),
        (["Quote", None], 1, "compact data are no pairs of a type and its values"),
        (["Quote", {"eventSymbol": "A"}], 1, "compact data are no pairs of a type and its values"),
        (["Trade", ["A", 1.0, 2.0]], 1, "'Trade' came before its fields were announced"),
        ([{"eventSymbol": "A"}], 1, "full data are no objects with their eventType"),
        ([5, None], 2, "full data are no objects with their eventType"),
        ([["Quote", ["A", 1.0, 2.0]]], 1, "full data are no objects with their eventType"),
        ("Quote", 1, "its data are no list"),
        ({"Quote": []}, 1, "its data are no list"),
        (5, 1, "its data are no list"),
    ],
)
def test_data_that_fits_no_layout_costs_its_message(data: object, count: int, reason: str) -> None:
    protocol = ready()
    assert tell(protocol, type="FEED_DATA", channel=1, data=data) == [Unreadable(1, count, reason)]
    assert len(tell(protocol, type="FEED_DATA", channel=1, data=["Quote", ["A", 1.0, 2.0]])) == 1


def test_a_part_that_cannot_be_read_costs_no_other_part() -> None:
    good = ["A", 1.0, 2.0]
    for data, counts, lost in (
        (["Quote", good, "Quote", good[:2], "Nope", good, 5, [], "Quote", good * 2], [1, 2], 3),
        (["Quote", good, "Quote"], [1], 1),
        ([{"eventType": "Quote"}, 5, {"eventType": "Quote", "bidPrice": 1.0}, None], [2], 2),
    ):
        *events, unreadable = tell(ready(), type="FEED_DATA", channel=1, data=data)
        assert [event.count for event in events if isinstance(event, FeedData)] == counts
        assert isinstance(unreadable, Unreadable)
        assert unreadable.count == lost


@pytest.mark.parametrize(("event_type", "names"), [("Quote", {"eventSymbol"}), ("Candle", {"eventSymbol", "time"})])
def test_an_object_without_its_symbol_is_an_event_that_says_nothing(event_type: str, names: set[str]) -> None:
    (event,) = tell(ready(event_type), type="FEED_DATA", channel=1, data=[{"eventType": event_type}])
    assert isinstance(event, FeedData)
    assert {name: list(column) for name, column in event.columns.items()} == {
        "eventType": [event_type],
        **{name: [None] for name in names},
    }


@pytest.mark.parametrize(
    "message",
    [
        {"type": "CHANNEL_OPENED", "channel": 1},
        {"type": "CHANNEL_OPENED", "channel": 9},
        {"type": "FEED_DATA", "channel": 9, "data": []},
        {"type": "FEED_CONFIG", "channel": 1, "eventFields": {"Quote": []}},
        {"type": "FEED_CONFIG", "channel": 1, "eventFields": {"Quote": ["a", "a"]}},
        {"type": "AUTH_STATE", "channel": 0, "state": "MAYBE"},
        {"type": "ERROR", "channel": 0, "error": "UNSUPPORTED_PROTOCOL", "message": "old"},
    ],
)
def test_what_the_server_may_not_say_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        tell(ready(), **message)


@pytest.mark.parametrize(
    "layouts",
    [
        {f"Type{number}": ["eventSymbol"] for number in range(65)},
        {"Quote": [f"field{number}" for number in range(257)]},
    ],
)
def test_announcements_without_an_end_are_refused(layouts: dict[str, list[str]]) -> None:
    with pytest.raises(ProtocolError, match="more than 64 types, or 256 fields of one"):
        tell(ready(), type="FEED_CONFIG", channel=1, eventFields=layouts)


def test_a_cancelled_channel_is_silent_until_it_is_closed() -> None:
    protocol = ready()
    protocol.close_channel(1)
    protocol.subscribe(1, add=[Subscription("Quote", "A")])
    assert sent(protocol) == [{"type": "CHANNEL_CANCEL", "channel": 1}]
    assert tell(protocol, type="FEED_DATA", channel=1, data=["Quote", ["A", 1.0, 2.0]]) == []
    assert tell(protocol, type="CHANNEL_CLOSED", channel=1) == [ChannelClosed(1, is_requested=True)]
    assert tell(protocol, type="CHANNEL_CLOSED", channel=1) == []
    protocol.close_channel(1)
    assert sent(protocol) == []


def test_a_channel_can_be_given_up_before_it_is_there() -> None:
    protocol = DxLinkProtocol(CANARY)
    protocol.start()
    early, late = (protocol.open_feed(Contract.TICKER, {}) for _ in range(2))
    protocol.close_channel(early)
    tell(protocol, **UNAUTHORIZED)
    tell(protocol, **AUTHORIZED)
    protocol.close_channel(late)
    assert tell(protocol, type="CHANNEL_OPENED", channel=late) == []
    assert [(message["type"], message["channel"]) for message in sent(protocol)][2:] == [
        ("CHANNEL_REQUEST", late),
        ("CHANNEL_CANCEL", late),
    ]


def test_a_channel_that_the_server_closes_is_told() -> None:
    assert tell(ready(), type="CHANNEL_CLOSED", channel=1) == [ChannelClosed(1, is_requested=False)]


def test_a_channel_that_the_server_closed_can_be_opened_again() -> None:
    protocol = ready()
    protocol.reopen_feed(1)
    assert not protocol.has_outgoing
    tell(protocol, type="CHANNEL_CLOSED", channel=1)
    protocol.reopen_feed(1)
    protocol.subscribe(1, add=[Subscription("Quote", "A")], reset=True)
    assert [message["type"] for message in sent(protocol)] == ["CHANNEL_REQUEST"]
    tell(protocol, type="CHANNEL_OPENED", channel=1)
    assert tell(protocol, type="FEED_CONFIG", channel=1) == [FeedReady(1)]
    setup, subscription = sent(protocol)
    assert setup["acceptEventFields"] == {"Quote": list(QUOTE_FIELDS)}
    assert subscription["reset"] is True
    # What was announced before does not hold any more.
    (unreadable,) = tell(protocol, type="FEED_DATA", channel=1, data=["Quote", ["A", 1.0, 2.0]])
    assert isinstance(unreadable, Unreadable)


def test_a_timeout_is_complained_about() -> None:
    protocol = ready()
    protocol.complain("TIMEOUT", "Nothing heard for 60 s")
    assert sent(protocol) == [{"type": "ERROR", "channel": 0, "error": "TIMEOUT", "message": "Nothing heard for 60 s"}]


def test_parts_of_one_layout_become_one() -> None:
    protocol = ready()

    def quotes(*values: Any) -> FeedData:
        (data,) = tell(protocol, type="FEED_DATA", channel=1, data=["Quote", values])
        assert isinstance(data, FeedData)
        return data

    first, second = quotes("A", 1.0, 2.0), quotes("B", 3.0, "NaN", "A", 4.0, 5.0)
    assert may_join(first, second)
    whole = joined([first, second])
    assert (whole.event_type, whole.count) == ("Quote", 3)
    assert {name: list(column) for name, column in whole.columns.items()} == {
        "eventSymbol": ["A", "B", "A"],
        "bidPrice": [1.0, 3.0, 4.0],
        "askPrice": [2.0, "NaN", 5.0],
    }
    assert joined([first]) is first
    tell(protocol, type="FEED_CONFIG", channel=1, eventFields={"Quote": list(QUOTE_FIELDS[::-1])})
    assert not may_join(first, quotes(2.0, 1.0, "A"))
    (full,) = tell(protocol, type="FEED_DATA", channel=1, data=[{"eventType": "Quote", "eventSymbol": "A"}])
    assert not may_join(first, full)
    assert not may_join(full, full)


def test_errors_are_told_and_close_nothing() -> None:
    protocol = ready()
    assert tell(protocol, type="ERROR", channel=1, error="BAD_ACTION", message="too fast") == [
        ErrorReceived(1, "BAD_ACTION", "too fast")
    ]
    assert tell(protocol, type="ERROR", channel=0) == [ErrorReceived(0, "UNKNOWN", "")]
    assert protocol.handshake is Handshake.READY


def test_messages_of_unknown_types_are_ignored() -> None:
    assert tell(ready(), type="NEWS", channel=0, text="hello") == []
    assert tell(ready(), type="KEEPALIVE", channel=0) == []


def test_the_token_is_in_no_repr_event_or_error() -> None:
    protocol = ready()
    events = tell(protocol, type="ERROR", channel=0, error=CANARY, message=f"token {CANARY} is old")
    assert CANARY not in repr(protocol) + repr(events)
    with pytest.raises(ProtocolError) as caught:
        tell(protocol, type="AUTH_STATE", channel=0, state=f"x{CANARY}")
    assert CANARY not in str(caught.value)
    with pytest.raises(ProtocolError) as caught:
        protocol.receive(f'{{"type": "ERROR", "channel": "{CANARY}"}}')
    assert CANARY not in str(caught.value) + str(caught.value.__cause__)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.sampled_from(["Quote", "A", "NaN"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["eventType", "x"]), inner, max_size=2),
    max_leaves=12,
)
TYPES = [
    "SETUP",
    "AUTH_STATE",
    "CHANNEL_OPENED",
    "CHANNEL_CLOSED",
    "FEED_CONFIG",
    "FEED_DATA",
    "ERROR",
    "KEEPALIVE",
    "X",
]


@settings(max_examples=examples(50))
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(TYPES), "channel": st.sampled_from([0, 1, 3])},
            optional={
                "state": st.sampled_from(["AUTHORIZED", "UNAUTHORIZED", "x"]),
                "data": st.lists(JSON, max_size=4),
                "eventFields": st.dictionaries(st.just("Quote"), st.lists(st.sampled_from(["a", "b"]), max_size=2)),
                "error": st.just("BAD_ACTION"),
            },
        ),
        max_size=12,
    )
)
def test_no_order_of_messages_raises_anything_but_a_protocol_error(messages: list[dict[str, Any]]) -> None:
    for protocol in (DxLinkProtocol(CANARY), ready()):
        if protocol.handshake is Handshake.NEW:
            protocol.start()
            protocol.open_feed(Contract.TICKER, {"Quote": QUOTE_FIELDS})
        for message in messages:
            with suppress(ProtocolError):
                for event in protocol.receive(json.dumps(message)):
                    if isinstance(event, FeedData):
                        assert {len(column) for column in event.columns.values()} == {event.count}
        assert sum(frame.count(CANARY) for frame in protocol.outgoing()) <= 1
