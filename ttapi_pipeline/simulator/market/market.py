# SPDX-License-Identifier: MIT
"""The synthetic market: one pure function of seed, symbol and time behind everything that the simulator serves.

Here the parts meet and are cut off at an instant. What it answers with is in `market_values`, what is listed in
`instruments`, how prices move in `paths`, what options are worth in `pricing`, which ones exist in `chains`; wire
formats are the servers' business.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.sessions import (
    LAST_DATE,
    NEW_YORK,
    SessionHours,
    previous_session,
    session_hours,
    session_on_or_before,
)
from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline.simulator.market.chains import Expiration, list_expirations, option_roots
from ttapi_pipeline.simulator.market.instruments import FIRST_SESSION, Instrument, Traits, draw_traits, listings
from ttapi_pipeline.simulator.market.paths import (
    KNOT_SECONDS,
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
from ttapi_pipeline.simulator.market.pricing import RISK_FREE_RATE, Greeks, Surface, greeks
from ttapi_pipeline.simulator.market.randomness import uniforms
from ttapi_pipeline.simulator.market.values import (
    Bars,
    Dividend,
    EarningsReport,
    ExpirationVolatility,
    Floats,
    Intraday,
    Metrics,
    OptionQuote,
    Split,
    Spot,
)

_PATHS_KEPT: Final = 640  # about a quarter of a megabyte each: the S&P 500, indices and funds fit
_KNOTS_KEPT: Final = 2_048  # 19 kB each
_LONGEST_LISTING: Final = timedelta(days=1_200)  # of an option, and a little more
_CONTRACTS_PER_TRADE: Final = 5
_TRADING_YEAR: Final = 252
_YEAR_SECONDS: Final = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class _Moment:
    """An instant seen from the calendar.

    Attributes:
        position: Of the newest session that has opened.
        elapsed: Part of it that is over, 0 to 1; 1 when it is closed.
        seconds: Of it that are over.
        day: The date in New York.
        formed_at: When the newest price was formed: now, or when that session closed.
    """

    position: int
    elapsed: float
    seconds: float
    is_forming: bool
    day: date
    formed_at: datetime


class Market:
    """The market of one seed, seen at an instant (`at`; the clock's present when it is left out).

    Every answer is a function of seed, symbol and instant: two markets of one seed agree, and a past bar never changes.
    Reading is safe from several threads.

    Raises:
        KeyError: From every method that takes a symbol: it is not in `instruments`.
        ValueError: `at` has no time zone, or lies before the symbol's first bar (`spot`, `metrics`, `expirations`,
            `option_quote`), or outside of the packaged calendar.
    """

    first_session: date = FIRST_SESSION

    def __init__(self, seed: int = 7, *, clock: Clock = SYSTEM_CLOCK, extra_equities: int = 0) -> None:
        self._seed = seed
        self._clock = clock
        self._listings = listings(extra_equities=extra_equities)
        self.instruments: Mapping[str, Instrument] = MappingProxyType(
            {symbol: listing.instrument for symbol, listing in self._listings.items()}
        )
        # Bound here, so that each market has its own caches and they go with it.
        self._moment = lru_cache(maxsize=64)(self._find_moment)
        self._path = lru_cache(maxsize=_PATHS_KEPT)(self._draw_path)
        self._traits = lru_cache(maxsize=None)(self._draw_traits)
        self._knots = lru_cache(maxsize=_KNOTS_KEPT)(self._draw_knots)
        self._chain = lru_cache(maxsize=1_024)(self._list_chain)
        self._listed = lru_cache(maxsize=1_024)(self._index_chain)
        self._reports = lru_cache(maxsize=_PATHS_KEPT)(self._draw_reports)
        self._dividend_events = lru_cache(maxsize=_PATHS_KEPT)(self._draw_dividends)

    def is_forming(self, at: datetime | None = None) -> bool:
        """Whether a session is in progress."""
        return self._moment(self._instant(at)).is_forming

    def bars(self, symbol: str, *, first: date | None = None, at: datetime | None = None) -> Bars:
        """Daily bars from `first` (default: all) up to the newest session that has opened.

        While that session is in progress its bar is the forming one: the high, low, close and volume so far. A halted
        instrument has no bars after its halt, a new one none before its listing.
        """
        path, traits, moment = self._path(symbol), self._traits(symbol), self._moment(self._instant(at))
        start = path.first if first is None else max(path.first, position_of(first))
        stop = max(start, min(moment.position, path.last) + 1)
        window = slice(start, stop)
        open_, high, low, close = (_dollars(side[window]) for side in (path.open, path.high, path.low, path.close))
        volume = path.volume[window].astype(np.float64)
        if moment.is_forming and start <= moment.position < stop:
            forming = self._forming(symbol, moment)
            high[-1], low[-1], close[-1] = (units / 10_000 for units in (forming.high, forming.low, forming.price))
            volume[-1] = forming.volume
        trades = np.rint(volume / traits.trade_size).astype(np.int64)
        bars = Bars(
            sessions=session_dates()[window],
            open=open_,
            high=high,
            low=low,
            close=close,
            vwap=np.round((open_ + high + low + 2 * close) / 5, 4),
            volume=volume,
            count=np.where(volume > 0, np.maximum(trades, 1), 0),
            implied_volatility=self._implied_volatility(symbol, moment, start=start, stop=stop),
        )
        for array in (bars.open, high, low, close, bars.vwap, volume, bars.count, bars.implied_volatility):
            array.setflags(write=False)
        return bars

    def intraday(self, symbol: str, session: date, *, at: datetime | None = None) -> Intraday:
        """Prices within a session, as far as it has gone; empty when the symbol did not trade in it.

        Raises:
            ValueError: That day is not a session.
        """
        hours = _hours(session)
        position, path = position_of(session), self._path(symbol)
        now = self._moment(self._instant(at))
        if not path.first <= position <= min(path.last, now.position):
            nothing = np.zeros(0)
            return Intraday(symbol, hours.opens_at, nothing, nothing)
        knots = self._knots(symbol, position)
        if position == now.position:
            knots = knots[: int(now.seconds) // KNOT_SECONDS + 1]
        shares = volume_shares(int((hours.closes_at - hours.opens_at).total_seconds()))[: len(knots)]
        return Intraday(symbol, hours.opens_at, _dollars(knots), np.floor(shares * int(path.volume[position])))

    def spot(self, symbol: str, at: datetime | None = None) -> Spot:
        """Price and quote; they move from second to second while the session is open."""
        moment = self._moment(self._instant(at))
        path, traits = self._path(symbol), self._traits(symbol)
        forming = self._forming(symbol, moment)
        price = forming.price / 10_000
        is_forming = moment.is_forming and forming.position == moment.position
        previous = path.close[forming.position - 1] if forming.position > path.first else path.open[forming.position]
        session = _session_at(forming.position)
        updated_at = moment.formed_at if forming.position == moment.position else _hours(session).closes_at
        bid = ask = None
        bid_size = ask_size = 0
        if self.instruments[symbol].kind != "Index":
            u = uniforms("quote", self._seed, symbol, int(updated_at.timestamp()), count=3)
            tick = 0.01 if price >= 1 else 0.0001
            spread = max(1, round(price * (0.00008 + 0.0012 * (1 - traits.liquidity) ** 3) / tick)) + int(u[0] * 2)
            bid = round(max(price - tick * (spread // 2), tick), 4)
            ask = round(bid + tick * spread, 4)
            bid_size, ask_size = (max(1, int(math.exp(1 + 4 * traits.liquidity * x))) for x in u[1:])
        return Spot(
            symbol=symbol,
            session=session,
            updated_at=updated_at,
            price=price,
            bid=bid,
            ask=ask,
            bid_size=bid_size,
            ask_size=ask_size,
            open=forming.open / 10_000,
            high=forming.high / 10_000,
            low=forming.low / 10_000,
            previous_close=int(previous) / 10_000,
            volume=forming.volume,
            is_forming=is_forming,
        )

    def metrics(self, symbol: str, at: datetime | None = None) -> Metrics:
        """Market metrics, computed from the symbol's own paths up to the instant."""
        at = self._instant(at)
        moment, instrument, traits = self._moment(at), self.instruments[symbol], self._traits(symbol)
        spot = self.spot(symbol, at)
        path = self._path(symbol)
        stop = position_of(spot.session) + 1
        closed = stop - 1 if spot.is_forming else stop
        implied = self._implied_volatility(symbol, moment, start=max(path.first, stop - _TRADING_YEAR), stop=stop)
        volatility = _Volatility.of(implied) if instrument.has_options else _Volatility()
        history = {days: _historical_volatility(path, closed, days) for days in (30, 60, 90)}
        if not traits.has_history_volatility:
            history = dict.fromkeys(history, None)
        earnings, last_earnings, trailing = self._earnings_at(symbol, at)
        dividends = self._dividend_events(symbol)
        gone = bisect_right(dividends, moment.day, key=lambda dividend: dividend.ex_date)
        last_dividend = dividends[gone - 1] if gone else None
        next_dividend = dividends[gone] if gone < len(dividends) else None
        rate = float(last_dividend.amount) if last_dividend else None
        beta, correlation = self._against_market(path, closed)
        liquidity = traits.liquidity if instrument.has_options else None
        return Metrics(
            symbol=symbol,
            updated_at=spot.updated_at,
            implied_volatility_index=volatility.index,
            implied_volatility_index_5_day_change=volatility.change,
            implied_volatility_rank=volatility.rank,
            implied_volatility_percentile=volatility.percentile,
            implied_volatility_30_day=volatility.index,
            historical_volatility_30_day=history[30],
            historical_volatility_60_day=history[60],
            historical_volatility_90_day=history[90],
            beta=beta,
            correlation_spy_3_month=correlation,
            liquidity_rating=0 if liquidity is None else 1 + min(4, int(5 * liquidity**0.5)),
            liquidity_value=None if liquidity is None else round(math.exp(6 + 9 * liquidity), 2),
            liquidity_rank=None if liquidity is None else round(2 * liquidity, 4),
            market_cap=round(spot.price * traits.shares_outstanding),
            price_earnings_ratio=round(spot.price / trailing, 4) if trailing else None,
            earnings_per_share=round(trailing, 4) if trailing else None,
            dividend_yield=round(4 * rate / spot.price, 6) if rate else None,
            dividend_rate_per_share=rate,
            annual_dividend_per_share=round(4 * rate, 4) if rate else None,
            dividend_ex_date=last_dividend.ex_date if last_dividend else None,
            dividend_next_date=next_dividend.ex_date if next_dividend else None,
            dividend_pay_date=last_dividend.pay_date if last_dividend else None,
            earnings=earnings,
            last_earnings=last_earnings,
            expiration_volatilities=self._expiration_volatilities(symbol, at) if instrument.has_options else (),
        )

    def expirations(self, symbol: str, at: datetime | None = None) -> Sequence[Expiration]:
        """The option chain, by root and then by date; the same all day in New York, empty without options."""
        if not self.instruments[symbol].has_options:
            return ()
        return self._chain(symbol, self._moment(self._instant(at)).day)

    def option_quote(self, occ_symbol: str, at: datetime | None = None) -> OptionQuote:
        """A contract's quote and greeks, from Black-Scholes on the underlying's volatility surface.

        Raises:
            KeyError: No such contract is listed on that day.
        """
        moment = self._moment(self._instant(at))
        contract, listed, underlying = self._contract(occ_symbol, moment.day)
        if contract.expiration_date < moment.day:
            raise KeyError(occ_symbol)
        return self._quote(contract, listed, underlying, moment)

    def option_bars(self, occ_symbol: str, *, first: date | None = None, at: datetime | None = None) -> Bars:
        """Daily bars of a contract, for the sessions in which it traded; the day's figures of `option_quote`.

        They reach from its listing, or `first`, to its expiration, after which they stay.

        Raises:
            KeyError: No such contract is or was listed.
        """
        moment = self._moment(self._instant(at))
        contract, listed, underlying = self._contract(occ_symbol, moment.day)
        end = min(moment.position, position_of(contract.expiration_date))
        begin = max(self._path(underlying).first, position_of(contract.expiration_date - _LONGEST_LISTING))
        # A contract stays listed until it expires, so its first day is found by halves.
        begin += bisect_left(
            range(begin, end + 1), 1, key=lambda at: 0 if self._find_contract(contract, _session_at(at)) is None else 1
        )
        if first is not None:
            begin = max(begin, position_of(first))
        quotes = []
        for position in range(begin, end + 1):
            is_newest = position == moment.position
            then = moment if is_newest else self._moment(_hours(_session_at(position)).closes_at)
            quotes.append(self._quote(contract, listed, underlying, then))
        traded = [quote for quote in quotes if quote.last is not None]
        figures = [(quote.open, quote.high, quote.low, quote.last, quote.volume) for quote in traded]
        open_, high, low, close, volume = np.array(figures, dtype=np.float64).reshape(-1, 5).T.copy()
        return Bars(
            sessions=np.array([quote.session for quote in traded], dtype="datetime64[D]"),
            open=open_,
            high=high,
            low=low,
            close=close,
            vwap=np.round((open_ + high + low + 2 * close) / 5, 4),
            volume=volume,
            count=np.ceil(volume / _CONTRACTS_PER_TRADE).astype(np.int64),
            implied_volatility=np.array([quote.implied_volatility for quote in traded], dtype=np.float64),
        )

    def option_prices(self, occ_symbol: str, prices: Sequence[float], at: datetime) -> Floats:
        """What a contract is worth at an instant for each of these prices of its underlying; on the tick.

        Raises:
            KeyError: No such contract is or was listed.
        """
        moment = self._moment(at)
        contract, listed, underlying = self._contract(occ_symbol, moment.day)
        value = self._valuation(contract, listed, underlying, moment)
        values = [value(price)[1].price for price in prices]
        return np.array([_on_tick(value, 0.01 if value < 3 else 0.05) for value in values])

    def option_volumes(self, occ_symbol: str, session: date, instants: Sequence[datetime]) -> Floats:
        """How much of a contract was traded in the session up to each of these instants.

        Raises:
            KeyError: No such contract is or was listed.
        """
        contract, listed, underlying = self._contract(occ_symbol, session)
        hours = _hours(session)
        _, expected = self._activity(contract, listed, underlying, position_of(session))
        length = hours.closes_at - hours.opens_at
        return np.floor([expected * volume_share(min((at - hours.opens_at) / length, 1.0)) for at in instants])

    def underlying_of(self, occ_symbol: str) -> str:
        """The symbol that an option is written on.

        Raises:
            KeyError: It is no option of an instrument of this market.
        """
        return self._underlyings[_parsed(occ_symbol).root_symbol]

    def dividends(self, symbol: str, at: datetime | None = None) -> Sequence[Dividend]:
        """Dividends that have gone ex, ascending."""
        today = self._moment(self._instant(at)).day
        return tuple(dividend for dividend in self._dividend_events(symbol) if dividend.ex_date <= today)

    def earnings(self, symbol: str, at: datetime | None = None) -> Sequence[EarningsReport]:
        """Reports that are out, ascending; `metrics` has the next one."""
        at = self._instant(at)
        return tuple(report for report in self._reports(symbol) if _is_out(report, at))

    def splits(self, symbol: str, at: datetime | None = None) -> Sequence[Split]:
        """Splits that have happened, ascending; `bars` is adjusted for them."""
        today = self._moment(self._instant(at)).day
        splits = (Split(_session_at(position), ratio) for position, ratio in self._path(symbol).splits)
        return tuple(split for split in splits if split.ex_date <= today)

    def _instant(self, at: datetime | None) -> datetime:
        if at is None:
            return self._clock.now()
        if at.tzinfo is None:
            raise ValueError(f"{at} has no time zone")
        return at

    def _find_moment(self, at: datetime) -> _Moment:
        day = at.astimezone(NEW_YORK).date()
        hours = _hours(session_on_or_before(day))
        if at < hours.opens_at:
            hours = _hours(previous_session(hours.session))
        length = int((hours.closes_at - hours.opens_at).total_seconds())
        is_forming = at < hours.closes_at
        seconds = (at - hours.opens_at).total_seconds() if is_forming else float(length)
        return _Moment(
            position=position_of(hours.session) if hours.session >= FIRST_SESSION else -1,
            elapsed=seconds / length,
            seconds=seconds,
            is_forming=is_forming,
            day=day,
            formed_at=min(at, hours.closes_at),
        )

    def _draw_traits(self, symbol: str) -> Traits:
        return draw_traits(self._listings[symbol], seed=self._seed)

    @cached_property
    def _factor(self) -> MarketFactor:
        return draw_market_factor(self._seed)

    def _draw_path(self, symbol: str) -> SymbolPath:
        traits = self._traits(symbol)
        if symbol == "VIX":
            return draw_volatility_index_path(self._seed, traits, self._path("SPX"))
        return draw_symbol_path(self._seed, self.instruments[symbol], traits, self._factor)

    def _draw_knots(self, symbol: str, position: int) -> npt.NDArray[np.uint32]:
        path, hours = self._path(symbol), _hours(_session_at(position))
        return intraday_knots(
            self._seed,
            self._traits(symbol).path_key,
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

    def _forming(self, symbol: str, moment: _Moment) -> _Forming:
        """The newest bar, forming or finished."""
        path = self._path(symbol)
        position = min(moment.position, path.last)
        if position < path.first:
            raise ValueError(f"{symbol} has no bar yet; it is listed on {self.instruments[symbol].listed_date}")
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
        return _Forming(position, open_, high, low, price, volume)

    def _implied_volatility(self, symbol: str, moment: _Moment, *, start: int, stop: int) -> Floats:
        """30-day implied volatility of the sessions at these positions, the forming one as of now."""
        path = self._path(symbol)
        if not self.instruments[symbol].has_options:
            return np.full(max(0, stop - start), np.nan)
        variance = path.variance_30[start:stop].astype(np.float64)
        if len(variance) and moment.is_forming and stop - 1 == moment.position:
            variance[-1] = _variance_now(path, moment)
        implied: Floats = np.sqrt(variance + path.jump_variance[start:stop].astype(np.float64))
        return implied.round(6)

    def _surface(self, symbol: str, moment: _Moment) -> Surface:
        path, traits = self._path(symbol), self._traits(symbol)
        jump_years = math.inf
        if path.quarters is not None:
            reactions = path.quarters.reaction_positions
            following = int(np.searchsorted(reactions, moment.position, side="right"))
            if following < len(reactions):
                opens_at = _hours(_session_at(int(reactions[following]))).opens_at
                jump_years = (opens_at - moment.formed_at).total_seconds() / _YEAR_SECONDS
        return Surface(
            variance_30=_variance_now(path, moment),
            variance_long=path.variance_long,
            jump_variance=traits.earnings_move**2,
            jump_years=jump_years,
            skew=traits.skew,
        )

    def _list_chain(self, symbol: str, day: date) -> Sequence[Expiration]:
        path = self._path(symbol)
        stop = min(position_of(day), path.last + 1)
        if stop <= path.first:
            return ()  # contracts are listed from the second session on

        def closes_since(start: date) -> tuple[float, float, float]:
            begin = min(max(position_of(start) - 1, path.first), stop - 1)
            known = path.close[begin:stop]
            return int(known[0]) / 10_000, int(known.min()) / 10_000, int(known.max()) / 10_000

        volatility = math.sqrt(path.variance_long) if symbol != "VIX" else 0.9
        return list_expirations(self._listings[symbol], day=day, closes_since=closes_since, volatility=volatility)

    def _index_chain(self, symbol: str, day: date) -> Mapping[tuple[str, date], Expiration]:
        return {(listed.root_symbol, listed.expiration_date): listed for listed in self._chain(symbol, day)}

    def _contract(self, occ_symbol: str, day: date) -> tuple[OptionSymbol, Expiration, str]:
        """A contract that is listed on that day, or has expired by then, with its expiration and underlying."""
        contract = _parsed(occ_symbol)
        listed = self._find_contract(contract, min(day, contract.expiration_date))
        if listed is None:
            raise KeyError(occ_symbol)
        return contract, listed, self._underlyings[contract.root_symbol]

    def _find_contract(self, contract: OptionSymbol, day: date) -> Expiration | None:
        chain = self._listed(self._underlyings[contract.root_symbol], day)
        listed = chain.get((contract.root_symbol, contract.expiration_date))
        return listed if listed is not None and contract.strike in listed.strikes else None

    @cached_property
    def _underlyings(self) -> Mapping[str, str]:
        return {root: symbol for symbol, listing in self._listings.items() for root in option_roots(listing)}

    def _expiration_volatilities(self, symbol: str, at: datetime) -> Sequence[ExpirationVolatility]:
        moment = self._moment(at)
        surface, liquidity = self._surface(symbol, moment), self._traits(symbol).liquidity
        found = []
        for listed in self._chain(symbol, moment.day):
            years = _years_to(listed, moment.formed_at)
            # A far expiration that nobody quotes has none on the wire.
            is_quoted = years > 0 and not (years > 1.5 and liquidity < 0.15)
            found.append(
                ExpirationVolatility(
                    listed.root_symbol,
                    listed.expiration_date,
                    listed.option_chain_type,
                    listed.settlement_type,
                    round(surface.at_the_money(years), 6) if is_quoted else None,
                )
            )
        return tuple(found)

    def _valuation(
        self, contract: OptionSymbol, listed: Expiration, underlying: str, moment: _Moment
    ) -> Callable[[float], tuple[float, Greeks]]:
        """A contract's implied volatility and Black-Scholes value at the moment, by the price of its underlying."""
        traits, surface, strike = self._traits(underlying), self._surface(underlying, moment), float(contract.strike)
        years = _years_to(listed, moment.formed_at)
        carry = math.exp((RISK_FREE_RATE - traits.dividend_yield) * max(years, 0.0))

        def value(price: float) -> tuple[float, Greeks]:
            volatility = surface.volatility(forward=price * carry, strike=strike, years=years)
            return volatility, greeks(
                contract.option_type,
                spot=price,
                strike=strike,
                years=years,
                volatility=volatility,
                dividend_yield=traits.dividend_yield,
            )

        return value

    def _activity(
        self, contract: OptionSymbol, listed: Expiration, underlying: str, position: int
    ) -> tuple[int, float]:
        """Open interest, which stays the same through a session, and how much will have traded at its close."""
        path, session = self._path(underlying), _session_at(position)
        u = uniforms("option", self._seed, contract.occ, session, count=2)
        before = int(path.close[max(min(position, path.last + 1) - 1, path.first)]) / 10_000
        years = max(_years_to(listed, _hours(session).opens_at), 0.01)
        distance = math.log(float(contract.strike) / before) / max(0.02, math.sqrt(path.variance_long * years))
        open_interest = int(math.exp(2.5 + 7 * self._traits(underlying).liquidity - 0.5 * distance**2 + u[0]))
        return open_interest, 0.3 * u[1] ** 2 * open_interest

    def _quote(self, contract: OptionSymbol, listed: Expiration, underlying: str, moment: _Moment) -> OptionQuote:
        traits, path = self._traits(underlying), self._path(underlying)
        spot = self.spot(underlying, moment.formed_at)
        value = self._valuation(contract, listed, underlying, moment)
        volatility, now = value(spot.price)
        tick = 0.01 if now.price < 3 else 0.05
        half_spread = now.price * (0.004 + 0.03 * (1 - traits.liquidity))
        bid_ticks = math.floor(max(0.0, now.price - half_spread) / tick)
        ask_ticks = max(math.ceil((now.price + half_spread) / tick), bid_ticks + 1)
        u = uniforms("option", self._seed, contract.occ, _session_at(moment.position), "sizes", count=2)
        open_interest, expected = self._activity(contract, listed, underlying, moment.position)
        volume = int(expected * volume_share(moment.elapsed))
        day: tuple[float, float, float, float] | None = None
        if volume:
            first, *extremes = (_on_tick(value(price)[1].price, tick) for price in (spot.open, spot.high, spot.low))
            last = _on_tick(now.price, tick)
            day = last, first, max(first, last, *extremes), min(first, last, *extremes)
        previous_close = None
        before = min(moment.position, path.last) - 1
        if before >= path.first:
            closed = self._moment(_hours(_session_at(before)).closes_at)
            previous = self._valuation(contract, listed, underlying, closed)(spot.previous_close)[1]
            previous_close = _on_tick(previous.price, tick)
        return OptionQuote(
            symbol=contract.occ,
            streamer_symbol=contract.streamer,
            underlying_symbol=underlying,
            root_symbol=contract.root_symbol,
            expiration_date=contract.expiration_date,
            option_type=contract.option_type,
            strike=contract.strike,
            updated_at=spot.updated_at,
            session=spot.session,
            underlying_price=spot.price,
            theoretical_price=now.price,
            bid=round(bid_ticks * tick, 2),
            ask=round(ask_ticks * tick, 2),
            bid_size=1 + int(200 * traits.liquidity * u[0]),
            ask_size=1 + int(200 * traits.liquidity * u[1]),
            tick_size=tick,
            implied_volatility=volatility,
            delta=now.delta,
            gamma=now.gamma,
            theta=now.theta,
            vega=now.vega,
            rho=now.rho,
            open_interest=open_interest,
            volume=volume,
            last=day[0] if day else None,
            open=day[1] if day else None,
            high=day[2] if day else None,
            low=day[3] if day else None,
            previous_close=previous_close,
        )

    def _draw_reports(self, symbol: str) -> Sequence[EarningsReport]:
        """Every report from the listing to the end of the calendar, with figures that prices justify."""
        path, traits = self._path(symbol), self._traits(symbol)
        if path.quarters is None or traits.price_earnings is None:
            return ()
        total = np.concatenate([[0], np.cumsum(path.close, dtype=np.int64)])
        reports = []
        for end, position, surprise, error in zip(
            path.quarters.quarter_ends.tolist(),
            path.quarters.report_positions.tolist(),
            path.quarters.surprises.tolist(),
            path.quarters.estimate_errors.tolist(),
            strict=True,
        ):
            start = max(path.first, position - _TRADING_YEAR)
            if not start < position < len(path.close):
                continue
            mean_price = int(total[position] - total[start]) / (position - start) / 10_000
            eps = mean_price / traits.price_earnings / 4 * math.exp(surprise)
            reports.append(
                EarningsReport(
                    report_date=_session_at(position),
                    time_of_day="AMC" if traits.is_after_close else "BTO",
                    quarter_end_date=end,
                    eps=Decimal(f"{eps:.2f}"),
                    consensus_estimate=Decimal(f"{eps * (1 + error):.2f}"),
                )
            )
        return tuple(reports)

    def _earnings_at(
        self, symbol: str, at: datetime
    ) -> tuple[EarningsReport | None, EarningsReport | None, float | None]:
        """The next report without its result, the last one, and the earnings of the last four."""
        reports = self._reports(symbol)
        out = bisect_right(reports, 0, key=lambda report: 0 if _is_out(report, at) else 1)
        following = replace(reports[out], eps=None) if out < len(reports) else None
        trailing = None
        if out >= 4:
            trailing = float(sum(report.eps for report in reports[out - 4 : out] if report.eps is not None))
        return following, reports[out - 1] if out else None, trailing

    def _draw_dividends(self, symbol: str) -> Sequence[Dividend]:
        """Quarterly dividends to the end of the calendar: the yield on the mean price of the year before."""
        path, traits = self._path(symbol), self._traits(symbol)
        if not traits.dividend_yield:
            return ()
        total = np.concatenate([[0], np.cumsum(path.close, dtype=np.int64)])
        found = []
        for year in range(FIRST_SESSION.year, LAST_DATE.year):
            for month in range(1 + traits.dividend_month, 13, 3):
                at = position_of(date(year, month, 6 + (year + month + traits.shares_outstanding) % 5))
                if path.first + 60 <= at <= path.last:
                    start = max(path.first, at - _TRADING_YEAR)
                    mean_price = int(total[at] - total[start]) / (at - start) / 10_000
                    ex_date = _session_at(at)
                    pay_date = _session_at(position_of(ex_date + timedelta(days=24)))
                    amount = Decimal(f"{mean_price * traits.dividend_yield / 4:.4f}")
                    found.append(Dividend(ex_date, pay_date, amount))
        return tuple(found)

    def _against_market(self, path: SymbolPath, closed: int) -> tuple[float | None, float | None]:
        """Beta over a year and correlation over 63 sessions against SPY, from returns of closed sessions."""
        market = self._path("SPY")
        start = max(path.first, closed - _TRADING_YEAR - 1, 0)
        own, other = (np.diff(np.log(side.close[start:closed])) for side in (path, market))
        if len(own) < 63:
            return None, None
        covariance = np.cov(own, other)
        beta = float(covariance[0, 1] / covariance[1, 1])
        correlation = float(np.corrcoef(own[-63:], other[-63:])[0, 1])
        return round(beta, 6), round(correlation, 6)


@dataclass(frozen=True, slots=True)
class _Forming:
    """The newest bar of a symbol, prices in units of 0.0001 US dollars."""

    position: int
    open: int
    high: int
    low: int
    price: int
    volume: int


@dataclass(frozen=True, slots=True)
class _Volatility:
    """Where implied volatility stands in its own last 252 sessions."""

    index: float | None = None
    change: float | None = None
    rank: float | None = None
    percentile: float | None = None

    @classmethod
    def of(cls, implied: Floats) -> _Volatility:
        now = float(implied[-1])
        change = round(now - float(implied[-6]), 6) if len(implied) > 5 else None
        if len(implied) < 20:
            return cls(now, change)
        low, high = float(implied.min()), float(implied.max())
        percentile = float(np.mean(implied < now))
        return cls(now, change, round((now - low) / (high - low), 6), round(percentile, 6))


def _historical_volatility(path: SymbolPath, closed: int, returns: int) -> float | None:
    start = closed - returns - 1
    if start < path.first:
        return None
    moves = np.diff(np.log(path.close[start:closed]))
    return round(float(np.std(moves, ddof=1)) * math.sqrt(_TRADING_YEAR), 6)


def _variance_now(path: SymbolPath, moment: _Moment) -> float:
    """On its way, in log terms, from the last close's 30-day variance to the next one's."""
    position = min(moment.position, path.last)
    before, after = float(path.variance_30[max(position - 1, 0)]), float(path.variance_30[position])
    return after if position < moment.position else before ** (1 - moment.elapsed) * after**moment.elapsed


def _years_to(listed: Expiration, at: datetime) -> float:
    """Calendar time, in years of 365 days, to the opening or closing price that settles."""
    hours = _hours(listed.expiration_date)
    settles_at = hours.opens_at if listed.settlement_type == "AM" else hours.closes_at
    return (settles_at - at).total_seconds() / _YEAR_SECONDS


def _is_out(report: EarningsReport, at: datetime) -> bool:
    published = time(7, 0) if report.time_of_day == "BTO" else time(16, 30)
    return at >= datetime.combine(report.report_date, published, NEW_YORK)


def _parsed(occ_symbol: str) -> OptionSymbol:
    try:
        return OptionSymbol.from_occ(occ_symbol)
    except ValueError as error:
        raise KeyError(occ_symbol) from error


def _session_at(position: int) -> date:
    return _sessions()[position]


@cache
def _sessions() -> Sequence[date]:
    return tuple(session_dates().tolist())


def _dollars(units: npt.NDArray[np.uint32]) -> Floats:
    return units.astype(np.float64) / 10_000


def _on_tick(price: float, tick: float) -> float:
    return round(round(price / tick) * tick, 2)


@lru_cache(maxsize=4_096)
def _hours(session: date) -> SessionHours:
    return session_hours(session)
