# SPDX-License-Identifier: MIT
"""Column lineage: which columns of what a dataset's columns are made from, from files and API to the analytics."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

import dagster as dg

from ttapi_pipeline.tables.schemas import BROKER_WINDOWS, SCHEMAS

_BAR = ("open", "high", "low", "close", "volume")
_SERIES = ("symbol", "root_symbol", "expiration_date", "settlement_type", "option_chain_type")
_HISTORY = ("eod_snapshot.close", "eod_snapshot.session", "trading_calendar.session")

_HORIZON = (*_HISTORY, "expiration_series.expiration_session")

_MADE_FROM: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "trading_calendar": {
            "session": ("tastytrade/market-time.trading-days", "tastytrade/market-time.holidays"),
            "opens_at": ("tastytrade/market-time.open-at",),
            "closes_at": ("tastytrade/market-time.close-at",),
            "is_half_day": ("tastytrade/market-time.half-days",),
        },
        "universe": {
            "symbol": ("tastytrade/instruments-equities.symbol",),
            "description": ("tastytrade/instruments-equities.description",),
            "listed_market": ("tastytrade/instruments-equities.listed-market",),
        },
        "symbols": {
            "symbol": ("universe.symbol",),
            "description": ("universe.description",),
            "listed_market": ("universe.listed_market",),
            "*volatility*": ("tastytrade/market-metrics.implied-volatility-index",),
            "liquidity_*": ("tastytrade/market-metrics.liquidity-rating",),
            "earnings_*": ("tastytrade/market-metrics.earnings",),
            "dividend_*": ("tastytrade/market-metrics.dividend-ex-date",),
        },
        "implied_volatility": {
            "symbol": ("universe.symbol",),
            "expiration_date": ("tastytrade/market-metrics.option-expiration-implied-volatilities",),
            "implied_volatility": ("tastytrade/market-metrics.option-expiration-implied-volatilities",),
        },
        "quotes": {
            "symbol": ("universe.symbol", "universe.streamer_symbol"),
            "bid_*": ("dxlink/quote.bidPrice", "dxlink/quote.bidSize"),
            "ask_*": ("dxlink/quote.askPrice", "dxlink/quote.askSize"),
            "mid_price": ("dxlink/quote.bidPrice", "dxlink/quote.askPrice"),
            "spread": ("dxlink/quote.bidPrice", "dxlink/quote.askPrice"),
            "last_price": ("dxlink/trade.price",),
            "last_size": ("dxlink/trade.size",),
            "last_trade_at": ("dxlink/trade.time",),
            "day_volume": ("dxlink/trade.dayVolume",),
            "day_open": ("dxlink/summary.dayOpenPrice",),
            "day_high": ("dxlink/summary.dayHighPrice",),
            "day_low": ("dxlink/summary.dayLowPrice",),
            "day_close": ("dxlink/summary.dayClosePrice",),
            "previous_close": ("dxlink/summary.prevDayClosePrice",),
        },
        "earnings": {
            "symbol": ("symbols.symbol",),
            "announced_date": ("symbols.earnings_date",),
            "time_of_day": ("symbols.earnings_time_of_day",),
            "is_estimated": ("symbols.is_earnings_date_estimated",),
        },
        "expiration_series": {
            "symbol": ("universe.symbol",),
            "expiration_date": ("tastytrade/option-chains.expiration-date",),
            "settlement_type": ("tastytrade/option-chains.settlement-type",),
            "*strike*": ("tastytrade/option-chains.strikes",),
            "expiration_session": ("tastytrade/option-chains.expiration-date", "trading_calendar.session"),
            "is_expiration_on_session": ("tastytrade/option-chains.expiration-date", "trading_calendar.session"),
        },
        "daily_candles": {
            "symbol": ("universe.symbol",),
            "session": ("dxlink/candle.time", "trading_calendar.session"),
            **{column: (f"dxlink/candle.{column}",) for column in (*_BAR, "vwap")},
            "trade_count": ("dxlink/candle.count",),
            "implied_volatility": ("dxlink/candle.impVolatility",),
            "is_final": ("trading_calendar.closes_at",),
        },
        "eod_snapshot": {
            **{
                column: (f"metastock_files.{column}", f"daily_candles.{column}")
                for column in ("symbol", "session", *_BAR)
            },
            "open_interest": ("metastock_files.open_interest",),
            "is_final": ("daily_candles.is_final", "trading_calendar.closes_at"),
        },
        "returns_stddev": {
            **{column: (f"expiration_series.{column}",) for column in (*_SERIES, "expiration_session")},
            "as_of_session": ("eod_snapshot.session", "eod_snapshot.is_final"),
            "dte": ("expiration_series.expiration_date", "eod_snapshot.session"),
            "horizon_sessions": ("expiration_series.expiration_session", "trading_calendar.session"),
            "close": ("eod_snapshot.close",),
            "returns_stddev": _HORIZON,
            "returns_stddev_rel_error": _HORIZON,
            "returns_stddev_lookback*": _HISTORY,
            "horizon_returns_*": _HORIZON,
            "variance_ratio": _HORIZON,
            "realized_volatility": _HORIZON,
            "horizon_volatility": _HORIZON,
            "implied_volatility": ("implied_volatility.implied_volatility",),
            "expected_move": ("eod_snapshot.close", "implied_volatility.implied_volatility"),
            "move_ratio": (*_HORIZON, "implied_volatility.implied_volatility"),
            "iv_rv_spread": (*_HORIZON, "implied_volatility.implied_volatility"),
        },
        "volatility": {
            "symbol": ("eod_snapshot.symbol",),
            "close*": _HISTORY,
            "hv_*": _HISTORY,
            "zero_mean_*": _HISTORY,
            **{
                f"{estimator}_*": tuple(f"eod_snapshot.{price}" for price in _BAR[:4])
                for estimator in ("parkinson", "garman_klass", "rogers_satchell", "yang_zhang")
            },
            **{
                f"historical_volatility_{days}_day": (f"symbols.historical_volatility_{days}_day",)
                for days in BROKER_WINDOWS
            },
            **{
                f"historical_volatility_{days}_day_difference": (
                    *_HISTORY,
                    f"symbols.historical_volatility_{days}_day",
                )
                for days in BROKER_WINDOWS
            },
            "implied_volatility_30_day": ("symbols.implied_volatility_30_day",),
            "iv_rv_spread_30": ("symbols.implied_volatility_30_day", *_HISTORY),
            "earnings_date": ("symbols.earnings_date",),
            "*_ex_earnings": (*_HISTORY, "earnings.announced_date", "earnings.time_of_day"),
            "earnings_sessions_left_out_*": ("earnings.announced_date", "earnings.time_of_day"),
        },
        "volatility_cone": {
            "symbol": ("eod_snapshot.symbol",),
            **dict.fromkeys(("minimum", "p??", "median", "maximum", "current*"), _HISTORY),
        },
    }
)
"""Per dataset: a column, or a pattern of columns, and what it is made from, as ``asset.column``.

The API's endpoints and the feed stand in for assets as ``tastytrade/...`` and ``dxlink/...``, with their own names for
fields.
"""


def column_lineage(dataset: str) -> dg.TableColumnLineage | None:
    """What each column of a dataset is made from; None for a dataset that says nothing about it."""
    rules = _MADE_FROM.get(dataset)
    if rules is None:
        return None
    found: dict[str, list[dg.TableColumnDep]] = {}
    for column in SCHEMAS[dataset].columns:
        for pattern, sources in rules.items():
            if fnmatchcase(column.name, pattern):
                found.setdefault(column.name, []).extend(map(_dep, sources))
    return dg.TableColumnLineage({name: list(dict.fromkeys(deps)) for name, deps in found.items()})


def _dep(source: str) -> dg.TableColumnDep:
    asset, _, column = source.partition(".")
    return dg.TableColumnDep(dg.AssetKey(asset.split("/")), column)
