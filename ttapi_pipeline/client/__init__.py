# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
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
from ttapi_pipeline.client.listing import Listing, SessionListing, Window, rejected_in, windows_of
from ttapi_pipeline.client.models import (
    Account,
    Balance,
    Earnings,
    Equity,
    Expiration,
    ExpirationVolatility,
    MarketData,
    MarketHolidays,
    MarketMetrics,
    MarketSession,
    OptionChain,
    OptionRoot,
    QuoteToken,
    Strike,
    Watchlist,
    WatchlistEntry,
)
from ttapi_pipeline.client.oauth import TokenStore
from ttapi_pipeline.client.payloads import REPEATED_ROW, lost_in
from ttapi_pipeline.client.requester import ClientStats
from ttapi_pipeline.client.retries import RetryPolicy
from ttapi_pipeline.client.routes import UNKNOWN_SYMBOL, Family
from ttapi_pipeline.client.transport import TransportOptions

__all__ = [
    "BROKER_RATES",
    "REPEATED_ROW",
    "UNKNOWN_SYMBOL",
    "UNLIMITED",
    "Account",
    "Balance",
    "BreakerPolicy",
    "BreakerState",
    "Breakers",
    "ClientStats",
    "Earnings",
    "Equity",
    "Expiration",
    "ExpirationVolatility",
    "Family",
    "Listing",
    "MarketData",
    "MarketHolidays",
    "MarketMetrics",
    "MarketSession",
    "OptionChain",
    "OptionRoot",
    "QuoteToken",
    "Rate",
    "RetryPolicy",
    "SessionListing",
    "Strike",
    "TastytradeClient",
    "TokenStore",
    "TransportOptions",
    "Watchlist",
    "WatchlistEntry",
    "Window",
    "lost_in",
    "read_breaker_states",
    "rejected_in",
    "windows_of",
]
