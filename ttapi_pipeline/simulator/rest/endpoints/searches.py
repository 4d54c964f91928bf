# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The two searches for instruments by the beginning of a symbol or of a word in the description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from ttapi_pipeline.simulator.market.instruments import Instrument
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    listing,
)

_MOST_FOUND: Final = 100


class SearchRoutes:
    """Searches in one market."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/symbols/search/{text*}", self._symbols),
            Route("GET", "/instruments/search", self._instruments),
        )

    def _symbols(self, call: Call) -> Answer:
        rows = [
            {
                "symbol": instrument.symbol,
                "description": instrument.description,
                "listed-market": instrument.listed_market,
                "price-increments": ".01",
                "trading-hours": "0930-1600",
                "options": instrument.has_options,
                "instrument-type": "Index" if instrument.kind == "Index" else "Equity",
            }
            for instrument in self._found(call.params["text"], _MOST_FOUND)
        ]
        return listing(call, rows, has_context=False)

    def _instruments(self, call: Call) -> Answer:
        most = call.query.integer("limit", 25, least=1, most=_MOST_FOUND)
        kind = call.query.text("type")
        rows = [
            {
                "symbol": instrument.symbol,
                "description": instrument.description,
                "instrument-type": "Index" if instrument.kind == "Index" else "Equity",
                "listed-market": instrument.listed_market,
                "streamer-symbol": instrument.streamer_symbol,
            }
            for instrument in self._found(call.query.required("query"), len(self._market.instruments))
        ]
        rows = [row for row in rows if kind in {None, row["instrument-type"]}]
        return Answer(orjson.dumps({"data": {"items": rows[:most]}}))

    def _found(self, text: str, most: int) -> Sequence[Instrument]:
        """Instruments whose symbol begins with the text, then those with a word in the description that does."""
        prefix = text.strip().upper()
        instruments = [self._market.instruments[symbol] for symbol in sorted(self._market.instruments)]
        by_symbol = [instrument for instrument in instruments if instrument.symbol.startswith(prefix)]
        by_name = [
            instrument
            for instrument in instruments
            if any(word.startswith(prefix) for word in instrument.description.upper().split())
        ]
        return list(dict.fromkeys([*by_symbol, *by_name]))[:most] if prefix else []
