# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Watchlists: public, private, and of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.market.instruments import Instrument
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    RequestError,
    Row,
    listing,
    not_found,
    single,
)

_MOST_LISTS: Final = 200
_MOST_ENTRIES: Final = 5_000
_DEFAULT_ORDER: Final = 9999


class WatchlistRoutes:
    """Watchlists over one market; private ones live as long as the server."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._private: dict[str, Row] = {}

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/public-watchlists", self._public_all),
            Route("GET", "/public-watchlists/{name*}", self._public),
            Route("GET", "/pairs-watchlists", self._pairs_all),
            Route("GET", "/pairs-watchlists/{name*}", self._pairs),
            Route("GET", "/watchlists", self._private_all),
            Route("POST", "/watchlists", self._create),
            Route("GET", "/watchlists/{name*}", self._private_one),
            Route("PUT", "/watchlists/{name*}", self._replace),
            Route("DELETE", "/watchlists/{name*}", self._delete),
        )

    @cached_property
    def _public_lists(self) -> Mapping[str, Row]:
        instruments = self._market.instruments
        members: dict[str, tuple[str, list[str]]] = {
            "S&P 500": ("Indices", [member.symbol for member in sp500() if member.symbol in instruments]),
            "Market Indicators": ("Indices", [s for s, row in instruments.items() if row.kind == "Index"]),
            "Liquid ETFs": ("ETFs", [s for s, row in instruments.items() if row.kind == "ETF"]),
            "tasty default": ("tasty", [s for s in ("SPY", "QQQ", "IWM", "GLD", "TLT", "AAPL") if s in instruments]),
        }
        return {
            name: {
                "name": name,
                "group-name": group,
                "order-index": index,
                "watchlist-entries": [self._entry(instruments[symbol]) for symbol in sorted(symbols)],
            }
            for index, (name, (group, symbols)) in enumerate(members.items(), start=1)
        }

    @staticmethod
    def _entry(instrument: Instrument) -> Row:
        kind = "Index" if instrument.kind == "Index" else "Equity"
        return {"symbol": instrument.symbol, "instrument-type": kind}

    def _public_all(self, call: Call) -> Answer:
        rows = list(self._public_lists.values())
        if call.query.flag("counts-only"):
            counts = [{**row, "entry-count": len(row["watchlist-entries"])} for row in rows]
            rows = [{name: row[name] for name in row if name != "watchlist-entries"} for row in counts]
        return listing(call, rows)

    def _public(self, call: Call) -> Answer:
        return single(call, _named(self._public_lists, call))

    def _pairs_all(self, call: Call) -> Answer:
        return listing(call, list(_PAIRS.values()))

    def _pairs(self, call: Call) -> Answer:
        return single(call, _named(_PAIRS, call))

    def _private_all(self, call: Call) -> Answer:
        return listing(call, list(self._private.values()))

    def _private_one(self, call: Call) -> Answer:
        return single(call, _named(self._private, call))

    def _create(self, call: Call) -> Answer:
        row = _watchlist(call.json())
        if row["name"] in self._private:
            raise RequestError(422, "watchlist_already_exists", "A watchlist with that name exists")
        if len(self._private) >= _MOST_LISTS:
            raise RequestError(422, "too_many_watchlists", f"There are {_MOST_LISTS} watchlists already")
        self._private[row["name"]] = row
        return single(call, row, status=201)

    def _replace(self, call: Call) -> Answer:
        old = _named(self._private, call)
        row = _watchlist(call.json())
        if row["name"] != old["name"] and row["name"] in self._private:
            raise RequestError(422, "watchlist_already_exists", "A watchlist with that name exists")
        del self._private[old["name"]]
        self._private[row["name"]] = row
        return single(call, row)

    def _delete(self, call: Call) -> Answer:
        row = _named(self._private, call)
        del self._private[row["name"]]
        return single(call, row)


_PAIRS: Final[Mapping[str, Row]] = {
    name: {
        "name": name,
        "order-index": index,
        "pairs-equations": [
            {
                "left-action": "Buy to Open",
                "left-symbol": left,
                "left-quantity": 1,
                "right-action": "Sell to Open",
                "right-symbol": right,
                "right-quantity": quantity,
            }
        ],
    }
    for index, (name, left, right, quantity) in enumerate(
        (("Large and small caps", "SPY", "IWM", 2), ("Gold and bonds", "GLD", "TLT", 3)), start=1
    )
}


def _named(rows: Mapping[str, Row], call: Call) -> Row:
    row = rows.get(call.params["name"])
    if row is None:
        raise not_found(f"watchlist {call.params['name'][:40]}")
    return row


def _watchlist(body: Row) -> Row:
    match body:
        case {"name": str(name)} if 0 < len(name) <= 100:
            pass
        case _:
            raise RequestError(
                400,
                "validation_error",
                "Request validation failed",
                errors=[{"domain": "name", "reason": "is missing or too long"}],
            )
    entries = body.get("watchlist-entries") or []
    if (
        not isinstance(entries, list)
        or len(entries) > _MOST_ENTRIES
        or not all(isinstance(entry, dict) and isinstance(entry.get("symbol"), str) for entry in entries)
    ):
        raise RequestError(
            400,
            "validation_error",
            "Request validation failed",
            errors=[{"domain": "watchlist-entries", "reason": "is invalid"}],
        )
    group, order = body.get("group-name"), body.get("order-index")
    return {
        "name": name,
        "group-name": group if isinstance(group, str) else "default",
        "order-index": order if isinstance(order, int) else _DEFAULT_ORDER,
        "watchlist-entries": [
            {key: entry[key] for key in ("symbol", "instrument-type") if isinstance(entry.get(key), str)}
            for entry in entries
        ],
    }
