# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""TimeAndSale columns in every spelling that docs/protocols/dxlink.md allows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.events import FeedData
from ttapi_pipeline.streaming.market_data import (
    Sales,
    SaleType,
    are_options,
    microseconds,
    numbers,
    positions,
    sales,
)

KNOWN = {"AAPL": 0, "MSFT": 1}
AT = 1_795_190_400_000_000


def sale_data(**columns: list[Any]) -> FeedData:
    return FeedData(1, "TimeAndSale", len(next(iter(columns.values()))), columns)


def test_sales_are_columns() -> None:
    rows = sales(
        sale_data(
            eventSymbol=["AAPL", "MSFT"],
            time=[1_795_190_399_123, 1_795_190_399_124],
            sequence=[7, 0],
            price=[251.5, "NaN"],
            size=[100.0, 0.5],
            bidPrice=[251.4, None],
            askPrice=["NaN", 510.2],
            exchangeCode=["Q", "\u0000"],
            type=["NEW", "CORRECTION"],
            extendedTradingHours=[True, False],
            eventFlags=[0, 0],
        ),
        KNOWN,
        AT,
        Counter(),
    )
    assert rows.position.tolist() == [0, 1]
    assert rows.time_ms.tolist() == [1_795_190_399_123, 1_795_190_399_124]
    assert rows.sequence.tolist() == [7, 0]
    np.testing.assert_array_equal(rows.price, [251.5, np.nan])
    assert rows.size.tolist() == [100.0, 0.5]
    np.testing.assert_array_equal(rows.bid_price, [251.4, np.nan])
    np.testing.assert_array_equal(rows.ask_price, [np.nan, 510.2])
    assert rows.exchange_code.tolist() == ["Q", ""]
    assert rows.type.tolist() == [SaleType.NEW, SaleType.CORRECTION]
    assert rows.is_extended.tolist() == [True, False]
    assert rows.received_at.tolist() == [AT, AT]


def test_a_sale_without_a_price_has_lost_it_and_a_cancel_needs_none() -> None:
    lost: Counter[str] = Counter()
    rows = sales(
        sale_data(
            eventSymbol=["AAPL", "AAPL", "AAPL", "NOPE"],
            time=[5, 6, 7, 8],
            sequence=[0, 0, 0, 0],
            price=["NaN", 0.0, "NaN", 0.0],
            size=[10.0, 20.0, 30.0, 40.0],
            type=["NEW", "CORRECTION", "CANCEL", "NEW"],
        ),
        KNOWN,
        AT,
        lost,
    )
    assert rows.size.tolist() == [10.0, 20.0, 30.0]
    assert np.isnan(rows.price).all()
    assert lost == {"TimeAndSale.price": 2}


def test_an_index_stands_for_time_and_sequence() -> None:
    # (seconds << 32) | (milliseconds of the second << 22) | sequence: docs/protocols/dxlink.md, "Events".
    index = (1_795_190_399 << 32) | (123 << 22) | 7
    rows = sales(sale_data(eventSymbol=["AAPL"], index=[index]), KNOWN, AT, Counter())
    assert (rows.time_ms.tolist(), rows.sequence.tolist()) == ([1_795_190_399_123], [7])


def test_a_full_event_may_leave_out_what_is_empty() -> None:
    rows = sales(
        sale_data(eventType=["TimeAndSale"], eventSymbol=["AAPL"], time=[5], price=[1.5]), KNOWN, AT, Counter()
    )
    assert rows.sequence.tolist() == [0]
    assert rows.type.tolist() == [SaleType.NEW]
    assert rows.exchange_code.tolist() == [""]
    np.testing.assert_array_equal(rows.size, [np.nan])


def test_a_removed_sale_is_a_cancel() -> None:
    columns: dict[str, list[Any]] = {"eventSymbol": ["AAPL"], "time": [5], "sequence": [0]}
    assert sales(sale_data(**columns, eventFlags=[2]), KNOWN, AT, Counter()).type.tolist() == [SaleType.CANCEL]
    assert sales(sale_data(**columns, type=["CANCEL"]), KNOWN, AT, Counter()).type.tolist() == [SaleType.CANCEL]


def test_sales_of_unknown_symbols_are_left_out() -> None:
    rows = sales(
        sale_data(eventSymbol=["NOPE", "MSFT"], time=[5, 6], sequence=[0, 0], price=[1.0, 2.0]), KNOWN, AT, Counter()
    )
    assert (rows.position.tolist(), rows.price.tolist()) == ([1], [2.0])


