# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`accounts`: brokerage accounts with their balances."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from ttapi_pipeline.client import REPEATED_ROW, Account, Balance, TastytradeClient, lost_in, rejected_in
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.errors import ApiError, AuthError, DataError
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.core.privacy import masked_subjects
from ttapi_pipeline.datasets.accounts.table import ACCOUNTS
from ttapi_pipeline.datasets.build import Build, carry_over, rows_per_source
from ttapi_pipeline.datasets.placeholders import known_moment, known_text
from ttapi_pipeline.datasets.refresh import Refresh

AccountWithBalance = tuple[Account, Balance | None]


async def collect_accounts(client: TastytradeClient, *, progress: ProgressCallback) -> Collection[AccountWithBalance]:
    """Every account, with its balance if it is open. An account whose balance fails is among the rows without one.

    Raises:
        ApiError: The accounts cannot be listed.
        AuthError: The credentials were refused.
    """
    listed = await client.accounts()
    accounts = list({account.account_number: account for account in reversed(listed)}.values())[::-1]
    rows: list[AccountWithBalance] = []
    rejected = rejected_in(listed)
    missing: dict[str, str] = dict(rejected)
    refusals: list[AuthError] = []

    async def add(account: Account) -> None:
        balance = None
        try:
            if not account.is_closed:
                balance = await client.balance(account.account_number)
                if balance.account_number not in {None, account.account_number}:
                    missing[account.account_number] = "no balance: the answer is of another account"
                    balance = None
                elif _says_nothing(balance):
                    missing[account.account_number] = "no balance: the answer has no amount"
        except AuthError as refusal:
            refusals.append(refusal)
        except ApiError as error:
            missing[account.account_number] = f"no balance: {error}"
        rows.append((account, balance))
        progress(len(rows), len(accounts))

    async with asyncio.TaskGroup() as tasks:
        for account in accounts:
            tasks.create_task(add(account))
    if refusals:
        raise refusals[0]
    balances = [balance for _, balance in rows if balance is not None]
    lost = lost_in(accounts) + lost_in(balances)
    lost.update(REPEATED_ROW for account in listed if account not in accounts)
    return Collection(rows, missing, requested=len(accounts) + len(rejected), rejected=rejected, lost=lost)


def _says_nothing(balance: Balance) -> bool:
    """Whether an open account's balance came without its amounts, rather than with ones that cannot be read."""
    amounts = (balance.net_liquidating_value, balance.cash_balance)
    return all(amount is None for amount in amounts) and not balance.lost_fields


def with_vanished(
    accounts: Collection[AccountWithBalance], previous: pl.LazyFrame | None
) -> Collection[AccountWithBalance]:
    """Count as missing the stored accounts that are open and not in the list: a closed one stays in it."""
    if previous is None:
        return accounts
    stored = (
        previous.filter(~pl.col("is_closed").fill_null(value=False))
        .select("account_number")
        .collect()["account_number"]
        .to_list()
    )
    vanished = sorted(set(stored) - {account.account_number for account, _ in accounts.rows})
    reasons = dict.fromkeys(vanished, "not in the list of accounts, and it was open")
    return replace(accounts, missing={**accounts.missing, **reasons}, requested=accounts.requested + len(vanished))


def accounts_frame(accounts: Sequence[AccountWithBalance], *, fetched_at: datetime) -> pl.DataFrame:
    """One row per account; balances are null for a closed one."""
    rows = [
        {
            "account_number": account.account_number,
            "nickname": known_text(account.nickname),
            "account_type": known_text(account.account_type_name),
            "margin_or_cash": known_text(account.margin_or_cash),
            "authority_level": known_text(account.authority_level),
            "is_closed": account.is_closed,
            "is_futures_approved": account.is_futures_approved,
            "opened_at": known_moment(account.opened_at),
            **({} if balance is None else _balance_row(balance)),
            "source": "tastytrade",
            "fetched_at": fetched_at,
        }
        for account, balance in accounts
    ]
    return pl.DataFrame(rows, schema=ACCOUNTS.polars)


def _balance_row(balance: Balance) -> dict[str, object]:
    return {
        "currency": balance.currency,
        "net_liquidating_value": balance.net_liquidating_value,
        "cash_balance": balance.cash_balance,
        "pending_cash": _pending_cash(balance),
        "cash_available_to_withdraw": balance.cash_available_to_withdraw,
        "equity_buying_power": balance.equity_buying_power,
        "derivative_buying_power": balance.derivative_buying_power,
        "long_equity_value": balance.long_equity_value,
        "short_equity_value": balance.short_equity_value,
        "long_derivative_value": balance.long_derivative_value,
        "short_derivative_value": balance.short_derivative_value,
        "margin_equity": balance.margin_equity,
        "maintenance_requirement": balance.maintenance_requirement,
        "balances_updated_at": known_moment(balance.updated_at),
    }


def _pending_cash(balance: Balance) -> float | None:
    """Negative when it goes out, which the wire states as a positive amount with the effect "Debit".

    Null when the effect came and could not be read: the amount alone does not say which way it goes.
    """
    amount = balance.pending_cash
    if not amount or balance.pending_cash_effect == "Debit":
        return -amount if amount else amount
    return None if "pending-cash-effect" in balance.lost_fields else amount


async def build_accounts(
    client: TastytradeClient,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    min_coverage: float,
    progress: ProgressCallback,
) -> Build:
    """Fetch accounts and balances; an account whose balance fails keeps its last known row, if it has one."""
    accounts = with_vanished(await collect_accounts(client, progress=progress), previous)
    if not accounts.requested:
        raise DataError("accounts: the list of accounts is empty, and a user of the API has one; nothing is stored")
    replace(accounts, missing=masked_subjects(accounts.missing)).require(min_coverage, subject="accounts")
    fresh = accounts_frame(accounts.rows, fetched_at=now)
    failed = pl.col("account_number").is_in(sorted(accounts.missing))
    known = carry_over(fresh.filter(~failed), previous, accounts.missing, subject="account_number")
    frame = pl.concat([known, fresh.join(known, on="account_number", how="anti")])
    return Build(
        frame=frame,
        missing=accounts.missing,
        sources=rows_per_source(frame),
        statistics={"coverage": accounts.coverage, **lost_facts(accounts.lost)},
        is_simulated=client.is_simulated,
    )


async def build(refresh: Refresh) -> Build:
    """Fetch the accounts and the balance of each."""
    async with refresh.connect() as client:
        return await build_accounts(
            client,
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("balances"),
        )
