# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The value of an option: the implied volatility surface, and Black-Scholes on it.

Every contract has European exercise and a continuous dividend yield: the synthetic market is defined that way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

RISK_FREE_RATE: Final = 0.0433
"""Continuous, annual; the public margin configuration reports the same rate."""
THIRTY_DAYS: Final = 30 / 365
YEAR_SECONDS: Final = 365 * 86_400.0
"""Years to an expiration are calendar time."""

_REVERSION: Final = 5.0  # per year: how fast variance is expected to come back to its long-run level
_SMILE: Final = 0.018  # relative, per squared standard deviation of log moneyness
_SQRT_TAU: Final = math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Greeks:
    """Value in US dollars per share and its derivatives.

    `theta` is per calendar day, `vega` per point of volatility (0.01), `rho` per point of the interest rate.
    """

    price: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


@dataclass(frozen=True, slots=True)
class Surface:
    """Implied volatility by expiration and strike at one instant.

    Attributes:
        variance_30: Annual variance to 30 days, without the jump.
        variance_long: Its long-run level.
        jump_variance: Variance of the next earnings jump, not annual; it counts for expirations after the report.
        jump_years: Time to that jump; infinity without one.
        skew: See `instruments.Traits`.
    """

    variance_30: float
    variance_long: float
    jump_variance: float
    jump_years: float
    skew: float

    def at_the_money(self, years: float) -> float:
        """Annual volatility, a fraction, of an option struck at the forward."""
        excess = (self.variance_30 - self.variance_long) * _decay(years) / _decay(THIRTY_DAYS)
        variance = max(self.variance_long + excess, 0.2 * self.variance_long)
        if self.jump_years < years:
            # At least a day: on an option that expires right after the report the jump would weigh without limit.
            variance += self.jump_variance / max(years, 1 / 365)
        return math.sqrt(variance)

    def volatility(self, *, forward: float, strike: float, years: float) -> float:
        """Annual volatility, a fraction, at a strike."""
        base = self.at_the_money(years)
        x = math.log(strike / forward) / (base * math.sqrt(max(years, 1 / 365)))
        x = min(4.0, max(-4.0, x))
        return base * (1 + self.skew * x + _SMILE * x * x)


def _decay(years: float) -> float:
    """The share of a deviation from the long-run variance that is left, on average over `years`."""
    x = _REVERSION * max(years, 1e-6)
    return -math.expm1(-x) / x


def greeks(
    option_type: Literal["C", "P"],
    *,
    spot: float,
    strike: float,
    years: float,
    volatility: float,
    dividend_yield: float,
    rate: float = RISK_FREE_RATE,
) -> Greeks:
    """Black-Scholes value and greeks; at and after expiration the intrinsic value, with a delta of 0 or 1."""
    sign = 1.0 if option_type == "C" else -1.0
    if years <= 0.0:
        intrinsic = max(0.0, sign * (spot - strike))
        return Greeks(intrinsic, sign if intrinsic > 0 else 0.0, 0.0, 0.0, 0.0, 0.0)
    root = math.sqrt(years)
    d1 = (math.log(spot / strike) + (rate - dividend_yield + volatility**2 / 2) * years) / (volatility * root)
    d2 = d1 - volatility * root
    discount, carry = math.exp(-rate * years), math.exp(-dividend_yield * years)
    n1, n2 = _cumulative(sign * d1), _cumulative(sign * d2)
    density = math.exp(-d1 * d1 / 2) / _SQRT_TAU
    price = max(0.0, sign * (spot * carry * n1 - strike * discount * n2))
    theta = (
        -spot * carry * density * volatility / (2 * root)
        - sign * rate * strike * discount * n2
        + sign * dividend_yield * spot * carry * n1
    )
    return Greeks(
        price=price,
        delta=sign * carry * n1,
        gamma=carry * density / (spot * volatility * root),
        theta=theta / 365,
        vega=spot * carry * density * root / 100,
        rho=sign * strike * years * discount * n2 / 100,
    )


def _cumulative(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2
