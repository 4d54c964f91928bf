# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Margin requirements: of an account, of one symbol in it, and the public configuration behind them."""

from __future__ import annotations

from collections.abc import Sequence

from ttapi_pipeline.simulator.market.ledger import Ledger
from ttapi_pipeline.simulator.market.pricing import RISK_FREE_RATE
from ttapi_pipeline.simulator.rest.endpoints.customers import account_of
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    decimal,
    signed,
    single,
)


class MarginRoutes:
    """Reg T in a margin account: half of the equity, and all of it in a cash account."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        return (
            Route("GET", "/margin/accounts/{account}/requirements", self._margin),
            Route("GET", "/accounts/{account}/margin-requirements/{symbol}/effective", self._effective_margin),
            Route("GET", "/margin-requirements-public-configuration", self._public_configuration, is_open=True),
        )

    def _margin(self, call: Call) -> Answer:
        plan = account_of(call)
        holdings = self._ledger.holdings(plan.number, call.now)
        cash = self._ledger.cash(plan.number, call.now)
        equity = sum(holding.quantity * holding.price for holding in holdings)
        rate = 0.5 if plan.margin_or_cash == "Margin" else 1.0
        data = {
            "account-number": plan.number,
            "description": "Total",
            "margin-calculation-type": "Reg T",
            "option-level": "No Restrictions",
            **signed("margin-requirement", -equity * rate),
            **signed("maintenance-requirement", -equity * rate / 2),
            **signed("margin-equity", cash + equity),
            **signed("option-buying-power", cash + equity * (1 - rate)),
            **signed("reg-t-margin-requirement", -equity * rate),
            **signed("reg-t-option-buying-power", cash + equity * (1 - rate)),
            **signed("maintenance-excess", cash + equity * (1 - rate / 2)),
            "last-state-timestamp": int(call.now.timestamp() * 1000),
            "groups": [
                {
                    "description": holding.symbol,
                    "code": holding.symbol,
                    "underlying-symbol": holding.symbol,
                    "underlying-type": "Equity",
                    "margin-calculation-type": "Reg T",
                    **signed("buying-power", -holding.quantity * holding.price * rate),
                    **signed("margin-requirement", -holding.quantity * holding.price * rate),
                }
                for holding in holdings
            ],
        }
        return single(call, data)

    def _effective_margin(self, call: Call) -> Answer:
        rate = decimal(0.5 if account_of(call).margin_or_cash == "Margin" else 1.0)
        data = {
            "underlying-symbol": call.params["symbol"],
            "long-equity-initial": rate,
            "short-equity-initial": rate,
            "long-equity-maintenance": "0.25",
            "short-equity-maintenance": "0.3",
            "naked-option-standard": "0.2",
            "naked-option-minimum": "0.1",
            "naked-option-floor": "0.5",
            "clearing-identifier": "0",
            "is-deleted": False,
        }
        return single(call, data)

    def _public_configuration(self, call: Call) -> Answer:
        return single(call, {"risk-free-rate": decimal(RISK_FREE_RATE)})
