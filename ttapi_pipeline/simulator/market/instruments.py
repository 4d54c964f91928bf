# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The instruments of the synthetic market, and the traits that their prices and options are drawn from.

The names are real (the S&P 500, main indices and funds), the numbers are not: a trait is a realistic draw, keyed by
seed and symbol. The movement of prices is drawn in `paths`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final, Literal

from ttapi_pipeline.core.sessions import all_sessions, session_hours
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.market.randomness import normal, stable_key, uniforms

Kind = Literal["Equity", "ETF", "Index"]
OptionCycle = Literal["none", "monthly", "weekly", "daily", "index"]

FIRST_SESSION: Final = date(1995, 1, 3)
ANCHOR_DATE: Final = date(2026, 10, 6)
"""Prices are drawn so that the close of this session is the target price; splits lie before it."""
HALT_DATE: Final = date(2026, 9, 14)
"""The last session in which a halted instrument traded."""
MARKET_VOLATILITY: Final = 0.155
"""Annual, of the common factor."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """The facts that the broker gives about an instrument.

    Attributes:
        symbol: In the spelling of tastytrade, ``BRK/B``.
        listed_market: The MIC of the exchange.
        listed_date: The first session with a bar.
        instrument_id: The same for every seed.
    """

    symbol: str
    streamer_symbol: str
    description: str
    kind: Kind
    listed_market: str
    listed_date: date
    has_options: bool
    weekly_expirations: bool
    is_halted: bool
    instrument_id: int


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument in the list of the market, its option cycle, and the traits that are fixed rather than drawn."""

    instrument: Instrument
    option_cycle: OptionCycle
    price: float | None = None
    beta: float | None = None
    own_volatility: float | None = None
    dividend_yield: float | None = None
    path_key: str | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """The figures that the paths of an instrument are drawn from.

    Attributes:
        path_key: Instruments with the same key share their draws (XSP is a tenth of SPX).
        target_price: Close on ANCHOR_DATE, US dollars.
        beta: Exposure to the market factor.
        own_volatility: Annual volatility of the movements that the factor does not explain, a fraction.
        earnings_move: Standard deviation of the log jump on an earnings report; 0 without earnings.
        dividend_yield: A fraction; 0 for none.
        shares_outstanding: 0 for an index.
        price_earnings: Trailing ratio on an average day; None without earnings.
        daily_volume: Median shares per session; 0 for an index.
        trade_size: Average shares per trade.
        volatility_premium: Implied over expected volatility.
        skew: Change of implied volatility, relative, per standard deviation of log moneyness.
        liquidity: 0 to 1, of the options.
        has_history_volatility: False for the few whose metrics lack historical volatility, as on the wire.
    """

    path_key: str
    target_price: float
    beta: float
    own_volatility: float
    earnings_move: float
    dividend_yield: float
    dividend_month: int
    shares_outstanding: int
    price_earnings: float | None
    fiscal_month: int
    report_lag_days: int
    is_after_close: bool
    daily_volume: float
    trade_size: float
    volatility_premium: float
    skew: float
    liquidity: float
    has_history_volatility: bool


# symbol, name, price, beta, own volatility, option cycle, path key
_INDICES: Final[tuple[tuple[str, str, float, float, float, OptionCycle, str], ...]] = (
    ("SPX", "S&P 500 Index", 6715.0, 1.0, 0.004, "index", "SPX"),
    ("XSP", "Mini S&P 500 Index", 671.5, 1.0, 0.004, "index", "SPX"),
    ("NDX", "Nasdaq 100 Index", 24880.0, 1.15, 0.07, "index", "NDX"),
    ("RUT", "Russell 2000 Index", 2455.0, 1.15, 0.09, "index", "RUT"),
    ("DJX", "1/100 Dow Jones Industrial Average Index", 467.0, 0.9, 0.05, "index", "DJX"),
    ("VIX", "CBOE Volatility Index", 17.0, -4.0, 0.6, "index", "VIX"),
)

