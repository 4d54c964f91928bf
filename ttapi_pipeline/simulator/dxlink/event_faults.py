# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Carries out the faults of single events: ``dx-drop`` leaves some out, ``dx-event`` gives a field another value.

They strike at an event type, a symbol, or both, as in ``Candle``, ``SPX`` and ``Quote/SPX``; the symbol is the
streamer symbol without the period of its candles. In a snapshot of candles, both strike at the events from `first` on,
counted from the newest, `rows` of them; a snapshot without a bar is the marker alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import orjson

from ttapi_pipeline.simulator.dxlink.candle_bars import CandleBars
from ttapi_pipeline.simulator.dxlink.candle_rows import CandleRows
from ttapi_pipeline.simulator.dxlink.channels import Subscription
from ttapi_pipeline.simulator.dxlink.feed_data import EVENT_FIELDS
from ttapi_pipeline.simulator.faults import Fault, Strike


def is_event_place(place: str, symbols: Collection[str]) -> bool:
    """Whether there are events of that type, symbol, or both; `symbols` are the streamer symbols besides options."""
    event_type, slash, symbol = place.partition("/")
    if event_type in EVENT_FIELDS:
        return not slash or _is_symbol(symbol, symbols)
    return _is_symbol(place, symbols)


def _is_symbol(text: str, symbols: Collection[str]) -> bool:
    return text in symbols or text.startswith(".")


def bars_left(bars: CandleBars, subscription: Subscription, strike: Strike) -> CandleBars:
    """The bars that are not left out."""
    for fault in strike({"dx-drop"}, *_places(subscription)):
        is_left = np.ones(len(bars), dtype=np.bool_)
        where = _run(fault, len(bars))
        is_left[where] = fault.random.random(len(is_left[where])) >= fault.number("share")
        bars = bars.where(is_left)
    return bars


def rows_spoiled(rows: CandleRows, subscription: Subscription, strike: Strike) -> CandleRows:
    """The rows with other values in some fields."""
    for fault in strike({"dx-event"}, *_places(subscription)):
        value = _value(fault)
        rows = rows.with_values(
            fault.text("field"), dict.fromkeys(range(*_run(fault, len(rows)).indices(len(rows))), value)
        )
    return rows


def event_left(event: Mapping[str, object], subscription: Subscription, strike: Strike) -> Mapping[str, object] | None:
    """The event, perhaps with other values; None when it is left out."""
    places = _places(subscription)
    if any(fault.random.random() < fault.number("share") for fault in strike({"dx-drop"}, *places)):
        return None
    for fault in strike({"dx-event"}, *places):
        if fault.text("field") in event:
            event = {**event, fault.text("field"): _value(fault)}
    return event


def _places(subscription: Subscription) -> Sequence[str]:
    symbol = subscription.symbol if subscription.candle is None else subscription.candle.base
    return subscription.event_type, symbol, f"{subscription.event_type}/{symbol}"


def _run(fault: Fault, length: int) -> slice:
    first = min(int(fault.number("first")), length)
    return slice(first, min(first + int(fault.number("rows")), length))


def _value(fault: Fault) -> object:
    """The JSON value; a text that is no JSON stands for itself, so that ``NaN`` is the text."""
    text = fault.text("value")
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value
