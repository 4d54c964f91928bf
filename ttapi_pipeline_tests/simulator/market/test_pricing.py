# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Black and Scholes against a textbook and against numerical derivatives."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.simulator.market.pricing import Greeks, greeks
from ttapi_pipeline_tests.support.examples import examples


@settings(max_examples=examples(100))
@given(
    side=st.sampled_from(("C", "P")),
    moneyness=st.floats(0.7, 1.4),
    years=st.floats(0.02, 3.0),
    volatility=st.floats(0.08, 1.2),
    dividend_yield=st.floats(0.0, 0.06),
)
def test_greeks_are_the_derivatives_of_the_price(
    side: Literal["C", "P"], moneyness: float, years: float, volatility: float, dividend_yield: float
) -> None:
    def value(spot: float = 100.0, years: float = years, volatility: float = volatility, rate: float = 0.04) -> Greeks:
        return greeks(
            side,
            spot=spot,
            strike=100.0 * moneyness,
            years=years,
            volatility=volatility,
            dividend_yield=dividend_yield,
            rate=rate,
        )

    at, h = value(), 1e-3
    assert at.delta == pytest.approx((value(spot=100 + h).price - value(spot=100 - h).price) / (2 * h), abs=1e-5)
    assert at.gamma == pytest.approx((value(spot=100 + h).delta - value(spot=100 - h).delta) / (2 * h), abs=1e-5)
    t = 1e-5
    slope = (value(years=years - t).price - value(years=years + t).price) / (2 * t)
    assert at.theta == pytest.approx(slope / 365, abs=1e-4)
    v = 1e-5
    slope = (value(volatility=volatility + v).price - value(volatility=volatility - v).price) / (2 * v)
    assert at.vega == pytest.approx(slope / 100, abs=1e-4)
    slope = (value(rate=0.04 + v).price - value(rate=0.04 - v).price) / (2 * v)
    assert at.rho == pytest.approx(slope / 100, abs=1e-4)


def test_black_scholes_gives_the_textbook_value() -> None:
    # Hull, Options, Futures, and Other Derivatives: S 42, K 40, r 10%, sigma 20%, half a year: call 4.76, put 0.81.
    values = {
        side: greeks(side, spot=42, strike=40, years=0.5, volatility=0.2, dividend_yield=0.0, rate=0.1).price
        for side in ("C", "P")
    }
    assert values == {"C": pytest.approx(4.76, abs=0.005), "P": pytest.approx(0.81, abs=0.005)}


def test_an_expired_option_is_worth_its_intrinsic_value() -> None:
    assert greeks("C", spot=42, strike=40, years=0.0, volatility=0.2, dividend_yield=0.0) == Greeks(2, 1, 0, 0, 0, 0)
    assert greeks("P", spot=42, strike=40, years=-1.0, volatility=0.2, dividend_yield=0.0).price == 0
