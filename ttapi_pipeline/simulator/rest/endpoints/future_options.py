# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Options on futures: contracts, flat and nested chains; the futures themselves are in `futures`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from ttapi_pipeline.core.sessions import NEW_YORK, session_hours
from ttapi_pipeline.simulator.market.derived import DerivedMarket
from ttapi_pipeline.simulator.market.futures import (
    PRODUCTS,
    SIDES,
    FutureContract,
    FutureOptionExpiration,
    Product,
    Side,
    strike_text,
)
from ttapi_pipeline.simulator.rest.endpoints.futures import OPTION_TICKS
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    instant,
    invalid,
    listing,
    not_found,
    page,
    single,
)

_PER_PAGE: Final = 1000


class FutureOptionRoutes:
    """The listed options on futures."""

    def __init__(self, derived: DerivedMarket) -> None:
        self._derived = derived

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/instruments/future-options", self._options),
            Route("GET", "/instruments/future-options/{symbol}", self._option),
            Route("GET", "/futures-option-chains/{code}", self._flat),
            Route("GET", "/futures-option-chains/{code}/nested", self._nested),
        )

    def _options(self, call: Call) -> Answer:
        symbols = call.query.strings("symbol")
        if not symbols:
            raise invalid("symbol", "is missing")
        found = [self._derived.option(symbol, call.now) for symbol in dict.fromkeys(symbols)]
        rows = [_option_row(*option, call.now) for option in found if option is not None]
        return page(call, rows, per_page=_PER_PAGE, most=_PER_PAGE)

    def _option(self, call: Call) -> Answer:
        option = self._derived.option(call.params["symbol"], call.now)
        if option is None:
            raise not_found(f"future option {call.params['symbol'][:30]}")
        return single(call, _option_row(*option, call.now))

    def _chain(self, call: Call) -> tuple[Product, Sequence[FutureOptionExpiration]]:
        product = PRODUCTS.get(call.params["code"].removeprefix("/"))
        if product is None or not product.option_roots:
            raise not_found(f"future option chain for {call.params['code'][:10]}")
        return product, self._derived.option_expirations(product, call.now)

    def _flat(self, call: Call) -> Answer:
        _, expirations = self._chain(call)
        rows = [
            _option_row(expiration, side, strike, call.now)
            for expiration in expirations
            for strike in expiration.strikes
            for side in SIDES
        ]
        return listing(call, rows)

    def _nested(self, call: Call) -> Answer:
        product, expirations = self._chain(call)
        chain = {
            "underlying-symbol": f"/{product.code}",
            "root-symbol": f"/{product.code}",
            "exercise-style": "American",
            "expirations": [_nested_expiration(expiration, call.now) for expiration in expirations],
        }
        futures = [_chain_future(contract, call.now) for contract in self._derived.contracts(product, call.now)]
        return single(call, {"futures": futures, "option-chains": [chain]})


def _option_row(expiration: FutureOptionExpiration, side: Side, strike: int, now: datetime) -> Row:
    contract, product = expiration.contract, expiration.contract.product
    return {
        "symbol": expiration.symbol(side, strike),
        "instrument-type": "Future Option",
        "underlying-symbol": contract.symbol,
        "product-code": product.code,
        "root-symbol": f"/{product.code}",
        "option-root-symbol": expiration.root,
        "strike-price": strike_text(strike),
        "exchange": product.exchange,
        "exchange-symbol": f"{expiration.contract_symbol} {side}{strike}",
        "streamer-symbol": expiration.streamer_symbol(side, strike),
        "option-type": side,
        "exercise-style": "American",
        "is-vanilla": True,
        "is-primary-deliverable": True,
        "future-price-ratio": "1.0",
        "multiplier": "1.0",
        "underlying-count": "1.0",
        "is-confirmed": True,
        "notional-value": "0.5",
        "display-factor": "0.01",
        "security-exchange": "2",
        "sx-id": "0",
        "settlement-type": "Future",
        "strike-factor": "1.0",
        "maturity-date": expiration.expiration_date.isoformat(),
        "is-exercisable-weekly": expiration.kind == "Weekly",
        "last-trade-time": "0",
        "is-closing-only": False,
        "active": True,
        **_expiry_fields(expiration.expiration_date, now),
    }


def _nested_expiration(expiration: FutureOptionExpiration, now: datetime) -> Row:
    return {
        "underlying-symbol": expiration.contract.symbol,
        "root-symbol": f"/{expiration.contract.product.code}",
        "option-root-symbol": expiration.root,
        "option-contract-symbol": expiration.contract_symbol,
        "asset": expiration.root,
        "expiration-type": expiration.kind,
        "settlement-type": "PM",
        "notional-value": "0.5",
        "display-factor": "0.01",
        "strike-factor": "1.0",
        "tick-sizes": OPTION_TICKS,
        **_expiry_fields(expiration.expiration_date, now),
        "strikes": [
            {
                "strike-price": strike_text(strike),
                "call": expiration.symbol("C", strike),
                "call-streamer-symbol": expiration.streamer_symbol("C", strike),
                "put": expiration.symbol("P", strike),
                "put-streamer-symbol": expiration.streamer_symbol("P", strike),
            }
            for strike in expiration.strikes
        ],
    }


def _chain_future(contract: FutureContract, now: datetime) -> Row:
    return {
        "symbol": contract.symbol,
        "root-symbol": f"/{contract.product.code}",
        "active-month": contract.index == 0,
        "next-active-month": contract.index == 1,
        "maturity-date": contract.expiration_date.isoformat(),
        **_expiry_fields(contract.expiration_date, now),
    }


def _expiry_fields(day: date, now: datetime) -> dict[str, Any]:
    closes_at = instant(session_hours(day).closes_at)
    return {
        "expiration-date": day.isoformat(),
        "days-to-expiration": (day - now.astimezone(NEW_YORK).date()).days,
        "stops-trading-at": closes_at,
        "expires-at": closes_at,
    }
