# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The board against a plain dict of each symbol's newest event."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.streaming.events import FeedData
from ttapi_pipeline.streaming.market_data import TICKER_FIELDS
from ttapi_pipeline.streaming.messages import Contract
from ttapi_pipeline.streaming.protocol import DxLinkProtocol
from ttapi_pipeline.streaming.quote_board import EVENT_TYPES, NUMBER_COLUMNS, TIME_COLUMNS, QuoteBoard
from ttapi_pipeline_tests.support.examples import examples

SYMBOLS = ("AAPL", "MSFT", "SPX")
AT = 1_795_190_400_000_000

# Spelled out here, so that a column filled from the wrong field is noticed.
FIELD_OF = {
    "bid_price": ("Quote", "bidPrice"),
    "ask_price": ("Quote", "askPrice"),
    "bid_size": ("Quote", "bidSize"),
    "ask_size": ("Quote", "askSize"),
    "last_price": ("Trade", "price"),
    "last_size": ("Trade", "size"),
    "day_volume": ("Trade", "dayVolume"),
    "day_open": ("Summary", "dayOpenPrice"),
    "day_high": ("Summary", "dayHighPrice"),
    "day_low": ("Summary", "dayLowPrice"),
    "day_close": ("Summary", "dayClosePrice"),
    "previous_close": ("Summary", "prevDayClosePrice"),
}


def quotes(*rows: tuple[Any, ...]) -> FeedData:
    names = TICKER_FIELDS["Quote"]
    return FeedData(1, "Quote", len(rows), {name: [row[i] for row in rows] for i, name in enumerate(names)})


def test_a_frame_gives_each_symbol_its_last_values() -> None:
    board = QuoteBoard(SYMBOLS)
    touched = board.receive(
        quotes(("MSFT", 1.0, 2.0, 3.0, 4.0), ("AAPL", 5.0, 6.0, 7.0, 8.0), ("MSFT", 1.5, 2.5, "NaN", 4.5)), AT
    )
    assert touched.tolist() == [0, 1]
    np.testing.assert_array_equal(board.bid_price, [5.0, 1.5, np.nan])
    np.testing.assert_array_equal(board.ask_price, [6.0, 2.5, np.nan])
    np.testing.assert_array_equal(board.bid_size, [7.0, np.nan, np.nan])
    np.testing.assert_array_equal(board.ask_size, [8.0, 4.5, np.nan])
    assert board.quote_received_at.tolist() == [AT, AT, 0]
    assert board.received_at.tolist() == [AT, AT, 0]
    assert board.has_answered("Quote").tolist() == [True, True, False]
    assert not board.has_answered("Trade").any()


def test_a_trade_has_its_own_time_and_leaves_quotes_alone() -> None:
    board = QuoteBoard(SYMBOLS)
    board.receive(quotes(("AAPL", 5.0, 6.0, 7.0, 8.0)), AT)
    columns: dict[str, list[Any]] = {
        "eventSymbol": ["AAPL", "SPX"],
        "time": [1_795_190_399_123, 0],
        "price": [5.5, 6000.0],
    }
    assert board.receive(FeedData(1, "Trade", 2, columns), AT + 1).tolist() == [0, 2]
    assert board.last_trade_at.tolist() == [1_795_190_399_123_000, 0, 0]
    np.testing.assert_array_equal(board.last_price, [5.5, np.nan, 6000.0])
    assert board.bid_price[0] == 5.0
    assert board.received_at.tolist() == [AT + 1, 0, AT + 1]


def test_unknown_symbols_are_counted() -> None:
    board = QuoteBoard(SYMBOLS)
    rows = (("NOPE", 1.0, 2.0, 3.0, 4.0), ("AAPL", 5.0, 6.0, 7.0, 8.0), ("NOPE", 1.0, 2.0, 3.0, 4.0))
    assert board.receive(quotes(*rows), AT).tolist() == [0]
    assert board.unknown == 2
    assert board.receive(quotes(rows[0]), AT).tolist() == []
    assert board.unknown == 3
    assert np.isnan(board.bid_price[1:]).all()


def test_other_event_types_change_nothing() -> None:
    board = QuoteBoard(SYMBOLS)
    assert len(board.receive(FeedData(1, "Greeks", 1, {"eventSymbol": ["AAPL"]}), AT)) == 0
    assert not board.received_at.any()