# symbol, name, market, first session, price, beta, own volatility, dividend yield, option cycle
_FUNDS: Final[tuple[tuple[str, str, str, str, float, float, float, float, OptionCycle], ...]] = (
    ("SPY", "SPDR S&P 500 ETF Trust", "ARCX", "1995-01-03", 669.0, 1.0, 0.006, 0.0115, "daily"),
    ("QQQ", "Invesco QQQ Trust Series 1", "XNAS", "1999-03-10", 604.0, 1.15, 0.07, 0.005, "daily"),
    ("IWM", "iShares Russell 2000 ETF", "ARCX", "2000-05-26", 243.0, 1.15, 0.09, 0.011, "daily"),
    ("DIA", "SPDR Dow Jones Industrial Average ETF Trust", "ARCX", "1998-01-20", 466.0, 0.9, 0.05, 0.015, "weekly"),
    ("VOO", "Vanguard S&P 500 ETF", "ARCX", "2010-09-09", 615.0, 1.0, 0.006, 0.0115, "weekly"),
    ("VTI", "Vanguard Total Stock Market ETF", "ARCX", "2001-06-15", 330.0, 1.0, 0.01, 0.0115, "monthly"),
    ("MDY", "SPDR S&P MidCap 400 ETF Trust", "ARCX", "1995-05-04", 600.0, 1.08, 0.07, 0.012, "monthly"),
    ("RSP", "Invesco S&P 500 Equal Weight ETF", "ARCX", "2003-04-30", 190.0, 0.98, 0.05, 0.0155, "monthly"),
    ("EFA", "iShares MSCI EAFE ETF", "ARCX", "2001-08-27", 94.0, 0.85, 0.09, 0.026, "weekly"),
    ("EEM", "iShares MSCI Emerging Markets ETF", "ARCX", "2003-04-11", 54.0, 0.9, 0.12, 0.021, "weekly"),
    ("FXI", "iShares China Large-Cap ETF", "ARCX", "2004-10-08", 41.0, 0.8, 0.2, 0.018, "weekly"),
    ("EWZ", "iShares MSCI Brazil ETF", "ARCX", "2000-07-14", 31.0, 0.9, 0.22, 0.05, "weekly"),
    ("GLD", "SPDR Gold Shares", "ARCX", "2004-11-18", 365.0, 0.05, 0.15, 0.0, "weekly"),
    ("SLV", "iShares Silver Trust", "ARCX", "2006-04-28", 43.0, 0.25, 0.27, 0.0, "weekly"),
    ("GDX", "VanEck Gold Miners ETF", "ARCX", "2006-05-22", 77.0, 0.5, 0.3, 0.008, "weekly"),
    ("USO", "United States Oil Fund LP", "ARCX", "2006-04-10", 74.0, 0.45, 0.32, 0.0, "weekly"),
    ("UNG", "United States Natural Gas Fund LP", "ARCX", "2007-04-18", 13.0, 0.1, 0.5, 0.0, "weekly"),
    ("TLT", "iShares 20+ Year Treasury Bond ETF", "XNAS", "2002-07-26", 89.0, -0.2, 0.13, 0.043, "weekly"),
    ("IEF", "iShares 7-10 Year Treasury Bond ETF", "XNAS", "2002-07-26", 96.0, -0.1, 0.12, 0.037, "monthly"),
    (
        "LQD",
        "iShares iBoxx $ Investment Grade Corporate Bond ETF",
        "ARCX",
        "2002-07-26",
        111.0,
        0.12,
        0.12,
        0.044,
        "weekly",
    ),
    ("HYG", "iShares iBoxx $ High Yield Corporate Bond ETF", "ARCX", "2007-04-11", 81.0, 0.4, 0.11, 0.057, "weekly"),
    ("XLB", "Materials Select Sector SPDR Fund", "ARCX", "1998-12-22", 90.0, 1.0, 0.1, 0.019, "weekly"),
    ("XLE", "Energy Select Sector SPDR Fund", "ARCX", "1998-12-22", 90.0, 0.95, 0.19, 0.032, "weekly"),
    ("XLF", "Financial Select Sector SPDR Fund", "ARCX", "1998-12-22", 54.0, 1.1, 0.11, 0.014, "weekly"),
    ("XLI", "Industrial Select Sector SPDR Fund", "ARCX", "1998-12-22", 154.0, 1.05, 0.07, 0.013, "weekly"),
    ("XLK", "Technology Select Sector SPDR Fund", "ARCX", "1998-12-22", 285.0, 1.2, 0.1, 0.006, "weekly"),
    ("XLP", "Consumer Staples Select Sector SPDR Fund", "ARCX", "1998-12-22", 78.0, 0.6, 0.07, 0.026, "weekly"),
    ("XLU", "Utilities Select Sector SPDR Fund", "ARCX", "1998-12-22", 89.0, 0.55, 0.11, 0.027, "weekly"),
    ("XLV", "Health Care Select Sector SPDR Fund", "ARCX", "1998-12-22", 143.0, 0.75, 0.08, 0.016, "weekly"),
    ("XLY", "Consumer Discretionary Select Sector SPDR Fund", "ARCX", "1998-12-22", 239.0, 1.15, 0.09, 0.008, "weekly"),
    ("SMH", "VanEck Semiconductor ETF", "XNAS", "2000-06-05", 335.0, 1.45, 0.17, 0.004, "weekly"),
    ("XBI", "SPDR S&P Biotech ETF", "ARCX", "2006-02-06", 104.0, 1.1, 0.23, 0.001, "weekly"),
    ("PRN", "Invesco Dorsey Wright Industrials Momentum ETF", "XNAS", "2006-10-12", 174.0, 1.1, 0.11, 0.003, "none"),
    ("ARKK", "ARK Innovation ETF", "BATS", "2014-10-31", 88.0, 1.6, 0.24, 0.0, "weekly"),
)

