# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How far estimates of variance can be trusted, and the forecast that is made of three of them, over arrays.

A relative variance is that of an estimated variance over its square. The relative standard error of the volatility is
half its root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ttapi_pipeline.analytics.kernels import Floats

HORIZON_WEIGHT: Final = 0.1
"""Weight of the horizon's own moves in the logarithm of the forecast. Of 0, 0.1, 0.2, 0.3 and 0.5, it is the largest
with which the forecast of 20 stocks from 2010 to 2022 was better at each of ten horizons than the last 252 sessions."""


def rel_error(relative_variance: Floats) -> Floats:
    """Relative standard error of a volatility."""
    error: Floats = np.sqrt(np.maximum(relative_variance, 0.0)) / 2
    return error


def sample_variance(kurtosis: Floats, used: Floats) -> Floats:
    """Relative variance of a sample variance (n - 1): ``(kurtosis - 3) / n + 2 / (n - 1)`` (Cramér 1946, 27.4)."""
    variance: Floats = (kurtosis - 3) / used + 2 / (used - 1)
    return variance


def overlapping_variance(h: Floats, n: Floats) -> Floats:
    """Relative variance of the mean of n squared overlapping sums of h independent normal returns, exactly.

    Two sums k sessions apart correlate by ``1 - k / h``, their squares by the square of that:
    ``2 / n (1 + 2 sum over k < h of (1 - k / n) (1 - k / h)^2)``, summed up. Needs ``n >= h``.
    """
    variance: Floats = 2 / n * (1 + (h - 1) * (2 * h - 1) / (3 * h) - (h * h - 1) / (6 * n))
    return variance


def spans_variance(h: Floats, n: Floats, *, daily: Floats, used: Floats, ratio_variance: Floats) -> Floats:
    """Relative variance of the mean of n squared overlapping returns, of any tails and changing volatility.

    The squares of daily returns in it are as noisy as they are by themselves, the products of different days as Lo and
    MacKinlay's variance of the variance ratio says; the two parts do not correlate.

    Args:
        h: Sessions in a span.
        n: Spans.
        daily: Relative variance of the mean of squared daily returns.
        used: Daily returns.
        ratio_variance: Of the variance ratio, right when the volatility changes.
    """
    products = np.maximum(overlapping_variance(h, n) - 2 / used, 0.0)
    # Lo and MacKinlay's variance for independent normal returns, which the other is divided by.
    normal = 2 * (2 * h - 1) * (h - 1) / (3 * h * used)
    inflation = np.divide(ratio_variance, normal, out=np.ones_like(h), where=normal > 0)
    variance: Floats = daily + products * inflation
    return variance


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated variance over the horizon, and its relative variance; NaN where there is none."""

    variance: Floats
    relative_variance: Floats


def forecast(spans: Estimate, year: Estimate, long: Estimate) -> Estimate:
    """Combine the variances of the spans, of the year's daily returns and of the longer lookback's daily returns.

    Geometrically: HORIZON_WEIGHT to the spans, half the rest to each of the others, nothing to spans that are NaN. The
    mean logarithm of an estimated variance is below that of the truth, by half the relative variance and a twelfth of
    its square (the digamma function of a chi-square's degrees of freedom); it is raised by that, so that the forecast
    is above the truth as often as below it.

    The longer lookback holds the year, and the spans are made of its returns: an estimate that holds the returns of
    another correlates with it by the variance of the longer one.
    """
    has_spans = np.isfinite(spans.variance) & (spans.variance > 0) & np.isfinite(spans.relative_variance)
    own = np.where(has_spans, HORIZON_WEIGHT, 0.0)
    rest = (1 - own) / 2
    of_spans = np.where(has_spans, spans.relative_variance, 0.0)
    logarithm = (
        own * np.log(np.where(has_spans, spans.variance, 1.0))
        + rest * (np.log(year.variance) + np.log(long.variance))
        + own * _lowered(of_spans)
        + rest * (_lowered(year.relative_variance) + _lowered(long.relative_variance))
    )
    products = np.maximum(of_spans - long.relative_variance, 0.0)
    relative = (
        long.relative_variance * (own**2 + 4 * own * rest + 3 * rest**2)
        + year.relative_variance * rest**2
        + products * own**2
    )
    return Estimate(np.exp(logarithm), relative)


def _lowered(relative_variance: Floats) -> Floats:
    return relative_variance / 2 + relative_variance**2 / 12
