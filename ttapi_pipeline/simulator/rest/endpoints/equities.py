# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/instruments/equities`: shares, funds and indices; options on them are in `option_chains`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Final

from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.simulator.market.instruments import HALT_DATE, Instrument, is_listed
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    instant,
    invalid,
    not_found,
    page,
    present,
    single,
)

EQUITIES_PER_PAGE: Final = 1000
MOST_ACTIVE_PER_PAGE: Final = 5000
_LENDABILITIES: Final = ("Easy To Borrow", "Locate Required", "Preborrow")


EQUITY_TICKS: Final = [{"value": "0.0001", "threshold": "1.0"}, {"value": "0.01"}]
OPTION_TICKS: Final = [{"value": "0.01", "threshold": "3.0"}, {"value": "0.05"}]
INDEX_OPTION_TICKS: Final = [{"value": "0.05", "threshold": "3.0"}, {"value": "0.1"}]


class EquityRoutes:
    """The instruments of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/instruments/equities", self._equities),
            Route("GET", "/instruments/equities/active", self._active),
            Route("GET", "/instruments/equities/{symbol}", self._equity),
        )

    @cached_property
    def _rows(self) -> Mapping[str, Row]:
        return {symbol: _equity_row(self._market.instruments[symbol]) for symbol in sorted(self._market.instruments)}

    def _equity(self, call: Call) -> Answer:
        instrument = self._market.find_listed(call.params["symbol"], call.now)
        if instrument is None:
            raise not_found(f"instrument with symbol {call.params['symbol'][:20]}")
        return single(call, self._rows[instrument.symbol])

    def _listed_rows(self, now: datetime) -> list[Row]:
        instruments = self._market.instruments
        return [row for symbol, row in self._rows.items() if is_listed(instruments[symbol], now)]

    def _equities(self, call: Call) -> Answer:
        symbols = call.query.strings("symbol")
        is_index, is_etf = call.query.flag("is-index"), call.query.flag("is-etf")
        if symbols is None:
            rows = self._listed_rows(call.now)
        else:
            rows = [
                self._rows[symbol]
                for symbol in dict.fromkeys(symbols)
                if self._market.find_listed(symbol, call.now) is not None
            ]
        rows = [
            row
            for row in _lendable(call, rows)
            if is_index in {None, row["is-index"]} and is_etf in {None, row["is-etf"]}
        ]
        return page(call, rows, per_page=EQUITIES_PER_PAGE, most=EQUITIES_PER_PAGE)

    def _active(self, call: Call) -> Answer:
        rows = _lendable(call, self._listed_rows(call.now))
        return page(call, rows, per_page=EQUITIES_PER_PAGE, most=MOST_ACTIVE_PER_PAGE)


def _lendable(call: Call, rows: list[Row]) -> list[Row]:
    wanted = call.query.text("lendability")
    if wanted is None:
        return rows
    if wanted not in _LENDABILITIES:
        raise invalid("lendability", "does not have a valid value")
    return [row for row in rows if row["lendability"] == wanted]


def lendability(instrument: Instrument) -> str:
    """How hard it is to borrow the shares; about one instrument in 23 is not easy to borrow."""
    if instrument.kind == "Index" or instrument.instrument_id % 23:
        return _LENDABILITIES[0]
    return _LENDABILITIES[1 + instrument.instrument_id % 2]


def _equity_row(instrument: Instrument) -> Row:
    is_index = instrument.kind == "Index"
    halted_at = session_hours(HALT_DATE).closes_at if instrument.is_halted else None
    return present(
        {
            "id": instrument.instrument_id,
            "symbol": instrument.symbol,
            "instrument-type": "Equity",
            "short-description": instrument.description.upper()[:24].rstrip(),
            "description": instrument.description,
            "is-index": is_index,
            "is-etf": instrument.kind == "ETF",
            "listed-market": instrument.listed_market,
            "lendability": lendability(instrument),
            "borrow-rate": "0.0",
            "market-time-instrument-collection": "Equity",
            "is-closing-only": instrument.is_halted,
            "is-options-closing-only": instrument.is_halted,
            "active": True,
            "halted-at": None if halted_at is None else instant(halted_at),
            "is-fractional-quantity-eligible": not is_index,
            "is-illiquid": False,
            "is-fraud-risk": False,
            "bypass-manual-review": False,
            "overnight-trading-permitted": instrument.weekly_expirations and not is_index,
            "streamer-symbol": instrument.streamer_symbol,
            "tick-sizes": [{"value": "0.01"}] if is_index else EQUITY_TICKS,
            "option-tick-sizes": option_ticks(instrument) if instrument.has_options else None,
        }
    )


def option_ticks(instrument: Instrument) -> Sequence[Mapping[str, str]]:
    """Tick sizes of the options on an instrument, each with the price below which it holds."""
    return INDEX_OPTION_TICKS if instrument.kind == "Index" else OPTION_TICKS
