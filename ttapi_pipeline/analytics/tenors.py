# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Forecasts by name, the tenors they look ahead, the bands they are scored by. How they are made: see `forecasts`."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from types import MappingProxyType
from typing import Final

METHODS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "close_to_close": "sample variance of the last 252 daily returns",
        "yang_zhang": "Yang and Zhang 2000 over the last 63 sessions",
        "ewma": "exponentially weighted squared returns, 0.94 a session (RiskMetrics 1996)",
        "har": "regression on the variance of the last day, week, month and year (after Corsi 2009), up to then",
        "horizon_rms": "root mean square of overlapping returns over the tenor, in 252 sessions or ten tenors",
        "iv_30_day": "30-day implied volatility, over the calendar days of the tenor",
    }
)
"""A phrase for each forecast. All but `iv_30_day` are made of bars."""

TENORS: Final = (5, 10, 21, 42, 63, 126)
"""Sessions that forecasts look ahead; 21 are 30 calendar days."""

BANDS: Final[Mapping[int, float]] = MappingProxyType(
    {percent: NormalDist().inv_cdf(0.5 + percent / 200) for percent in (68, 90, 95)}
)
"""Half width of the central band in standard deviations, by the percentage of a normal distribution inside it."""