def test_further_symbols_come_behind_the_others() -> None:
    board = QuoteBoard(("AAPL", "AAPL"))
    board.receive(quotes(("AAPL", 5.0, 6.0, 7.0, 8.0)), AT)
    board.extend(("MSFT", "AAPL"))
    assert board.symbols == ("AAPL", "MSFT")
    assert dict(board.positions) == {"AAPL": 0, "MSFT": 1}
    np.testing.assert_array_equal(board.bid_price, [5.0, np.nan])
    assert board.received_at.tolist() == [AT, 0]
    assert {len(getattr(board, name)) for name in NUMBER_COLUMNS + TIME_COLUMNS} == {len(board)}


@pytest.mark.parametrize(
    ("row", "lost"),
    [
        (("AAPL", "x", 6.0, 7.0, 8.0), "Quote.bidPrice"),
        (("AAPL", [], 6.0, 7.0, 8.0), "Quote.bidPrice"),
        (("AAPL", True, 6.0, 7.0, 8.0), "Quote.bidPrice"),
        (("AAPL", "Infinity", 6.0, 7.0, 8.0), "Quote.bidPrice"),
        (("AAPL", -1.0, 6.0, 7.0, 8.0), "Quote.bidPrice"),
    ],
)
def test_a_value_that_cannot_be_costs_its_field(row: tuple[Any, ...], lost: str) -> None:
    board = QuoteBoard(SYMBOLS)
    board.receive(quotes(("MSFT", 1.0, 1.5, 2.0, 3.0), row), AT)
    np.testing.assert_array_equal(board.bid_price, [np.nan, 1.0, np.nan])
    np.testing.assert_array_equal(board.ask_price, [6.0, 1.5, np.nan])
    assert board.lost == {lost: 1}


def test_an_event_without_a_symbol_costs_itself() -> None:
    board = QuoteBoard(SYMBOLS)
    board.receive(quotes(("MSFT", 1.0, 1.5, 2.0, 3.0), (None, 5.0, 6.0, 7.0, 8.0)), AT)
    np.testing.assert_array_equal(board.bid_price, [np.nan, 1.0, np.nan])
    assert board.lost == {"Quote.eventSymbol": 1}
    assert board.quote_received_at.tolist() == [0, AT, 0]


def test_zeros_are_placeholders_of_prices_and_numbers_of_shares() -> None:
    board = QuoteBoard((*SYMBOLS, ".AAPL261218C400"))
    board.receive(quotes(("AAPL", 0.0, 0.0, 0.0, 0.0), (".AAPL261218C400", 0.0, 0.05, 0.0, 9.0)), AT)
    # Nobody bids nothing for a share. A contract that is worth nothing to buyers is bid at zero.
    np.testing.assert_array_equal(board.bid_price, [np.nan, np.nan, np.nan, 0.0])
    np.testing.assert_array_equal(board.ask_price, [np.nan, np.nan, np.nan, 0.05])
    np.testing.assert_array_equal(board.bid_size, [0.0, np.nan, np.nan, 0.0])
    assert not board.lost


def trades(*rows: tuple[str, object, object]) -> FeedData:
    columns = {name: [row[at] for row in rows] for at, name in enumerate(("eventSymbol", "time", "price"))}
    return FeedData(1, "Trade", len(rows), columns)


@pytest.mark.parametrize("price", [0, 0.0, "NaN", None])
def test_a_trade_at_a_known_time_without_a_price_has_lost_it(price: object) -> None:
    board = QuoteBoard(SYMBOLS)
    at_ms = AT // 1_000
    board.receive(trades(("AAPL", at_ms, price), ("MSFT", at_ms, 5.5), ("NOPE", at_ms, price)), AT)
    np.testing.assert_array_equal(board.last_price, [np.nan, 5.5, np.nan])
    assert board.lost == {"Trade.price": 1}
    # Without a time as well, there was no trade; and a price that cannot be is counted once.
    for time in (0, "NaN", None):
        board.receive(trades(("AAPL", time, price)), AT)
    assert board.lost == {"Trade.price": 1}
    board.receive(trades(("AAPL", at_ms, -1.0)), AT)
    assert board.lost == {"Trade.price": 2}


