# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Orders of an account. Their lists are always empty: the simulated accounts trade without orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ttapi_pipeline.simulator.rest.endpoints.customers import account_of
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    invalid,
    listing,
    not_found,
    page,
)

_SEARCH_NEEDS_START: Final = 20261012


def routes() -> Sequence[Route]:
    """All routes of this module."""
    account = "/accounts/{account}"
    return (
        Route("GET", f"{account}/orders", _orders),
        Route("GET", f"{account}/orders/live", _no_items),
        Route("GET", f"{account}/orders/{{id}}", _no_order),
        Route("GET", f"{account}/complex-orders", _complex_orders),
        Route("GET", f"{account}/complex-orders/live", _no_items),
        Route("GET", f"{account}/complex-orders/{{id}}", _no_order),
    )


def _orders(call: Call) -> Answer:
    if call.contract >= _SEARCH_NEEDS_START and not (call.query.text("start-date") or call.query.text("start-at")):
        raise invalid("start-date", "or start-at is required")
    account_of(call)
    return page(call, [], per_page=100, most=200)


def _complex_orders(call: Call) -> Answer:
    account_of(call)
    return page(call, [], per_page=10, most=200)


def _no_items(call: Call) -> Answer:
    account_of(call)
    return listing(call, [])


def _no_order(call: Call) -> Answer:
    account_of(call)
    raise not_found(f"order {call.params['id'][:20]}")
