# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The two policies, and the memory of sales."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ttapi_pipeline.streaming.consumers import Policy, QuoteConsumer, SaleConsumer
from ttapi_pipeline.streaming.market_data import NO_SALES, Sales, SaleType
from ttapi_pipeline.streaming.seen_sales import SeenSales

Column = Sequence[float] | NDArray[np.int64]


def make_sales(*rows: tuple[int, int, int, int, float]) -> Sales:
    """Of (position, time, sequence, type, price)."""
    position, time, sequence, kind, price = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return columns_of(position, time, sequence, kind, price)


def columns_of(position: Column, time: Column, sequence: Column, kind: Column, price: Column) -> Sales:
    count = len(time)
    return Sales(
        position=np.array(position, dtype=np.intp),
        time_ms=np.array(time, dtype=np.int64),
        sequence=np.array(sequence, dtype=np.int64),
        price=np.array(price, dtype=np.float64),
        size=np.ones(count),
        bid_price=np.full(count, np.nan),
        ask_price=np.full(count, np.nan),
        exchange_code=np.full(count, "Q"),
        type=np.array(kind, dtype=np.int8),
        is_extended=np.zeros(count, dtype=np.bool_),
        received_at=np.ones(count, dtype=np.int64),
    )


def keys(sales: Sales) -> list[tuple[int, int, int, int, float]]:
    columns = (sales.position, sales.time_ms, sales.sequence, sales.type, sales.price)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def new(*numbers: int) -> Sales:
    return make_sales(*((0, number, 0, SaleType.NEW, 1.0) for number in numbers))


def many_new(first: int, end: int) -> Sales:
    """The same for all numbers of a range, quickly."""
    none = np.zeros(end - first, dtype=np.int64)
    return columns_of(none, np.arange(first, end), none, none + SaleType.NEW.value, none + 1)


async def test_quotes_are_conflated_to_the_positions_that_changed() -> None:
    consumer = QuoteConsumer()
    assert consumer.policy is Policy.CONFLATE
    assert consumer.take().tolist() == []
    consumer.mark(np.array([3, 5]))
    consumer.mark(np.array([], dtype=np.intp))
    consumer.mark(np.array([3, 70_000]))
    async with asyncio.timeout(1):
        await consumer.wait()
    assert consumer.take().tolist() == [3, 5, 70_000]
    assert consumer.take().tolist() == []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await consumer.wait()


async def test_sales_are_kept_in_order_until_they_are_taken() -> None:
    consumer = SaleConsumer()
    assert consumer.policy is Policy.KEEP
    consumer.put(new(1, 2))
    consumer.put(new(3))
    async with asyncio.timeout(1):
        await consumer.wait()
    assert consumer.take().time_ms.tolist() == [1, 2, 3]
    assert len(consumer.take()) == 0
    assert consumer.dropped == 0


def test_sales_beyond_the_bound_are_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    consumer = SaleConsumer(most_rows=3)
    with caplog.at_level(logging.WARNING):
        for number in range(0, 10, 2):
            consumer.put(new(number, number + 1))
        assert consumer.take().time_ms.tolist() == [0, 1, 2]
        consumer.put(new(10))
        assert consumer.take().time_ms.tolist() == [10]
    assert consumer.dropped == 7
    assert [record.getMessage() for record in caplog.records] == [
        "sales: 2 rows wait to be taken; further ones are dropped",
        "sales: 7 rows were dropped before the others were taken",
    ]


def test_a_sale_counts_once() -> None:
    seen = SeenSales()
    assert seen.fresh(NO_SALES) is NO_SALES
    first = new(1, 2, 2, 3)
    assert seen.fresh(first).time_ms.tolist() == [1, 2, 3]
    assert len(seen.fresh(first)) == 0
    assert seen.fresh(new(3, 4)).time_ms.tolist() == [4]


def test_symbol_time_and_sequence_tell_sales_apart() -> None:
    rows = [(p, t, s, SaleType.NEW, 1.0) for p in range(3) for t in range(3) for s in range(3)]
    assert keys(SeenSales().fresh(make_sales(*rows))) == rows


def test_a_correction_and_a_cancel_are_kept_beside_their_sale() -> None:
    rows = [
        (0, 5, 1, SaleType.NEW, 10.0),
        (0, 5, 1, SaleType.CORRECTION, 10.5),
        (0, 5, 1, SaleType.CORRECTION, 10.6),
        (0, 5, 1, SaleType.CANCEL, 10.6),
    ]
    seen = SeenSales()
    assert keys(seen.fresh(make_sales(*rows, *rows))) == rows
    # A sale that is sent again at another price, without being called a correction, is still that sale.
    assert len(seen.fresh(make_sales((0, 5, 1, SaleType.NEW, 11.0)))) == 0


@given(st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=8))
def test_a_table_that_is_large_enough_never_forgets(frames: list[list[int]]) -> None:
    seen, known = SeenSales(buckets=16, ways=61), set[int]()
    for frame in frames:
        fresh = seen.fresh(new(*frame)).time_ms.tolist()
        assert fresh == [number for number in dict.fromkeys(frame) if number not in known]
        known.update(frame)


def test_a_full_table_forgets_the_oldest_of_a_bucket() -> None:
    seen = SeenSales(buckets=1, ways=4)
    seen.fresh(new(1, 2, 3, 4, 5, 6))
    # One bucket takes the keys in the order in which the sales came.
    assert len(seen.fresh(new(3, 4, 5, 6))) == 0
    assert seen.fresh(new(1)).time_ms.tolist() == [1]


def test_what_came_within_the_last_hundred_thousand_sales_is_remembered() -> None:
    seen = SeenSales()
    latest = many_new(150_000, 250_000)
    for first in range(0, 250_000, 10_000):
        assert len(seen.fresh(many_new(first, first + 10_000))) == 10_000
    assert len(seen.fresh(latest)) < 100
