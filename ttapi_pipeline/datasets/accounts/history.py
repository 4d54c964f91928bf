# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is kept of `accounts` for every session: its balances. They are as private as the accounts."""

from __future__ import annotations

from typing import Final

from ttapi_pipeline.datasets.accounts.table import ACCOUNTS
from ttapi_pipeline.datasets.history import CARRIED_OVER, FETCHED_AT, KNOWN_AT, SESSION, History, columns_of
from ttapi_pipeline.tables.schema import DatasetSchema

_BALANCES: Final = (
    *("account_number", "is_closed", "currency", "net_liquidating_value", "cash_balance", "pending_cash"),
    *("cash_available_to_withdraw", "equity_buying_power", "derivative_buying_power"),
    *("long_equity_value", "short_equity_value", "long_derivative_value", "short_derivative_value"),
    *("margin_equity", "maintenance_requirement", "balances_updated_at"),
)

HISTORY: Final = History(
    of=ACCOUNTS.name,
    schema=DatasetSchema(
        "balances_history",
        (SESSION, *columns_of(ACCOUNTS, _BALANCES), CARRIED_OVER, FETCHED_AT, KNOWN_AT),
        key=("session", "account_number"),
    ),
    description="Balances of each account at the end of each session; one row per session and account.",
    code_version="1",
    subject="account_number",
)
