# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Market metrics, computed again here from bars and reports."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import numpy as np
import pytest

from ttapi_pipeline.core.sessions import is_session
from ttapi_pipeline_tests.support.simulator import shared_market

MARKET = shared_market()
OPEN_AT = datetime(2026, 11, 20, 16, 12, 33, tzinfo=UTC)
WEEKEND = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize("symbol", ["AAPL", "BRK/B", "SPY", "NVDA"])
def test_implied_volatility_figures_follow_from_the_symbols_own_path(symbol: str) -> None:
    metrics, implied = MARKET.metrics(symbol, OPEN_AT), MARKET.bars(symbol, at=OPEN_AT).implied_volatility[-252:]
    now = implied[-1]
    assert metrics.implied_volatility_index == pytest.approx(now, abs=1e-6)
    assert metrics.implied_volatility_rank == pytest.approx(
        (now - implied.min()) / (implied.max() - implied.min()), abs=1e-5
    )
    assert metrics.implied_volatility_percentile == pytest.approx(sum(implied < now) / 252, abs=1e-6)
    assert metrics.implied_volatility_index_5_day_change == pytest.approx(now - implied[-6], abs=1e-6)


@pytest.mark.parametrize("symbol", ["AAPL", "SPX", "TLT"])
def test_historical_volatility_and_beta_follow_from_closed_bars(symbol: str) -> None:
    metrics = MARKET.metrics(symbol, OPEN_AT)
    returns = np.diff(np.log(MARKET.bars(symbol, at=OPEN_AT).close[:-1]))  # without the forming bar
    market = np.diff(np.log(MARKET.bars("SPY", at=OPEN_AT).close[:-1]))
    for days, value in (
        (30, metrics.historical_volatility_30_day),
        (60, metrics.historical_volatility_60_day),
        (90, metrics.historical_volatility_90_day),
    ):
        window = returns[-days:]
        expected = math.sqrt(sum((r - window.mean()) ** 2 for r in window) / (days - 1) * 252)
        assert value == pytest.approx(expected, abs=1e-6)
    slope = np.polyfit(market[-252:], returns[-252:], 1)[0]
    assert metrics.beta == pytest.approx(slope, abs=1e-5)
    assert metrics.correlation_spy_3_month == pytest.approx(np.corrcoef(market[-63:], returns[-63:])[0, 1], abs=1e-5)


def test_what_does_not_apply_is_none() -> None:
    metrics = MARKET.metrics("NOOPT", WEEKEND)
    assert metrics.implied_volatility_index is None
    assert metrics.implied_volatility_rank is None
    assert metrics.earnings is None
    assert metrics.expiration_volatilities == ()
    assert MARKET.metrics("NEWER", WEEKEND).beta is None
    lacking = [
        s
        for s, instrument in MARKET.instruments.items()
        if instrument.kind == "Equity" and MARKET.metrics(s, WEEKEND).historical_volatility_30_day is None
    ]
    assert 0.05 < len(lacking) / len(MARKET.instruments) < 0.2


def test_fundamentals_agree_with_the_price() -> None:
    spot, metrics = MARKET.spot("AAPL", WEEKEND), MARKET.metrics("AAPL", WEEKEND)
    reports, dividends = MARKET.earnings("AAPL", WEEKEND), MARKET.dividends("AAPL", WEEKEND)
    trailing = float(sum(report.eps or 0 for report in reports[-4:]))
    assert metrics.earnings_per_share == pytest.approx(trailing)
    assert metrics.price_earnings_ratio == pytest.approx(spot.price / trailing, abs=1e-3)
    assert metrics.last_earnings == reports[-1]
    assert metrics.earnings is not None
    assert metrics.earnings.eps is None
    assert metrics.earnings.report_date > date(2026, 11, 21)
    assert metrics.dividend_ex_date == dividends[-1].ex_date <= date(2026, 11, 22)
    assert metrics.dividend_next_date is not None
    assert metrics.dividend_next_date > date(2026, 11, 22)
    assert all(is_session(dividend.ex_date) for dividend in dividends)
    assert MARKET.dividends("NOOPT", WEEKEND) == () or MARKET.dividends("NOOPT", WEEKEND)[0].amount > 0
