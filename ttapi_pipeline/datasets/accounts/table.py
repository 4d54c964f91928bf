# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `accounts` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.datasets.columns import FETCHED_AT, SOURCE
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.tables.schema import FLAG, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema, required

ACCOUNTS: Final = DatasetSchema(
    "accounts",
    (
        required("account_number", STRING, "Account number"),
        Column("nickname", STRING, "The holder's name for it"),
        Column("account_type", STRING, "Account type, such as Individual"),
        Column("margin_or_cash", STRING, "Margin or Cash"),
        Column("authority_level", STRING, "The user's authority over it, such as owner"),
        Column("is_closed", FLAG, "Whether the account is closed; null where the broker does not say"),
        Column("is_futures_approved", FLAG, "Whether futures may be traded"),
        Column("opened_at", TIMESTAMP, "When it was opened"),
        Column("currency", STRING, "Currency of the balances"),
        Column("net_liquidating_value", FLOAT, "Value if everything were closed at mark"),
        Column("cash_balance", FLOAT, "Cash"),
        Column("pending_cash", FLOAT, "Cash in transfer, negative when going out"),
        Column("cash_available_to_withdraw", FLOAT, "Cash that may be withdrawn"),
        Column("equity_buying_power", FLOAT, "Buying power for shares"),
        Column("derivative_buying_power", FLOAT, "Buying power for options and futures"),
        Column("long_equity_value", FLOAT, "Market value of long shares"),
        Column("short_equity_value", FLOAT, "Market value of short shares"),
        Column("long_derivative_value", FLOAT, "Market value of long options"),
        Column("short_derivative_value", FLOAT, "Market value of short options"),
        Column("margin_equity", FLOAT, "Equity that counts for margin"),
        Column("maintenance_requirement", FLOAT, "Maintenance margin"),
        Column("balances_updated_at", TIMESTAMP, "When the broker computed the balances"),
        SOURCE,
        FETCHED_AT,
    ),
    key=("account_number",),
)

DATASET: Final = Dataset(
    name=ACCOUNTS.name,
    schema=ACCOUNTS,
    description="Brokerage accounts with their balances; one row per account.",
    ttl=timedelta(hours=1),
    code_version="1.2",
    group="accounts",
    keeps=Keeps.EVERY_CHANGE,
    source="/customers/me/accounts",
    rules={"currency is a three-letter code": "currency ~ '^[A-Z]{3}$'"},
)
