# SPDX-License-Identifier: MIT
"""Candle events into bars: the snapshot rules of one series. The subscriptions are in `candle_collection`.

Everything works on runs of rows instead of single rows: a history of millions of bars arrives in a few thousand frames,
and each frame takes a handful of array operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntFlag
from functools import lru_cache
from itertools import groupby
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.candle_symbols import canonical_candle_symbol
from ttapi_pipeline.streaming.events import FeedData
from ttapi_pipeline.streaming.messages import floats, integers, strings

T = TypeVar("T")

NUMBER_FIELDS: Final = ("count", "open", "high", "low", "close", "volume", "vwap", "impVolatility", "openInterest")
CANDLE_FIELDS: Final = ("eventFlags", "eventSymbol", "time", "sequence", *NUMBER_FIELDS)
"""The fields to ask for. `time` and `sequence` together tell two events apart, as the single number `index` would."""

_MILLISECONDS_PER_DAY: Final = 86_400_000
_PRICES: Final = slice(1, 5)


class EventFlag(IntFlag):
    """Bits of `eventFlags`.

    TX_PENDING: further events of the same transaction follow.
    REMOVE_EVENT: the event deletes the one with its time and sequence.
    SNAPSHOT_BEGIN: a snapshot starts with this event, and replaces everything before it.
    SNAPSHOT_END: the snapshot is complete with this event.
    SNAPSHOT_SNIP: the snapshot ends here because the server has a limit; older events exist.
    """

    TX_PENDING = 1
    REMOVE_EVENT = 2
    SNAPSHOT_BEGIN = 4
    SNAPSHOT_END = 8
    SNAPSHOT_SNIP = 16


_MARKS: Final = (
    EventFlag.TX_PENDING | EventFlag.SNAPSHOT_BEGIN | EventFlag.SNAPSHOT_END | EventFlag.SNAPSHOT_SNIP
).value


@dataclass(frozen=True, slots=True, eq=False)
class CandleRows:
    """Candle events of one series, in the order in which they came.

    Attributes:
        flags: int64, EventFlag bits.
        times: int64, epoch milliseconds of the bar's start.
        sequences: int64, tells events of the same time apart.
        numbers: float64, one row per name in NUMBER_FIELDS, one column per event; NaN where the feed has no value.
    """

    flags: NDArray[np.int64]
    times: NDArray[np.int64]
    sequences: NDArray[np.int64]
    numbers: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.flags)

    def __getitem__(self, run: slice) -> CandleRows:
        return CandleRows(self.flags[run], self.times[run], self.sequences[run], self.numbers[:, run])


def candle_rows(data: FeedData) -> Iterator[tuple[str, CandleRows]]:
    """Split Candle data into runs of one series, each under its canonical symbol.

    A number that the server left out of its layout is NaN, a missing `sequence` is 0.

    Raises:
        ProtocolError: Symbol, time or flags are not in the layout, or a value is not of its type. Without the flags,
            the end of a snapshot cannot be seen.
    """
    # A full-format event may leave empty fields out, so missing flags are 0 there. A compact layout has to have them.
    missing = [name for name in ("eventSymbol", "time") if name not in data.columns]
    if "eventFlags" not in data.columns and "eventType" not in data.columns:
        missing.append("eventFlags")
    if missing:
        raise ProtocolError(f"Candle events lack {', '.join(missing)}")
    zeros = np.zeros(data.count, dtype=np.int64)
    flags = _integers_or_zero(data, "eventFlags", zeros)
    sequences = _integers_or_zero(data, "sequence", zeros)
    times = integers(data.columns["time"])
    numbers = np.full((len(NUMBER_FIELDS), data.count), np.nan)
    for position, name in enumerate(NUMBER_FIELDS):
        if name in data.columns:
            numbers[position] = floats(data.columns[name])
    rows = CandleRows(flags, times, sequences, numbers)
    start = 0
    for symbol, run in _runs(strings(data.columns["eventSymbol"])):
        yield _canonical(symbol), rows[start : start + run]
        start += run


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CandleHistory:
    """The daily bars of one symbol as columns of equal length, ascending by session, one row per session.

    Attributes:
        symbol: The streamer symbol, as the caller wrote it.
        session: datetime64[D], the session's date. The session of the newest bar may still be open.
        open, high, low, close: float64, US dollars; NaN when the feed has no value.
        volume: float64, shares.
        vwap: float64, US dollars.
        count: int64, number of trades.
        implied_volatility: float64, a fraction, annualised.
        open_interest: float64, contracts.
        is_snipped: Whether the server cut the history off at its limit, so that older bars exist.
    """

    symbol: str
    session: NDArray[np.datetime64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    vwap: NDArray[np.float64]
    count: NDArray[np.int64]
    implied_volatility: NDArray[np.float64]
    open_interest: NDArray[np.float64]
    is_snipped: bool = False

    def __len__(self) -> int:
        return len(self.session)

    def renamed(self, symbol: str) -> CandleHistory:
        """The same bars under another name of the instrument."""
        return replace(self, symbol=symbol)


class CandleSeries:
    """The state of one candle series: first a snapshot that is being received, then its bars with every update applied.

    An incomplete transaction and an unfinished snapshot change nothing.

    Attributes:
        is_available: Whether a snapshot has been applied.
        is_snipped: Whether the server cut that snapshot off, so that older bars are missing.
        has_begun: Whether any event of a snapshot has come.
    """

    def __init__(self) -> None:
        self.is_available = False
        self.is_snipped = False
        self.has_begun = False
        self._in_snapshot = False
        self._replaces = False
        self._ended: EventFlag | None = None
        self._pending: list[CandleRows] = []
        # Applied events in order. The last event of a key decides, so they are merged once, in `daily_history`.
        self._applied: list[CandleRows] = []

    def receive(self, rows: CandleRows) -> None:
        """Take events in the order in which they came."""
        # Neighbouring rows without a mark are taken at once, and so are the inner rows of a transaction.
        start = 0
        for mark, length in _runs((rows.flags & _MARKS).tolist()):
            run = rows[start : start + length]
            start += length
            if mark == 0:
                self._take(run)
            elif mark == EventFlag.TX_PENDING:
                self._pending.append(run)
            else:
                for position in range(length):
                    self._take_marked(run[position : position + 1], EventFlag(mark))

    def daily_history(self, symbol: str) -> CandleHistory:
        """The bars of a series of daily candles, possibly no bar.

        A bar's session is the UTC date of its time. Where two bars share a session, the later one wins.

        Args:
            symbol: The name that the history gets.
        """
        rows = _concatenate(self._applied)
        # Sorted by key, and by arrival within a key: the last event of each key decides what the bar is.
        order = np.lexsort((np.arange(len(rows)), rows.sequences, rows.times))
        times, sequences = rows.times[order], rows.sequences[order]
        decides = _ends_of_runs((times[1:] != times[:-1]) | (sequences[1:] != sequences[:-1]), len(order))
        order = order[decides]
        prices = rows.numbers[_PRICES, order]
        is_removed = (rows.flags[order] & EventFlag.REMOVE_EVENT.value != 0) | np.isnan(prices).all(axis=0)
        order = order[~is_removed]
        days = rows.times[order] // _MILLISECONDS_PER_DAY
        decides = _ends_of_runs(days[1:] != days[:-1], len(days))
        numbers = np.ascontiguousarray(rows.numbers[:, order[decides]])
        count = np.nan_to_num(numbers[0], nan=0.0, posinf=0.0, neginf=0.0).astype(np.int64)
        bars = dict(zip(NUMBER_FIELDS[1:], numbers[1:], strict=True))
        return CandleHistory(
            symbol=symbol,
            session=days[decides].astype("datetime64[D]"),
            open=bars["open"],
            high=bars["high"],
            low=bars["low"],
            close=bars["close"],
            volume=bars["volume"],
            vwap=bars["vwap"],
            count=count,
            implied_volatility=bars["impVolatility"],
            open_interest=bars["openInterest"],
            is_snipped=self.is_snipped,
        )

    def _take(self, rows: CandleRows) -> None:
        self._pending.append(rows)
        if not self._in_snapshot:
            self._apply()

    def _take_marked(self, row: CandleRows, mark: EventFlag) -> None:
        if EventFlag.SNAPSHOT_BEGIN in mark:
            self._pending.clear()
            self._in_snapshot = self._replaces = self.has_begun = True
            self._ended = None
        self._pending.append(row)
        # An end without a beginning belongs to a snapshot of an earlier subscription.
        if mark & (EventFlag.SNAPSHOT_END | EventFlag.SNAPSHOT_SNIP) and self._in_snapshot:
            self._in_snapshot = False
            self._ended = mark
        if EventFlag.TX_PENDING not in mark and not self._in_snapshot:
            self._apply()

    def _apply(self) -> None:
        if self._replaces:
            self._applied.clear()
        self._applied.extend(self._pending)
        self._pending.clear()
        self._replaces = False
        if self._ended is not None:
            self.is_available = True
            self.is_snipped = EventFlag.SNAPSHOT_SNIP in self._ended
            self._ended = None


@lru_cache(maxsize=65_536)
def _canonical(symbol: str) -> str:
    try:
        return canonical_candle_symbol(symbol)
    except ValueError as error:
        raise ProtocolError(f"Candle event: {error}") from error


def _integers_or_zero(data: FeedData, name: str, zeros: NDArray[np.int64]) -> NDArray[np.int64]:
    column = data.columns.get(name)
    if column is None:
        return zeros
    return integers([0 if value is None else value for value in column] if None in column else column)


def _runs(values: Sequence[T]) -> Iterator[tuple[T, int]]:
    """Each value with the length of its run."""
    return ((value, len(list(run))) for value, run in groupby(values))


def _ends_of_runs(differs: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Which of `length` elements end a run; `differs` says of each element but the first whether it begins one."""
    ends = np.ones(length, dtype=np.bool_)
    ends[:-1] = differs
    return ends


def _concatenate(runs: Sequence[CandleRows]) -> CandleRows:
    if not runs:
        none = np.empty(0, dtype=np.int64)
        return CandleRows(none, none, none, np.empty((len(NUMBER_FIELDS), 0)))
    return CandleRows(
        np.concatenate([run.flags for run in runs]),
        np.concatenate([run.times for run in runs]),
        np.concatenate([run.sequences for run in runs]),
        np.concatenate([run.numbers for run in runs], axis=1),
    )
