# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The latest Quote, Trade and Summary of each symbol. Sales are not conflated, see `market_data` and `consumers`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.streaming.events import FeedData
from ttapi_pipeline.streaming.market_data import are_options, microseconds, numbers, positions

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

# By event type: column of the board, and field of the event.
_NUMBERS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "Quote": {"bid_price": "bidPrice", "ask_price": "askPrice", "bid_size": "bidSize", "ask_size": "askSize"},
        "Trade": {"last_price": "price", "last_size": "size", "day_volume": "dayVolume"},
        "Summary": {
            "day_open": "dayOpenPrice",
            "day_high": "dayHighPrice",
            "day_low": "dayLowPrice",
            "day_close": "dayClosePrice",
            "previous_close": "prevDayClosePrice",
        },
    }
)
_RECEIVED: Final = MappingProxyType(
    {"Quote": "quote_received_at", "Trade": "trade_received_at", "Summary": "summary_received_at"}
)
_NONE: Final = np.empty(0, dtype=np.intp)

EVENT_TYPES: Final = tuple(_NUMBERS)
"""The event types that a board takes."""

NUMBER_COLUMNS: Final = tuple(name for columns in _NUMBERS.values() for name in columns)
"""Every float64 column of a board."""

TIME_COLUMNS: Final = ("last_trade_at", *_RECEIVED.values())
"""Every int64 column of a board."""


class QuoteBoard:
    """The latest values per symbol, as columns indexed by the symbol's position.

    Its size depends on the number of symbols alone, however many events come. The newest event of a type decides all
    fields of that type: a field that it lacks, or has as ``"NaN"``, or with a value that cannot be, is NaN.

    Positions never change, but the arrays are replaced when the board grows: take them from the board for each reading,
    and do not write to them.

    Attributes:
        bid_price, ask_price: float64, US dollars.
        bid_size, ask_size: float64, shares or contracts; NaN for an index.
        last_price: float64, US dollars.
        last_size: float64, shares or contracts of the last trade.
        day_volume: float64, shares or contracts traded in the session.
        day_open, day_high, day_low, day_close: float64, US dollars; the close is NaN until the session's is known.
        previous_close: float64, US dollars.
        last_trade_at: int64, epoch microseconds, 0 when not known.
        quote_received_at, trade_received_at, summary_received_at: int64, epoch microseconds of the newest event of
            that type, 0 before the first.
        unknown: Events so far whose symbol is not on the board.
        lost: Values so far that cannot be, by event type and field, such as ``Quote.bidPrice``.
    """

    bid_price: Floats
    ask_price: Floats
    bid_size: Floats
    ask_size: Floats
    last_price: Floats
    last_size: Floats
    day_volume: Floats
    day_open: Floats
    day_high: Floats
    day_low: Floats
    day_close: Floats
    previous_close: Floats
    last_trade_at: Times
    quote_received_at: Times
    trade_received_at: Times
    summary_received_at: Times

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        """A board of these streamer symbols, in this order; a repeated symbol counts once."""
        self.unknown = 0
        self.lost: Counter[str] = Counter()
        self._is_option = np.empty(0, dtype=np.bool_)
        self._positions: dict[str, int] = {}
        for name in NUMBER_COLUMNS:
            setattr(self, name, np.empty(0))
        for name in TIME_COLUMNS:
            setattr(self, name, np.empty(0, dtype=np.int64))
        self.extend(symbols)

    def __len__(self) -> int:
        return len(self._positions)

    def __repr__(self) -> str:
        return f"<QuoteBoard of {len(self)} symbols>"

    @property
    def symbols(self) -> Sequence[str]:
        """The streamer symbols, by position."""
        return tuple(self._positions)

    @property
    def positions(self) -> Mapping[str, int]:
        """The position of each symbol; it grows with the board."""
        return MappingProxyType(self._positions)

    @property
    def received_at(self) -> Times:
        """int64, epoch microseconds of the newest event of any type, 0 before the first."""
        return np.maximum(np.maximum(self.quote_received_at, self.trade_received_at), self.summary_received_at)

    def extend(self, symbols: Iterable[str]) -> None:
        """Add symbols at the end. Symbols that the board has keep their positions."""
        before = len(self)
        for symbol in symbols:
            self._positions.setdefault(symbol, len(self._positions))
        more = len(self) - before
        if more:
            self._is_option = np.concatenate([self._is_option, are_options(self.symbols[before:])])
            for name in NUMBER_COLUMNS:
                setattr(self, name, np.concatenate([getattr(self, name), np.full(more, np.nan)]))
            for name in TIME_COLUMNS:
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more, dtype=np.int64)]))

    def receive(self, data: FeedData, received_at_us: int) -> NDArray[np.intp]:
        """Take data events. Where a symbol has several, the last one counts.

        Args:
            data: Events of one of EVENT_TYPES; other types change nothing.
            received_at_us: Epoch microseconds of their arrival, above 0.

        Returns:
            The positions of the symbols that had an event, ascending, each once.

        Raises:
            ProtocolError: The events have no symbols. Then the board is unchanged.
        """
        columns = _NUMBERS.get(data.event_type)
        if columns is None:
            return _NONE
        found = positions(data, self._positions, self.lost)
        is_option = self._is_option[found] if len(self) else None
        is_trade = data.event_type == "Trade"
        times = microseconds(data, "time", self.lost, until_us=received_at_us) if is_trade else 0
        # A trade at a known time had a price. Without either, the event says that there was no trade.
        needs = {"price": np.broadcast_to(times > 0, data.count) & (found >= 0)} if is_trade else {}
        values = {
            name: numbers(data, field, self.lost, is_option=is_option, is_needed=needs.get(field))
            for name, field in columns.items()
        }
        touched = np.unique(found)
        if len(touched) and touched[0] < 0:
            is_known = found >= 0
            self.unknown += len(found) - int(np.count_nonzero(is_known))
            found, touched = found[is_known], touched[1:]
            values = {name: value if isinstance(value, float) else value[is_known] for name, value in values.items()}
            times = times if isinstance(times, int) else times[is_known]
        # Where an assignment has an index twice, NumPy keeps the last value, which is that of the newest event.
        for name, value in values.items():
            getattr(self, name)[found] = value
        if is_trade:
            self.last_trade_at[found] = times
        getattr(self, _RECEIVED[data.event_type])[found] = received_at_us
        return touched

    def has_answered(self, event_type: str) -> NDArray[np.bool_]:
        """By position, whether an event of that type (one of EVENT_TYPES) has come."""
        received: Times = getattr(self, _RECEIVED[event_type])
        return received > 0
