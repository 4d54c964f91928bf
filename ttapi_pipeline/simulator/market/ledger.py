# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The simulated accounts: transactions, holdings and values of a savings plan over the prices of the market.

Every January an account gets a deposit, every quarter it buys the same shares.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ttapi_pipeline.core.sessions import next_session, session_hours, sessions_between
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.paths import Floats
from ttapi_pipeline.simulator.market.prices import Bars

OPENED_DATE: Final = date(2010, 1, 4)
_FIRST_ID: Final = 900_000_001
_FEE_PER_SHARE: Final = 0.0008


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """An account and the rule by which it saves.

    Attributes:
        deposit: US dollars each January.
        purchases: Shares bought at the close of the first session of each quarter, by symbol.
    """

    number: str
    nickname: str
    type_name: str
    margin_or_cash: Literal["Margin", "Cash"]
    deposit: float
    purchases: Mapping[str, int]
    closed_date: date | None = None


PLANS: Final[Mapping[str, AccountPlan]] = MappingProxyType(
    {
        plan.number: plan
        for plan in (
            AccountPlan(
                "5WT00001",
                "Research",
                "Individual",
                "Margin",
                120_000.0,
                MappingProxyType({"SPY": 20, "AAPL": 25, "MSFT": 10, "BRK/B": 5}),
            ),
            AccountPlan("5WT00002", "Retirement", "Roth IRA", "Cash", 40_000.0, MappingProxyType({"QQQ": 10})),
            AccountPlan("5WT00003", "Old", "Individual", "Cash", 0.0, MappingProxyType({}), date(2016, 3, 1)),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction. `amount` changes the cash, US dollars without `fees`, negative for a purchase.

    Attributes:
        symbol: None for a deposit, as `quantity` and `price`.
    """

    id: int
    account_number: str
    executed_at: datetime
    session: date
    amount: float
    fees: float
    symbol: str | None = None
    quantity: int = 0
    price: float = 0.0


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares of one symbol; prices in US dollars per share."""

    symbol: str
    quantity: int
    average_price: float
    price: float
    previous_close: float
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Worth:
    """The value of an account per session: parallel arrays, ascending; `open` to `close` are net liquidating values."""

    sessions: Sequence[date]
    cash: Floats
    open: Floats
    high: Floats
    low: Floats
    close: Floats


class Ledger:
    """The history of the accounts up to an instant; a pure function of market and time."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._entries: dict[str, Sequence[Entry]] = {}
        self._entries_until: date | None = None

    def entries(self, number: str, now: datetime) -> Sequence[Entry]:
        """Transactions up to now, oldest first."""
        entries = self._all_entries(now)[number]
        return entries[: bisect_right(entries, now, key=lambda entry: entry.executed_at)]

    def holdings(self, number: str, now: datetime) -> Sequence[Holding]:
        """Positions now, by symbol."""
        bought: dict[str, list[Entry]] = {}
        for entry in self.entries(number, now):
            if entry.symbol is not None:
                bought.setdefault(entry.symbol, []).append(entry)
        holdings = []
        for symbol, entries in sorted(bought.items()):
            spot = self._market.spot(symbol, now)
            quantity = sum(entry.quantity for entry in entries)
            cost = sum(entry.quantity * entry.price for entry in entries)
            holdings.append(
                Holding(
                    symbol,
                    quantity,
                    cost / quantity,
                    spot.price,
                    spot.previous_close,
                    entries[0].executed_at,
                    entries[-1].executed_at,
                )
            )
        return holdings

    def cash(self, number: str, now: datetime) -> float:
        """US dollars."""
        return sum(entry.amount - entry.fees for entry in self.entries(number, now))

    def worth(self, number: str, now: datetime, *, first: date) -> Worth:
        """Value per session from `first` on, the session in progress included."""
        entries = self.entries(number, now)
        sessions = [
            session
            for session in sessions_between(max(first, OPENED_DATE), now.date())
            if session_hours(session).opens_at <= now
        ]
        days = np.array(sessions, dtype="datetime64[D]")
        cash = _steps(days, entries, [entry.amount - entry.fees for entry in entries])
        values = [cash] * 4
        for symbol in PLANS[number].purchases:
            held = [entry for entry in entries if entry.symbol == symbol]
            quantity = _steps(days, held, [float(entry.quantity) for entry in held])
            bars = self._market.bars(symbol, at=now)
            prices = (bars.open, bars.high, bars.low, bars.close)
            values = [value + quantity * _on(days, bars, each) for value, each in zip(values, prices, strict=True)]
        return Worth(sessions, cash, *values)

    def _all_entries(self, now: datetime) -> Mapping[str, Sequence[Entry]]:
        until = now.date()
        if self._entries_until is None or until > self._entries_until:
            self._entries = {number: tuple(self._plan_entries(plan, now)) for number, plan in PLANS.items()}
            self._entries_until = until
        return self._entries

    def _plan_entries(self, plan: AccountPlan, now: datetime) -> Sequence[Entry]:
        entries: list[Entry] = []
        bars = {symbol: self._market.bars(symbol, at=now) for symbol in plan.purchases}
        for year in range(OPENED_DATE.year, now.year + 1):
            for month in (1, 4, 7, 10):
                session = next_session(date(year, month, 1) - timedelta(days=1))
                hours = session_hours(session)
                if hours.closes_at > now or (plan.closed_date is not None and session > plan.closed_date):
                    continue
                if month == 1 and plan.deposit:
                    number = _FIRST_ID + len(entries)
                    entries.append(Entry(number, plan.number, hours.opens_at, session, plan.deposit, 0.0))
                for symbol, quantity in plan.purchases.items():
                    price = round(
                        float(_on(np.array([session], dtype="datetime64[D]"), bars[symbol], bars[symbol].close)[0]), 2
                    )
                    entries.append(
                        Entry(
                            _FIRST_ID + len(entries),
                            plan.number,
                            hours.closes_at,
                            session,
                            -round(quantity * price, 2),
                            round(quantity * _FEE_PER_SHARE, 3),
                            symbol,
                            quantity,
                            price,
                        )
                    )
        return entries


def _steps(days: npt.NDArray[np.datetime64], entries: Sequence[Entry], amounts: Sequence[float]) -> Floats:
    """Running total of the amounts at the end of each day."""
    dates = np.array([entry.session for entry in entries], dtype="datetime64[D]")
    totals = np.array([0.0, *accumulate(amounts)])
    return totals[np.searchsorted(dates, days, side="right")]


def _on(days: npt.NDArray[np.datetime64], bars: Bars, prices: Floats) -> Floats:
    """Prices on each day, or on the last session before it that has a bar; 0 before the first."""
    index = np.searchsorted(bars.sessions, days, side="right") - 1
    return np.where(index >= 0, prices[np.maximum(index, 0)], 0.0) if len(prices) else np.zeros(len(days))