def test_parts_become_one_and_nothing_becomes_no_rows() -> None:
    one = sales(sale_data(eventSymbol=["MSFT"], time=[6], sequence=[0]), KNOWN, AT, Counter())
    assert len(Sales.concatenate([])) == 0
    assert Sales.concatenate([one]) is one
    assert Sales.concatenate([one, one]).time_ms.tolist() == [6, 6]
    assert one[:0].exchange_code.tolist() == []


@pytest.mark.parametrize(
    "columns",
    [{"time": [5], "sequence": [0]}, {"eventSymbol": ["AAPL"], "price": [1.0]}, {"eventSymbol": ["AAPL"], "time": [5]}],
)
def test_a_layout_without_what_tells_sales_apart_is_refused(columns: dict[str, list[Any]]) -> None:
    with pytest.raises(ProtocolError):
        sales(sale_data(**columns), KNOWN, AT, Counter())


@pytest.mark.parametrize(
    ("field", "value", "lost"),
    [
        ("time", "x", "time"),
        ("time", 2**62, "time"),
        ("time", -1, "time"),
        ("time", True, "time"),
        # Two days after it arrived.
        ("time", AT // 1_000 + 2 * 86_400_000, "time"),
        ("sequence", "x", "time"),
        ("type", "RUMOUR", "type"),
        ("type", ["NEW"], "type"),
        ("eventFlags", "x", "type"),
        ("eventSymbol", ["AAPL"], "eventSymbol"),
        ("eventSymbol", 5, "eventSymbol"),
    ],
)
def test_an_event_that_could_be_any_sale_costs_itself(field: str, value: object, lost: str) -> None:
    columns: dict[str, list[Any]] = {
        "eventSymbol": ["AAPL"] * 3,
        "time": [5, 6, 7],
        "sequence": [0] * 3,
        "price": [1.0, 2.0, 3.0],
        "type": ["NEW"] * 3,
        "eventFlags": [0] * 3,
    }
    columns[field][1] = value
    counts: Counter[str] = Counter()
    rows = sales(sale_data(**columns), KNOWN, AT, counts)
    assert rows.price.tolist() == [1.0, 3.0]
    assert counts == {f"TimeAndSale.{lost}": 1}


@pytest.mark.parametrize("value", ["dear", "Infinity", "-Infinity", -1, 1e308, True])
@pytest.mark.parametrize(("field", "column"), [("price", "price"), ("size", "size"), ("bidPrice", "bid_price")])
def test_a_number_that_cannot_be_costs_its_field(field: str, column: str, value: object) -> None:
    columns: dict[str, list[Any]] = {"eventSymbol": ["AAPL"] * 2, "time": [5, 6], "sequence": [0, 0]}
    columns |= {"price": [1.0, 2.0], field: [value, 2.0]}
    counts: Counter[str] = Counter()
    rows = sales(sale_data(**columns), KNOWN, AT, counts)
    np.testing.assert_array_equal(getattr(rows, column), [np.nan, 2.0])
    assert counts == {f"TimeAndSale.{field}": 1}


def test_an_exchange_that_is_not_a_text_is_not_known() -> None:
    columns: dict[str, list[Any]] = {"eventSymbol": ["AAPL"], "time": [5], "sequence": [0], "exchangeCode": [5]}
    assert sales(sale_data(**columns), KNOWN, AT, Counter()).exchange_code.tolist() == [""]


def test_zero_is_a_bid_of_an_option_and_of_nothing_else() -> None:
    option = ".AAPL261218C400"
    data = sale_data(eventSymbol=[option, "AAPL"], bidPrice=[0.0, 0.0], askPrice=[0.0, 0.0])
    counts: Counter[str] = Counter()
    is_option = are_options([option, "AAPL"])
    np.testing.assert_array_equal(numbers(data, "bidPrice", counts, is_option=is_option), [0.0, np.nan])
    np.testing.assert_array_equal(numbers(data, "askPrice", counts, is_option=is_option), [np.nan, np.nan])
    assert not counts


def test_a_field_that_events_do_not_have_is_nan_and_a_time_0() -> None:
    data = sale_data(eventSymbol=["AAPL", "NOPE"], time=["NaN", 5])
    counts: Counter[str] = Counter()
    assert np.isnan(numbers(data, "price", counts))
    assert microseconds(data, "expiry", counts, until_us=AT) == 0
    np.testing.assert_array_equal(microseconds(data, "time", counts, until_us=AT), [0, 5_000])
    assert positions(data, KNOWN, counts).tolist() == [0, -1]
    assert not counts
