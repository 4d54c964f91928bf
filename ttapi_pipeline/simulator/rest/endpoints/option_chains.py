# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/option-chains` and `/instruments/equity-options`: the contracts on shares, funds and indices."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import orjson

from ttapi_pipeline.core.sessions import NEW_YORK, previous_session, session_hours
from ttapi_pipeline.core.symbology import OptionSymbol, plain_decimal
from ttapi_pipeline.simulator.market.chains import Expiration
from ttapi_pipeline.simulator.market.instruments import Instrument
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.rest.endpoints.equities import option_ticks
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    decimal,
    instant,
    invalid,
    listing,
    not_found,
    page,
    present,
    single,
)

_MOST_CHAINS: Final = 700


class OptionRoutes:
    """Option chains and option contracts of one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._nested: OrderedDict[tuple[str, date], bytes] = OrderedDict()

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/option-chains/{symbol}", self._flat),
            Route("GET", "/option-chains/{symbol}/nested", self._nested_chain),
            Route("GET", "/option-chains/{symbol}/compact", self._compact),
            Route("GET", "/instruments/equity-options", self._options),
            Route("GET", "/instruments/equity-options/{symbol}", self._option),
        )

    def _underlying(self, call: Call) -> Instrument:
        instrument = self._market.find_listed(call.params["symbol"], call.now)
        if instrument is None or not instrument.has_options:
            raise not_found(f"option chain for {call.params['symbol'][:20]}")
        return instrument

    def _nested_chain(self, call: Call) -> Answer:
        instrument, today = self._underlying(call), _today(call.now)
        key = (instrument.symbol, today)
        items = self._nested.get(key)
        if items is None:
            items = orjson.dumps(_nested_rows(instrument, self._market.expirations(instrument.symbol, call.now), today))
            self._nested[key] = items
            if len(self._nested) > _MOST_CHAINS:
                self._nested.popitem(last=False)
        else:
            self._nested.move_to_end(key)
        return listing(call, orjson.Fragment(items))

    def _flat(self, call: Call) -> Answer:
        instrument, today = self._underlying(call), _today(call.now)
        rows = [
            row
            for expiration in self._market.expirations(instrument.symbol, call.now)
            for row in _contract_rows(instrument, expiration, today)
        ]
        return listing(call, rows)

    def _compact(self, call: Call) -> Answer:
        instrument = self._underlying(call)
        by_group = attrgetter("root_symbol", "option_chain_type", "settlement_type", "expiration_type")
        expirations = sorted(self._market.expirations(instrument.symbol, call.now), key=by_group)
        items = []
        for (root, chain_type, settlement, expiration_type), group in groupby(expirations, key=by_group):
            contracts = [
                OptionSymbol(root, expiration.expiration_date, side, strike)
                for expiration in group
                for strike in expiration.strikes
                for side in ("C", "P")
            ]
            items.append(
                {
                    "underlying-symbol": instrument.symbol,
                    "root-symbol": root,
                    "option-chain-type": chain_type,
                    "settlement-type": settlement,
                    "shares-per-contract": 100,
                    "expiration-type": expiration_type,
                    "deliverables": _deliverables(instrument, root),
                    "symbols": [contract.occ for contract in contracts],
                    "streamer-symbols": [contract.streamer for contract in contracts],
                }
            )
        return listing(call, items)

    def _option(self, call: Call) -> Answer:
        row = self._contract(call.params["symbol"], call.now)
        if row is None:
            raise not_found(f"instrument with symbol {call.params['symbol'][:21]}")
        return single(call, row)

    def _options(self, call: Call) -> Answer:
        symbols = call.query.strings("symbol")
        if not symbols:
            raise invalid("symbol", "is missing")
        rows = [self._contract(symbol, call.now) for symbol in dict.fromkeys(symbols)]
        return page(call, [row for row in rows if row is not None], per_page=1000, most=1000)

    def _contract(self, symbol: str, now: datetime) -> Row | None:
        try:
            quote = self._market.option_quote(symbol, now)
        except (KeyError, ValueError):
            return None
        contract = OptionSymbol(quote.root_symbol, quote.expiration_date, quote.option_type, quote.strike)
        instrument = self._market.instruments[quote.underlying_symbol]
        for expiration in self._market.expirations(instrument.symbol, now):
            if (expiration.root_symbol, expiration.expiration_date) == (contract.root_symbol, contract.expiration_date):
                return _contract_row(instrument, contract, _expiration_fields(expiration, _today(now)))
        return None


def _deliverables(instrument: Instrument, root: str) -> Sequence[Row] | None:
    if instrument.kind == "Index":
        return None  # settled in cash
    return [
        {
            "id": instrument.instrument_id,
            "root-symbol": root,
            "deliverable-type": "Shares",
            "description": f"100 shares of {instrument.symbol}",
            "amount": "100.0",
            "symbol": instrument.symbol,
            "instrument-type": "Equity",
            "percent": "100",
        }
    ]


@lru_cache(maxsize=16_384)
def _strike_texts(strike: Decimal) -> tuple[str, str, str]:
    """A strike as a price, in an OCC symbol and in a streamer symbol. Expirations repeat the same strikes."""
    return decimal(strike, 3), f"{int(strike * 1000):08d}", plain_decimal(strike)


def _nested_rows(instrument: Instrument, expirations: Sequence[Expiration], today: date) -> Sequence[Row]:
    by_root: dict[tuple[str, str], list[Row]] = {}
    for expiration in expirations:
        root, day = expiration.root_symbol, f"{expiration.expiration_date:%y%m%d}"
        occ, streamer = f"{root:<6}{day}", f".{root}{day}"
        strikes = []
        for strike in expiration.strikes:
            price, digits, short = _strike_texts(strike)
            strikes.append(
                {
                    "strike-price": price,
                    "call": f"{occ}C{digits}",
                    "call-streamer-symbol": f"{streamer}C{short}",
                    "put": f"{occ}P{digits}",
                    "put-streamer-symbol": f"{streamer}P{short}",
                }
            )
        by_root.setdefault((root, expiration.option_chain_type), []).append(
            {
                "expiration-type": expiration.expiration_type,
                "expiration-date": expiration.expiration_date.isoformat(),
                "days-to-expiration": (expiration.expiration_date - today).days,
                "settlement-type": expiration.settlement_type,
                "strikes": strikes,
            }
        )
    return [
        present(
            {
                "underlying-symbol": instrument.symbol,
                "root-symbol": root,
                "option-chain-type": chain_type,
                "shares-per-contract": 100,
                "tick-sizes": option_ticks(instrument),
                "deliverables": _deliverables(instrument, root),
                "expirations": rows,
            }
        )
        for (root, chain_type), rows in by_root.items()
    ]


def _contract_rows(instrument: Instrument, expiration: Expiration, today: date) -> Sequence[Row]:
    shared = _expiration_fields(expiration, today)
    return [
        _contract_row(
            instrument,
            OptionSymbol(expiration.root_symbol, expiration.expiration_date, side, strike),
            shared,
        )
        for strike in expiration.strikes
        for side in ("C", "P")
    ]


def _contract_row(instrument: Instrument, contract: OptionSymbol, shared: Row) -> Row:
    return {
        "symbol": contract.occ,
        "instrument-type": "Equity Option",
        "active": True,
        "strike-price": decimal(contract.strike, 3),
        "underlying-symbol": instrument.symbol,
        "exercise-style": "European" if instrument.kind == "Index" else "American",
        "shares-per-contract": 100,
        "option-type": contract.option_type,
        "market-time-instrument-collection": "Equity Option",
        "is-closing-only": instrument.is_halted,
        "streamer-symbol": contract.streamer,
        **shared,
    }


def _expiration_fields(expiration: Expiration, today: date) -> dict[str, Any]:
    is_morning = expiration.settlement_type == "AM"
    day = expiration.expiration_date
    hours = session_hours(day)
    last_traded = session_hours(previous_session(day)) if is_morning else hours
    return {
        "root-symbol": expiration.root_symbol,
        "expiration-date": day.isoformat(),
        "option-chain-type": expiration.option_chain_type,
        "expiration-type": expiration.expiration_type,
        "settlement-type": expiration.settlement_type,
        # Settled on the opening prices: trading ends with the session before.
        "stops-trading-at": instant(last_traded.closes_at),
        "expires-at": instant(hours.opens_at if is_morning else hours.closes_at),
        "days-to-expiration": (day - today).days,
    }


def _today(now: datetime) -> date:
    return now.astimezone(NEW_YORK).date()
