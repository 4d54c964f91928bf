# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Option contracts at a moment: quotes, daily bars, volumes, and implied volatility by expiration.

Values come from Black-Scholes on the volatility surface of the underlying: see `pricing`. Contracts are listed in
`contracts`, prices of the underlying are in `prices`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

import numpy as np

from ttapi_pipeline.simulator.market.contracts import Contracts, OptionContract, years_to
from ttapi_pipeline.simulator.market.moments import Moment, close_of, hours_of, session_at
from ttapi_pipeline.simulator.market.paths import Floats, position_of, volume_share
from ttapi_pipeline.simulator.market.prices import UNITS_PER_DOLLAR, Bars, Prices, Spot, typical_price, variance_at
from ttapi_pipeline.simulator.market.pricing import RISK_FREE_RATE, YEAR_SECONDS, Greeks, Surface, greeks
from ttapi_pipeline.simulator.market.randomness import uniforms

CONTRACTS_PER_TRADE: Final = 5

# An expiration more than a year and a half ahead of an illiquid underlying is not quoted.
_FAR_YEARS: Final = 1.5
_ILLIQUID: Final = 0.15


@dataclass(frozen=True, slots=True)
class ExpirationVolatility:
    """At-the-money implied volatility of one expiration, annual, a fraction; None when it is not quoted."""

    root_symbol: str
    expiration_date: date
    option_chain_type: Literal["Standard", "Non-standard"]
    settlement_type: Literal["AM", "PM"]
    implied_volatility: float | None


@dataclass(frozen=True, slots=True)
class OptionQuote:
    """One contract at an instant.

    Attributes:
        symbol: OCC spelling; `streamer_symbol` is the spelling of DXLink.
        theoretical_price: Black-Scholes, US dollars per share, as `bid` and `ask`, which are on the tick.
        bid: 0 without a buyer.
        implied_volatility: Annual, a fraction.
        theta: Per calendar day; `vega` per point of volatility, `rho` per point of the interest rate.
        last: None while the contract has not traded in this session, as `open`, `high` and `low`.
        previous_close: Theoretical price at the close before; None on the first day of the underlying.
    """

    symbol: str
    streamer_symbol: str
    underlying_symbol: str
    root_symbol: str
    expiration_date: date
    option_type: Literal["C", "P"]
    strike: Decimal
    updated_at: datetime
    session: date
    underlying_price: float
    theoretical_price: float
    bid: float
    ask: float
    bid_size: int
    ask_size: int
    tick_size: float
    implied_volatility: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float
    open_interest: int
    volume: int
    last: float | None
    open: float | None
    high: float | None
    low: float | None
    previous_close: float | None


