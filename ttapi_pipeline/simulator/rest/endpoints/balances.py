# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Balances of an account: now, at the end of past sessions, and as the history of its net liquidating value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ttapi_pipeline.core.sessions import NEW_YORK, session_hours, session_on_or_before
from ttapi_pipeline.simulator.market.ledger import AccountPlan, Ledger
from ttapi_pipeline.simulator.rest.endpoints.customers import account_of
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
)

_SINGLE_BALANCE_BEFORE: Final = 20240501
_TIME_BACK_DAYS: Final = {"1d": 1, "1w": 7, "1m": 31, "3m": 92, "6m": 183, "1y": 366, "all": 36_600}


class BalanceRoutes:
    """Balances, balance snapshots and net liquidating values."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        account = "/accounts/{account}"
        return (
            Route("GET", f"{account}/balances", self._balances),
            Route("GET", f"{account}/balances/{{currency}}", self._balance),
            Route("GET", f"{account}/balance-snapshots", self._snapshots),
            Route("GET", f"{account}/net-liq/history", self._net_liq),
        )

    def _balances(self, call: Call) -> Answer:
        row = self._balance_row(account_of(call), call.now)
        # Since contract 20240501 one entry per currency.
        return single(call, row) if call.contract < _SINGLE_BALANCE_BEFORE else listing(call, [row])

    def _balance(self, call: Call) -> Answer:
        if call.params["currency"] != "USD":
            raise not_found(f"balance in {call.params['currency'][:10]}")
        return single(call, self._balance_row(account_of(call), call.now))

    def _balance_row(self, plan: AccountPlan, now: datetime) -> Row:
        equity = sum(holding.quantity * holding.price for holding in self._ledger.holdings(plan.number, now))
        row = _balance_figures(plan, cash=self._ledger.cash(plan.number, now), equity=equity)
        snapshot = session_on_or_before(now.astimezone(NEW_YORK).date())
        return {**row, "snapshot-date": snapshot.isoformat(), "updated-at": instant(now)}

    def _snapshots(self, call: Call) -> Answer:
        plan = account_of(call)
        time_of_day = call.query.required("time-of-day")
        if time_of_day not in {"BOD", "EOD"}:
            raise invalid("time-of-day", "does not have a valid value")
        on, first, last = (call.query.day(name) for name in ("snapshot-date", "start-date", "end-date"))
        today = call.now.astimezone(NEW_YORK).date()
        if on is not None:
            first = last = on
        elif first is None:
            # Without a start "just a few": the last week.
            first = (last or today) - timedelta(days=7)
        worth = self._ledger.worth(plan.number, call.now, first=first - timedelta(days=10))
        rows = []
        for index, session in enumerate(worth.sessions):
            # A day begins with the balance at the end of the day before, and ends when its session does.
            source = index - 1 if time_of_day == "BOD" else index
            has_ended = time_of_day == "BOD" or session_hours(session).closes_at <= call.now
            if source >= 0 and has_ended and first <= session <= (last or today):
                cash = float(worth.cash[source])
                figures = _balance_figures(plan, cash=cash, equity=float(worth.close[source]) - cash)
                rows.append({**figures, "snapshot-date": session.isoformat(), "time-of-day": time_of_day})
        return page(call, rows, per_page=250, most=2000)

    def _net_liq(self, call: Call) -> Answer:
        plan = account_of(call)
        start, end = call.query.instant("start-time"), call.query.instant("end-time") or call.now
        time_back = call.query.text("time-back")
        if start is None:
            if time_back not in _TIME_BACK_DAYS:
                raise invalid("time-back", f"must be one of {', '.join(_TIME_BACK_DAYS)}")
            start = call.now - timedelta(days=_TIME_BACK_DAYS[time_back] - 1)
            if time_back == "1d":
                start = session_hours(session_on_or_before(start.astimezone(NEW_YORK).date())).opens_at
        worth = self._ledger.worth(plan.number, call.now, first=start.date())
        rows = []
        for index, session in enumerate(worth.sessions):
            at = min(session_hours(session).closes_at, call.now.replace(microsecond=0))
            if not start <= at <= end:
                continue
            figures = {
                name: decimal(float(values[index]), 2)
                for name, values in (
                    ("open", worth.open),
                    ("high", worth.high),
                    ("low", worth.low),
                    ("close", worth.close),
                )
            }
            rows.append(
                {
                    **figures,
                    **{f"pending-cash-{name}": "0.0" for name in figures},
                    **{f"total-{name}": value for name, value in figures.items()},
                    "time": f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00",
                }
            )
        return listing(call, rows, has_context=False)


def _balance_figures(plan: AccountPlan, *, cash: float, equity: float) -> dict[str, Any]:
    """All money fields. A margin account borrows half of its equity, a cash account borrows nothing."""
    rate = 0.5 if plan.margin_or_cash == "Margin" else 1.0
    net = cash + equity
    free = cash + equity * (1 - rate)
    buying_power = decimal(free / rate if rate < 1 else cash, 2)
    return {
        "account-number": plan.number,
        "currency": "USD",
        "cash-balance": decimal(cash, 2),
        "long-equity-value": decimal(equity, 2),
        "long-margineable-value": decimal(equity if rate < 1 else 0.0, 2),
        "margin-equity": decimal(net, 2),
        "equity-buying-power": buying_power,
        "derivative-buying-power": decimal(free, 2),
        "available-trading-funds": decimal(free, 2),
        "maintenance-requirement": decimal(equity * rate / 2, 2),
        "net-liquidating-value": decimal(net, 2),
        "cash-available-to-withdraw": decimal(max(0.0, min(cash, free)), 2),
        "day-trade-excess": decimal(free, 2),
        "closed-loop-available-balance": decimal(max(0.0, min(cash, free)), 2),
        "reg-t-margin-requirement": decimal(equity * rate, 2),
        "maintenance-excess": decimal(net - equity * rate / 2, 2),
        "effective-cryptocurrency-buying-power": "0.0",
        "pending-cash-effect": "None",
        "unsettled-cryptocurrency-fiat-effect": "None",
        **_ZERO_BALANCES,
    }


_ZERO_BALANCES: Final = dict.fromkeys(
    (
        "short-equity-value",
        "long-derivative-value",
        "short-derivative-value",
        "long-futures-value",
        "short-futures-value",
        "long-futures-derivative-value",
        "short-futures-derivative-value",
        "short-margineable-value",
        "day-trading-buying-power",
        "futures-margin-requirement",
        "maintenance-call-value",
        "reg-t-call-value",
        "day-trading-call-value",
        "day-equity-call-value",
        "pending-cash",
        "long-cryptocurrency-value",
        "short-cryptocurrency-value",
        "cryptocurrency-margin-requirement",
        "unsettled-cryptocurrency-fiat-amount",
        "equity-offering-margin-requirement",
        "long-bond-value",
        "bond-margin-requirement",
        "used-derivative-buying-power",
        "futures-overnight-margin-requirement",
        "futures-intraday-margin-requirement",
        "pending-margin-interest",
    ),
    "0.0",
)
