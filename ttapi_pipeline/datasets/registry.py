# SPDX-License-Identifier: MIT
"""Every dataset, declared once; importing this costs nothing, since `tt status` does it too.

The columns of each are in `tables.schemas` under the same name, its TTL in `core.ttl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.declaration import Changes, Declaration

METASTOCK_FILES: Final = "metastock_files"
"""The observable source: its data version is the fingerprint of the MetaStock folder."""

# A calendar that changed moves expirations, so it rebuilds the series. What is made of bars reads it as well, but each
# session brings new bars, and with them the calendar's latest version; fetching every candle again for a closure that
# was announced for next year would be the wrong answer.
_DECLARATIONS: Final = (
    Declaration(
        name="trading_calendar",
        description="XNYS sessions with their hours, from exchange_calendars and the broker; one row per session.",
        code_version="1",
        group="reference",
        source="exchange_calendars, /market-time",
    ),
    Declaration(
        name="accounts",
        description="Brokerage accounts with their balances; one row per account.",
        code_version="1",
        group="accounts",
        source="/customers/me/accounts",
    ),
    Declaration(
        name="universe",
        description="The symbols that are tracked and what they are, without prices or metrics; one row per symbol.",
        code_version="1",
        group="reference",
        source="TT_LIST, /instruments/equities",
        shaped_by=("origin", "universe", "watchlist"),
    ),
    Declaration(
        name="symbols",
        description="The universe with its market metrics; one row per symbol.",
        code_version="1",
        group="market_data",
        source="/market-metrics",
        upstream=("universe",),
    ),
    Declaration(
        name="implied_volatility",
        description="Implied volatility of each listed expiration; one row per symbol, expiration and settlement.",
        code_version="1",
        group="market_data",
        source="/market-metrics",
        upstream=("universe",),
    ),
    # A new expectation rebuilds nothing that `symbols`, where it comes from, does not rebuild anyway, and a date that
    # passes changes nothing here.
    Declaration(
        name="earnings",
        description="When companies reported and will report; one row per symbol and date.",
        code_version="1",
        group="market_data",
        source="/market-metrics, TT_EARNINGS_FILE",
        upstream=("symbols",),
        shaped_by=("origin", "earnings_file"),
        is_fetched=False,
    ),
    # A universe that changed is a reason: collecting them takes seconds, and a new symbol has its row at a weekend too.
    Declaration(
        name="quotes",
        description="Bid, ask, last trade and the day's prices of the universe; one row per symbol.",
        code_version="1",
        group="market_data",
        source="DXLink, else /market-data/by-type",
        upstream=("universe",),
        changes=Changes.WHILE_OPEN,
    ),
    Declaration(
        name="expiration_series",
        description="Every listed expiration, its session and its strikes; one row per root, date and settlement.",
        code_version="1",
        group="reference",
        source="/option-chains",
        upstream=("trading_calendar", "universe"),
    ),
    Declaration(
        name="daily_candles",
        description="Daily bars of the universe from the feed, split-adjusted; one row per symbol and session.",
        code_version="1",
        group="market_data",
        source="DXLink",
        upstream=("trading_calendar", "universe"),
        consults=("trading_calendar",),
        shaped_by=("origin", "history_start"),
        changes=Changes.ONCE_SETTLED,
    ),
    Declaration(
        name="eod_snapshot",
        description="Daily bars, MetaStock first and candles where that ends; one row per symbol and session.",
        code_version="2",
        group="market_data",
        source="MetaStock files, DXLink",
        upstream=(METASTOCK_FILES, "daily_candles", "trading_calendar"),
        consults=("trading_calendar",),
        shaped_by=("origin", "metastock_symbol_map", "metastock_adjustment", "rescale_candles"),
        changes=Changes.ONCE_SETTLED,
        is_fetched=False,
    ),
    Declaration(
        name="returns_stddev",
        description="Realised returns stddev over the span of each expiration; one row per expiration series.",
        code_version="1",
        group="analytics",
        source="computed",
        upstream=("expiration_series", "eod_snapshot", "implied_volatility", "trading_calendar"),
        consults=("trading_calendar",),
        shaped_by=("origin", "lookback_sessions", "annualization_sessions"),
        changes=Changes.ONCE_SETTLED,
        is_fetched=False,
    ),
    Declaration(
        name="volatility",
        description="Realised volatility by every estimator, its rank, the broker's beside it; one row per symbol.",
        code_version="2",
        group="analytics",
        source="computed",
        upstream=("eod_snapshot", "symbols", "earnings", "trading_calendar"),
        consults=("trading_calendar",),
        shaped_by=("origin", "annualization_sessions"),
        changes=Changes.ONCE_SETTLED,
        is_fetched=False,
    ),
    Declaration(
        name="volatility_cone",
        description="Today's volatility among all that a symbol has had; one row per symbol and horizon.",
        code_version="1",
        group="analytics",
        source="computed",
        upstream=("eod_snapshot", "trading_calendar"),
        consults=("trading_calendar",),
        shaped_by=("origin", "annualization_sessions"),
        changes=Changes.ONCE_SETTLED,
        is_fetched=False,
    ),
)

DATASETS: Final[Mapping[str, Declaration]] = MappingProxyType({each.name: each for each in _DECLARATIONS})
"""By name, each after everything upstream of it."""