class Options:
    """Prices of the option contracts of one market."""

    def __init__(self, seed: int, prices: Prices, contracts: Contracts) -> None:
        self._seed = seed
        self._prices = prices
        self._contracts = contracts

    def quote(self, occ_symbol: str, moment: Moment) -> OptionQuote:
        """Quote and greeks of a contract.

        Raises:
            KeyError: No such contract is listed on that day.
        """
        contract = self._contracts.contract(occ_symbol, moment.day)
        if contract.symbol.expiration_date < moment.day:
            raise KeyError(occ_symbol)
        return self._quote(contract, moment)

    def bars(self, occ_symbol: str, *, first: date | None, moment: Moment) -> Bars:
        """Daily bars of a contract, for the sessions in which it traded, with the figures of `quote`.

        They reach from its listing, or `first`, to its expiration. The bars of an expired contract stay.

        Raises:
            KeyError: No such contract is or was listed.
        """
        contract = self._contracts.contract(occ_symbol, moment.day)
        end = min(moment.position, position_of(contract.symbol.expiration_date))
        begin = self._contracts.first_position(contract, end)
        if first is not None:
            begin = max(begin, position_of(first))
        quotes = [
            self._quote(contract, moment if position == moment.position else close_of(position))
            for position in range(begin, end + 1)
        ]
        traded = [quote for quote in quotes if quote.last is not None]
        figures = [(quote.open, quote.high, quote.low, quote.last, quote.volume) for quote in traded]
        open_, high, low, close, volume = np.array(figures, dtype=np.float64).reshape(-1, 5).T.copy()
        return Bars(
            sessions=np.array([quote.session for quote in traded], dtype="datetime64[D]"),
            open=open_,
            high=high,
            low=low,
            close=close,
            vwap=typical_price(open_, high, low, close),
            volume=volume,
            count=np.ceil(volume / CONTRACTS_PER_TRADE).astype(np.int64),
            implied_volatility=np.array([quote.implied_volatility for quote in traded], dtype=np.float64),
        )

    def values(self, occ_symbol: str, underlying_prices: Sequence[float], moment: Moment) -> Floats:
        """The value of a contract at the moment for each of these prices of its underlying, US dollars on the tick.

        Raises:
            KeyError: No such contract is or was listed.
        """
        value = self._valuation(self._contracts.contract(occ_symbol, moment.day), moment)
        values = [value(price)[1].price for price in underlying_prices]
        return np.array([_on_tick(value, _tick(value)) for value in values])

    def volumes(self, occ_symbol: str, session: date, instants: Sequence[datetime]) -> Floats:
        """Contracts traded in the session up to each of these instants.

        Raises:
            KeyError: No such contract is or was listed.
        """
        contract = self._contracts.contract(occ_symbol, session)
        hours = hours_of(session)
        _, expected = self._activity(contract, position_of(session))
        length = hours.closes_at - hours.opens_at
        return np.floor([expected * volume_share(min((at - hours.opens_at) / length, 1.0)) for at in instants])

    def volatilities(self, symbol: str, moment: Moment) -> Sequence[ExpirationVolatility]:
        """At-the-money implied volatility of each expiration of an underlying, in the order of its chain."""
        surface, liquidity = self._surface(symbol, moment), self._prices.traits(symbol).liquidity
        found = []
        for expiration in self._contracts.chain(symbol, moment.day):
            years = years_to(expiration, moment.formed_at)
            is_quoted = years > 0 and not (years > _FAR_YEARS and liquidity < _ILLIQUID)
            found.append(
                ExpirationVolatility(
                    expiration.root_symbol,
                    expiration.expiration_date,
                    expiration.option_chain_type,
                    expiration.settlement_type,
                    round(surface.at_the_money(years), 6) if is_quoted else None,
                )
            )
        return tuple(found)

    def _surface(self, symbol: str, moment: Moment) -> Surface:
        path, traits = self._prices.path(symbol), self._prices.traits(symbol)
        jump_years = math.inf
        if path.quarters is not None:
            reactions = path.quarters.reaction_positions
            following = int(np.searchsorted(reactions, moment.position, side="right"))
            if following < len(reactions):
                opens_at = hours_of(session_at(int(reactions[following]))).opens_at
                jump_years = (opens_at - moment.formed_at).total_seconds() / YEAR_SECONDS
        return Surface(
            variance_30=variance_at(path, moment),
            variance_long=path.variance_long,
            jump_variance=traits.earnings_move**2,
            jump_years=jump_years,
            skew=traits.skew,
        )

    def _valuation(self, contract: OptionContract, moment: Moment) -> Callable[[float], tuple[float, Greeks]]:
        """A function from the price of the underlying to implied volatility and value of the contract at the moment."""
        surface, strike = self._surface(contract.underlying, moment), float(contract.symbol.strike)
        dividend_yield = self._prices.traits(contract.underlying).dividend_yield
        years = contract.years_from(moment.formed_at)
        carry = math.exp((RISK_FREE_RATE - dividend_yield) * max(years, 0.0))

        def value(price: float) -> tuple[float, Greeks]:
            volatility = surface.volatility(forward=price * carry, strike=strike, years=years)
            return volatility, greeks(
                contract.symbol.option_type,
                spot=price,
                strike=strike,
                years=years,
                volatility=volatility,
                dividend_yield=dividend_yield,
            )

        return value

    def _activity(self, contract: OptionContract, position: int) -> tuple[int, float]:
        """Open interest, which stays the same through a session, and the volume expected by its close."""
        path, session = self._prices.path(contract.underlying), session_at(position)
        u = uniforms("option", self._seed, contract.symbol.occ, session, count=2)
        before = int(path.close[max(min(position, path.last + 1) - 1, path.first)]) / UNITS_PER_DOLLAR
        years = max(contract.years_from(hours_of(session).opens_at), 0.01)
        distance = math.log(float(contract.symbol.strike) / before) / max(0.02, math.sqrt(path.variance_long * years))
        liquidity = self._prices.traits(contract.underlying).liquidity
        open_interest = int(math.exp(2.5 + 7 * liquidity - 0.5 * distance**2 + u[0]))
        return open_interest, 0.3 * u[1] ** 2 * open_interest

    def _quote(self, contract: OptionContract, moment: Moment) -> OptionQuote:
        symbol, liquidity = contract.symbol, self._prices.traits(contract.underlying).liquidity
        spot = self._prices.spot(contract.underlying, moment)
        value = self._valuation(contract, moment)
        volatility, now = value(spot.price)
        tick = _tick(now.price)
        half_spread = now.price * (0.004 + 0.03 * (1 - liquidity))
        bid_ticks = math.floor(max(0.0, now.price - half_spread) / tick)
        ask_ticks = max(math.ceil((now.price + half_spread) / tick), bid_ticks + 1)
        u = uniforms("option", self._seed, symbol.occ, session_at(moment.position), "sizes", count=2)
        open_interest, expected = self._activity(contract, moment.position)
        volume = int(expected * volume_share(moment.elapsed))
        last, open_, high, low = _day_figures(value, spot, tick) if volume else (None, None, None, None)
        return OptionQuote(
            symbol=symbol.occ,
            streamer_symbol=symbol.streamer,
            underlying_symbol=contract.underlying,
            root_symbol=symbol.root_symbol,
            expiration_date=symbol.expiration_date,
            option_type=symbol.option_type,
            strike=symbol.strike,
            updated_at=spot.updated_at,
            session=spot.session,
            underlying_price=spot.price,
            theoretical_price=now.price,
            bid=round(bid_ticks * tick, 2),
            ask=round(ask_ticks * tick, 2),
            bid_size=1 + int(200 * liquidity * u[0]),
            ask_size=1 + int(200 * liquidity * u[1]),
            tick_size=tick,
            implied_volatility=volatility,
            delta=now.delta,
            gamma=now.gamma,
            theta=now.theta,
            vega=now.vega,
            rho=now.rho,
            open_interest=open_interest,
            volume=volume,
            last=last,
            open=open_,
            high=high,
            low=low,
            previous_close=self._previous_close(contract, spot, tick, moment),
        )

    def _previous_close(self, contract: OptionContract, spot: Spot, tick: float, moment: Moment) -> float | None:
        path = self._prices.path(contract.underlying)
        before = min(moment.position, path.last) - 1
        if before < path.first:
            return None
        _, previous = self._valuation(contract, close_of(before))(spot.previous_close)
        return _on_tick(previous.price, tick)


def _day_figures(
    value: Callable[[float], tuple[float, Greeks]], spot: Spot, tick: float
) -> tuple[float, float, float, float]:
    """Last, open, high and low of a contract: its present value at the prices that its underlying has had today."""
    last, open_, *extremes = (
        _on_tick(value(price)[1].price, tick) for price in (spot.price, spot.open, spot.high, spot.low)
    )
    return last, open_, max(open_, last, *extremes), min(open_, last, *extremes)


def _tick(price: float) -> float:
    return 0.01 if price < 3 else 0.05


def _on_tick(price: float, tick: float) -> float:
    return round(round(price / tick) * tick, 2)