@pytest.mark.parametrize("time", [-1, AT // 1_000 + 2 * 86_400_000, 2**62, "x", True])
def test_a_trade_at_a_time_that_cannot_be_has_none(time: object) -> None:
    board = QuoteBoard(SYMBOLS)
    columns: dict[str, list[Any]] = {"eventSymbol": ["AAPL"], "time": [time], "price": [5.5]}
    board.receive(FeedData(1, "Trade", 1, columns), AT)
    assert (board.last_trade_at[0], board.last_price[0]) == (0, 5.5)
    assert board.lost == {"Trade.time": 1}


NUMBER = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.sampled_from(["NaN", "Infinity", "-Infinity"])


@st.composite
def event(draw: st.DrawFn) -> dict[str, Any]:
    event_type = draw(st.sampled_from(EVENT_TYPES))
    values: dict[str, Any] = {"eventType": event_type, "eventSymbol": draw(st.sampled_from([*SYMBOLS, "NOPE"]))}
    for name in TICKER_FIELDS[event_type][1:]:
        values[name] = draw(st.integers(0, 200_000_000) if name == "time" else NUMBER)
    return values


FRAMES = st.lists(
    st.tuples(st.lists(event(), min_size=1, max_size=8), st.sampled_from(["compact", "full", "sparse"]), st.randoms()),
    max_size=6,
)


@settings(max_examples=examples(60))
@given(FRAMES)
def test_any_split_into_frames_layouts_and_formats_gives_the_newest_event_of_each_symbol(
    frames: list[tuple[list[dict[str, Any]], str, Any]],
) -> None:
    protocol = ready()
    board = QuoteBoard(SYMBOLS)
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for at, (events, shape, random) in enumerate(frames, start=1):
        for message, seen in spelled(events, shape, random):
            for data in protocol.receive(json.dumps(message)):
                assert isinstance(data, FeedData)
                board.receive(data, at)
            newest.update({(row["eventSymbol"], row["eventType"]): row | {"at": at} for row in seen})
    for position, symbol in enumerate(SYMBOLS):
        for name, (event_type, field) in FIELD_OF.items():
            expected = believed(name, float(newest.get((symbol, event_type), {}).get(field, "NaN")))
            found = float(getattr(board, name)[position])
            assert found == expected or (math.isnan(found) and math.isnan(expected)), (symbol, name)
        trade = newest.get((symbol, "Trade"), {})
        time = trade.get("time", 0)
        # The frames arrive at the beginning of 1970, and a trade is not later than a day after that.
        assert board.last_trade_at[position] == (time * 1000 if time <= 86_400_000 else 0)
        for event_type in EVENT_TYPES:
            at = newest.get((symbol, event_type), {}).get("at", 0)
            assert board.has_answered(event_type)[position] == (at > 0)
        assert board.received_at[position] == max(
            newest.get((symbol, event_type), {}).get("at", 0) for event_type in EVENT_TYPES
        )


def believed(column: str, number: float) -> float:
    """The number, if it can be; prices are above zero."""
    is_amount = column.endswith(("size", "volume"))
    is_possible = 0 <= number <= 1e15 if is_amount else 0 < number <= 1e9
    return number if is_possible else math.nan


def ready() -> DxLinkProtocol:
    protocol = DxLinkProtocol("token")
    protocol.start()
    protocol.open_feed(Contract.TICKER, TICKER_FIELDS)
    for message in (
        {"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED"},
        {"type": "CHANNEL_OPENED", "channel": 1},
        {"type": "FEED_CONFIG", "channel": 1, "dataFormat": "COMPACT"},
    ):
        protocol.receive(json.dumps(message))
    return protocol


def spelled(events: list[dict[str, Any]], shape: str, random: Any) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Messages that say these events, each with the events as they must be understood."""
    if shape != "compact":
        # Sparse: a field that is empty may be left out.
        empty = {"time": 0} if shape == "sparse" else {}
        rows = [{n: v for n, v in row.items() if shape == "full" or v != empty.get(n, "NaN")} for row in events]
        return [({"type": "FEED_DATA", "channel": 1, "data": rows}, events)]
    layouts: dict[str, list[str]] = {}
    for event_type in EVENT_TYPES:
        fields = ["eventType", *TICKER_FIELDS[event_type][1:], "somethingElse"]
        layouts[event_type] = ["eventSymbol", *random.sample(fields, random.randint(0, len(fields)))]
        random.shuffle(layouts[event_type])
    data: list[Any] = []
    for row in events:
        values = [row.get(name) for name in layouts[row["eventType"]]]
        if data and data[-2] == row["eventType"]:
            data[-1] += values
        else:
            data += [row["eventType"], values]
    seen = [{n: v for n, v in row.items() if n in (*layouts[row["eventType"]], "eventType")} for row in events]
    config = {"type": "FEED_CONFIG", "channel": 1, "dataFormat": "COMPACT", "eventFields": layouts}
    return [(config, []), ({"type": "FEED_DATA", "channel": 1, "data": data}, seen)]
