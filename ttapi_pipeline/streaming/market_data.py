# SPDX-License-Identifier: MIT
"""The columns of Quote, Trade, Summary and TimeAndSale events: which to ask for, and how to read them.

The latest values per symbol are in `quote_board`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.candles import EventFlag
from ttapi_pipeline.streaming.events import FeedData
from ttapi_pipeline.streaming.messages import floats, integers, strings

# The most important fields come first: a server that announces fewer leaves the last ones out.
QUOTE_FIELDS: Final = ("eventSymbol", "bidPrice", "askPrice", "bidSize", "askSize")
"""The fields to ask for. The times of a Quote are always 0 at tastytrade, so the arrival time is used instead."""

TRADE_FIELDS: Final = ("eventSymbol", "price", "time", "dayVolume", "size")
"""The fields to ask for."""

SUMMARY_FIELDS: Final = (
    *("eventSymbol", "prevDayClosePrice", "dayOpenPrice", "dayHighPrice", "dayLowPrice", "dayClosePrice"),
)
"""The fields to ask for."""

SALE_FIELDS: Final = (
    *("eventSymbol", "time", "sequence", "price", "size", "type", "eventFlags", "exchangeCode"),
    *("bidPrice", "askPrice", "extendedTradingHours"),
)
"""The fields to ask for. `time` and `sequence` together tell two sales apart, as the single number `index` would."""

TICKER_FIELDS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {"Quote": QUOTE_FIELDS, "Trade": TRADE_FIELDS, "Summary": SUMMARY_FIELDS}
)
"""The fields to ask for on a TICKER channel, by event type."""

_MICROSECONDS: Final = 1_000
_LARGEST_MILLISECONDS: Final = 2**63 // _MICROSECONDS - 1


class SaleType(IntEnum):
    """Whether a TimeAndSale event reports a sale, replaces one, or takes one back."""

    NEW = 0
    CORRECTION = 1
    CANCEL = 2


_SALE_TYPES: Final = MappingProxyType({**{kind.name: kind.value for kind in SaleType}, None: SaleType.NEW.value})


@dataclass(frozen=True, slots=True, eq=False)
class Sales:
    """TimeAndSale events as columns of equal length, in the order in which they came.

    Attributes:
        position: intp, position of the symbol on the board.
        time_ms: int64, epoch milliseconds of the sale.
        sequence: int64, tells sales of one symbol and millisecond apart.
        price: float64, US dollars. Here and in the other float64 columns, NaN means that the feed has no value.
        size: float64, shares or contracts.
        bid_price, ask_price: float64, US dollars, at the time of the sale.
        exchange_code: str, one character or empty.
        type: int8, SaleType. A correction replaces the sale with the same symbol, time and sequence; a cancel takes
            it back.
        is_extended: bool, whether the sale was outside regular trading hours.
        received_at: int64, epoch microseconds at which its frame was received.
    """

    position: NDArray[np.intp]
    time_ms: NDArray[np.int64]
    sequence: NDArray[np.int64]
    price: NDArray[np.float64]
    size: NDArray[np.float64]
    bid_price: NDArray[np.float64]
    ask_price: NDArray[np.float64]
    exchange_code: NDArray[np.str_]
    type: NDArray[np.int8]
    is_extended: NDArray[np.bool_]
    received_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Sales:
        return Sales(*(getattr(self, column.name)[rows] for column in fields(self)))

    @classmethod
    def concatenate(cls, batches: Sequence[Sales]) -> Sales:
        """The rows of all batches, in order; no rows without batches."""
        batches = batches or (NO_SALES,)
        if len(batches) == 1:
            return batches[0]
        return cls(*(np.concatenate([getattr(batch, column.name) for batch in batches]) for column in fields(cls)))


NO_SALES: Final = Sales(
    position=np.empty(0, dtype=np.intp),
    time_ms=np.empty(0, dtype=np.int64),
    sequence=np.empty(0, dtype=np.int64),
    price=np.empty(0),
    size=np.empty(0),
    bid_price=np.empty(0),
    ask_price=np.empty(0),
    exchange_code=np.empty(0, dtype="U1"),
    type=np.empty(0, dtype=np.int8),
    is_extended=np.empty(0, dtype=np.bool_),
    received_at=np.empty(0, dtype=np.int64),
)


def positions(data: FeedData, known: Mapping[str, int]) -> NDArray[np.intp]:
    """The position of each event's symbol; -1 where `known` does not have it.

    Raises:
        ProtocolError: The events have no symbols.
    """
    column = data.columns.get("eventSymbol")
    if column is None:
        raise ProtocolError(f"{data.event_type} events lack eventSymbol")
    try:
        found = np.fromiter(map(known.get, column, repeat(-1)), dtype=np.intp, count=len(column))
    except TypeError as error:
        raise ProtocolError(f"{data.event_type} events have symbols that are no texts") from error
    if (found < 0).any():
        strings(column)
    return found


def numbers(data: FeedData, name: str) -> NDArray[np.float64] | float:
    """A column of numbers; a single NaN, which stands for all rows, when the events do not have it.

    Raises:
        ProtocolError: A value is not a number.
    """
    column = data.columns.get(name)
    return np.nan if column is None else floats(column)


def microseconds(data: FeedData, name: str) -> NDArray[np.int64] | int:
    """A column of times in epoch microseconds, 0 where the feed has none; a single 0 when the events do not have it.

    Raises:
        ProtocolError: A value is not a time.
    """
    column = data.columns.get(name)
    if column is None:
        return 0
    return _milliseconds(column) * _MICROSECONDS


def sales(data: FeedData, known: Mapping[str, int], received_at_us: int | NDArray[np.int64]) -> Sales:
    """The TimeAndSale events of known symbols.

    An event with the flag REMOVE_EVENT is a cancel, whatever its type.

    Args:
        data: TimeAndSale events.
        known: Position by symbol. Events of other symbols are left out.
        received_at_us: Epoch microseconds of their arrival: one time, or one per event.

    Raises:
        ProtocolError: The events have no key (neither `time` with `sequence` nor `index`), or a value is not of its
            type.
    """
    found = positions(data, known)
    time_ms, sequence = _sale_keys(data)
    rows = Sales(
        position=found,
        time_ms=time_ms,
        sequence=sequence,
        price=_filled(data, "price"),
        size=_filled(data, "size"),
        bid_price=_filled(data, "bidPrice"),
        ask_price=_filled(data, "askPrice"),
        exchange_code=_exchange_codes(data),
        type=_sale_types(data),
        is_extended=np.array([value is True for value in _column(data, "extendedTradingHours")], dtype=np.bool_),
        received_at=np.full(data.count, received_at_us),
    )
    is_known = found >= 0
    return rows if is_known.all() else rows[is_known]


def _sale_keys(data: FeedData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # A full-format event leaves out empty fields, and a sequence of 0 counts as empty.
    is_full = "eventType" in data.columns
    if "time" in data.columns and ("sequence" in data.columns or (is_full and "index" not in data.columns)):
        return _milliseconds(data.columns["time"]), integers([value or 0 for value in _column(data, "sequence")])
    if "index" in data.columns:
        index = integers(data.columns["index"])
        # Seconds in the upper 32 bits, then 10 bits of milliseconds, then 22 bits of sequence.
        return (index >> 32) * 1_000 + (index >> 22 & 0x3FF), index & 0x3FFFFF
    raise ProtocolError("TimeAndSale events lack both index, and time with sequence")


def _sale_types(data: FeedData) -> NDArray[np.int8]:
    try:
        types = np.array([_SALE_TYPES[value] for value in _column(data, "type")], dtype=np.int8)
    except (KeyError, TypeError) as error:
        raise ProtocolError("TimeAndSale events have a type that is not NEW, CORRECTION or CANCEL") from error
    flags = data.columns.get("eventFlags")
    if flags is not None:
        is_removed = integers([value or 0 for value in flags]) & EventFlag.REMOVE_EVENT.value != 0
        types[is_removed] = SaleType.CANCEL
    return types


def _exchange_codes(data: FeedData) -> NDArray[np.str_]:
    # The feed spells an unknown exchange "\0". An array of texts drops a trailing "\0", so it becomes "".
    return np.array(strings([value or "" for value in _column(data, "exchangeCode")]), dtype="U1")


def _filled(data: FeedData, name: str) -> NDArray[np.float64]:
    column = data.columns.get(name)
    return np.full(data.count, np.nan) if column is None else floats(column)


def _milliseconds(column: Sequence[Any]) -> NDArray[np.int64]:
    times = integers([0 if value is None or value == "NaN" else value for value in column])
    if len(times) and not -_LARGEST_MILLISECONDS <= int(times.min()) <= int(times.max()) <= _LARGEST_MILLISECONDS:
        raise ProtocolError("a time is outside of what microseconds can say")
    return times


def _column(data: FeedData, name: str) -> Sequence[Any]:
    return data.columns[name] if name in data.columns else (None,) * data.count
