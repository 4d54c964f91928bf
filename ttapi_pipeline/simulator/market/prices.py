# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Prices, volumes and implied volatility of the instruments, cut off at a moment.

The whole path of a symbol is drawn in `paths`; this module decides how much of it a moment may show, and makes the bar
of the session in progress. Options are in `options`, figures computed over many bars in `metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from ttapi_pipeline.simulator.market.instruments import Listing, Traits, draw_traits
from ttapi_pipeline.simulator.market.moments import Moment, hours_of, session_at
from ttapi_pipeline.simulator.market.paths import (
    KNOT_SECONDS,
    Floats,
    MarketFactor,
    SymbolPath,
    draw_market_factor,
    draw_symbol_path,
    draw_volatility_index_path,
    intraday_knots,
    position_of,
    session_dates,
    volume_share,
    volume_shares,
)
from ttapi_pipeline.simulator.market.randomness import uniforms

PATHS_KEPT: Final = 640
"""Paths in memory, about a quarter of a megabyte each: the S&P 500, the indices and the funds fit."""
UNITS_PER_DOLLAR: Final = 10_000
"""Paths are in units of 0.0001 US dollars."""

_KNOTS_KEPT: Final = 2_048  # 19 kB each


@dataclass(frozen=True, slots=True)
class Bars:
    """Daily bars as parallel arrays, ascending by session.

    Prices are US dollars adjusted for splits, with 4 decimals; `volume` is in shares (0 for an index), `count` in
    trades, `implied_volatility` the annual 30-day IV of the symbol as a fraction (NaN without options).
    """

    sessions: npt.NDArray[np.datetime64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    vwap: Floats
    volume: Floats
    count: npt.NDArray[np.int64]
    implied_volatility: Floats


@dataclass(frozen=True, slots=True)
class Spot:
    """An instrument at an instant; outside of the regular hours as it was at the last close.

    Attributes:
        session: The session of the figures: the one in progress, else the last closed one.
        updated_at: The time of the newest price: the instant itself while open, else the close of the session.
        bid: None for an index, as `ask`; their sizes are 0 then.
        open: Of the session, as `high`, `low` and `volume` so far.
        previous_close: Of the session before; the open when there is none.
        is_forming: True while the session is in progress.
    """

    symbol: str
    session: date
    updated_at: datetime
    price: float
    bid: float | None
    ask: float | None
    bid_size: int
    ask_size: int
    open: float
    high: float
    low: float
    previous_close: float
    volume: int
    is_forming: bool


@dataclass(frozen=True, slots=True)
class Intraday:
    """Prices every five seconds from `opens_at` on (US dollars), and the shares traded until then in the session."""

    symbol: str
    opens_at: datetime
    prices: Floats
    volumes: Floats


@dataclass(frozen=True, slots=True)
class _NewestBar:
    """The newest bar of a symbol, forming or finished; prices in units of 0.0001 US dollars."""

    position: int
    open: int
    high: int
    low: int
    price: int
    volume: int


class Prices:
    """Prices of the instruments of one seed.

    Raises:
        KeyError: From every method that takes a symbol: it is not listed.
    """

    def __init__(self, seed: int, listings: Mapping[str, Listing]) -> None:
        self._seed = seed
        self._listings = listings
        # Bound here, so that each market has its own caches and they go with it.
        self.path = lru_cache(maxsize=PATHS_KEPT)(self._draw_path)
        """The path of a symbol over all sessions."""
        self.traits = lru_cache(maxsize=None)(self._draw_traits)
        """The traits of a symbol."""
        self._knots = lru_cache(maxsize=_KNOTS_KEPT)(self._draw_knots)

    def bars(self, symbol: str, *, first: date | None, moment: Moment) -> Bars:
        """Daily bars from `first` (None: all) up to the newest session that has opened, as read-only arrays."""
        path, traits = self.path(symbol), self.traits(symbol)
        start = path.first if first is None else max(path.first, position_of(first))
        stop = max(start, min(moment.position, path.last) + 1)
        window = slice(start, stop)
        open_, high, low, close = (_dollars(side[window]) for side in (path.open, path.high, path.low, path.close))
        volume = path.volume[window].astype(np.float64)
        if moment.is_forming and start <= moment.position < stop:
            newest = self._newest_bar(symbol, moment)
            high[-1], low[-1], close[-1] = (
                units / UNITS_PER_DOLLAR for units in (newest.high, newest.low, newest.price)
            )
            volume[-1] = newest.volume
        trades = np.rint(volume / traits.trade_size).astype(np.int64)
        bars = Bars(
            sessions=session_dates()[window],
            open=open_,
            high=high,
            low=low,
            close=close,
            vwap=typical_price(open_, high, low, close),
            volume=volume,
            count=np.where(volume > 0, np.maximum(trades, 1), 0),
            implied_volatility=self.implied_volatility(symbol, moment, start=start, stop=stop),
        )
        for array in (bars.open, high, low, close, bars.vwap, volume, bars.count, bars.implied_volatility):
            array.setflags(write=False)
        return bars

    def intraday(self, symbol: str, session: date, moment: Moment) -> Intraday:
        """Prices within a session up to the moment; empty when the symbol did not trade in it.

        Raises:
            ValueError: That day is not a session.
        """
        hours = hours_of(session)
        position, path = position_of(session), self.path(symbol)
        if not path.first <= position <= min(path.last, moment.position):
            nothing = np.zeros(0)
            return Intraday(symbol, hours.opens_at, nothing, nothing)
        knots = self._knots(symbol, position)
        if position == moment.position:
            knots = knots[: int(moment.seconds) // KNOT_SECONDS + 1]
        shares = volume_shares(int((hours.closes_at - hours.opens_at).total_seconds()))[: len(knots)]
        return Intraday(symbol, hours.opens_at, _dollars(knots), np.floor(shares * int(path.volume[position])))

    def spot(self, symbol: str, moment: Moment) -> Spot:
        """Price and quote.

        Raises:
            ValueError: The symbol has no bar yet.
        """
        path, newest = self.path(symbol), self._newest_bar(symbol, moment)
        price = newest.price / UNITS_PER_DOLLAR
        is_current = newest.position == moment.position
        previous = path.close[newest.position - 1] if newest.position > path.first else path.open[newest.position]
        session = session_at(newest.position)
        updated_at = moment.formed_at if is_current else hours_of(session).closes_at
        bid = ask = None
        bid_size = ask_size = 0
        if self._listings[symbol].instrument.kind != "Index":
            bid, ask, bid_size, ask_size = self._quote(symbol, price, updated_at)
        return Spot(
            symbol=symbol,
            session=session,
            updated_at=updated_at,
            price=price,
            bid=bid,
            ask=ask,
            bid_size=bid_size,
            ask_size=ask_size,
            open=newest.open / UNITS_PER_DOLLAR,
            high=newest.high / UNITS_PER_DOLLAR,
            low=newest.low / UNITS_PER_DOLLAR,
            previous_close=int(previous) / UNITS_PER_DOLLAR,
            volume=newest.volume,
            is_forming=moment.is_forming and is_current,
        )

    def implied_volatility(self, symbol: str, moment: Moment, *, start: int, stop: int) -> Floats:
        """30-day implied volatility of the sessions at these positions, the forming one as of the moment.

        Annual, a fraction, with 6 decimals; NaN without options.
        """
        path = self.path(symbol)
        if not self._listings[symbol].instrument.has_options:
            return np.full(max(0, stop - start), np.nan)
        variance = path.variance_30[start:stop].astype(np.float64)
        if len(variance) and moment.is_forming and stop - 1 == moment.position:
            variance[-1] = variance_at(path, moment)
        implied: Floats = np.sqrt(variance + path.jump_variance[start:stop].astype(np.float64))
        return implied.round(6)

    def _quote(self, symbol: str, price: float, updated_at: datetime) -> tuple[float, float, int, int]:
        """Bid, ask and their sizes around a price."""
        liquidity = self.traits(symbol).liquidity
        u = uniforms("quote", self._seed, symbol, int(updated_at.timestamp()), count=3)
        tick = 0.01 if price >= 1 else 0.0001
        spread = max(1, round(price * (0.00008 + 0.0012 * (1 - liquidity) ** 3) / tick)) + int(u[0] * 2)
        bid = round(max(price - tick * (spread // 2), tick), 4)
        ask = round(bid + tick * spread, 4)
        bid_size, ask_size = (max(1, int(math.exp(1 + 4 * liquidity * x))) for x in u[1:])
        return bid, ask, bid_size, ask_size

    def _newest_bar(self, symbol: str, moment: Moment) -> _NewestBar:
        path = self.path(symbol)
        position = min(moment.position, path.last)
        if position < path.first:
            listed_date = self._listings[symbol].instrument.listed_date
            raise ValueError(f"{symbol} has no bar yet; it is listed on {listed_date}")
        open_, high, low, price = (int(side[position]) for side in (path.open, path.high, path.low, path.close))
        volume = int(path.volume[position])
        if moment.is_forming and position == moment.position:
            knots = self._knots(symbol, position)
            at, within = divmod(moment.seconds, KNOT_SECONDS)
            before, after = int(knots[int(at)]), int(knots[int(at) + 1])
            # To a cent, since both ends are whole cents when the tape is; older, split prices have finer units.
            step = 100 if before % 100 == after % 100 == 0 else 1
            price = round((before + (after - before) * within / KNOT_SECONDS) / step) * step
            past = knots[: int(at) + 1]
            high, low = max(int(past.max()), price), min(int(past.min()), price)
            volume = int(volume * volume_share(moment.elapsed))
        return _NewestBar(position, open_, high, low, price, volume)

    @cached_property
    def _factor(self) -> MarketFactor:
        return draw_market_factor(self._seed)

    def _draw_traits(self, symbol: str) -> Traits:
        return draw_traits(self._listings[symbol], seed=self._seed)

    def _draw_path(self, symbol: str) -> SymbolPath:
        traits = self.traits(symbol)
        if symbol == "VIX":
            return draw_volatility_index_path(self._seed, traits, self.path("SPX"))
        return draw_symbol_path(self._seed, self._listings[symbol].instrument, traits, self._factor)

    def _draw_knots(self, symbol: str, position: int) -> npt.NDArray[np.uint32]:
        path, hours = self.path(symbol), hours_of(session_at(position))
        return intraday_knots(
            self._seed,
            self.traits(symbol).path_key,
            position=position,
            seconds=int((hours.closes_at - hours.opens_at).total_seconds()),
            bar=(
                int(path.open[position]),
                int(path.high[position]),
                int(path.low[position]),
                int(path.close[position]),
            ),
            split_factor=path.split_factor(position),
        )


def typical_price(open_: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    """Stands for the volume-weighted average price of a bar, US dollars with 4 decimals."""
    return np.round((open_ + high + low + 2 * close) / 5, 4)


def variance_at(path: SymbolPath, moment: Moment) -> float:
    """Annual 30-day variance at the moment; between two closes it moves on a line in its logarithm."""
    position = min(moment.position, path.last)
    before, after = float(path.variance_30[max(position - 1, 0)]), float(path.variance_30[position])
    return after if position < moment.position else before ** (1 - moment.elapsed) * after**moment.elapsed


def _dollars(units: npt.NDArray[np.uint32]) -> Floats:
    return units.astype(np.float64) / UNITS_PER_DOLLAR
