# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/instruments` of futures and their products; options on them are in `future_options`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.simulator.market.derived import DerivedMarket
from ttapi_pipeline.simulator.market.futures import PRODUCTS, FutureContract, Product
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    decimal,
    instant,
    not_found,
    page,
    single,
)

OPTION_TICKS: Final = [{"value": "0.05", "threshold": "10.0"}, {"value": "0.25"}]

_PER_PAGE: Final = 1000


class FutureRoutes:
    """The listed futures, and the products that they are contracts of."""

    def __init__(self, derived: DerivedMarket) -> None:
        self._derived = derived

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/instruments/futures", self._futures),
            Route("GET", "/instruments/futures/{symbol*}", self._future),
            Route("GET", "/instruments/future-products", self._products),
            Route("GET", "/instruments/future-products/{exchange}/{code}", self._product),
            Route("GET", "/instruments/future-option-products", self._option_products),
            Route("GET", "/instruments/future-option-products/{exchange}/{root}", self._option_product),
        )

    def _futures(self, call: Call) -> Answer:
        symbols, codes = call.query.strings("symbol"), call.query.strings("product-code")
        exchange = call.query.text("exchange")
        if symbols is not None:
            found = [self._derived.contract(symbol, call.now) for symbol in dict.fromkeys(symbols)]
            contracts = [contract for contract in found if contract is not None]
        else:
            products = [product for code, product in PRODUCTS.items() if codes is None or code in codes]
            contracts = [each for product in products for each in self._derived.contracts(product, call.now)]
        rows = [_future_row(each) for each in contracts if exchange in {None, each.product.exchange}]
        return page(call, rows, per_page=_PER_PAGE, most=_PER_PAGE)

    def _future(self, call: Call) -> Answer:
        contract = self._derived.contract(call.params["symbol"], call.now)
        if contract is None:
            raise not_found(f"future {call.params['symbol'][:20]}")
        return single(call, _future_row(contract))

    def _products(self, call: Call) -> Answer:
        rows = [_product_row(product) for product in PRODUCTS.values()]
        return page(call, rows, per_page=_PER_PAGE, most=_PER_PAGE)

    def _product(self, call: Call) -> Answer:
        product = PRODUCTS.get(call.params["code"])
        if product is None or product.exchange != call.params["exchange"]:
            raise not_found(f"future product {call.params['code'][:10]}")
        return single(call, {**_product_row(product), "option-products": _option_product_rows(product)})

    def _option_products(self, call: Call) -> Answer:
        rows = [row for product in PRODUCTS.values() for row in _option_product_rows(product)]
        return page(call, rows, per_page=_PER_PAGE, most=_PER_PAGE)

    def _option_product(self, call: Call) -> Answer:
        for product in PRODUCTS.values():
            for row in _option_product_rows(product):
                if (row["exchange"], row["root-symbol"]) == (call.params["exchange"], call.params["root"]):
                    return single(call, {**row, "future-product": _product_row(product)})
        raise not_found(f"future option product {call.params['root'][:10]}")


def _future_row(contract: FutureContract) -> Row:
    product = contract.product
    closes_at = instant(session_hours(contract.expiration_date).opens_at)
    return {
        "symbol": contract.symbol,
        "product-code": product.code,
        "instrument-type": "Future",
        "contract-size": "1.0",
        "tick-size": decimal(product.tick),
        "notional-multiplier": decimal(product.multiplier),
        "main-fraction": "0.0",
        "sub-fraction": "0.0",
        "display-factor": "0.01",
        "last-trade-date": contract.expiration_date.isoformat(),
        "expiration-date": contract.expiration_date.isoformat(),
        "active": True,
        "active-month": contract.index == 0,
        "next-active-month": contract.index == 1,
        "is-closing-only": False,
        "is-tradeable": True,
        "stops-trading-at": closes_at,
        "expires-at": closes_at,
        "product-group": f"{product.exchange}_{product.code}",
        "exchange": product.exchange,
        "exchange-symbol": contract.symbol.removeprefix("/"),
        "streamer-exchange-code": product.streamer_exchange,
        "streamer-symbol": contract.streamer_symbol,
        "back-month-first-calendar-symbol": True,
        "security-id": str(contract.index + 1),
        "tick-sizes": [{"value": decimal(product.tick)}],
        "option-tick-sizes": OPTION_TICKS,
    }


def _product_row(product: Product) -> Row:
    return {
        "root-symbol": f"/{product.code}",
        "code": product.code,
        "description": product.description,
        "clearing-code": product.code,
        "clearing-exchange-code": "16" if product.exchange == "CME" else "22",
        "exchange": product.exchange,
        "product-type": "Financial" if product.sector == "Equities" else "Physical",
        "listed-months": list(product.months),
        "active-months": list(product.months),
        "notional-multiplier": decimal(product.multiplier),
        "tick-size": decimal(product.tick),
        "display-factor": "0.01",
        "streamer-exchange-code": product.streamer_exchange,
        "small-notional": product.is_small,
        "back-month-first-calendar-symbol": True,
        "first-notice": product.sector in {"Metals", "Energy"},
        "cash-settled": product.sector not in {"Metals", "Energy"},
        "market-sector": product.sector,
        "roll": {
            "name": "equity_index" if product.sector == "Equities" else "monthly",
            "active-count": 3,
            "cash-settled": product.sector not in {"Metals", "Energy"},
            "business-days-offset": 4,
            "first-notice": product.sector in {"Metals", "Energy"},
        },
    }


def _option_product_rows(product: Product) -> list[Row]:
    if not product.option_roots:
        return []
    quarterly, weekly, month_end = product.option_roots
    roots = {quarterly: "Regular", **{f"{weekly}{week}": "Weekly" for week in range(1, 6)}, month_end: "End-Of-Month"}
    return [
        {
            "root-symbol": root,
            "cash-settled": False,
            "code": root,
            "display-factor": "0.01",
            "exchange": product.exchange,
            "product-type": "Physical",
            "expiration-type": kind,
            "settlement-delay-days": 0,
            "market-sector": product.sector,
            "clearing-code": root,
            "clearing-exchange-code": "16",
            "clearing-price-multiplier": "1.0",
            "is-rollover": False,
        }
        for root, kind in roots.items()
    ]
