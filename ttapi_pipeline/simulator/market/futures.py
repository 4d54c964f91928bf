# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which futures and options on them are listed: products, contracts, expirations, and how they are spelled.

Their prices are in `derived`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal

from ttapi_pipeline.core.sessions import previous_session, session_on_or_before
from ttapi_pipeline.core.symbology import plain_decimal
from ttapi_pipeline.simulator.market.chains import month_end, third_friday, volatility_expiration

Side = Literal["C", "P"]

SIDES: Final[tuple[Side, ...]] = ("C", "P")
MONTH_CODES: Final = "FGHJKMNQUVXZ"

_QUARTERS: Final = "HMUZ"
_CONTRACTS: Final = 4
_STRIKES_EACH_SIDE: Final = 20
_WEEKS: Final = 6


@dataclass(frozen=True, slots=True)
class Product:
    """A family of futures.

    Attributes:
        underlying: The instrument that it follows; a contract is worth `ratio` times as much, plus `carry` per year.
        multiplier: US dollars per point.
        months: Codes of the listed months.
        option_roots: Roots of the quarterly options, of the weekly ones (a number of the week follows) and of the
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


@dataclass(frozen=True, slots=True)
class FutureContract:
    """One future; `index` counts the listed ones from the nearest, 0."""

    product: Product
    month: str
    year: int
    expiration_date: date
    index: int

    @property
    def symbol(self) -> str:
        """The spelling of tastytrade, ``/ESZ6``."""
        return f"/{self.product.code}{self.month}{self.year % 10}"

    @property
    def streamer_symbol(self) -> str:
        """The spelling of DXLink, ``/ESZ26:XCME``."""
        return f"/{self.product.code}{self.month}{self.year % 100:02d}:{self.product.streamer_exchange}"


@dataclass(frozen=True, slots=True)
class FutureOptionExpiration:
    """Options of one root on one future for one date; strikes ascending, in points."""

    contract: FutureContract
    root: str
    kind: Literal["Regular", "Weekly", "End-Of-Month"]
    expiration_date: date
    strikes: Sequence[int]

    @property
    def contract_symbol(self) -> str:
        """Root, month and year, ``EW3Z6``."""
        day = self.expiration_date
        return f"{self.root}{MONTH_CODES[day.month - 1]}{day.year % 10}"

    def symbol(self, side: Side, strike: int) -> str:
        """The spelling of tastytrade, ``./ESZ6 EW3Z6 261218C6500``."""
        return f".{self.contract.symbol} {self.contract_symbol:<6}{self.expiration_date:%y%m%d}{side}{strike}"

    def streamer_symbol(self, side: Side, strike: int) -> str:
        """The spelling of DXLink, ``./EW3Z26C6500:XCME``."""
        day = self.expiration_date
        month = f"{MONTH_CODES[day.month - 1]}{day.year % 100:02d}"
        return f"./{self.root}{month}{side}{strike}:{self.contract.product.streamer_exchange}"


def listed_contracts(product: Product, today: date) -> Sequence[FutureContract]:
    """The four nearest contracts, by expiration; `today` is a date in New York."""
    contracts: list[FutureContract] = []
    for year in range(today.year, today.year + 3):
        for month in product.months:
            day = _expiration(product, year, MONTH_CODES.index(month) + 1)
            if day >= today and len(contracts) < _CONTRACTS:
                contracts.append(FutureContract(product, month, year, day, len(contracts)))
    return contracts


def listed_strikes(product: Product, price: float) -> Sequence[int]:
    """The strikes of an expiration around a price of its future, ascending, in points."""
    middle = round(price / product.strike_step)
    numbers = range(middle - _STRIKES_EACH_SIDE, middle + _STRIKES_EACH_SIDE + 1)
    return [number * product.strike_step for number in numbers if number > 0]


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
            return _sessions_before(month_end(year, month), 2)
        case _:
            return third_friday(year, month)


def option_dates(
    product: Product, today: date, contracts: Sequence[FutureContract]
) -> Iterator[tuple[str, Literal["Regular", "Weekly", "End-Of-Month"], date]]:
    """Root, kind and date of each expiration of a product with options: quarterly, weekly, then at month ends."""
    quarterly, weekly, monthly = product.option_roots
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
        day = month_end(year, month + 1)
        if day >= today and day.weekday() != 4:
            yield monthly, "End-Of-Month", day


def _sessions_before(session: date, count: int) -> date:
    for _ in range(count):
        session = previous_session(session)
    return session
