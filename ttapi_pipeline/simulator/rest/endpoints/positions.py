# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Positions of an account; the margin that they need is in `margin`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ttapi_pipeline.core.sessions import NEW_YORK, session_on_or_before
from ttapi_pipeline.simulator.market.ledger import AccountPlan, Holding, Ledger
from ttapi_pipeline.simulator.rest.endpoints.customers import account_of
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    decimal,
    instant,
    listing,
    present,
)


class PositionRoutes:
    """The shares that an account holds."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (Route("GET", "/accounts/{account}/positions", self._positions),)

    def _positions(self, call: Call) -> Answer:
        plan = account_of(call)
        underlyings, symbol = call.query.strings("underlying-symbol"), call.query.text("symbol")
        kind = call.query.text("instrument-type")
        has_marks = bool(call.query.flag("include-marks"))
        rows = [
            _position_row(plan, holding, call.now, has_marks=has_marks)
            for holding in self._ledger.holdings(plan.number, call.now)
            if (underlyings is None or holding.symbol in underlyings)
            and symbol in {None, holding.symbol}
            and kind in {None, "Equity"}
        ]
        return listing(call, rows)


def _position_row(plan: AccountPlan, holding: Holding, now: datetime, *, has_marks: bool) -> Row:
    today = session_on_or_before(now.astimezone(NEW_YORK).date()).isoformat()
    return present(
        {
            "account-number": plan.number,
            "symbol": holding.symbol,
            "instrument-type": "Equity",
            "underlying-symbol": holding.symbol,
            "quantity": holding.quantity,
            "quantity-direction": "Long",
            "close-price": decimal(holding.previous_close, 2),
            "average-open-price": decimal(holding.average_price),
            "average-yearly-market-close-price": decimal(holding.average_price),
            "average-daily-market-close-price": decimal(holding.previous_close, 2),
            "mark": decimal(holding.price * holding.quantity, 2) if has_marks else None,
            "mark-price": decimal(holding.price) if has_marks else None,
            "multiplier": 1,
            "cost-effect": "Credit",
            "is-suppressed": False,
            "is-frozen": False,
            "restricted-quantity": "0.0",
            "realized-day-gain": "0.0",
            "realized-day-gain-effect": "None",
            "realized-day-gain-date": today,
            "realized-today": "0.0",
            "realized-today-effect": "None",
            "realized-today-date": today,
            "created-at": instant(holding.first_at),
            "updated-at": instant(holding.last_at),
        }
    )
