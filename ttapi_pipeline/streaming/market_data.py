# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The columns of Quote, Trade, Summary and TimeAndSale events: which to ask for, and how to read them.

The latest values per symbol are in `quote_board`, the numbers that are believed in `values`.
"""

from __future__ import annotations

from collections import Counter
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
from ttapi_pipeline.streaming.values import AMOUNT, NO_INTEGER, OPTION_BID, PRICE, Range, floats, integers

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

FUTURE_MILLISECONDS: Final = 86_400_000
"""An event this long after its own arrival is not believed. The clocks of two computers differ by less."""

_RANGES: Final[Mapping[str, Range]] = MappingProxyType(
    {
        **dict.fromkeys(("bidPrice", "askPrice", "price"), PRICE),
        **dict.fromkeys(("bidSize", "askSize", "size", "dayVolume"), AMOUNT),
        **dict.fromkeys(("dayOpenPrice", "dayHighPrice", "dayLowPrice", "dayClosePrice", "prevDayClosePrice"), PRICE),
    }
)


class SaleType(IntEnum):
    """Whether a TimeAndSale event reports a sale, replaces one, or takes one back."""

    NEW = 0
    CORRECTION = 1
    CANCEL = 2


_NO_TYPE: Final = -1
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


def positions(data: FeedData, known: Mapping[str, int], lost: Counter[str]) -> NDArray[np.intp]:
    """The position of each event's symbol; -1 where `known` does not have it, or it is not a text.

    Raises:
        ProtocolError: The events have no symbols.
    """
    column = data.columns.get("eventSymbol")
    if column is None:
        raise ProtocolError(f"{data.event_type} events lack eventSymbol")
    if set(map(type, column)) <= {str}:
        return np.fromiter(map(known.get, column, repeat(-1)), dtype=np.intp, count=len(column))
    _note(lost, data, "eventSymbol", np.array([not isinstance(symbol, str) for symbol in column]))
    found = [known.get(symbol, -1) if isinstance(symbol, str) else -1 for symbol in column]
    return np.array(found, dtype=np.intp)


def numbers(
    data: FeedData,
    name: str,
    lost: Counter[str],
    *,
    is_option: NDArray[np.bool_] | None = None,
    is_needed: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64] | float:
    """A column of numbers, with NaN where the feed has none that can be; a single NaN when the events do not have it.

    Args:
        data: Events.
        name: Of the field.
        lost: Counts values that cannot be, by event type and field, such as ``Quote.bidPrice``.
        is_option: Which events are of options: they alone have a bid of zero.
        is_needed: Which events say nothing without this number: there a placeholder is lost, too, as is its absence.
    """
    column = data.columns.get(name)
    if column is None:
        if is_needed is not None:
            _note(lost, data, name, is_needed)
        return np.nan
    came = floats(column)
    believed, is_lost = _RANGES[name].believed(came)
    if name == "bidPrice" and is_option is not None and is_option.any():
        believed = np.where(is_option, OPTION_BID.believed(came)[0], believed)
    if is_needed is not None:
        is_lost |= is_needed & np.isnan(believed)
    _note(lost, data, name, is_lost)
    return believed


def microseconds(
    data: FeedData, name: str, lost: Counter[str], *, until_us: int | NDArray[np.int64]
) -> NDArray[np.int64] | int:
    """A column of times in epoch microseconds, 0 where the feed has none; a single 0 when the events do not have it.

    Args:
        data: Events.
        name: Of the field.
        lost: Counts times that cannot be.
        until_us: When the events arrived, in epoch microseconds. A time a day later cannot be.
    """
    column = data.columns.get(name)
    if column is None:
        return 0
    times = _milliseconds(column)
    can_be = _can_be(times, until_us)
    _note(lost, data, name, ~can_be)
    return np.where(can_be, times, 0) * _MICROSECONDS


def sales(
    data: FeedData, known: Mapping[str, int], received_at_us: int | NDArray[np.int64], lost: Counter[str]
) -> Sales:
    """The TimeAndSale events of known symbols.

    An event with the flag REMOVE_EVENT is a cancel, whatever its type. An event whose time, sequence, type or flags
    cannot be read is left out: it could be any sale.

    Args:
        data: TimeAndSale events.
        known: Position by symbol. Events of other symbols are left out.
        received_at_us: Epoch microseconds of their arrival: one time, or one per event.
        lost: Counts values that cannot be, by event type and field, and events without a key by ``time``.

    Raises:
        ProtocolError: The events have no key: neither `time` with `sequence` nor `index`.
    """
    found = positions(data, known, lost)
    time_ms, sequence = _sale_keys(data)
    types = _sale_types(data)
    has_key = _can_be(time_ms, received_at_us) & (time_ms > 0) & (sequence != NO_INTEGER)
    is_known, has_type = found >= 0, types != _NO_TYPE
    _note(lost, data, "time", is_known & ~has_key)
    _note(lost, data, "type", is_known & has_key & ~has_type)
    is_option = are_options(data.columns["eventSymbol"])
    rows = Sales(
        position=found,
        time_ms=time_ms,
        sequence=sequence,
        price=_filled(data, "price", lost, is_needed=is_known & has_key & (types != SaleType.CANCEL)),
        size=_filled(data, "size", lost),
        bid_price=_filled(data, "bidPrice", lost, is_option=is_option),
        ask_price=_filled(data, "askPrice", lost),
        exchange_code=_exchange_codes(data),
        type=types,
        is_extended=np.array([value is True for value in _column(data, "extendedTradingHours")], dtype=np.bool_),
        received_at=np.full(data.count, received_at_us),
    )
    is_kept = is_known & has_key & has_type
    return rows if is_kept.all() else rows[is_kept]


def are_options(symbols: Sequence[object]) -> NDArray[np.bool_]:
    """Which streamer symbols are options: theirs begin with a dot. What is not a text is none."""
    return np.array([isinstance(each, str) and each.startswith(".") for each in symbols], dtype=np.bool_)


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
    """The types; _NO_TYPE where the type or the flags cannot be read."""
    names = [value if isinstance(value, str | None) else "" for value in _column(data, "type")]
    types = np.array([_SALE_TYPES.get(name, _NO_TYPE) for name in names], dtype=np.int8)
    column = data.columns.get("eventFlags")
    if column is not None:
        flags = integers([value or 0 for value in column])
        types[flags & EventFlag.REMOVE_EVENT.value != 0] = SaleType.CANCEL
        types[flags == NO_INTEGER] = _NO_TYPE
    return types


def _exchange_codes(data: FeedData) -> NDArray[np.str_]:
    # The feed spells an unknown exchange "\0". An array of texts drops a trailing "\0", so it becomes "".
    codes = [value if isinstance(value, str) else "" for value in _column(data, "exchangeCode")]
    return np.array(codes, dtype="U1")


def _filled(
    data: FeedData,
    name: str,
    lost: Counter[str],
    *,
    is_option: NDArray[np.bool_] | None = None,
    is_needed: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    return np.broadcast_to(numbers(data, name, lost, is_option=is_option, is_needed=is_needed), data.count)


def _milliseconds(column: Sequence[Any]) -> NDArray[np.int64]:
    """Times, 0 where the feed has none, NO_INTEGER where there is something else."""
    return integers([0 if value is None or value == "NaN" else value for value in column])


def _can_be(times_ms: NDArray[np.int64], until_us: int | NDArray[np.int64]) -> NDArray[np.bool_]:
    return (times_ms >= 0) & (times_ms <= np.asarray(until_us) // _MICROSECONDS + FUTURE_MILLISECONDS)


def _note(lost: Counter[str], data: FeedData, name: str, is_lost: NDArray[np.bool_]) -> None:
    count = int(np.count_nonzero(is_lost))
    if count:
        lost[f"{data.event_type}.{name}"] += count


def _column(data: FeedData, name: str) -> Sequence[Any]:
    return data.columns[name] if name in data.columns else (None,) * data.count
