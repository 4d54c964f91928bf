# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows of candles and the messages that are cut out of them, without a session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.simulator.dxlink.candle_bars import NO_BARS, CandleBars
from ttapi_pipeline.simulator.dxlink.candle_rows import snapshot_rows, update_rows
from ttapi_pipeline.simulator.dxlink.feed_data import EVENT_FIELDS, MESSAGE_LIMIT, RowSender
from ttapi_pipeline_tests.support.examples import examples


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


@settings(max_examples=examples(60))
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


def test_no_bars_are_an_empty_snapshot() -> None:
    message = RowSender(snapshot_rows("X{=d}", NO_BARS, from_time=5)).next_message(1, ["eventFlags", "time"], "COMPACT")
    assert json.loads(message)["data"] == ["Candle", [14, 5]]