# Symbols without options, one of them halted, and two that came to the market a few weeks ago. Made up.
_SPECIAL: Final[tuple[tuple[str, str, str, OptionCycle], ...]] = (
    ("NOOPT", "Simulated Equity Without Options Inc.", "1995-01-03", "none"),
    ("QPREF", "Simulated Preferred Income Corp.", "2003-06-11", "none"),
    ("ZSPAC", "Simulated Acquisition Corp. I", "2024-02-06", "none"),
    ("HALTD", "Simulated Halted Equity Inc.", "2008-04-15", "none"),
    ("NEWCO", "Simulated Newly Listed Technologies Inc.", "2026-08-20", "monthly"),
    ("NEWER", "Simulated Debut Holdings Inc.", "2026-09-29", "none"),
)

# Approximate levels of well-known names, so that a reader is not surprised by their prices.
_KNOWN_PRICES: Final = {
    "AAPL": 258.0, "ABBV": 230.0, "AMD": 210.0, "AMZN": 222.0, "AVGO": 340.0, "AZO": 4150.0, "BAC": 51.0,
    "BKNG": 4990.0, "BRK/B": 495.0, "CAT": 495.0, "COST": 915.0, "CRM": 245.0, "CVX": 154.0, "DIS": 113.0,
    "F": 12.2, "GOOG": 247.0, "GOOGL": 246.0, "GS": 790.0, "HD": 390.0, "INTC": 37.0, "JNJ": 189.0,
    "JPM": 308.0, "KO": 66.5, "LLY": 845.0, "MA": 580.0, "MCD": 300.0, "META": 715.0, "MSFT": 525.0,
    "NFLX": 1190.0, "NVDA": 186.0, "NVR": 7900.0, "ORCL": 288.0, "PEP": 141.0, "PFE": 26.5, "PG": 151.0,
    "T": 26.5, "TSLA": 440.0, "UNH": 360.0, "V": 350.0, "WMT": 103.0, "XOM": 114.0,
}  # fmt: skip
_NASDAQ_SHORT: Final = frozenset(
    {"ADI", "ADP", "AEP", "AMD", "BKR", "CEG", "DXC", "EA", "EXC", "HON", "KHC", "LIN", "MAR", "PEP", "XEL"}
)


def listings(*, extra_equities: int) -> dict[str, Listing]:
    """All listings by symbol: S&P 500, indices, funds, a few special symbols, then `extra_equities` made-up ones."""
    rows = [*_constituents(), *_indices(), *_funds(), *_special(), *map(_made_up, range(extra_equities))]
    return {row.instrument.symbol: row for row in rows}


def is_listed(instrument: Instrument, at: datetime) -> bool:
    """Whether its first session has opened."""
    return _opens_at(instrument.listed_date) <= at


@cache
def _opens_at(session: date) -> datetime:
    # Looked up for every symbol in every request, for a few dozen different days.
    return session_hours(session).opens_at


def draw_traits(listing: Listing, *, seed: int) -> Traits:
    """The traits of one instrument, from the seed and its path key."""
    instrument = listing.instrument
    path_key = listing.path_key or instrument.symbol
    u = uniforms("traits", seed, path_key, count=16)
    is_equity = instrument.kind == "Equity"
    price = listing.price
    if price is None:
        price = round(min(1800.0, max(9.0, 125.0 * math.exp(0.72 * normal(u[0])))), 2)
    own = listing.own_volatility
    if own is None:
        own = min(0.62, max(0.11, 0.2 * math.exp(0.33 * normal(u[1]))))
    beta = listing.beta if listing.beta is not None else min(2.0, max(0.3, 1.0 + 0.3 * normal(u[2])))
    dividend_yield = listing.dividend_yield
    if dividend_yield is None:
        dividend_yield = round(0.004 + 0.036 * u[4], 4) if u[3] < 0.68 else 0.0
    liquidity = 0.0 if listing.option_cycle == "none" else u[5] ** 1.5
    if listing.option_cycle in {"daily", "index"} or listing.price is not None:
        liquidity = 0.75 + 0.25 * u[5]
    market_cap = math.exp(24.3 + 0.9 * normal(u[6])) * (8.0 if listing.price is not None else 1.0)
    shares = int(market_cap / price)
    turnover = 0.003 + 0.009 * u[14] if is_equity else 0.01 + 0.05 * u[14]
    return Traits(
        path_key=path_key,
        target_price=price,
        beta=beta,
        own_volatility=own,
        earnings_move=0.025 + 0.055 * u[7] if is_equity and listing.option_cycle != "none" else 0.0,
        dividend_yield=dividend_yield,
        dividend_month=int(u[8] * 3),
        shares_outstanding=0 if instrument.kind == "Index" else shares,
        price_earnings=round(9.0 + 30.0 * u[9] ** 1.4, 2) if is_equity and listing.option_cycle != "none" else None,
        fiscal_month=0 if u[10] < 0.82 else 1 + int(u[11] * 2),
        report_lag_days=17 + int(u[12] * 24),
        is_after_close=u[13] < 0.55,
        daily_volume=0.0 if instrument.kind == "Index" else max(20_000.0, shares * turnover),
        trade_size=60.0 + 140.0 * u[15],
        volatility_premium=1.08 if is_equity else 1.2,
        skew=-0.11 if instrument.kind != "Equity" and beta > 0 else 0.06 if beta < 0 else -0.05,
        liquidity=liquidity,
        has_history_volatility=not is_equity
        or listing.price is not None
        or uniforms("history", instrument.symbol, count=1)[0] >= 0.1,
    )


