# SPDX-License-Identifier: MIT
"""`/customers` and `/accounts`: who the customer is and what the accounts hold; the figures come from `ledger`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from ttapi_pipeline.core.sessions import NEW_YORK, session_hours, session_on_or_before
from ttapi_pipeline.simulator.market.ledger import OPENED_DATE, PLANS, AccountPlan, Entry, Holding, Ledger
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    RequestError,
    Row,
    decimal,
    instant,
    invalid,
    listing,
    not_found,
    page,
    present,
    single,
)

_OPENED_AT: Final = session_hours(OPENED_DATE).opens_at
_SINGLE_BALANCE_BEFORE: Final = 20240501
_SEARCH_NEEDS_START: Final = 20261012
_TIME_BACK_DAYS: Final = {"1d": 1, "1w": 7, "1m": 31, "3m": 92, "6m": 183, "1y": 366, "all": 36_600}


class AccountRoutes:
    """The customer, and everything that hangs on an account number."""

    def __init__(self, market: Market) -> None:
        self._ledger = Ledger(market)

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        account = "/accounts/{account}"
        return (
            Route("GET", "/customers/me", self._customer),
            Route("GET", "/customers/me/accounts", self._accounts),
            Route("GET", "/customers/me/accounts/{account}", self._account),
            Route("GET", f"{account}/balances", self._balances),
            Route("GET", f"{account}/balances/{{currency}}", self._balance),
            Route("GET", f"{account}/balance-snapshots", self._snapshots),
            Route("GET", f"{account}/positions", self._positions),
            Route("GET", f"{account}/transactions", self._transactions),
            Route("GET", f"{account}/transactions/total-fees", self._total_fees),
            Route("GET", f"{account}/transactions/{{id}}", self._transaction),
            Route("GET", f"{account}/net-liq/history", self._net_liq),
            Route("GET", f"{account}/trading-status", self._trading_status),
            Route("GET", f"{account}/orders", self._orders),
            Route("GET", f"{account}/orders/live", self._no_items),
            Route("GET", f"{account}/orders/{{id}}", self._no_order),
            Route("GET", f"{account}/complex-orders", self._complex_orders),
            Route("GET", f"{account}/complex-orders/live", self._no_items),
            Route("GET", f"{account}/complex-orders/{{id}}", self._no_order),
            Route("GET", "/margin/accounts/{account}/requirements", self._margin),
            Route("GET", f"{account}/margin-requirements/{{symbol}}/effective", self._effective_margin),
            Route("GET", f"{account}/position-limit", self._position_limit),
        )

    def _customer(self, call: Call) -> Answer:
        return single(call, _CUSTOMER)

    def _accounts(self, call: Call) -> Answer:
        rows = [{"account": _account_row(plan, call.now), "authority-level": "owner"} for plan in PLANS.values()]
        return listing(call, rows)

    def _account(self, call: Call) -> Answer:
        return single(call, _account_row(_plan(call), call.now))

    def _balances(self, call: Call) -> Answer:
        row = self._balance_row(_plan(call), call.now)
        # Since contract 20240501 one entry per currency.
        return single(call, row) if call.contract < _SINGLE_BALANCE_BEFORE else listing(call, [row])

    def _balance(self, call: Call) -> Answer:
        if call.params["currency"] != "USD":
            raise not_found(f"balance in {call.params['currency'][:10]}")
        return single(call, self._balance_row(_plan(call), call.now))

    def _balance_row(self, plan: AccountPlan, now: datetime) -> Row:
        equity = sum(holding.quantity * holding.price for holding in self._ledger.holdings(plan.number, now))
        row = _balance_figures(plan, cash=self._ledger.cash(plan.number, now), equity=equity)
        snapshot = session_on_or_before(now.astimezone(NEW_YORK).date())
        return {**row, "snapshot-date": snapshot.isoformat(), "updated-at": instant(now)}

    def _snapshots(self, call: Call) -> Answer:
        plan = _plan(call)
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
            # A day begins with what the day before it ended with, and ends when its session does.
            source = index - 1 if time_of_day == "BOD" else index
            has_ended = time_of_day == "BOD" or session_hours(session).closes_at <= call.now
            if source >= 0 and has_ended and first <= session <= (last or today):
                cash = float(worth.cash[source])
                figures = _balance_figures(plan, cash=cash, equity=float(worth.close[source]) - cash)
                rows.append({**figures, "snapshot-date": session.isoformat(), "time-of-day": time_of_day})
        return page(call, rows, per_page=250, most=2000)

    def _positions(self, call: Call) -> Answer:
        plan = _plan(call)
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

    def _transactions(self, call: Call) -> Answer:
        plan = _plan(call)
        rows = [_transaction_row(entry) for entry in self._ledger.entries(plan.number, call.now)]
        for wanted in _transaction_filters(call):
            rows = [row for row in rows if wanted(row)]
        match call.query.text("sort"):
            case None | "Desc":
                rows.reverse()
            case "Asc":
                pass
            case _:
                raise invalid("sort", "does not have a valid value")
        return page(call, rows, per_page=250, most=2000)

    def _transaction(self, call: Call) -> Answer:
        for entry in self._ledger.entries(_plan(call).number, call.now):
            if str(entry.id) == call.params["id"]:
                return single(call, _transaction_row(entry))
        raise not_found(f"transaction {call.params['id'][:20]}")

    def _total_fees(self, call: Call) -> Answer:
        day = call.query.day("date") or call.now.astimezone(NEW_YORK).date()
        entries = self._ledger.entries(_plan(call).number, call.now)
        fees = sum(entry.fees for entry in entries if entry.session == day)
        return single(call, {"total-fees": decimal(fees), "total-fees-effect": "Debit" if fees else "None"})

    def _net_liq(self, call: Call) -> Answer:
        plan = _plan(call)
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

    def _trading_status(self, call: Call) -> Answer:
        plan = _plan(call)
        data = {
            "account-number": plan.number,
            "equities-margin-calculation-type": "Reg T" if plan.margin_or_cash == "Margin" else "Cash",
            "fee-schedule-name": "default",
            "futures-margin-rate-multiplier": "1.0",
            "has-intraday-equities-margin": False,
            "id": int(plan.number[3:]),
            "is-aggregated-at-clearing": False,
            "is-closed": _is_closed(plan, call.now),
            "is-closing-only": False,
            "is-cryptocurrency-enabled": False,
            "is-frozen": False,
            "is-full-equity-margin-required": plan.margin_or_cash == "Cash",
            "is-futures-closing-only": False,
            "is-futures-intra-day-enabled": False,
            "is-futures-enabled": plan.margin_or_cash == "Margin",
            "is-in-day-trade-equity-maintenance-call": False,
            "is-in-margin-call": False,
            "is-pattern-day-trader": False,
            "is-small-notional-futures-intra-day-enabled": False,
            "is-roll-the-day-forward-enabled": True,
            "are-far-otm-net-options-restricted": True,
            "options-level": "No Restrictions" if plan.margin_or_cash == "Margin" else "Covered Options",
            "short-calls-enabled": plan.margin_or_cash == "Margin",
            "small-notional-futures-margin-rate-multiplier": "1.0",
            "is-equity-offering-enabled": False,
            "is-equity-offering-closing-only": False,
            "day-trade-count": 0,
            "updated-at": instant(_OPENED_AT),
        }
        return single(call, data)

    def _orders(self, call: Call) -> Answer:
        if call.contract >= _SEARCH_NEEDS_START and not (call.query.text("start-date") or call.query.text("start-at")):
            raise invalid("start-date", "or start-at is required")
        _plan(call)
        return page(call, [], per_page=100, most=200)

    def _complex_orders(self, call: Call) -> Answer:
        _plan(call)
        return page(call, [], per_page=10, most=200)

    def _no_items(self, call: Call) -> Answer:
        _plan(call)
        return listing(call, [])

    def _no_order(self, call: Call) -> Answer:
        _plan(call)
        raise not_found(f"order {call.params['id'][:20]}")

    def _margin(self, call: Call) -> Answer:
        plan = _plan(call)
        holdings = self._ledger.holdings(plan.number, call.now)
        cash = self._ledger.cash(plan.number, call.now)
        equity = sum(holding.quantity * holding.price for holding in holdings)
        rate = 0.5 if plan.margin_or_cash == "Margin" else 1.0
        data = {
            "account-number": plan.number,
            "description": "Total",
            "margin-calculation-type": "Reg T",
            "option-level": "No Restrictions",
            **_signed("margin-requirement", -equity * rate),
            **_signed("maintenance-requirement", -equity * rate / 2),
            **_signed("margin-equity", cash + equity),
            **_signed("option-buying-power", cash + equity * (1 - rate)),
            **_signed("reg-t-margin-requirement", -equity * rate),
            **_signed("reg-t-option-buying-power", cash + equity * (1 - rate)),
            **_signed("maintenance-excess", cash + equity * (1 - rate / 2)),
            "last-state-timestamp": int(call.now.timestamp() * 1000),
            "groups": [
                {
                    "description": holding.symbol,
                    "code": holding.symbol,
                    "underlying-symbol": holding.symbol,
                    "underlying-type": "Equity",
                    "margin-calculation-type": "Reg T",
                    **_signed("buying-power", -holding.quantity * holding.price * rate),
                    **_signed("margin-requirement", -holding.quantity * holding.price * rate),
                }
                for holding in holdings
            ],
        }
        return single(call, data)

    def _effective_margin(self, call: Call) -> Answer:
        rate = decimal(0.5 if _plan(call).margin_or_cash == "Margin" else 1.0)
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

    def _position_limit(self, call: Call) -> Answer:
        kinds = ("equity", "equity-option", "future", "future-option")
        data: Row = {"account-number": _plan(call).number, "underlying-opening-order-limit": 1_000_000}
        data |= {f"{kind}-order-size": 100_000 for kind in kinds}
        data |= {f"{kind}-position-size": 1_000_000 for kind in kinds}
        return single(call, data)


def _plan(call: Call) -> AccountPlan:
    plan = PLANS.get(call.params["account"])
    if plan is None:
        # As the API does, which does not tell a stranger's account from one that does not exist.
        raise RequestError(403, "not_permitted", "User not permitted access")
    return plan


def _is_closed(plan: AccountPlan, now: datetime) -> bool:
    return plan.closed_date is not None and plan.closed_date <= now.date()


def _account_row(plan: AccountPlan, now: datetime) -> Row:
    is_closed = _is_closed(plan, now)
    return present(
        {
            "account-number": plan.number,
            "opened-at": instant(_OPENED_AT),
            "nickname": plan.nickname,
            "account-type-name": plan.type_name,
            "day-trader-status": False,
            "is-closed": is_closed,
            "closed-at": plan.closed_date.isoformat() if is_closed and plan.closed_date is not None else None,
            "is-firm-error": False,
            "is-firm-proprietary": False,
            "is-futures-approved": plan.margin_or_cash == "Margin",
            "is-test-drive": False,
            "margin-or-cash": plan.margin_or_cash,
            "is-foreign": False,
            "funding-date": OPENED_DATE.isoformat(),
            "investment-objective": "SPECULATION" if plan.margin_or_cash == "Margin" else "LONG_TERM",
            "suitable-options-level": "No Restrictions" if plan.margin_or_cash == "Margin" else "Covered Options",
            "created-at": instant(_OPENED_AT),
        }
    )


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


def _balance_figures(plan: AccountPlan, *, cash: float, equity: float) -> dict[str, Any]:
    """All money fields; half of the equity is lent on in a margin account, none in a cash account."""
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


def _transaction_row(entry: Entry) -> Row:
    is_trade = entry.symbol is not None
    net = entry.amount - entry.fees
    return present(
        {
            "id": entry.id,
            "account-number": entry.account_number,
            "symbol": entry.symbol,
            "instrument-type": "Equity" if is_trade else None,
            "underlying-symbol": entry.symbol,
            "transaction-type": "Trade" if is_trade else "Money Movement",
            "transaction-sub-type": "Buy to Open" if is_trade else "Deposit",
            "description": f"Bought {entry.quantity} {entry.symbol} @ {entry.price:.2f}" if is_trade else "ACH DEPOSIT",
            "action": "Buy to Open" if is_trade else None,
            "quantity": decimal(entry.quantity) if is_trade else None,
            "price": decimal(entry.price) if is_trade else None,
            "executed-at": instant(entry.executed_at),
            "transaction-date": entry.session.isoformat(),
            **_signed("value", entry.amount),
            **(_signed("regulatory-fees", -entry.fees, places=3) if is_trade else {}),
            **(_signed("clearing-fees", 0.0) if is_trade else {}),
            **(_signed("commission", 0.0) if is_trade else {}),
            **_signed("net-value", net, places=3),
            "is-estimated-fee": True,
            "order-id": entry.id - 800_000_000 if is_trade else None,
            "leg-count": 1 if is_trade else None,
        }
    )


def _transaction_filters(call: Call) -> Sequence[Callable[[Row], bool]]:
    query = call.query
    filters: list[Callable[[Row], bool]] = []
    for name, field in (
        ("type", "transaction-type"),
        ("types", "transaction-type"),
        ("sub-type", "transaction-sub-type"),
        ("instrument-type", "instrument-type"),
        ("symbol", "symbol"),
        ("underlying-symbol", "underlying-symbol"),
        ("action", "action"),
        # Nothing here is a future, has a partition: such a filter leaves nothing.
        ("futures-symbol", "futures-symbol"),
        ("partition-key", "partition-key"),
    ):
        values = query.strings(name)
        if values is not None:
            filters.append(lambda row, field=field, values=values: row.get(field) in values)  # type: ignore[misc]
    if query.text("currency") not in {None, "USD"}:
        filters.append(lambda row: row.get("currency") is not None)
    first, last = query.day("start-date"), query.day("end-date")
    if first is not None:
        filters.append(lambda row: date.fromisoformat(row["transaction-date"]) >= first)
    if last is not None:
        filters.append(lambda row: date.fromisoformat(row["transaction-date"]) <= last)
    since, until = query.instant("start-at"), query.instant("end-at")
    if since is not None:
        filters.append(lambda row: datetime.fromisoformat(row["executed-at"]) >= since)
    if until is not None:
        filters.append(lambda row: datetime.fromisoformat(row["executed-at"]) <= until)
    return filters


def _signed(name: str, amount: float, *, places: int = 2) -> Row:
    """A non-negative amount and its effect."""
    effect = "None" if round(amount, places) == 0 else ("Credit" if amount > 0 else "Debit")
    return {name: decimal(abs(amount), places), f"{name}-effect": effect}


_ADDRESS: Final = {
    "street-one": "1 Test Way",
    "city": "Chicago",
    "state-region": "IL",
    "postal-code": "60601",
    "country": "USA",
    "is-domestic": True,
    "is-foreign": False,
}

_CUSTOMER: Final = {
    "id": "me",
    "first-name": "Pat",
    "last-name": "Sample",
    "address": _ADDRESS,
    "mailing-address": _ADDRESS,
    "is-foreign": False,
    "usa-citizenship-type": "Citizen",
    "mobile-phone-number": "+13125550100",
    "birth-date": "1980-01-01",
    "email": "desk@example.org",
    "tax-number-type": "SSN",
    "tax-number": "*****0000",
    "external-id": "C0000000001",
    "citizenship-country": "USA",
    "subject-to-tax-withholding": False,
    "agreed-to-margining": True,
    "agreed-to-terms": True,
    "has-industry-affiliation": False,
    "has-listed-affiliation": False,
    "has-political-affiliation": False,
    "has-delayed-quotes": False,
    "has-pending-or-approved-application": True,
    "is-professional": False,
    # Without dashes: the one such place on the wire.
    "permitted-account-types": [
        {
            "name": "Individual",
            "description": "",
            "is_tax_advantaged": False,
            "is_publicly_available": True,
            "has_multiple_owners": False,
            "margin_types": [{"name": "Margin", "is_margin": True}],
        }
    ],
    "created-at": instant(_OPENED_AT),
    "identifiable-type": "Person",
    "person": {
        "external-id": "P0000000001",
        "first-name": "Pat",
        "last-name": "Sample",
        "citizenship-country": "USA",
        "usa-citizenship-type": "Citizen",
        "employment-status": "EMPLOYED",
        "marital-status": "SINGLE",
        "number-of-dependents": 0,
    },
}
