# SPDX-License-Identifier: MIT
"""What the synthetic market answers with, as values; `market` makes them, the servers put them on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bars:
    """Daily bars as parallel arrays, ascending by session.

    Prices are US dollars adjusted for splits, with 4 decimals; `volume` is in shares (0 for an index), `count` in
    trades, `implied_volatility` the symbol's annual 30-day IV as a fraction (NaN without options).
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
        session: The session that the day's figures belong to: the one in progress, else the last closed one.
        updated_at: When the price was last formed: the instant itself while open, else the session's close.
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
class Dividend:
    """A cash dividend in US dollars per share, adjusted for splits."""

    ex_date: date
    pay_date: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Split:
    """Shares after for shares before: 2 for a two-for-one, below 1 for a reverse split; from the open of `ex_date`."""

    ex_date: date
    ratio: float


@dataclass(frozen=True, slots=True)
class EarningsReport:
    """A report of a fiscal quarter; `eps` is None until it is out.

    Attributes:
        time_of_day: Before the open (BTO) or after the close (AMC) of `report_date`.
        consensus_estimate: US dollars per share, as `eps`.
    """

    report_date: date
    time_of_day: Literal["BTO", "AMC"]
    quarter_end_date: date
    eps: Decimal | None
    consensus_estimate: Decimal


@dataclass(frozen=True, slots=True)
class ExpirationVolatility:
    """At-the-money implied volatility of one expiration, annual, a fraction."""

    root_symbol: str
    expiration_date: date
    option_chain_type: Literal["Standard", "Non-standard"]
    settlement_type: Literal["AM", "PM"]
    implied_volatility: float | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Market metrics of a symbol. Volatilities, rank, percentile and yield are fractions; None where it does not apply.

    Attributes:
        implied_volatility_index: 30-day IV now.
        implied_volatility_index_5_day_change: Against five sessions before.
        implied_volatility_rank: Between the lowest and highest IV of the last 252 sessions, the present one included.
        implied_volatility_percentile: Share of those sessions with an IV below the present one.
        historical_volatility_30_day: Sample standard deviation of the last 30 daily log returns of closed sessions,
            times sqrt(252); likewise 60 and 90.
        beta: Of the last 252 daily log returns against SPY's; `correlation_spy_3_month` of the last 63.
        dividend_ex_date: The last one; `dividend_next_date` the next one.
        earnings: The next report; None without earnings. `last_earnings` the last one that is out.
        liquidity_rating: 1 to 5; 0 without options.
    """

    symbol: str
    updated_at: datetime
    implied_volatility_index: float | None
    implied_volatility_index_5_day_change: float | None
    implied_volatility_rank: float | None
    implied_volatility_percentile: float | None
    implied_volatility_30_day: float | None
    historical_volatility_30_day: float | None
    historical_volatility_60_day: float | None
    historical_volatility_90_day: float | None
    beta: float | None
    correlation_spy_3_month: float | None
    liquidity_rating: int
    liquidity_value: float | None
    liquidity_rank: float | None
    market_cap: int
    price_earnings_ratio: float | None
    earnings_per_share: float | None
    dividend_yield: float | None
    dividend_rate_per_share: float | None
    annual_dividend_per_share: float | None
    dividend_ex_date: date | None
    dividend_next_date: date | None
    dividend_pay_date: date | None
    earnings: EarningsReport | None
    last_earnings: EarningsReport | None
    expiration_volatilities: Sequence[ExpirationVolatility]


@dataclass(frozen=True, slots=True)
class OptionQuote:
    """One contract at an instant.

    Attributes:
        symbol: OCC spelling; `streamer_symbol` DXLink's.
        theoretical_price: Black-Scholes, US dollars per share, as `bid` and `ask`, which are on the tick.
        bid: 0 when nobody bids.
        implied_volatility: Annual, a fraction.
        theta: Per calendar day; `vega` per point of volatility, `rho` per point of the interest rate.
        last: None, as the day's figures, while the contract has not traded in this session.
        previous_close: Theoretical price at the close before; None on a symbol's first day.
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
