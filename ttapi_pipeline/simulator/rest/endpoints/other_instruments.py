# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/instruments` of cryptocurrencies, warrants and currency pairs, and the precisions of quantities.

They are the same for every seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ttapi_pipeline.simulator.market.derived import CRYPTOCURRENCIES
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    listing,
    not_found,
    single,
)


def routes() -> Sequence[Route]:
    """All routes of this module."""
    return (
        Route("GET", "/instruments/cryptocurrencies", _cryptocurrencies),
        Route("GET", "/instruments/cryptocurrencies/{symbol}", _cryptocurrency),
        Route("GET", "/instruments/warrants", _warrants),
        Route("GET", "/instruments/warrants/{symbol}", _warrant),
        Route("GET", "/instruments/currency-pairs", _currency_pairs),
        Route("GET", "/instruments/quantity-decimal-precisions", _precisions),
    )


def _cryptocurrencies(call: Call) -> Answer:
    symbols = call.query.strings("symbol")
    rows = [row for row in _CRYPTO_ROWS if symbols is None or row["symbol"] in symbols]
    return listing(call, rows)


def _cryptocurrency(call: Call) -> Answer:
    return single(call, _by_symbol(_CRYPTO_ROWS, call))


def _warrants(call: Call) -> Answer:
    symbols = call.query.strings("symbol")
    return listing(call, [row for row in _WARRANTS if symbols is None or row["symbol"] in symbols])


def _warrant(call: Call) -> Answer:
    return single(call, _by_symbol(_WARRANTS, call))


def _currency_pairs(call: Call) -> Answer:
    return listing(call, _CURRENCY_PAIRS)


def _precisions(call: Call) -> Answer:
    return listing(call, _PRECISIONS)


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
