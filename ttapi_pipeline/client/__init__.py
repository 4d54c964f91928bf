# SPDX-License-Identifier: MIT
"""The tastytrade REST client: OAuth2, circuit breakers, retries, limits, typed endpoints.

Put here: whatever speaks HTTP to the broker. Not here: the choice of a server and shared clients (`broker`), tables
(`datasets`), DXLink (`streaming`). The client works without the rest of the package:

async with TastytradeClient(settings) as client:
    metrics = await client.market_metrics(["AAPL", "BRK/B"])
"""

from ttapi_pipeline.client.breakers import BreakerPolicy, Breakers, BreakerState, read_breaker_states
from ttapi_pipeline.client.client import TastytradeClient
from ttapi_pipeline.client.limits import BROKER_RATES, UNLIMITED, Rate
from ttapi_pipeline.client.models import (
    Account,
    Balance,
    Deliverable,
    Earnings,
    Equity,
    Expiration,
    ExpirationVolatility,
    LiquidityRunningState,
    MarketData,
    MarketHolidays,
    MarketMetrics,
    MarketSession,
    OptionChain,
    OptionRoot,
    QuoteToken,
    Strike,
    TickSize,
    Watchlist,
    WatchlistEntry,
)
from ttapi_pipeline.client.oauth import TokenStore
from ttapi_pipeline.client.requester import ClientStats
from ttapi_pipeline.client.retries import RetryPolicy
from ttapi_pipeline.client.routes import Family
from ttapi_pipeline.client.transport import TransportOptions

__all__ = [
    "BROKER_RATES",
    "UNLIMITED",
    "Account",
    "Balance",
    "BreakerPolicy",
    "BreakerState",
    "Breakers",
    "ClientStats",
    "Deliverable",
    "Earnings",
    "Equity",
    "Expiration",
    "ExpirationVolatility",
    "Family",
    "LiquidityRunningState",
    "MarketData",
    "MarketHolidays",
    "MarketMetrics",
    "MarketSession",
    "OptionChain",
    "OptionRoot",
    "QuoteToken",
    "Rate",
    "RetryPolicy",
    "Strike",
    "TastytradeClient",
    "TickSize",
    "TokenStore",
    "TransportOptions",
    "Watchlist",
    "WatchlistEntry",
    "read_breaker_states",
]
