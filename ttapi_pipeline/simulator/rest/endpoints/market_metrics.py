# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/market-metrics` and the corporate events of the past; prices are in `market_data`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import orjson

from ttapi_pipeline.simulator.market.corporate_events import EarningsReport
from ttapi_pipeline.simulator.market.instruments import Instrument
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metrics import Metrics
from ttapi_pipeline.simulator.rest.endpoints.equities import lendability
from ttapi_pipeline.simulator.rest.endpoints.market_data import snapshot_instant
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
    zulu,
)


class MetricsRoutes:
    """Market metrics, dividends and earnings of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._metrics_at: datetime | None = None
        self._metrics_rows: dict[str, orjson.Fragment] = {}

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        events = "/market-metrics/historic-corporate-events"
        return (
            Route("GET", "/market-metrics", self._metrics),
            Route("GET", f"{events}/dividends/{{symbol}}", self._dividends),
            Route("GET", f"{events}/earnings-reports/{{symbol}}", self._earnings),
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


def metrics_row(instrument: Instrument, metrics: Metrics) -> Row:
    """A row of `/market-metrics`; a field that does not apply to the symbol is absent.

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
    """Percentage points, rounded as on the wire, so that differences agree with the figures beside them."""
    return None if fraction is None else round(fraction * 100, 2)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
