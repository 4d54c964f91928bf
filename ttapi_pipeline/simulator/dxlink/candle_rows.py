# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candles as the rows of the wire: flags, order, and the marker of a snapshot. `feed_data` cuts them into messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from ttapi_pipeline.simulator.dxlink.candle_bars import CandleBars, Integers
from ttapi_pipeline.simulator.market.paths import Floats

T = TypeVar("T", int, Integers)

TX_PENDING: Final = 1
REMOVE_EVENT: Final = 2
SNAPSHOT_BEGIN: Final = 4
SNAPSHOT_END: Final = 8
SNAPSHOT_SNIP: Final = 16


@dataclass(frozen=True, slots=True)
class CandleRows:
    """Candle events of one symbol in the order in which they are sent, as columns named like the fields of the event.

    Integer columns have no missing values; a missing float is NaN. A column with one value for all rows is that value.
    Single values that are sent in place of those of the columns are in `others`, by field and row.
    """

    columns: dict[str, Integers | Floats | str | int]
    length: int
    others: Mapping[str, Mapping[int, object]] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.length

    def values(self, field: str, begin: int, end: int) -> Sequence[object]:
        """One field of the rows from `begin` to before `end`, ready for JSON: NaN and infinities are strings."""
        values = self._column_values(field, begin, end)
        for row, value in self.others.get(field, {}).items():
            if begin <= row < end:
                values[row - begin] = value
        return values

    def _column_values(self, field: str, begin: int, end: int) -> list[object]:
        column = self.columns.get(field, "NaN")
        if not isinstance(column, np.ndarray):
            return [column] * (end - begin)
        rows = column[begin:end]
        values: list[object] = rows.tolist()
        if rows.dtype.kind == "f":
            for position in np.flatnonzero(~np.isfinite(rows)):
                values[position] = _special(rows[position])
        return values

    def taken(self, order: Integers) -> CandleRows:
        """The rows at these positions, in their order; a position may be there twice."""
        columns = {
            name: column[order] if isinstance(column, np.ndarray) else column for name, column in self.columns.items()
        }
        return replace(self, columns=columns, length=len(order))

    def with_values(self, field: str, values: Mapping[int, object]) -> CandleRows:
        """The same rows with other values in a field, by row. Their order is final then."""
        return replace(self, others={**self.others, field: {**self.others.get(field, {}), **values}})

    def with_flags(self, flags: Integers) -> CandleRows:
        """The same rows with other event flags."""
        return replace(self, columns={**self.columns, "eventFlags": flags})

    @property
    def flags(self) -> Integers:
        """The event flags, one per row."""
        flags = self.columns["eventFlags"]
        return np.broadcast_to(np.asarray(flags, np.int64), (len(self),)).copy()


def snapshot_rows(symbol: str, bars: CandleBars, *, from_time: float) -> CandleRows:
    """A whole snapshot, newest first: flags 4 … 0 … 10.

    Without a bar it is the marker alone, with flags 14. When older bars are left out, the last bar has flag 16 and no
    marker follows.

    The marker has the time of the requested start. A bar of that very time would be removed by it, so the marker then
    has a time one millisecond before that bar.
    """
    rows = _rows(symbol, bars if bars.is_snipped else _with_marker(bars, from_time=int(from_time)))
    flags = np.zeros(len(rows), np.int64)
    flags[0] |= SNAPSHOT_BEGIN
    flags[-1] |= SNAPSHOT_SNIP if bars.is_snipped else SNAPSHOT_END | REMOVE_EVENT
    return rows.with_flags(flags)


def update_rows(symbol: str, bars: CandleBars) -> CandleRows:
    """Updates after the snapshot, oldest first, with flags 0."""
    return _rows(symbol, bars).taken(np.arange(len(bars) - 1, -1, -1))


def event_index(time: T) -> T:
    """The index of an event with sequence 0: its seconds from bit 32 on, the milliseconds of that second from bit 22.

    Args:
        time: Epoch milliseconds.
    """
    return ((time // 1000) << 32) | ((time % 1000) << 22)


def _rows(symbol: str, bars: CandleBars) -> CandleRows:
    # A buyer lifts the ask when the bar closes near its high: a plausible split, and it adds up.
    spread = bars.high - bars.low
    bought = np.divide(bars.close - bars.low, spread, out=np.full(len(bars), 0.5), where=spread > 0)
    ask_volume = np.round(bars.volume * bought)
    return CandleRows(
        {
            "eventType": "Candle",
            "eventSymbol": symbol,
            "eventTime": 0,
            "eventFlags": 0,
            "index": event_index(bars.time),
            "time": bars.time,
            "sequence": 0,
            "count": bars.count,
            "open": bars.open,
            "high": bars.high,
            "low": bars.low,
            "close": bars.close,
            "volume": bars.volume,
            "vwap": bars.vwap,
            "bidVolume": bars.volume - ask_volume,
            "askVolume": ask_volume,
            "impVolatility": bars.implied_volatility,
            "openInterest": "NaN",
        },
        len(bars),
    )


def _with_marker(bars: CandleBars, *, from_time: int) -> CandleBars:
    time = min(from_time, int(bars.time[-1]) - 1) if len(bars) else from_time
    return CandleBars(
        np.append(bars.time, time),
        np.append(bars.count, 0),
        np.append(bars.open, np.nan),
        np.append(bars.high, np.nan),
        np.append(bars.low, np.nan),
        np.append(bars.close, np.nan),
        np.append(bars.volume, np.nan),
        np.append(bars.vwap, np.nan),
        np.append(bars.implied_volatility, np.nan),
    )


def _special(value: float) -> str:
    if np.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
