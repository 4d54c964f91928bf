# SPDX-License-Identifier: MIT
"""Futures, options on them and cryptocurrencies: priced off the market's instruments, so that all prices agree.

How they look on the wire is in `simulator.rest.futures`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal

from ttapi_pipeline.core.sessions import NEW_YORK, previous_session, session_hours, session_on_or_before
from ttapi_pipeline.core.symbology import plain_decimal
from ttapi_pipeline.simulator.market.chains import third_friday, volatility_expiration
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.pricing import RISK_FREE_RATE, Greeks, greeks

MONTH_CODES: Final = "FGHJKMNQUVXZ"
_QUARTERS: Final = "HMUZ"
_CONTRACTS: Final = 4
_STRIKES_EACH_SIDE: Final = 20
_WEEKS: Final = 6
_YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Product:
    """A family of futures.

    Attributes:
        underlying: The instrument that it follows; a contract is worth `ratio` times as much, plus `carry` per year.
        multiplier: US dollars per point.
        months: Codes of the listed months.
        option_roots: Roots of the quarterly options, of the weekly ones (the week's number follows) and of the
            month-end ones; empty without options.
        strike_step: Points between strikes.
    """

    code: str
    description: str
    underlying: str
    ratio: float
    carry: float
    multiplier: Decimal
    tick: Decimal
    months: str
    exchange: str
    streamer_exchange: str
    sector: str
    is_small: bool = False
    option_roots: tuple[str, ...] = ()
    strike_step: int = 0


def _product(
    code: str, description: str, underlying: str, ratio: float, carry: float, *, multiplier: str, tick: str, **more: str
) -> Product:
    return Product(
        code,
        description,
        underlying,
        ratio,
        carry,
        Decimal(multiplier),
        Decimal(tick),
        months=more.get("months", _QUARTERS),
        exchange=more.get("exchange", "CME"),
        streamer_exchange=more.get("streamer", "XCME"),
        sector=more.get("sector", "Equities"),
        is_small=more.get("size") == "small",
        option_roots=tuple(more["options"].split()) if "options" in more else (),
        strike_step=int(more.get("step", "0")),
    )


PRODUCTS: Final[Mapping[str, Product]] = MappingProxyType(
    {
        product.code: product
        for product in (
            _product(
                *("ES", "E-mini S&P 500", "SPX", 1.0, 0.03), multiplier="50", tick="0.25", options="ES EW EW", step="25"
            ),
            _product("MES", "Micro E-mini S&P 500", "SPX", 1.0, 0.03, multiplier="5", tick="0.25", size="small"),
            _product(
                *("NQ", "E-mini Nasdaq-100", "NDX", 1.0, 0.035),
                multiplier="20",
                tick="0.25",
                options="NQ QN QNE",
                step="100",
            ),
            _product("RTY", "E-mini Russell 2000", "RUT", 1.0, 0.03, multiplier="50", tick="0.1"),
            _product("YM", "E-mini Dow", "DJX", 100.0, 0.025, multiplier="5", tick="1", streamer="XCBT"),
            _product(
                *("GC", "Gold", "GLD", 10.9, 0.04),
                multiplier="100",
                tick="0.1",
                months="GJMQVZ",
                streamer="XCEC",
                sector="Metals",
            ),
            _product(
                *("CL", "Light Sweet Crude Oil", "USO", 0.85, 0.0),
                multiplier="1000",
                tick="0.01",
                months=MONTH_CODES,
                streamer="XNYM",
                sector="Energy",
            ),
            _product(
                *("VX", "Cboe Volatility Index", "VIX", 1.0, 0.0),
                multiplier="1000",
                tick="0.05",
                months=MONTH_CODES,
                exchange="CFE",
                streamer="XCBF",
                sector="Volatility",
            ),
        )
    }
)

# Name, underlying instrument, and how many of its shares one coin is worth.
CRYPTOCURRENCIES: Final[Mapping[str, tuple[str, str, float]]] = MappingProxyType(
    {"BTC/USD": ("Bitcoin", "COIN", 320.0), "ETH/USD": ("Ethereum", "COIN", 12.0)}
)


@dataclass(frozen=True, slots=True)
class Contract:
    """One future; `index` counts the listed ones from the nearest, 0."""

    product: Product
    month: str
    year: int
    expiration_date: date
    index: int

    @property
    def symbol(self) -> str:
        return f"/{self.product.code}{self.month}{self.year % 10}"

    @property
    def streamer_symbol(self) -> str:
        return f"/{self.product.code}{self.month}{self.year % 100:02d}:{self.product.streamer_exchange}"


@dataclass(frozen=True, slots=True)
class OptionExpiration:
    """Options of one root on one future for one date; strikes ascending, in points."""

    contract: Contract
    root: str
    kind: Literal["Regular", "Weekly", "End-Of-Month"]
    expiration_date: date
    strikes: Sequence[int]

    @property
    def contract_symbol(self) -> str:
        day = self.expiration_date
        return f"{self.root}{MONTH_CODES[day.month - 1]}{day.year % 10}"

    def symbol(self, side: Literal["C", "P"], strike: int) -> str:
        """tastytrade's spelling, ``./ESZ6 EW3Z6 261218C6500``."""
        return f".{self.contract.symbol} {self.contract_symbol:<6}{self.expiration_date:%y%m%d}{side}{strike}"

    def streamer_symbol(self, side: Literal["C", "P"], strike: int) -> str:
        """DXLink's spelling, ``./EW3Z26C6500:XCME``."""
        day = self.expiration_date
        month = f"{MONTH_CODES[day.month - 1]}{day.year % 100:02d}"
        return f"./{self.root}{month}{side}{strike}:{self.contract.product.streamer_exchange}"


@dataclass(frozen=True, slots=True)
class DerivedPrice:
    """A price and its day, in points or US dollars, on the product's tick where there is one."""

    price: float
    open: float
    high: float
    low: float
    previous_close: float
    session: date
    updated_at: datetime
    is_forming: bool


class DerivedMarket:
    """Lists and prices what is derived from one market's instruments."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def contracts(self, product: Product, now: datetime) -> Sequence[Contract]:
        """The nearest listed contracts, by expiration; none before the underlying is listed."""
        if self._market.find_listed(product.underlying, now) is None:
            return ()
        today = now.astimezone(NEW_YORK).date()
        contracts: list[Contract] = []
        for year in range(today.year, today.year + 3):
            for month in product.months:
                day = _expiration(product, year, MONTH_CODES.index(month) + 1)
                if day >= today and len(contracts) < _CONTRACTS:
                    contracts.append(Contract(product, month, year, day, len(contracts)))
        return contracts

    def contract(self, symbol: str, now: datetime) -> Contract | None:
        """The listed contract with that symbol, with or without its slash; None when there is none."""
        bare = symbol.removeprefix("/")
        product = PRODUCTS.get(bare[:-2])
        for contract in self.contracts(product, now) if product else ():
            if contract.symbol == f"/{bare}":
                return contract
        return None

    def option_expirations(self, product: Product, now: datetime) -> Sequence[OptionExpiration]:
        """Quarterly, weekly and month-end options, by date; the same all day."""
        if not product.option_roots:
            return ()
        today = now.astimezone(NEW_YORK).date()
        contracts = self.contracts(product, now)
        expirations = []
        for root, kind, day in _option_dates(product, today, contracts):
            contract = next((each for each in contracts if each.expiration_date >= day), None)
            if contract is None:
                continue
            # Centred on the close before: a chain does not move within a day.
            before = session_hours(previous_session(today)).closes_at
            middle = round(self.future_price(contract, before).price / product.strike_step)
            strikes = [
                (middle + offset) * product.strike_step for offset in range(-_STRIKES_EACH_SIDE, _STRIKES_EACH_SIDE + 1)
            ]
            expirations.append(OptionExpiration(contract, root, kind, day, [each for each in strikes if each > 0]))
        return sorted(expirations, key=lambda expiration: expiration.expiration_date)

    def option(self, symbol: str, now: datetime) -> tuple[OptionExpiration, Literal["C", "P"], int] | None:
        """The listed option with that symbol: its expiration, side and strike; None when there is none."""
        product = next((each for code, each in PRODUCTS.items() if symbol.startswith(f"./{code}")), None)
        for expiration in self.option_expirations(product, now) if product else ():
            for side in _SIDES:
                stem = expiration.symbol(side, 0)[:-1]
                strike = symbol.removeprefix(stem)
                if strike != symbol and strike.isdecimal() and int(strike) in expiration.strikes:
                    return expiration, side, int(strike)
        return None

    def future_price(self, contract: Contract, at: datetime) -> DerivedPrice:
        """The underlying plus carry to the expiration."""
        product = contract.product
        years = max(0.0, (session_hours(contract.expiration_date).closes_at - at) / _YEAR)
        factor = product.ratio * math.exp(product.carry * years)
        return self._derived(product.underlying, factor, at, tick=float(product.tick))

    def crypto_price(self, symbol: str, at: datetime) -> DerivedPrice | None:
        """US dollars per coin; None before there is a price, and for a symbol that is not one."""
        _, underlying, ratio = CRYPTOCURRENCIES.get(symbol, ("", "", 0.0))
        if self._market.find_listed(underlying, at) is None:
            return None
        return self._derived(underlying, ratio, at, tick=0.01)

    def option_price(
        self, expiration: OptionExpiration, side: Literal["C", "P"], strike: int, at: datetime
    ) -> tuple[Greeks, float, DerivedPrice]:
        """Black's price and greeks, the volatility they were made with (a fraction), and the future's price."""
        future = self.future_price(expiration.contract, at)
        index = self._market.metrics(expiration.contract.product.underlying, at).implied_volatility_index
        volatility = 0.2 if index is None else index
        years = max(0.0, (session_hours(expiration.expiration_date).closes_at - at) / _YEAR)
        # A future has no carry of its own, which is Black-Scholes with a yield equal to the rate.
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


_SIDES: Final[tuple[Literal["C", "P"], ...]] = ("C", "P")


def strike_text(strike: int) -> str:
    """A strike with one digit after the point, as chains write it."""
    return f"{plain_decimal(Decimal(strike))}.0"


def _expiration(product: Product, year: int, month: int) -> date:
    match product.sector:
        case "Volatility":
            return volatility_expiration(year, month)
        case "Energy":
            # Three business days before the 25th of the month before.
            day = date(year, month, 1) - timedelta(days=1)
            return _sessions_before(session_on_or_before(day.replace(day=25)), 3)
        case "Metals":
            # The third last business day of the month.
            return _sessions_before(_month_end(year, month), 2)
        case _:
            return third_friday(year, month)


def _option_dates(
    product: Product, today: date, contracts: Sequence[Contract]
) -> Iterator[tuple[str, Literal["Regular", "Weekly", "End-Of-Month"], date]]:
    quarterly, weekly, month_end = product.option_roots
    quarters = {contract.expiration_date for contract in contracts}
    for day in sorted(quarters):
        yield quarterly, "Regular", day
    friday = today + timedelta(days=(4 - today.weekday()) % 7)
    for week in range(_WEEKS):
        nominal = friday + timedelta(days=7 * week)
        day = session_on_or_before(nominal)
        if day >= today and day not in quarters:
            yield f"{weekly}{(nominal.day - 1) // 7 + 1}", "Weekly", day
    for offset in range(3):
        year, month = divmod(today.year * 12 + today.month - 1 + offset, 12)
        day = _month_end(year, month + 1)
        if day >= today and day.weekday() != 4:
            yield month_end, "End-Of-Month", day


def _month_end(year: int, month: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return session_on_or_before(following - timedelta(days=1))


def _sessions_before(session: date, count: int) -> date:
    for _ in range(count):
        session = previous_session(session)
    return session
