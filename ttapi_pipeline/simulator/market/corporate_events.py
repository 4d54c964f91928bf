# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Earnings reports, dividends and splits, with figures that agree with the prices of the symbol."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from ttapi_pipeline.core.sessions import LAST_DATE, NEW_YORK
from ttapi_pipeline.simulator.market.instruments import FIRST_SESSION
from ttapi_pipeline.simulator.market.moments import session_at
from ttapi_pipeline.simulator.market.paths import SESSIONS_PER_YEAR, SymbolPath, position_of
from ttapi_pipeline.simulator.market.prices import PATHS_KEPT, UNITS_PER_DOLLAR, Prices

_BEFORE_OPEN: Final = time(7, 0)
_AFTER_CLOSE: Final = time(16, 30)


@dataclass(frozen=True, slots=True)
class Dividend:
    """A cash dividend in US dollars per share, adjusted for splits."""

    ex_date: date
    pay_date: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Split:
    """Shares after for shares before: 2 for a two-for-one, below 1 for a reverse split; from the open of `ex_date`."""

    ex_date: date
    ratio: float


@dataclass(frozen=True, slots=True)
class EarningsReport:
    """A report of a fiscal quarter; `eps` is None until it is out.

    Attributes:
        time_of_day: Before the open (BTO) or after the close (AMC) of `report_date`.
        consensus_estimate: US dollars per share, as `eps`.
    """

    report_date: date
    time_of_day: Literal["BTO", "AMC"]
    quarter_end_date: date
    eps: Decimal | None
    consensus_estimate: Decimal


@dataclass(frozen=True, slots=True)
class EarningsStanding:
    """How earnings stand at an instant.

    Attributes:
        following: The next report, without its result; None without earnings.
        last: The newest report that is out; None before the first.
        trailing_eps: Earnings of the last four reports, US dollars per share; None before there are four.
    """

    following: EarningsReport | None
    last: EarningsReport | None
    trailing_eps: float | None


class CorporateEvents:
    """Corporate events of the instruments of one market.

    Raises:
        KeyError: From every method: the symbol is not listed.
    """

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._reports = lru_cache(maxsize=PATHS_KEPT)(self._draw_reports)
        self._dividends = lru_cache(maxsize=PATHS_KEPT)(self._draw_dividends)

    def dividends(self, symbol: str, day: date) -> tuple[Sequence[Dividend], Dividend | None]:
        """Dividends that have gone ex by that day, ascending, and the next one."""
        dividends = self._dividends(symbol)
        gone = bisect_right(dividends, day, key=lambda dividend: dividend.ex_date)
        return dividends[:gone], dividends[gone] if gone < len(dividends) else None

    def splits(self, symbol: str, day: date) -> Sequence[Split]:
        """Splits that have happened by that day, ascending."""
        splits = (Split(session_at(position), ratio) for position, ratio in self._prices.path(symbol).splits)
        return tuple(split for split in splits if split.ex_date <= day)

    def earnings(self, symbol: str, at: datetime) -> Sequence[EarningsReport]:
        """Reports that are out, ascending."""
        return tuple(report for report in self._reports(symbol) if _is_out(report, at))

    def earnings_standing(self, symbol: str, at: datetime) -> EarningsStanding:
        """The next report, the last one, and the earnings of the last four."""
        reports = self._reports(symbol)
        out = bisect_right(reports, 0, key=lambda report: 0 if _is_out(report, at) else 1)
        trailing = None
        if out >= 4:
            trailing = float(sum(report.eps for report in reports[out - 4 : out] if report.eps is not None))
        return EarningsStanding(
            following=replace(reports[out], eps=None) if out < len(reports) else None,
            last=reports[out - 1] if out else None,
            trailing_eps=trailing,
        )

    def _draw_reports(self, symbol: str) -> Sequence[EarningsReport]:
        """Every report from the listing to the end of the calendar.

        Earnings are the mean price of the year before, divided by the price-earnings ratio, and a surprise.
        """
        path, traits = self._prices.path(symbol), self._prices.traits(symbol)
        if path.quarters is None or traits.price_earnings is None:
            return ()
        mean_price = _MeanPrice(path)
        reports = []
        for end, position, surprise, error in zip(
            path.quarters.quarter_ends.tolist(),
            path.quarters.report_positions.tolist(),
            path.quarters.surprises.tolist(),
            path.quarters.estimate_errors.tolist(),
            strict=True,
        ):
            if not path.first < position < len(path.close):
                continue
            eps = mean_price.before(position) / traits.price_earnings / 4 * math.exp(surprise)
            reports.append(
                EarningsReport(
                    report_date=session_at(position),
                    time_of_day="AMC" if traits.is_after_close else "BTO",
                    quarter_end_date=end,
                    eps=Decimal(f"{eps:.2f}"),
                    consensus_estimate=Decimal(f"{eps * (1 + error):.2f}"),
                )
            )
        return tuple(reports)

    def _draw_dividends(self, symbol: str) -> Sequence[Dividend]:
        """Quarterly dividends to the end of the calendar: the yield on the mean price of the year before."""
        path, traits = self._prices.path(symbol), self._prices.traits(symbol)
        if not traits.dividend_yield:
            return ()
        mean_price = _MeanPrice(path)
        dividends = []
        for year in range(FIRST_SESSION.year, LAST_DATE.year):
            for month in range(1 + traits.dividend_month, 13, 3):
                position = position_of(date(year, month, 6 + (year + month + traits.shares_outstanding) % 5))
                if path.first + 60 <= position <= path.last:
                    ex_date = session_at(position)
                    pay_date = session_at(position_of(ex_date + timedelta(days=24)))
                    amount = Decimal(f"{mean_price.before(position) * traits.dividend_yield / 4:.4f}")
                    dividends.append(Dividend(ex_date, pay_date, amount))
        return tuple(dividends)


class _MeanPrice:
    """Mean closes of a path, from running totals."""

    def __init__(self, path: SymbolPath) -> None:
        self._first = path.first
        self._total = np.concatenate([[0], np.cumsum(path.close, dtype=np.int64)])

    def before(self, position: int) -> float:
        """US dollars, over the 252 sessions before a position that comes after the first bar, or as many as exist."""
        start = max(self._first, position - SESSIONS_PER_YEAR)
        return int(self._total[position] - self._total[start]) / (position - start) / UNITS_PER_DOLLAR


def _is_out(report: EarningsReport, at: datetime) -> bool:
    published = _BEFORE_OPEN if report.time_of_day == "BTO" else _AFTER_CLOSE
    return at >= datetime.combine(report.report_date, published, NEW_YORK)
