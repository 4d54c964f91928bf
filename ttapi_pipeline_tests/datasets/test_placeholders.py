# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What stands for "unknown" is null; what is merely unusual is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.client.models import Earnings, ExpirationVolatility, MarketMetrics
from ttapi_pipeline.datasets.implied_volatility.build import implied_volatility_frame
from ttapi_pipeline.datasets.placeholders import known_date, known_moment, next_dividend, not_zero, positive
from ttapi_pipeline.datasets.symbols.build import symbols_frame

NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "is_known"),
    [
        (date(1970, 1, 1), False),
        (date(1, 1, 1), False),
        (date(1900, 1, 1), False),
        (date(9999, 12, 31), False),
        (date(1970, 1, 2), True),
        (date(1998, 3, 1), True),
        (date(2031, 12, 19), True),
        (date(2099, 12, 18), True),
    ],
)
def test_dates_of_no_day_are_unknown(day: date, is_known: bool) -> None:
    assert known_date(day) == (day if is_known else None)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert known_moment(noon) == (noon if is_known else None)


def test_numbers_that_cannot_be_are_unknown() -> None:
    assert [positive(number) for number in (None, 0.0, -1.0, 0.01)] == [None, None, None, 0.01]
    assert [not_zero(number) for number in (None, 0.0, -3.5, 4.0)] == [None, None, -3.5, 4.0]


def test_a_next_dividend_comes_after_the_last_one() -> None:
    november, february = date(2026, 11, 9), date(2027, 2, 8)
    assert next_dividend(february, november) == february
    assert next_dividend(november, november) == november
    assert next_dividend(november, february) is None
    assert next_dividend(february, date(1970, 1, 1)) == february
    assert next_dividend(february, None) == february
    assert next_dividend(None, november) is None


@pytest.fixture
def row_of(universe_rows: Callable[..., pl.DataFrame]) -> Callable[..., dict[str, Any]]:
    """The row of `symbols` of a symbol with these metrics."""

    def make(metrics: MarketMetrics, **facts: bool) -> dict[str, Any]:
        universe = universe_rows(metrics.symbol).with_columns(**{name: pl.lit(fact) for name, fact in facts.items()})
        (row,) = symbols_frame([metrics], universe, fetched_at=NOW).rows(named=True)
        return row

    return make


def test_an_index_and_a_fund_earn_nothing_and_a_company_may(row_of: Callable[..., dict[str, Any]]) -> None:
    zeros = MarketMetrics(symbol="SPX", price_earnings_ratio=0.0, earnings_per_share=0.0, market_cap=0.0)
    for facts in ({"is_index": True}, {"is_etf": True}, {}):
        row = row_of(zeros, **facts)
        assert (row["price_earnings_ratio"], row["earnings_per_share"], row["market_cap"]) == (None, None, None)
    company = MarketMetrics(symbol="AAA", price_earnings_ratio=0.0, earnings_per_share=0.0, market_cap=5e9)
    row = row_of(company)
    assert (row["price_earnings_ratio"], row["earnings_per_share"], row["market_cap"]) == (None, 0.0, 5_000_000_000)
    loss = row_of(MarketMetrics(symbol="AAA", price_earnings_ratio=-12.5, earnings_per_share=-2.0, market_cap=5e9))
    assert (loss["price_earnings_ratio"], loss["earnings_per_share"]) == (-12.5, -2.0)


def test_earnings_that_are_not_visible_are_unknown(row_of: Callable[..., dict[str, Any]]) -> None:
    figures: dict[str, Any] = {"expected_report_date": date(2027, 1, 28), "time_of_day": "AMC", "actual_eps": 1.5}
    hidden = row_of(MarketMetrics(symbol="SPY", earnings=Earnings(visible=False, estimated=True, **figures)))
    names = [name for name in hidden if "earnings_" in name and name != "price_earnings_ratio"]
    assert {hidden[name] for name in names} == {None}
    for visible in (True, None):
        shown = row_of(MarketMetrics(symbol="AAA", earnings=Earnings(visible=visible, **figures)))
        assert (shown["earnings_date"], shown["earnings_actual_eps"]) == (date(2027, 1, 28), 1.5)
    unknown = row_of(MarketMetrics(symbol="AAA", earnings=Earnings(expected_report_date=date(1970, 1, 1))))
    assert unknown["earnings_date"] is None


def test_a_volatility_of_zero_or_less_is_unknown_and_hides_no_other() -> None:
    friday, january = date(2026, 12, 18), date(2027, 1, 15)
    listed = [(friday, 0.0), (friday, 0.2), (january, -1.0), (date(1970, 1, 1), 0.3)]
    entries = tuple(ExpirationVolatility(expiration_date=day, implied_volatility=each) for day, each in listed)
    frame = implied_volatility_frame(
        [MarketMetrics(symbol="AAA", option_expiration_implied_volatilities=entries)], fetched_at=NOW
    )
    rows = frame.sort("expiration_date").select("expiration_date", "implied_volatility").rows()
    assert rows == [(friday, 0.2), (january, None)]
