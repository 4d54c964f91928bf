# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Transactions of an account, and the fees in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime

from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.simulator.market.ledger import Entry, Ledger
from ttapi_pipeline.simulator.rest.endpoints.customers import account_of
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    Row,
    decimal,
    instant,
    invalid,
    not_found,
    page,
    present,
    signed,
    single,
)


class TransactionRoutes:
    """Deposits and trades, filtered as the query says."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def routes(self) -> Sequence[Route]:
        """All routes of this module."""
        account = "/accounts/{account}"
        return (
            Route("GET", f"{account}/transactions", self._transactions),
            Route("GET", f"{account}/transactions/total-fees", self._total_fees),
            Route("GET", f"{account}/transactions/{{id}}", self._transaction),
        )

    def _transactions(self, call: Call) -> Answer:
        plan = account_of(call)
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
        for entry in self._ledger.entries(account_of(call).number, call.now):
            if str(entry.id) == call.params["id"]:
                return single(call, _transaction_row(entry))
        raise not_found(f"transaction {call.params['id'][:20]}")

    def _total_fees(self, call: Call) -> Answer:
        day = call.query.day("date") or call.now.astimezone(NEW_YORK).date()
        entries = self._ledger.entries(account_of(call).number, call.now)
        fees = sum(entry.fees for entry in entries if entry.session == day)
        return single(call, {"total-fees": decimal(fees), "total-fees-effect": "Debit" if fees else "None"})


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
            **signed("value", entry.amount),
            **(signed("regulatory-fees", -entry.fees, places=3) if is_trade else {}),
            **(signed("clearing-fees", 0.0) if is_trade else {}),
            **(signed("commission", 0.0) if is_trade else {}),
            **signed("net-value", net, places=3),
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
        # No transaction here has a future or a partition, so such a filter leaves nothing.
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
