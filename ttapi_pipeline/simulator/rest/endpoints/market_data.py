# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/market-data`: snapshots of every kind of instrument, each with its price, quote and day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import orjson

from ttapi_pipeline.core.sessions import previous_session, session_hours
from ttapi_pipeline.simulator.market.derived import DerivedMarket, DerivedPrice
from ttapi_pipeline.simulator.market.instruments import HALT_DATE, Instrument
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.options import OptionQuote
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    decimal,
    invalid,
    not_found,
    optional_decimal,
    present,
    single,
    zulu,
)

MOST_SNAPSHOTS: Final = 100
_YEAR_SESSIONS: Final = 252
_ROW_AGE: Final = timedelta(minutes=1)
# Keys of by-type, in the order of its rows, and the same type as the path of a single snapshot says it.
_TYPES: Final = {
    "index": "Index",
    "equity": "Equity",
    "equity-option": "Equity Option",
    "future": "Future",
    "future-option": "Future Option",
    "cryptocurrency": "Cryptocurrency",
}


class MarketDataRoutes:
    """Snapshots of instruments, options and derived instruments of one market."""

    def __init__(self, market: Market, derived: DerivedMarket) -> None:
        self._market = market
        self._derived = derived

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/market-data/by-type", self._by_type),
            Route("GET", "/market-data/{type}/{symbol*}", self._snapshot),
        )

    def _by_type(self, call: Call) -> Answer:
        wanted = [
            (kind, symbol) for key, kind in _TYPES.items() for symbol in dict.fromkeys(call.query.strings(key) or ())
        ]
        if not wanted:
            raise invalid("symbols", "are missing")
        if len(wanted) > MOST_SNAPSHOTS:
            raise invalid("symbols", f"must not be more than {MOST_SNAPSHOTS} over all types")
        at = snapshot_instant(call.now)
        rows = [row for kind, symbol in wanted if (row := self._market_data(kind, symbol, at)) is not None]
        return Answer(orjson.dumps({"data": {"items": rows}, "pagination": None, "context": call.path}))

    def _snapshot(self, call: Call) -> Answer:
        row = self._market_data(call.params["type"], call.params["symbol"], snapshot_instant(call.now))
        if row is None:
            raise not_found(f"market data of {call.params['type'][:20]} {call.params['symbol'][:21]}")
        return single(call, row)

    def _market_data(self, kind: str, symbol: str, at: datetime) -> Row | None:
        match kind:
            case "Equity" | "Index":
                instrument = self._market.find_listed(symbol, at)
                if instrument is None or (instrument.kind == "Index") != (kind == "Index"):
                    return None
                return self._equity_data(instrument, at)
            case "Equity Option":
                try:
                    return _option_data(self._market.option_quote(symbol, at))
                except (KeyError, ValueError):
                    return None
            case _:
                return _derived_data(self._derived, kind, symbol, at)

    def _equity_data(self, instrument: Instrument, at: datetime) -> Row:
        symbol = instrument.symbol
        spot = self._market.spot(symbol, at)
        bars = self._market.bars(symbol, at=at)
        dividends = self._market.dividends(symbol, at)
        mid = None if spot.bid is None or spot.ask is None else (spot.bid + spot.ask) / 2
        halted_at = session_hours(HALT_DATE).closes_at if instrument.is_halted else None
        is_index = instrument.kind == "Index"
        return present(
            {
                "symbol": symbol,
                "instrument-type": "Index" if is_index else "Equity",
                "updated-at": zulu(spot.updated_at),
                "bid": optional_decimal(spot.bid),
                "bid-size": decimal(spot.bid_size),
                "ask": optional_decimal(spot.ask),
                "ask-size": decimal(spot.ask_size),
                "mid": optional_decimal(mid),
                "mark": decimal(spot.price if mid is None else mid),
                "last": decimal(spot.price),
                "last-mkt": decimal(spot.price),
                "dividend-amount": decimal(dividends[-1].amount) if dividends else None,
                "dividend-frequency": "4.0" if dividends else None,
                "open": decimal(spot.open),
                "day-high-price": decimal(spot.high),
                "day-low-price": decimal(spot.low),
                "close": None if spot.is_forming or is_index else decimal(spot.price),
                "close-price-type": "Regular",
                "prev-close": decimal(spot.previous_close),
                "prev-close-price-type": "Final",
                "summary-date": spot.session.isoformat(),
                "prev-close-date": previous_session(spot.session).isoformat(),
                # Limit up and limit down, five percent for a large stock.
                "low-limit-price": None if is_index else decimal(spot.price * 0.95, 2),
                "high-limit-price": None if is_index else decimal(spot.price * 1.05, 2),
                "is-trading-halted": instrument.is_halted,
                "halt-start-time": -1 if halted_at is None else int(halted_at.timestamp() * 1000),
                "halt-end-time": -1,
                "year-low-price": decimal(float(bars.low[-_YEAR_SESSIONS:].min())) if len(bars.low) else None,
                "year-high-price": decimal(float(bars.high[-_YEAR_SESSIONS:].max())) if len(bars.high) else None,
                "volume": None if is_index else decimal(spot.volume),
            }
        )


