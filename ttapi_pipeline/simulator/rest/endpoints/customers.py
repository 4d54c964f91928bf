# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/customers` and the facts about an account that do not depend on its contents: type, permissions, limits.

Cash, positions and transactions are in the modules named after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.simulator.market.ledger import OPENED_DATE, PLANS, AccountPlan
from ttapi_pipeline.simulator.rest.router import Route
from ttapi_pipeline.simulator.rest.wire import (
    Answer,
    Call,
    RequestError,
    Row,
    instant,
    listing,
    present,
    single,
)

_OPENED_AT: Final = session_hours(OPENED_DATE).opens_at


def routes() -> Sequence[Route]:
    """All routes of this module."""
    return (
        Route("GET", "/customers/me", _customer),
        Route("GET", "/customers/me/accounts", _accounts),
        Route("GET", "/customers/me/accounts/{account}", _account),
        Route("GET", "/accounts/{account}/trading-status", _trading_status),
        Route("GET", "/accounts/{account}/position-limit", _position_limit),
    )


def account_of(call: Call) -> AccountPlan:
    """The account that the path names.

    Raises:
        RequestError: 403 for an unknown number: the API does not tell whether another customer has it.
    """
    plan = PLANS.get(call.params["account"])
    if plan is None:
        raise RequestError(403, "not_permitted", "User not permitted access")
    return plan


def _customer(call: Call) -> Answer:
    return single(call, _CUSTOMER)


def _accounts(call: Call) -> Answer:
    rows = [{"account": _account_row(plan, call.now), "authority-level": "owner"} for plan in PLANS.values()]
    return listing(call, rows)


def _account(call: Call) -> Answer:
    return single(call, _account_row(account_of(call), call.now))


def _trading_status(call: Call) -> Answer:
    plan = account_of(call)
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


def _position_limit(call: Call) -> Answer:
    kinds = ("equity", "equity-option", "future", "future-option")
    data: Row = {"account-number": account_of(call).number, "underlying-opening-order-limit": 1_000_000}
    data |= {f"{kind}-order-size": 100_000 for kind in kinds}
    data |= {f"{kind}-position-size": 1_000_000 for kind in kinds}
    return single(call, data)


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
    # The only keys on the wire without dashes.
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
