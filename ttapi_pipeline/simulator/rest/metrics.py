# SPDX-License-Identifier: MIT
"""`/market-metrics`, its corporate events, and the snapshots of `/market-data`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

import orjson

from ttapi_pipeline.core.sessions import previous_session, session_hours
from ttapi_pipeline.simulator.market.corporate_events import EarningsReport
from ttapi_pipeline.simulator.market.derived import DerivedMarket
from ttapi_pipeline.simulator.market.instruments import HALT_DATE, Instrument
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metrics import Metrics
from ttapi_pipeline.simulator.market.options import OptionQuote
from ttapi_pipeline.simulator.rest.futures import derived_data
from ttapi_pipeline.simulator.rest.instruments import lendability
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    decimal,
    invalid,
    listing,
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


class MetricsRoutes:
    """Metrics, corporate events and snapshots of one market."""

    def __init__(self, market: Market, derived: DerivedMarket) -> None:
        self._market = market
        self._derived = derived
        self._metrics_at: datetime | None = None
        self._metrics_rows: dict[str, orjson.Fragment] = {}

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        events = "/market-metrics/historic-corporate-events"
        return (
            Route("GET", "/market-metrics", self._metrics),
            Route("GET", f"{events}/dividends/{{symbol}}", self._dividends),
            Route("GET", f"{events}/earnings-reports/{{symbol}}", self._earnings),
            Route("GET", "/market-data/by-type", self._by_type),
            Route("GET", "/market-data/{type}/{symbol*}", self._snapshot),
        )

    def _metrics(self, call: Call) -> Answer:
        symbols = call.query.strings("symbols")
        if not symbols:
            raise invalid("symbols", "is missing")
        at = snapshot_instant(call.now)
        found = [self._market.find_listed(symbol, at) for symbol in dict.fromkeys(symbols)]
        rows = [self._metrics_row(instrument, at) for instrument in found if instrument is not None]
        return listing(call, rows, has_context=False)

    def _metrics_row(self, instrument: Instrument, at: datetime) -> orjson.Fragment:
        if at != self._metrics_at:
            self._metrics_at, self._metrics_rows = at, {}
        row = self._metrics_rows.get(instrument.symbol)
        if row is None:
            row = orjson.Fragment(orjson.dumps(metrics_row(instrument, self._market.metrics(instrument.symbol, at))))
            self._metrics_rows[instrument.symbol] = row
        return row

    def _instrument(self, call: Call) -> Instrument:
        instrument = self._market.find_listed(call.params["symbol"], call.now)
        if instrument is None:
            raise not_found(f"instrument with symbol {call.params['symbol'][:20]}")
        return instrument

    def _dividends(self, call: Call) -> Answer:
        rows = [
            {"occurred-date": dividend.ex_date.isoformat(), "amount": decimal(dividend.amount)}
            for dividend in reversed(self._market.dividends(self._instrument(call).symbol, call.now))
        ]
        return listing(call, rows, has_context=False)

    def _earnings(self, call: Call) -> Answer:
        call.query.required("start-date")
        first, last = call.query.day("start-date"), call.query.day("end-date") or call.now.date()
        rows = [
            {"occurred-date": report.quarter_end_date.isoformat(), "eps": decimal(report.eps)}
            for report in self._market.earnings(self._instrument(call).symbol, call.now)
            if report.eps is not None and first is not None and first <= report.quarter_end_date <= last
        ]
        return listing(call, rows, has_context=False)

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
                    return option_data(self._market.option_quote(symbol, at))
                except (KeyError, ValueError):
                    return None
            case _:
                return derived_data(self._derived, kind, symbol, at)

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
    """Snapshots and metrics are made once a minute."""
    return now - (now - datetime.min.replace(tzinfo=now.tzinfo)) % _ROW_AGE


def option_data(quote: OptionQuote) -> Row:
    """An option's snapshot; the day's figures are absent until it trades."""
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


def metrics_row(instrument: Instrument, metrics: Metrics) -> Row:
    """A row of `/market-metrics`; what does not apply to the symbol is absent.

    Index, rank and percentile are fractions; 30, 60 and 90-day volatilities are percentage points.
    """
    updated_at = zulu(metrics.updated_at)
    iv30 = _points(metrics.implied_volatility_30_day)
    hv30 = _points(metrics.historical_volatility_30_day)
    rank = optional_decimal(metrics.implied_volatility_rank, 9)
    row = {
        "symbol": metrics.symbol,
        "implied-volatility-index": optional_decimal(metrics.implied_volatility_index, 9),
        "implied-volatility-index-5-day-change": optional_decimal(metrics.implied_volatility_index_5_day_change, 9),
        "implied-volatility-index-rank": rank,
        "tos-implied-volatility-index-rank": rank,
        "tw-implied-volatility-index-rank": rank,
        "tos-implied-volatility-index-rank-updated-at": None if rank is None else updated_at,
        "implied-volatility-index-rank-source": None if rank is None else "tos",
        "implied-volatility-percentile": optional_decimal(metrics.implied_volatility_percentile, 9),
        "implied-volatility-updated-at": None if metrics.implied_volatility_index is None else updated_at,
        "liquidity-value": optional_decimal(metrics.liquidity_value),
        "liquidity-rank": optional_decimal(metrics.liquidity_rank),
        "liquidity-rating": metrics.liquidity_rating if instrument.has_options else None,
        "updated-at": updated_at,
        "option-expiration-implied-volatilities": [
            present(
                {
                    "expiration-date": entry.expiration_date.isoformat(),
                    "option-chain-type": entry.option_chain_type,
                    "settlement-type": entry.settlement_type,
                    "implied-volatility": optional_decimal(entry.implied_volatility, 9),
                }
            )
            for entry in metrics.expiration_volatilities
        ]
        or None,
        "beta": optional_decimal(metrics.beta, 9),
        "beta-updated-at": None if metrics.beta is None else updated_at,
        "corr-spy-3month": optional_decimal(metrics.correlation_spy_3_month, 9),
        "dividend-rate-per-share": optional_decimal(metrics.dividend_rate_per_share),
        "annual-dividend-per-share": optional_decimal(metrics.annual_dividend_per_share),
        "dividend-yield": optional_decimal(metrics.dividend_yield, 9),
        "dividend-ex-date": _day(metrics.dividend_ex_date),
        "dividend-next-date": _day(metrics.dividend_next_date),
        "dividend-pay-date": _day(metrics.dividend_pay_date),
        "dividend-updated-at": None if metrics.dividend_ex_date is None else updated_at,
        "earnings": None if metrics.earnings is None else _earnings_row(metrics, metrics.earnings, updated_at),
        "listed-market": instrument.listed_market,
        "lendability": lendability(instrument),
        "borrow-rate": "0.0",
        "market-cap": metrics.market_cap,
        "implied-volatility-30-day": optional_decimal(iv30, 2),
        "historical-volatility-30-day": optional_decimal(hv30, 2),
        "historical-volatility-60-day": optional_decimal(_points(metrics.historical_volatility_60_day), 2),
        "historical-volatility-90-day": optional_decimal(_points(metrics.historical_volatility_90_day), 2),
        "iv-hv-30-day-difference": None if iv30 is None or hv30 is None else decimal(iv30 - hv30, 2),
        "price-earnings-ratio": optional_decimal(metrics.price_earnings_ratio),
        "earnings-per-share": optional_decimal(metrics.earnings_per_share),
    }
    return present(row)


def _earnings_row(metrics: Metrics, report: EarningsReport, updated_at: str) -> Row:
    last = metrics.last_earnings
    return present(
        {
            "visible": True,
            "expected-report-date": report.report_date.isoformat(),
            "estimated": True,
            "late-flag": 0,
            "time-of-day": report.time_of_day,
            "quarter-end-date": report.quarter_end_date.isoformat(),
            "actual-eps": None if last is None or last.eps is None else decimal(last.eps),
            "consensus-estimate": decimal(report.consensus_estimate),
            "updated-at": updated_at,
        }
    )


def _points(fraction: float | None) -> float | None:
    """Percentage points, rounded as they go out, so that their differences agree with them."""
    return None if fraction is None else round(fraction * 100, 2)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
