# SPDX-License-Identifier: MIT
"""`/instruments` of futures, options on them, cryptocurrencies and the rest that is not an equity; their snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, Literal

from ttapi_pipeline.core.sessions import NEW_YORK, previous_session, session_hours
from ttapi_pipeline.simulator.market.derived import (
    CRYPTOCURRENCIES,
    PRODUCTS,
    Contract,
    DerivedMarket,
    DerivedPrice,
    OptionExpiration,
    Product,
    strike_text,
)
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
    single,
    zulu,
)

Side = Literal["C", "P"]

_PER_PAGE: Final = 1000
_SIDES: Final[tuple[Side, ...]] = ("C", "P")
_OPTION_TICKS: Final = [{"value": "0.05", "threshold": "10.0"}, {"value": "0.25"}]


class FuturesRoutes:
    """Futures, future options, cryptocurrencies, warrants, currency pairs and quantity precisions."""

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
            Route("GET", "/instruments/future-options", self._options),
            Route("GET", "/instruments/future-options/{symbol}", self._option),
            Route("GET", "/futures-option-chains/{code}", self._flat),
            Route("GET", "/futures-option-chains/{code}/nested", self._nested),
            Route("GET", "/instruments/cryptocurrencies", self._cryptocurrencies),
            Route("GET", "/instruments/cryptocurrencies/{symbol}", self._cryptocurrency),
            Route("GET", "/instruments/warrants", self._warrants),
            Route("GET", "/instruments/warrants/{symbol}", self._warrant),
            Route("GET", "/instruments/currency-pairs", self._currency_pairs),
            Route("GET", "/instruments/quantity-decimal-precisions", self._precisions),
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

    def _chain(self, call: Call) -> tuple[Product, Sequence[OptionExpiration]]:
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
            for side in _SIDES
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

    def _cryptocurrencies(self, call: Call) -> Answer:
        symbols = call.query.strings("symbol")
        rows = [row for row in _CRYPTO_ROWS if symbols is None or row["symbol"] in symbols]
        return listing(call, rows)

    def _cryptocurrency(self, call: Call) -> Answer:
        return single(call, _by_symbol(_CRYPTO_ROWS, call))

    def _warrants(self, call: Call) -> Answer:
        symbols = call.query.strings("symbol")
        return listing(call, [row for row in _WARRANTS if symbols is None or row["symbol"] in symbols])

    def _warrant(self, call: Call) -> Answer:
        return single(call, _by_symbol(_WARRANTS, call))

    def _currency_pairs(self, call: Call) -> Answer:
        return listing(call, _CURRENCY_PAIRS)

    def _precisions(self, call: Call) -> Answer:
        return listing(call, _PRECISIONS)


def derived_data(derived: DerivedMarket, kind: str, symbol: str, at: datetime) -> Row | None:
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
                **_frame(kind, symbol, future),
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
        **_frame(kind, symbol, price),
        **_quote(price.price - tick, price.price + tick),
        "last": decimal(price.price),
        "last-mkt": decimal(price.price),
        "open": decimal(price.open),
        "day-high-price": decimal(price.high),
        "day-low-price": decimal(price.low),
        "prev-close": decimal(price.previous_close),
    }


def _frame(kind: str, symbol: str, price: DerivedPrice) -> Row:
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


def _future_row(contract: Contract) -> Row:
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
        "option-tick-sizes": _OPTION_TICKS,
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


def _option_row(expiration: OptionExpiration, side: Side, strike: int, now: datetime) -> Row:
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


def _nested_expiration(expiration: OptionExpiration, now: datetime) -> Row:
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
        "tick-sizes": _OPTION_TICKS,
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


def _chain_future(contract: Contract, now: datetime) -> Row:
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


def _by_symbol(rows: Sequence[Row], call: Call) -> Row:
    for row in rows:
        if row["symbol"] == call.params["symbol"]:
            return row
    raise not_found(f"instrument with symbol {call.params['symbol'][:20]}")


_CRYPTO_ROWS: Final[Sequence[Row]] = [
    {
        "id": index,
        "symbol": symbol,
        "instrument-type": "Cryptocurrency",
        "short-description": name,
        "description": f"{name} to USD",
        "is-closing-only": True,
        "active": True,
        "tick-size": "0.01",
        "streamer-symbol": f"{symbol}:CXTALP",
        "destination-venue-symbols": [
            {
                "id": 70 + index,
                "symbol": symbol,
                "destination-venue": "ZERO_HASH_CLOB",
                "max-quantity-precision": 8,
                "max-price-precision": 2,
                "routable": True,
            }
        ],
    }
    for index, (symbol, (name, _, _)) in enumerate(CRYPTOCURRENCIES.items(), start=1)
]

_WARRANTS: Final[Sequence[Row]] = [
    {
        "symbol": "SIMAW",
        "instrument-type": "Warrant",
        "listed-market": "XNAS",
        "description": "Simulated Acquisition Corp. - Warrant",
        "is-closing-only": False,
        "active": True,
    }
]

_CURRENCY_PAIRS: Final[Sequence[Row]] = [
    {
        "id": index,
        "symbol": symbol,
        "dx-symbol": symbol,
        "description": description,
        "instrument-type": "Currency Pair",
    }
    for index, (symbol, description) in enumerate(
        (("EUR/USD", "Euro to US Dollar"), ("USD/JPY", "US Dollar to Japanese Yen")), start=1
    )
]

_PRECISIONS: Final[Sequence[Row]] = [
    {"instrument-type": "Equity", "value": 5, "minimum-increment-precision": 0},
    {"instrument-type": "Cryptocurrency", "symbol": "BTC/USD", "value": 8, "minimum-increment-precision": 8},
]
