# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Market metrics of a symbol at an instant, computed from its own prices, options and corporate events.

How they are written on the wire: see the room `rest`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np

from ttapi_pipeline.simulator.market.corporate_events import CorporateEvents, EarningsReport
from ttapi_pipeline.simulator.market.instruments import Instrument
from ttapi_pipeline.simulator.market.moments import moment_at
from ttapi_pipeline.simulator.market.options import ExpirationVolatility, Options
from ttapi_pipeline.simulator.market.paths import SESSIONS_PER_YEAR, Floats, SymbolPath, position_of
from ttapi_pipeline.simulator.market.prices import Prices

_THREE_MONTHS: Final = 63  # sessions
_FIVE_DAYS: Final = 5  # sessions
_FEWEST_RANKED: Final = 20  # a rank within fewer sessions would say nothing


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
        beta: Of the last 252 daily log returns against those of SPY; `correlation_spy_3_month` of the last 63.
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


def compute_metrics(
    instrument: Instrument, at: datetime, *, prices: Prices, options: Options, events: CorporateEvents
) -> Metrics:
    """The metrics of one instrument, from its prices and events up to the instant.

    Raises:
        ValueError: It has no bar yet.
    """
    symbol, moment = instrument.symbol, moment_at(at)
    spot, path, traits = prices.spot(symbol, moment), prices.path(symbol), prices.traits(symbol)
    stop = position_of(spot.session) + 1
    closed = stop - 1 if spot.is_forming else stop
    implied = prices.implied_volatility(symbol, moment, start=max(path.first, stop - SESSIONS_PER_YEAR), stop=stop)
    volatility = _ImpliedVolatility.of(implied) if instrument.has_options else _ImpliedVolatility()
    historical = [
        _historical_volatility(path, closed, days) if traits.has_history_volatility else None for days in (30, 60, 90)
    ]
    standing = events.earnings_standing(symbol, at)
    trailing = standing.trailing_eps
    dividends, next_dividend = events.dividends(symbol, moment.day)
    last_dividend = dividends[-1] if dividends else None
    rate = float(last_dividend.amount) if last_dividend else None
    beta, correlation = _against_market(path, prices.path("SPY"), closed)
    liquidity = traits.liquidity if instrument.has_options else None
    return Metrics(
        symbol=symbol,
        updated_at=spot.updated_at,
        implied_volatility_index=volatility.index,
        implied_volatility_index_5_day_change=volatility.change,
        implied_volatility_rank=volatility.rank,
        implied_volatility_percentile=volatility.percentile,
        implied_volatility_30_day=volatility.index,
        historical_volatility_30_day=historical[0],
        historical_volatility_60_day=historical[1],
        historical_volatility_90_day=historical[2],
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
        earnings=standing.following,
        last_earnings=standing.last,
        expiration_volatilities=options.volatilities(symbol, moment) if instrument.has_options else (),
    )


@dataclass(frozen=True, slots=True)
class _ImpliedVolatility:
    """Where implied volatility stands in its own last 252 sessions."""

    index: float | None = None
    change: float | None = None
    rank: float | None = None
    percentile: float | None = None

    @classmethod
    def of(cls, implied: Floats) -> _ImpliedVolatility:
        now = float(implied[-1])
        change = round(now - float(implied[-1 - _FIVE_DAYS]), 6) if len(implied) > _FIVE_DAYS else None
        if len(implied) < _FEWEST_RANKED:
            return cls(now, change)
        low, high = float(implied.min()), float(implied.max())
        percentile = float(np.mean(implied < now))
        return cls(now, change, round((now - low) / (high - low), 6), round(percentile, 6))


def _historical_volatility(path: SymbolPath, closed: int, returns: int) -> float | None:
    """Annual volatility of the last daily log returns before the position `closed`; None with fewer of them."""
    start = closed - returns - 1
    if start < path.first:
        return None
    moves = np.diff(np.log(path.close[start:closed]))
    return round(float(np.std(moves, ddof=1)) * math.sqrt(SESSIONS_PER_YEAR), 6)


def _against_market(path: SymbolPath, market: SymbolPath, closed: int) -> tuple[float | None, float | None]:
    """Beta over a year and correlation over 63 sessions, from returns of closed sessions; None with fewer than 63."""
    start = max(path.first, closed - SESSIONS_PER_YEAR - 1, 0)
    own, other = (np.diff(np.log(side.close[start:closed])) for side in (path, market))
    if len(own) < _THREE_MONTHS:
        return None, None
    covariance = np.cov(own, other)
    beta = float(covariance[0, 1] / covariance[1, 1])
    correlation = float(np.corrcoef(own[-_THREE_MONTHS:], other[-_THREE_MONTHS:])[0, 1])
    return round(beta, 6), round(correlation, 6)
