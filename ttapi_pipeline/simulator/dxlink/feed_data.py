# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The encoding of FEED_DATA messages: layouts, both formats, sizes. Their content is chosen in `market_data`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

import orjson

from ttapi_pipeline.simulator.dxlink.candle_rows import CandleRows

DataFormat = Literal["FULL", "COMPACT"]

MESSAGE_LIMIT: Final = 32_000
"""Bytes: half of the 65,536 above which PyPI `tastytrade` drops a link (docs/protocols/dxlink.md, "Data")."""

_TARGET: Final = 28_000  # bytes that the next message is aimed at, from the size of the rows so far
_FIRST_ROWS: Final = 100
_COMMON: Final = ("eventType", "eventSymbol", "eventTime")

EVENT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Quote": (
            *_COMMON,
            *("sequence", "timeNanoPart", "bidTime", "bidExchangeCode", "bidPrice", "bidSize"),
            *("askTime", "askExchangeCode", "askPrice", "askSize"),
        ),
        "Trade": (
            *_COMMON,
            *("time", "timeNanoPart", "sequence", "exchangeCode", "price", "change", "size", "dayId", "dayVolume"),
            *("dayTurnover", "tickDirection", "extendedTradingHours"),
        ),
        "Summary": (
            *_COMMON,
            *("dayId", "dayOpenPrice", "dayHighPrice", "dayLowPrice", "dayClosePrice", "dayClosePriceType"),
            *("prevDayId", "prevDayClosePrice", "prevDayClosePriceType", "prevDayVolume", "openInterest"),
        ),
        "Profile": (
            *_COMMON,
            *("description", "shortSaleRestriction", "tradingStatus", "statusReason", "haltStartTime", "haltEndTime"),
            *("highLimitPrice", "lowLimitPrice", "high52WeekPrice", "low52WeekPrice", "beta", "earningsPerShare"),
            *("dividendFrequency", "exDividendAmount", "exDividendDayId", "shares", "freeFloat"),
        ),
        "Greeks": (
            *_COMMON,
            *("eventFlags", "index", "time", "sequence", "price", "volatility"),
            *("delta", "gamma", "theta", "rho", "vega"),
        ),
        "TimeAndSale": (
            *_COMMON,
            *("eventFlags", "index", "time", "timeNanoPart", "sequence", "exchangeCode", "price", "size", "bidPrice"),
            *("askPrice", "exchangeSaleConditions", "tradeThroughExempt", "aggressorSide", "spreadLeg"),
            *("extendedTradingHours", "validTick", "type", "buyer", "seller"),
        ),
        "Candle": (
            *_COMMON,
            *("eventFlags", "index", "time", "sequence", "count", "open", "high", "low", "close", "volume", "vwap"),
            *("bidVolume", "askVolume", "impVolatility", "openInterest"),
        ),
    }
)
"""Every type that the simulator sends, with all its fields in the order of its default layout."""


def layout(event_type: str, wished: Sequence[str]) -> tuple[str, ...]:
    """The fields to announce: the wished ones that exist, in the wished order, or all fields when none of them does."""
    known = EVENT_FIELDS[event_type]
    return tuple(dict.fromkeys(field for field in wished if field in known)) or known


def event_message(
    channel: int,
    event_type: str,
    events: Sequence[Mapping[str, object]],
    fields: Sequence[str],
    data_format: DataFormat,
) -> bytes:
    """One FEED_DATA with these events, which have a value for each field of the type."""
    data: list[object]
    if data_format == "COMPACT":
        data = [event_type, [event[field] for event in events for field in fields]]
    else:
        names = _full_fields(fields)
        data = [{field: event[field] for field in names} for event in events]
    return orjson.dumps({"type": "FEED_DATA", "channel": channel, "data": data})


class RowSender:
    """Cuts rows of candles into messages of up to MESSAGE_LIMIT bytes, some hundred rows each."""

    def __init__(self, rows: CandleRows) -> None:
        self._rows = rows
        self._sent = 0
        self._step = _FIRST_ROWS

    @property
    def is_done(self) -> bool:
        """Whether every row was handed out."""
        return self._sent == len(self._rows)

    def next_message(self, channel: int, fields: Sequence[str], data_format: DataFormat) -> bytes:
        """The next rows; the layout may differ from one message to the next."""
        while True:
            end = min(self._sent + self._step, len(self._rows))
            message = self._encoded(channel, fields, data_format, end)
            rows = end - self._sent
            if len(message) <= MESSAGE_LIMIT or rows == 1:
                self._step = max(rows * _TARGET // len(message), 1)
                self._sent = end
                return message
            self._step = max(rows // 2, 1)

    def _encoded(self, channel: int, fields: Sequence[str], data_format: DataFormat, end: int) -> bytes:
        rows, begin = self._rows, self._sent
        data: list[object]
        if data_format == "COMPACT":
            # Column by column: slice assignment takes a tenth of the time of a loop over the rows.
            width = len(fields)
            flat: list[object] = [None] * ((end - begin) * width)
            for offset, field in enumerate(fields):
                flat[offset::width] = rows.values(field, begin, end)
            data = ["Candle", flat]
        else:
            names = _full_fields(fields)
            columns = [rows.values(field, begin, end) for field in names]
            data = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        return orjson.dumps({"type": "FEED_DATA", "channel": channel, "data": data})


def _full_fields(fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("eventType", *fields)))
