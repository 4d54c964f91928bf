# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Bars of any candle period, made of the daily bars and the prices of the market. Their wire form: `candle_rows`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from ttapi_pipeline.core.sessions import NEW_YORK, session_hours
from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline.simulator.dxlink.candle_symbols import CandleSymbol
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.options import CONTRACTS_PER_TRADE
from ttapi_pipeline.simulator.market.paths import KNOT_SECONDS, Floats
from ttapi_pipeline.simulator.market.prices import Bars

Integers = npt.NDArray[np.int64]

REGULAR_HOURS_SINCE: Final = date(2018, 4, 1)
"""The start of ``tho=true`` history on the real feed (tastyware/tastytrade #199)."""

INTRADAY_SESSIONS: Final = 260
"""How far back intraday bars go, about a year; older ones are withheld (SNAPSHOT_SNIP)."""

_SESSIONS_PER_STEP: Final = 4
_EPOCH_MONDAY: Final = 4  # 1970-01-05 was the first Monday after the epoch
_DAY_MS: Final = 86_400_000
_LAST_MS: Final = 4_102_444_800_000  # 2100-01-01, later than any bar


@dataclass(frozen=True, slots=True)
class CandleBars:
    """Parallel columns, newest bar first; prices in US dollars.

    Attributes:
        time: Start of the bar, epoch milliseconds; 00:00 UTC of the date for daily and longer bars.
        is_snipped: Older bars were left out because of the limit.
    """

    time: Integers
    count: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    implied_volatility: Floats
    is_snipped: bool = False

    def __len__(self) -> int:
        return len(self.time)

    def newest(self, rows: int) -> CandleBars:
        """The first `rows` rows."""
        return CandleBars(*(getattr(self, name)[:rows] for name in _COLUMNS))

    def where(self, is_left: npt.NDArray[np.bool_]) -> CandleBars:
        """The rows that are left."""
        columns = {name: getattr(self, name)[is_left] for name in _COLUMNS}
        return CandleBars(**columns, is_snipped=self.is_snipped and bool(is_left.any()))


_COLUMNS: Final = tuple(field.name for field in fields(CandleBars) if field.name != "is_snipped")

Preparation = Generator[None, None, CandleBars]