def _constituents() -> Iterator[Listing]:
    for member in sp500():
        symbol = member.symbol
        is_nasdaq = symbol in _NASDAQ_SHORT or (len(symbol) > 3 and "/" not in symbol)
        cycle: OptionCycle = "weekly" if uniforms("cycle", symbol, count=1)[0] < 0.8 else "monthly"
        instrument = _instrument(
            symbol,
            member.name,
            "Equity",
            market="XNAS" if is_nasdaq else "XNYS",
            listed=_constituent_listed(symbol, member.added_date),
            cycle=cycle,
        )
        yield Listing(instrument, cycle, price=_KNOWN_PRICES.get(symbol))


def _indices() -> Iterator[Listing]:
    for symbol, name, price, beta, own, cycle, path_key in _INDICES:
        instrument = _instrument(symbol, name, "Index", market="XCBO", listed=FIRST_SESSION, cycle=cycle)
        yield Listing(instrument, cycle, price, beta, own, dividend_yield=0.0, path_key=path_key)


def _funds() -> Iterator[Listing]:
    for symbol, name, market, first, price, beta, own, dividend_yield, cycle in _FUNDS:
        listed = date.fromisoformat(first)
        instrument = _instrument(symbol, name, "ETF", market=market, listed=listed, cycle=cycle)
        yield Listing(instrument, cycle, price, beta, own, dividend_yield)


def _special() -> Iterator[Listing]:
    for symbol, name, first, cycle in _SPECIAL:
        listed = date.fromisoformat(first)
        yield Listing(_instrument(symbol, name, "Equity", market="XNYS", listed=listed, cycle=cycle), cycle)


def _made_up(number: int) -> Listing:
    symbol = _made_up_symbol(number)
    u = uniforms("extra", symbol, count=3)
    cycle: OptionCycle = "none" if u[0] < 0.55 else "monthly" if u[0] < 0.9 else "weekly"
    listed = FIRST_SESSION if u[1] < 0.3 else _session_from(date(1995, 6, 1) + timedelta(days=int(u[2] * 10950)))
    market = "XNAS" if number % 2 else "XNYS"
    name = f"Simulated Equity {number + 1:05d} Inc."
    return Listing(_instrument(symbol, name, "Equity", market=market, listed=listed, cycle=cycle), cycle)


def _instrument(
    symbol: str, description: str, kind: Kind, *, market: str, listed: date, cycle: OptionCycle
) -> Instrument:
    return Instrument(
        symbol=symbol,
        streamer_symbol=symbol,
        description=description,
        kind=kind,
        listed_market=market,
        listed_date=listed,
        has_options=cycle != "none",
        weekly_expirations=cycle in {"weekly", "daily", "index"},
        is_halted=symbol == "HALTD",
        instrument_id=stable_key("instrument", symbol) % 2**40,
    )


def _constituent_listed(symbol: str, added: date) -> date:
    """At least a year before it joined the S&P 500; the old names have traded since the first session."""
    years = 1.0 + 9.0 * uniforms("listed", symbol, count=1)[0]
    return _session_from(max(FIRST_SESSION, added - timedelta(days=int(years * 365))))


def _session_from(day: date) -> date:
    sessions = all_sessions()
    return sessions[bisect_left(sessions, day)]


def _made_up_symbol(number: int) -> str:
    """Five letters starting with a Q, which no S&P 500 member has."""
    letters = []
    for _ in range(4):
        number, letter = divmod(number, 26)
        letters.append(chr(ord("A") + letter))
    return "Q" + "".join(reversed(letters))
