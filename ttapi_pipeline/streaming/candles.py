# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Candle events into bars: the snapshot rules of one series. The subscriptions are in `candle_collection`.

Everything works on runs of rows instead of single rows: a history of millions of bars arrives in a few thousand frames,
and each frame takes a handful of array operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import IntFlag
from itertools import groupby
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.candle_symbols import canonical_or_none
from ttapi_pipeline.streaming.events import FeedData
from ttapi_pipeline.streaming.values import (
    AMOUNT,
    NO_INTEGER,
    PRICE,
    VOLATILITY,
    Range,
    believed_range,
    floats,
    integers,
)

T = TypeVar("T")

NUMBER_FIELDS: Final = ("count", "open", "high", "low", "close", "volume", "vwap", "impVolatility", "openInterest")
CANDLE_FIELDS: Final = ("eventFlags", "eventSymbol", "time", "sequence", *NUMBER_FIELDS)
"""The fields to ask for. `time` and `sequence` together tell two events apart, as the single number `index` would."""

_MILLISECONDS_PER_DAY: Final = 86_400_000
_PRICES: Final = slice(1, 5)
_COUNT, _CLOSE, _VOLUME = (NUMBER_FIELDS.index(name) for name in ("count", "close", "volume"))

FIRST_SESSION: Final = date(1970, 1, 2)
"""Earlier ones are the zero of a clock, and what is before it."""

LAST_SESSION: Final = date(2099, 12, 31)

_MOST_RUNS: Final = 256
"""Neighbouring rows are joined when there are more runs of them: a run of one row takes ten times its numbers."""

_RANGES: Final[Mapping[str, Range]] = MappingProxyType(
    {
        **dict.fromkeys(("open", "high", "low", "close", "vwap"), PRICE),
        **dict.fromkeys(("count", "volume", "openInterest"), AMOUNT),
        "impVolatility": VOLATILITY,
    }
)


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
        times: int64, epoch milliseconds of the bar's start; NO_INTEGER where it cannot be read.
        sequences: int64, tells events of the same time apart.
        numbers: float64, one row per name in NUMBER_FIELDS, one column per event; NaN where the feed has no value, and
            otherwise whatever came: they are looked at when the history is made.
    """

    flags: NDArray[np.int64]
    times: NDArray[np.int64]
    sequences: NDArray[np.int64]
    numbers: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.flags)

    def __getitem__(self, run: slice) -> CandleRows:
        return CandleRows(self.flags[run], self.times[run], self.sequences[run], self.numbers[:, run])

    def copied(self) -> CandleRows:
        """The same events, in arrays of their own: a part of a frame's would keep the whole frame."""
        return CandleRows(self.flags.copy(), self.times.copy(), self.sequences.copy(), self.numbers.copy())

    def where(self, is_kept: NDArray[np.bool_]) -> CandleRows:
        """The events that are kept, in their order."""
        return CandleRows(self.flags[is_kept], self.times[is_kept], self.sequences[is_kept], self.numbers[:, is_kept])