def snapshot_instant(now: datetime) -> datetime:
    """The full minute: snapshots and metrics are made once a minute."""
    return now - (now - datetime.min.replace(tzinfo=now.tzinfo)) % _ROW_AGE


def _option_data(quote: OptionQuote) -> Row:
    """The snapshot of an option; last, volume and the figures of the day are absent until it trades."""
    mid = (quote.bid + quote.ask) / 2
    last = optional_decimal(quote.last)
    return present(
        {
            "symbol": quote.symbol,
            "instrument-type": "Equity Option",
            "updated-at": zulu(quote.updated_at),
            "bid": decimal(quote.bid),
            "bid-size": decimal(quote.bid_size),
            "ask": decimal(quote.ask),
            "ask-size": decimal(quote.ask_size),
            "mid": decimal(mid),
            "mark": decimal(mid),
            "last": last,
            "last-mkt": last,
            "open": optional_decimal(quote.open),
            "day-high-price": optional_decimal(quote.high),
            "day-low-price": optional_decimal(quote.low),
            "close-price-type": "Regular",
            "prev-close": optional_decimal(quote.previous_close, 2),
            "prev-close-price-type": "Regular",
            "summary-date": quote.session.isoformat(),
            "prev-close-date": previous_session(quote.session).isoformat(),
            "is-trading-halted": False,
            "halt-start-time": -1,
            "halt-end-time": -1,
            "volume": decimal(quote.volume) if quote.last is not None else None,
            "volatility": decimal(quote.implied_volatility, 6),
            "delta": decimal(quote.delta, 6),
            "gamma": decimal(quote.gamma, 8),
            "theta": decimal(quote.theta, 6),
            "rho": decimal(quote.rho, 6),
            "vega": decimal(quote.vega, 6),
            "theo-price": decimal(quote.theoretical_price, 6),
            "dx-mark": decimal(quote.theoretical_price, 6),
            "tick-size": decimal(quote.tick_size),
            "open-interest": quote.open_interest,
        }
    )


def _derived_data(derived: DerivedMarket, kind: str, symbol: str, at: datetime) -> Row | None:
    """A snapshot row of a future, future option or cryptocurrency; None when there is no such instrument."""
    match kind:
        case "Future":
            contract = derived.contract(symbol, at)
            if contract is None:
                return None
            return _data_row(kind, contract.symbol, derived.future_price(contract, at), float(contract.product.tick))
        case "Future Option":
            option = derived.option(symbol, at)
            if option is None:
                return None
            value, volatility, future = derived.option_price(*option, at)
            tick = 0.05 if value.price < 10 else 0.25
            bid = max(0.0, round(value.price / tick) * tick - tick)
            return {
                **_common(kind, symbol, future),
                **_quote(bid, bid + 2 * tick),
                "volatility": decimal(volatility, 6),
                "delta": decimal(value.delta, 6),
                "gamma": decimal(value.gamma, 8),
                "theta": decimal(value.theta, 6),
                "rho": decimal(value.rho, 6),
                "vega": decimal(value.vega, 6),
                "theo-price": decimal(value.price, 6),
                "dx-mark": decimal(value.price, 6),
                "tick-size": decimal(tick),
                "open-interest": 100 + (option[2] * 37) % 900,
            }
        case "Cryptocurrency":
            price = derived.crypto_price(symbol, at)
            return None if price is None else _data_row(kind, symbol, price, 0.01)
        case _:
            return None


def _data_row(kind: str, symbol: str, price: DerivedPrice, tick: float) -> Row:
    return {
        **_common(kind, symbol, price),
        **_quote(price.price - tick, price.price + tick),
        "last": decimal(price.price),
        "last-mkt": decimal(price.price),
        "open": decimal(price.open),
        "day-high-price": decimal(price.high),
        "day-low-price": decimal(price.low),
        "prev-close": decimal(price.previous_close),
    }


def _common(kind: str, symbol: str, price: DerivedPrice) -> Row:
    return {
        "symbol": symbol,
        "instrument-type": kind,
        "updated-at": zulu(price.updated_at),
        "close-price-type": "Regular",
        "prev-close-price-type": "Regular",
        "summary-date": price.session.isoformat(),
        "prev-close-date": previous_session(price.session).isoformat(),
        "is-trading-halted": False,
        "halt-start-time": -1,
        "halt-end-time": -1,
    }


def _quote(bid: float, ask: float) -> Row:
    mid = decimal((bid + ask) / 2)
    return {"bid": decimal(bid), "bid-size": "5.0", "ask": decimal(ask), "ask-size": "5.0", "mid": mid, "mark": mid}
