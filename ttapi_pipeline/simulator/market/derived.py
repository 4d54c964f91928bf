# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Prices of futures, options on them and cryptocurrencies, made of the prices of instruments, so that all agree.

Which futures and options are listed: see `futures`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.sessions import NEW_YORK, previous_session, session_hours
from ttapi_pipeline.simulator.market.futures import (
    PRODUCTS,
    SIDES,
    FutureContract,
    FutureOptionExpiration,
    Product,
    Side,
    listed_contracts,
    listed_strikes,
    option_dates,
)
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.pricing import RISK_FREE_RATE, Greeks, greeks

_YEAR: Final = timedelta(days=365)


# Name, underlying instrument, and how many of its shares one coin is worth.
CRYPTOCURRENCIES: Final[Mapping[str, tuple[str, str, float]]] = MappingProxyType(
    {"BTC/USD": ("Bitcoin", "COIN", 320.0), "ETH/USD": ("Ethereum", "COIN", 12.0)}
)


@dataclass(frozen=True, slots=True)
class DerivedPrice:
    """A price and the figures of its day, in points or US dollars, on the tick of the product where it has one."""

    price: float
    open: float
    high: float
    low: float
    previous_close: float
    session: date
    updated_at: datetime
    is_forming: bool


class DerivedMarket:
    """Futures, options on them and cryptocurrencies over the instruments of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def contracts(self, product: Product, now: datetime) -> Sequence[FutureContract]:
        """The nearest listed contracts, by expiration; none before the underlying is listed."""
        if self._market.find_listed(product.underlying, now) is None:
            return ()
        return listed_contracts(product, now.astimezone(NEW_YORK).date())

    def contract(self, symbol: str, now: datetime) -> FutureContract | None:
        """The listed contract with that symbol, with or without its slash; None when none is listed."""
        bare = symbol.removeprefix("/")
        product = PRODUCTS.get(bare[:-2])
        for contract in self.contracts(product, now) if product else ():
            if contract.symbol == f"/{bare}":
                return contract
        return None

    def option_expirations(self, product: Product, now: datetime) -> Sequence[FutureOptionExpiration]:
        """Quarterly, weekly and month-end options, by date; the same all day."""
        if not product.option_roots:
            return ()
        today = now.astimezone(NEW_YORK).date()
        contracts = self.contracts(product, now)
        expirations = []
        for root, kind, day in option_dates(product, today, contracts):
            contract = next((each for each in contracts if each.expiration_date >= day), None)
            if contract is None:
                continue
            # Centred on the close before, so that a chain does not move within a day.
            before = session_hours(previous_session(today)).closes_at
            strikes = listed_strikes(product, self.future_price(contract, before).price)
            expirations.append(FutureOptionExpiration(contract, root, kind, day, strikes))
        return sorted(expirations, key=lambda expiration: expiration.expiration_date)

    def option(self, symbol: str, now: datetime) -> tuple[FutureOptionExpiration, Side, int] | None:
        """The listed option with that symbol: its expiration, side and strike; None when none is listed."""
        product = next((each for code, each in PRODUCTS.items() if symbol.startswith(f"./{code}")), None)
        for expiration in self.option_expirations(product, now) if product else ():
            for side in SIDES:
                stem = expiration.symbol(side, 0)[:-1]
                strike = symbol.removeprefix(stem)
                if strike != symbol and strike.isdecimal() and int(strike) in expiration.strikes:
                    return expiration, side, int(strike)
        return None

    def future_price(self, contract: FutureContract, at: datetime) -> DerivedPrice:
        """The underlying plus carry to the expiration."""
        product = contract.product
        years = max(0.0, (session_hours(contract.expiration_date).closes_at - at) / _YEAR)
        factor = product.ratio * math.exp(product.carry * years)
        return self._derived(product.underlying, factor, at, tick=float(product.tick))

    def crypto_price(self, symbol: str, at: datetime) -> DerivedPrice | None:
        """US dollars per coin; None before the first price, and for an unknown symbol."""
        _, underlying, ratio = CRYPTOCURRENCIES.get(symbol, ("", "", 0.0))
        if self._market.find_listed(underlying, at) is None:
            return None
        return self._derived(underlying, ratio, at, tick=0.01)

    def option_price(
        self, expiration: FutureOptionExpiration, side: Side, strike: int, at: datetime
    ) -> tuple[Greeks, float, DerivedPrice]:
        """Price and greeks by the formula of Black, their volatility (a fraction), and the price of the future."""
        future = self.future_price(expiration.contract, at)
        index = self._market.metrics(expiration.contract.product.underlying, at).implied_volatility_index
        volatility = 0.2 if index is None else index
        years = max(0.0, (session_hours(expiration.expiration_date).closes_at - at) / _YEAR)
        # A future costs nothing to hold: Black's formula is Black-Scholes with a yield equal to the rate.
        value = greeks(
            side, spot=future.price, strike=strike, years=years, volatility=volatility, dividend_yield=RISK_FREE_RATE
        )
        return value, volatility, future

    def _derived(self, underlying: str, factor: float, at: datetime, *, tick: float) -> DerivedPrice:
        spot = self._market.spot(underlying, at)
        price, open_, high, low, previous = (
            round(round(value * factor / tick) * tick, 6)
            for value in (spot.price, spot.open, spot.high, spot.low, spot.previous_close)
        )
        return DerivedPrice(price, open_, high, low, previous, spot.session, spot.updated_at, spot.is_forming)