def candle_rows(data: FeedData, lost: Counter[str] | None = None) -> Iterator[tuple[str, CandleRows]]:
    """Split Candle data into runs of one series, each under its canonical symbol.

    A number that the server left out of its layout is NaN, a missing `sequence` is 0. An event whose symbol or flags
    cannot be read is set aside.

    Args:
        data: Candle events.
        lost: Counts the events that are set aside, by the field that is why.

    Raises:
        ProtocolError: Symbol, time or flags are not in the layout. Without the flags, the end of a snapshot cannot be
            seen.
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
    for symbol, run in _runs([canonical_or_none(name) for name in data.columns["eventSymbol"]]):
        events, start = rows[start : start + run], start + run
        has_flags = events.flags != NO_INTEGER
        if symbol is None or not has_flags.any():
            _count(lost, "eventFlags" if symbol else "eventSymbol", run)
            continue
        if not has_flags.all():
            _count(lost, "eventFlags", run - int(np.count_nonzero(has_flags)))
            events = events.where(has_flags)
        yield symbol, events if run == data.count else events.copied()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CandleHistory:
    """The daily bars of one symbol as columns of equal length, ascending by session, one row per session.

    Attributes:
        symbol: The streamer symbol, as the caller wrote it.
        session: datetime64[D], the session's date. The session of the newest bar may still be open.
        open, high, low: float64, US dollars. Here and below, NaN means that the feed has no value that can be.
        close: float64, US dollars, in every bar.
        volume: float64, shares.
        vwap: float64, US dollars.
        count: float64, number of trades.
        implied_volatility: float64, a fraction, annualised.
        open_interest: float64, contracts.
        is_snipped: Whether the server cut the history off at its limit, so that older bars exist.
        lost: How often a field came with a value that cannot be. Without time or close, the whole bar is set aside;
            a close outside of low and high counts as one.
    """

    symbol: str
    session: NDArray[np.datetime64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    vwap: NDArray[np.float64]
    count: NDArray[np.float64]
    implied_volatility: NDArray[np.float64]
    open_interest: NDArray[np.float64]
    is_snipped: bool = False
    lost: Mapping[str, int] = field(default_factory=dict)

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
        events: How many events have come, those of earlier snapshots included.
    """

    def __init__(self) -> None:
        self.is_available = False
        self.is_snipped = False
        self.has_begun = False
        self.events = 0
        self._in_snapshot = False
        self._replaces = False
        self._ended: EventFlag | None = None
        self._pending: list[CandleRows] = []
        # Applied events in order. The last event of a key decides, so they are merged once, in `daily_history`.
        self._applied: list[CandleRows] = []

    def receive(self, rows: CandleRows) -> None:
        """Take events in the order in which they came."""
        self.events += len(rows)
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
            self._pending, self._applied = _joined(self._pending), _joined(self._applied)

    def daily_history(self, symbol: str, *, first: date = FIRST_SESSION, last: date = LAST_SESSION) -> CandleHistory:
        """The bars of a series of daily candles, possibly no bar.

        A bar's session is the UTC date of its time. Where two bars share a session, the later one wins. A bar without a
        close, with a close outside of its own low and high, or outside of the sessions, is set aside: it neither is a
        bar nor replaces one.

        Args:
            symbol: The name that the history gets.
            first: The first session that can be: no bar before it was asked for.
            last: The last session that can be, the present one.
        """
        rows = _concatenate(self._applied)
        lost: Counter[str] = Counter()
        rows = _usable(rows, lost, first=first, last=last)
        # Sorted by key, and by arrival within a key: the last event of each key decides what the bar is.
        order = np.lexsort((np.arange(len(rows)), rows.sequences, rows.times))
        times, sequences = rows.times[order], rows.sequences[order]
        decides = _ends_of_runs((times[1:] != times[:-1]) | (sequences[1:] != sequences[:-1]), len(order))
        order = order[decides]
        order = order[~_removes(rows)[order]]
        days = rows.times[order] // _MILLISECONDS_PER_DAY
        decides = _ends_of_runs(days[1:] != days[:-1], len(days))
        bars = _believed(np.ascontiguousarray(rows.numbers[:, order[decides]]), lost)
        return CandleHistory(
            symbol=symbol,
            session=days[decides].astype("datetime64[D]"),
            open=bars["open"],
            high=bars["high"],
            low=bars["low"],
            close=bars["close"],
            volume=bars["volume"],
            vwap=bars["vwap"],
            count=bars["count"],
            implied_volatility=bars["impVolatility"],
            open_interest=bars["openInterest"],
            is_snipped=self.is_snipped,
            lost={name: count for name, count in sorted(lost.items()) if count},
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


def _removes(rows: CandleRows) -> NDArray[np.bool_]:
    """Which events delete the one with their key: those with the flag, and those without any price."""
    is_removed: NDArray[np.bool_] = rows.flags & EventFlag.REMOVE_EVENT.value != 0
    return is_removed | np.isnan(rows.numbers[_PRICES]).all(axis=0)


def _usable(rows: CandleRows, lost: Counter[str], *, first: date, last: date) -> CandleRows:
    """The events without the bars that cannot be. A bar needs a time and a close within low and high.

    All else is a field of it.
    """
    days = rows.times // _MILLISECONDS_PER_DAY
    least, most = (np.datetime64(day, "D").astype(np.int64) for day in (first, last))
    is_bar = ~_removes(rows)
    has_time = (days >= least) & (days <= most)
    opened, high, low, close = (PRICE.believed(column)[0] for column in rows.numbers[_PRICES])
    has_close = ~np.isnan(close) & believed_range(opened, high, low, close)[-1]
    lost["time"] += int(np.count_nonzero(is_bar & ~has_time))
    lost["close"] += int(np.count_nonzero(is_bar & has_time & ~has_close))
    is_kept = ~is_bar | (has_time & has_close)
    return rows if is_kept.all() else rows.where(is_kept)


def _believed(numbers: NDArray[np.float64], lost: Counter[str]) -> Mapping[str, NDArray[np.float64]]:
    """The numbers of bars by field, with NaN where they cannot be.

    Nothing traded in a bar only if both its volume and its count are zero, as in a bar of an index. Otherwise a volume
    of zero stands for one that is not known.
    """
    count, volume = numbers[_COUNT], numbers[_VOLUME]
    has_traded = ~((volume == 0.0) & (count == 0.0))
    zeros_lost = {
        **dict.fromkeys(("open", "high", "low"), np.True_),
        "vwap": has_traded,
        "volume": count > 0.0,
    }
    bars: dict[str, NDArray[np.float64]] = {}
    for name, column in zip(NUMBER_FIELDS, numbers, strict=True):
        bars[name], is_lost = _RANGES[name].believed(column)
        lost[name] += int(np.count_nonzero(is_lost | (column == 0.0) & zeros_lost.get(name, np.False_)))
    opened, high, low, _ = believed_range(bars["open"], bars["high"], bars["low"], bars["close"])
    for name, prices in (("open", opened), ("high", high), ("low", low)):
        lost[name] += int(np.count_nonzero(np.isnan(prices) & ~np.isnan(bars[name])))
        bars[name] = prices
    bars["volume"] = np.where((volume == 0.0) & has_traded, np.nan, bars["volume"])
    return bars


def _runs(values: Sequence[T]) -> Iterator[tuple[T, int]]:
    """Each value with the length of its run."""
    return ((value, len(list(run))) for value, run in groupby(values))


def _integers_or_zero(data: FeedData, name: str, zeros: NDArray[np.int64]) -> NDArray[np.int64]:
    column = data.columns.get(name)
    if column is None:
        return zeros
    return integers([0 if value is None else value for value in column] if None in column else column)


def _count(lost: Counter[str] | None, name: str, events: int) -> None:
    if lost is not None:
        lost[name] += events


def _ends_of_runs(differs: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Which of `length` elements end a run; `differs` says of each element but the first whether it begins one."""
    ends = np.ones(length, dtype=np.bool_)
    ends[:-1] = differs
    return ends


def _joined(runs: list[CandleRows]) -> list[CandleRows]:
    return runs if len(runs) <= _MOST_RUNS else [_concatenate(runs)]


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