class CandleSource:
    """Bars of one market by streamer symbol."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._symbols = {instrument.streamer_symbol: symbol for symbol, instrument in market.instruments.items()}

    def bars(self, candle: CandleSymbol, *, from_time: float, at: datetime, limit: int) -> CandleBars:
        """The newest `limit` bars that start at `from_time` (epoch milliseconds) or later.

        There are bars of instruments and of options on them; an expired option keeps its bars. An instrument, exchange,
        price or period that the market does not have gives no bars. Intraday bars reach back INTRADAY_SESSIONS
        sessions at most.
        """
        work = self.prepare(candle, from_time=from_time, at=at, limit=limit)
        while True:
            try:
                next(work)
            except StopIteration as done:
                bars: CandleBars = done.value
                return bars

    def prepare(self, candle: CandleSymbol, *, from_time: float, at: datetime, limit: int) -> Preparation:
        """The same as `bars`, with a pause every few milliseconds: a year of minutes would hold up the server."""
        base = self._base(candle.base)
        period = int(candle.period)
        if base is None or candle.price != "last" or period != candle.period:
            return NO_BARS
        start = int(np.clip(from_time, 0, _LAST_MS))
        try:
            if candle.unit in _GROUPINGS:
                bars = self._daily(base, candle, period, start=start, at=at)
            elif candle.unit in _SECONDS:
                seconds = period * _SECONDS[candle.unit]
                bars = yield from self._intraday(base, candle, seconds, start=start, at=at, limit=limit)
            else:
                return NO_BARS
        except KeyError:
            return NO_BARS  # an option that was never listed
        kept = int(np.searchsorted(-bars.time, -start, side="right"))
        is_snipped = kept > limit or (bars.is_snipped and kept == len(bars))
        return replace(bars.newest(min(kept, limit)), is_snipped=is_snipped)

    def _base(self, streamer_symbol: str) -> _Base | None:
        symbol = self._symbols.get(streamer_symbol)
        if symbol is not None:
            return _Base(symbol)
        try:
            occ = OptionSymbol.from_streamer(streamer_symbol).occ
            return _Base(self._market.underlying_of(occ), occ)
        except (KeyError, ValueError):
            return None

    def _daily_bars(self, base: _Base, first: date, at: datetime) -> Bars:
        if base.option is None:
            return self._market.bars(base.symbol, first=first, at=at)
        return self._market.option_bars(base.option, first=first, at=at)

    def _daily(self, base: _Base, candle: CandleSymbol, period: int, *, start: int, at: datetime) -> CandleBars:
        """Daily and longer bars, from the first session of the bar that `start` falls into."""
        grouping = _GROUPINGS[candle.unit]
        first = grouping(np.array([np.datetime64(start, "ms").astype("datetime64[D]")]), period)[0]
        first = max(first, np.datetime64(self._market.first_session, "D"))
        if candle.is_regular_hours:
            first = max(first, np.datetime64(REGULAR_HOURS_SINCE, "D"))
        daily = self._daily_bars(base, first.astype(object), at)
        return _grouped(daily, grouping(daily.sessions, period))

    def _intraday(
        self, base: _Base, candle: CandleSymbol, seconds: int, *, start: int, at: datetime, limit: int
    ) -> Preparation:
        """Bars within sessions, newest session first; more than `limit` of them where they exist."""
        # In New York the session of `start` may still have the date before.
        first = np.datetime64(max(start - _DAY_MS, 0), "ms").astype("datetime64[D]").astype(object)
        daily = self._daily_bars(base, max(first, self._market.first_session), at)
        step = _SESSIONS_PER_STEP if base.option is None else 1
        by_session: list[CandleBars] = []
        rows = 0
        for position in range(len(daily.sessions) - 1, -1, -1):
            if rows > limit or len(by_session) == INTRADAY_SESSIONS:
                return _joined(by_session, is_snipped=True)
            bars = self._session_bars(base.symbol, daily, position, candle, seconds, at=at)
            if base.option is not None:
                bars = self._option_bars(base.option, bars, seconds, at=at)
            by_session.append(bars)
            rows += len(bars)
            if len(by_session) % step == 0:
                yield
        return _joined(by_session, is_snipped=False)

    def _session_bars(
        self, symbol: str, daily: Bars, position: int, candle: CandleSymbol, seconds: int, *, at: datetime
    ) -> CandleBars:
        session: date = daily.sessions[position].astype(object)
        hours = session_hours(session)
        path = self._market.intraday(symbol, session, at=at)
        prices, volumes = path.prices, path.volumes
        open_ms = milliseconds(hours.opens_at)
        times = open_ms + np.arange(len(prices), dtype=np.int64) * (1000 * KNOT_SECONDS)
        if at < hours.closes_at:
            # Between two drawn prices the market moves on: the newest bar closes at the spot.
            spot = self._market.spot(symbol, at)
            times = np.append(times, milliseconds(at))
            prices, volumes = np.append(prices, spot.price), np.append(volumes, spot.volume)
        # A price at the close belongs to the last bar, not to one that starts there.
        times = np.minimum(times, milliseconds(hours.closes_at) - 1)
        midnight = milliseconds(datetime.combine(session, time.min, NEW_YORK))
        origin = open_ms if candle.is_session_aligned else midnight
        starts = (times - origin) // (1000 * seconds) * (1000 * seconds) + origin
        begins, ends = _runs(starts)
        traded = np.diff(volumes, prepend=0.0)
        volume = np.add.reduceat(traded, begins)
        per_trade = daily.volume[position] / max(daily.count[position], 1)
        count = np.rint(volume / per_trade) if per_trade > 0 else np.zeros(len(volume))
        return CandleBars(
            starts[begins][::-1],
            count.astype(np.int64)[::-1],
            prices[begins][::-1],
            np.maximum.reduceat(prices, begins)[::-1],
            np.minimum.reduceat(prices, begins)[::-1],
            prices[ends][::-1],
            volume[::-1],
            _average(prices, traded, begins)[::-1],
            np.full(len(begins), daily.implied_volatility[position]),
        )

    def _option_bars(self, option: str, underlying: CandleBars, seconds: int, *, at: datetime) -> CandleBars:
        """The bars of an option in a session: the prices in the bars of its underlying, valued at the end of each bar.

        A bar in which no contract was traded is left out.
        """
        session = datetime.fromtimestamp(int(underlying.time[0]) / 1000, NEW_YORK).date()
        until = min(session_hours(session).closes_at, at)
        ends = [min(datetime.fromtimestamp(start / 1000 + seconds, UTC), until) for start in underlying.time.tolist()]
        volume = -np.diff(self._market.option_volumes(option, session, ends), append=0.0)
        traded = np.flatnonzero(volume > 0)
        rows = np.empty((len(traded), 4))
        for row, source in enumerate(traded.tolist()):
            sides = (underlying.open, underlying.high, underlying.low, underlying.close)
            prices = [float(side[source]) for side in sides]
            rows[row] = self._market.option_prices(option, prices, ends[source])
        return CandleBars(
            underlying.time[traded],
            np.ceil(volume[traded] / CONTRACTS_PER_TRADE).astype(np.int64),
            rows[:, 0],
            np.maximum(rows[:, 1], rows[:, 2]),
            np.minimum(rows[:, 1], rows[:, 2]),
            rows[:, 3],
            volume[traded],
            np.round((rows[:, 1] + rows[:, 2] + rows[:, 3]) / 3, 4),
            underlying.implied_volatility[traded],
        )


@dataclass(frozen=True, slots=True)
class _Base:
    """The subject of a candle symbol: an instrument, or an option (OCC spelling) on it."""

    symbol: str
    option: str | None = None


def milliseconds(at: datetime) -> int:
    """Epoch milliseconds of an aware time."""
    return int(at.timestamp() * 1000)


Sessions = npt.NDArray[np.datetime64]


def _days(sessions: Sessions, period: int) -> Sessions:
    number = sessions.astype("datetime64[D]").astype(np.int64)
    return (number // period * period).astype("datetime64[D]")


def _weeks(sessions: Sessions, period: int) -> Sessions:
    number = sessions.astype("datetime64[D]").astype(np.int64) - _EPOCH_MONDAY
    return (number // (7 * period) * (7 * period) + _EPOCH_MONDAY).astype("datetime64[D]")


def _months(sessions: Sessions, period: int) -> Sessions:
    number = sessions.astype("datetime64[M]").astype(np.int64)
    return (number // period * period).astype("datetime64[M]").astype("datetime64[D]")


def _years(sessions: Sessions, period: int) -> Sessions:
    number = sessions.astype("datetime64[Y]").astype(np.int64)
    return (number // period * period).astype("datetime64[Y]").astype("datetime64[D]")


_SECONDS: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600})
_GROUPINGS: Final = MappingProxyType({"d": _days, "w": _weeks, "mo": _months, "y": _years})


def _grouped(daily: Bars, starts: Sessions) -> CandleBars:
    """One bar per run of equal `starts`."""
    if not len(starts):
        return NO_BARS
    begins, ends = _runs(starts)
    return CandleBars(
        starts[begins].astype("datetime64[ms]").astype(np.int64)[::-1],
        np.add.reduceat(daily.count, begins)[::-1],
        daily.open[begins][::-1],
        np.maximum.reduceat(daily.high, begins)[::-1],
        np.minimum.reduceat(daily.low, begins)[::-1],
        daily.close[ends][::-1],
        np.add.reduceat(daily.volume, begins)[::-1],
        (daily.vwap if len(begins) == len(starts) else _average(daily.vwap, daily.volume, begins))[::-1],
        daily.implied_volatility[ends][::-1],
    )


def _runs(starts: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First and last position of each run of equal values."""
    begins = np.flatnonzero(np.concatenate(([True], starts[1:] != starts[:-1])))
    return begins, np.append(begins[1:], len(starts)) - 1


def _average(prices: Floats, volumes: Floats, begins: npt.NDArray[np.intp]) -> Floats:
    """Volume-weighted average price of each run; the plain average where nothing trades, as in an index."""
    volume = np.add.reduceat(volumes, begins)
    weights = np.where(np.repeat(volume, np.diff(np.append(begins, len(prices)))) > 0, volumes, 1.0)
    average: Floats = np.add.reduceat(prices * weights, begins) / np.add.reduceat(weights, begins)
    return np.round(average, 4)


def _joined(by_session: Sequence[CandleBars], *, is_snipped: bool) -> CandleBars:
    if not by_session:
        return NO_BARS
    columns = {name: np.concatenate([getattr(bars, name) for bars in by_session]) for name in _COLUMNS}
    return CandleBars(**columns, is_snipped=is_snipped)


_NONE: Final = np.empty(0)
NO_BARS: Final = CandleBars(
    np.empty(0, np.int64), np.empty(0, np.int64), _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE
)
