# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Earnings and splits leave their marks on prices and volatilities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from ttapi_pipeline.core.sessions import next_session
from ttapi_pipeline_tests.support.simulator import shared_market

MARKET = shared_market()
WEEKEND = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def test_volatility_rises_into_earnings_and_falls_after() -> None:
    report = next(r for r in MARKET.earnings("AAPL", WEEKEND) if r.report_date.year == 2025)
    day = next_session(report.report_date) if report.time_of_day == "AMC" else report.report_date
    bars = MARKET.bars("AAPL", at=WEEKEND)
    at = int(np.searchsorted(bars.sessions, np.datetime64(day)))
    assert bars.implied_volatility[at - 1] > 1.05 * bars.implied_volatility[at]


def test_a_price_moves_more_on_earnings() -> None:
    bars = MARKET.bars("AAPL", at=WEEKEND)
    moves = np.abs(np.log(bars.open[1:] / bars.close[:-1]))
    reactions = {
        next_session(r.report_date) if r.time_of_day == "AMC" else r.report_date
        for r in MARKET.earnings("AAPL", WEEKEND)
    }
    is_reaction = np.array([day in reactions for day in bars.sessions[1:].tolist()])
    assert is_reaction.sum() > 60
    assert np.median(moves[is_reaction]) > 2 * np.median(moves[~is_reaction])


def test_prices_on_the_tape_before_a_split_are_whole_cents() -> None:
    symbol = next(s for s in MARKET.instruments if MARKET.splits(s, WEEKEND))
    split = MARKET.splits(symbol, WEEKEND)[-1]
    bars = MARKET.bars(symbol, first=split.ex_date - timedelta(days=20), at=WEEKEND)
    before = bars.close[bars.sessions < np.datetime64(split.ex_date)]
    tape = before * split.ratio
    np.testing.assert_allclose(tape, np.round(tape, 2), atol=1e-4 * split.ratio)
    assert MARKET.splits(symbol, datetime(1996, 1, 2, tzinfo=UTC)) == ()
