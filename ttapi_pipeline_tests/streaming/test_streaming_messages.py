# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Frames are read and written as docs/protocols/dxlink.md says."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.messages import Subscription, decode, subscription_frames


@pytest.mark.parametrize("value", ["1e400", "-1e400", "NaN", "Infinity", "9" * 400])
def test_a_number_beyond_json_or_beyond_floats_costs_no_frame(value: str) -> None:
    message = decode(f'{{"type": "FEED_DATA", "channel": 1, "data": ["Trade", ["AAPL", {value}]]}}')
    assert message.data is not None
    assert message.data[1][0] == "AAPL"


@given(st.one_of(st.text(), st.binary()))
def test_no_frame_raises_anything_but_a_protocol_error(frame: str | bytes) -> None:
    with suppress(ProtocolError):
        decode(frame)


@pytest.mark.parametrize(
    "frame", ["", "[]", '{"channel": 1}', '{"type": "X"}', '{"type": "X", "channel": "1"}', b"\xff"]
)
def test_a_frame_without_type_and_channel_is_refused(frame: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="not a DXLink message"):
        decode(frame)


def test_a_deeply_nested_frame_is_refused() -> None:
    with pytest.raises(ProtocolError):
        decode('{"type": "X", "channel": 1, "data": ' + "[" * 100_000)


def test_a_subscription_is_written_as_the_feed_spells_it() -> None:
    frames = list(
        subscription_frames(
            3,
            add=[Subscription("Candle", "AAPL{=d}", 1793491200000), Subscription("Quote", "AAPL")],
            remove=[Subscription("Quote", "MSFT")],
            reset=True,
        )
    )
    assert [json.loads(frame) for frame in frames] == [
        {
            "type": "FEED_SUBSCRIPTION",
            "channel": 3,
            "reset": True,
            "remove": [{"type": "Quote", "symbol": "MSFT"}],
            "add": [
                {"type": "Candle", "symbol": "AAPL{=d}", "fromTime": 1793491200000},
                {"type": "Quote", "symbol": "AAPL"},
            ],
        }
    ]


def test_nothing_to_say_is_no_frame_and_a_bare_reset_is_one() -> None:
    assert list(subscription_frames(1)) == []
    assert [json.loads(frame) for frame in subscription_frames(1, reset=True)] == [
        {"type": "FEED_SUBSCRIPTION", "channel": 1, "reset": True}
    ]


def test_a_long_list_is_split_at_two_hundred_entries_and_resets_once() -> None:
    symbols = [f"S{number}" for number in range(450)]
    frames = list(subscription_frames(1, add=[Subscription("Quote", symbol) for symbol in symbols], reset=True))
    messages = [json.loads(frame) for frame in frames]
    assert [len(message["add"]) for message in messages] == [200, 200, 50]
    assert [message.get("reset", False) for message in messages] == [True, False, False]
    assert [entry["symbol"] for message in messages for entry in message["add"]] == symbols


def test_a_list_of_long_names_is_split_at_sixteen_kilobytes() -> None:
    subscriptions = [Subscription("Candle", f"{'X' * 1000}{number}{{=d}}", 0) for number in range(40)]
    frames = list(subscription_frames(1, add=subscriptions))
    # 1,054 or 1,055 bytes an entry: fifteen of them fit beside the frame's own 50.
    assert [len(json.loads(frame)["add"]) for frame in frames] == [15, 15, 10]
    assert all(len(frame) <= 16_384 for frame in frames)


SUBSCRIPTIONS = st.lists(
    st.builds(Subscription, st.just("Candle"), st.text(max_size=120), st.none() | st.integers(0, 2**50)), max_size=40
)


@given(add=SUBSCRIPTIONS, remove=SUBSCRIPTIONS, reset=st.booleans())
def test_split_subscriptions_are_within_the_limits_and_complete_and_in_order(
    add: list[Subscription], remove: list[Subscription], reset: bool
) -> None:
    frames = list(subscription_frames(2**31, add=add, remove=remove, reset=reset))
    messages = [json.loads(frame) for frame in frames]
    assert all(len(frame.encode()) <= 16_384 for frame in frames)
    assert all(len(message.get("add", ())) + len(message.get("remove", ())) <= 200 for message in messages)
    assert [entry for message in messages for entry in message.get("remove", ())] == [one.to_wire() for one in remove]
    assert [entry for message in messages for entry in message.get("add", ())] == [one.to_wire() for one in add]
    assert ["reset" in message for message in messages] == [reset, *[False] * len(messages)][: len(messages)]
    # A server applies `remove` before `add`, so nothing may be added before the last removal.
    first_add = next((at for at, message in enumerate(messages) if "add" in message), len(messages))
    assert all("remove" not in message for message in messages[first_add + 1 :])


def test_delays_double_up_to_their_limit_and_stay_in_the_upper_half() -> None:
    longest = Backoff(1.0, 60.0, uniform=lambda: 0.999999)
    shortest = Backoff(1.0, 60.0, uniform=lambda: 0.0)
    assert [round(longest.seconds(failures)) for failures in (1, 2, 3, 7, 10_000)] == [1, 2, 4, 60, 60]
    assert [shortest.seconds(failures) for failures in (1, 2, 7)] == [0.5, 1.0, 30.0]
