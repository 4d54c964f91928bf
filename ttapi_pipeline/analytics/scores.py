# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Scores of forecasts: bands, log score, QLIKE, overstatement, each with an error that knows that spans overlap.

A forecast is a variance; a score compares it with the move over the span that it was made for. Forecasts: see
`forecasts`. Arrays in, arrays or estimates out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ttapi_pipeline.analytics.forecast_kernels import cosine_transforms
from ttapi_pipeline.analytics.kernels import Floats
from ttapi_pipeline.analytics.tenors import BANDS

SIGNIFICANCE: Final = 0.01
"""A fair forecast is called unfair this often. It is low because hundreds of symbols are judged at a time."""

LEAST_FREEDOM: Final = 4
_MOST_FREEDOM: Final = 32

Verdict = Literal["overstates", "understates", "fair"]


def log_scores(returns: Floats, variances: Floats) -> Floats:
    """Log density of a return under a normal distribution around zero with the forecast variance; higher is better."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-0.5 * (math.log(2 * math.pi) + np.log(variances) + np.square(returns) / variances))


def qlikes(realised: Floats, variances: Floats) -> Floats:
    """``x - ln x - 1`` with x the realised over the forecast variance (Patton 2011); 0 is perfect, lower is better.

    It ranks forecasts rightly though the realised variance is a noisy measure of the true one. Infinite where nothing
    moved.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = realised / variances
        return np.asarray(ratio - np.log(ratio) - 1)


def is_inside(returns: Floats, variances: Floats, percent: int) -> npt.NDArray[np.bool_]:
    """Whether a return lies in the central band of that percentage; false where something is NaN."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(returns) <= BANDS[percent] * np.sqrt(variances))


@dataclass(frozen=True, slots=True)
class Estimates:
    """Means of several series over the same overlapping spans.

    Attributes:
        means: One per series.
        errors: Their standard errors; NaN with fewer spans than LEAST_FREEDOM needs.
        freedom: Degrees of freedom of the errors, for Student's t.
    """

    means: Floats
    errors: Floats
    freedom: int


def overlapping_means(series: Floats, overlap: int) -> Estimates:
    """Means with errors that allow for the overlap of spans and for what else makes neighbours alike.

    The long-run variance is the mean of the squared cosine transforms of the series at the lowest frequencies, as
    Lazarus, Lewis, Stock and Watson recommend (2018); t has as many degrees of freedom. Of each frequency w, overlap
    leaves a share that is known, ``(sin(h w / 2) / (h sin(w / 2)))^2``, by which its square is divided here.

    Args:
        series: A row per series, a place per span; spans begin a session apart.
        overlap: Sessions in a span, h. At most one frequency per two spans' length is used, and at most 32.
    """
    count = series.shape[1]
    means = np.asarray(series.mean(axis=1)) if count else np.full(len(series), math.nan)
    freedom = min(count // (2 * overlap), _MOST_FREEDOM)
    if freedom < LEAST_FREEDOM:
        return Estimates(means, np.full(len(series), math.nan), freedom)
    transforms = cosine_transforms(np.ascontiguousarray((series - means[:, np.newaxis]).T), freedom).T
    half = math.pi * np.arange(1, freedom + 1) / count / 2
    kept = np.square(np.sin(overlap * half) / (overlap * np.sin(half)))
    long_run = (np.square(transforms) / kept).mean(axis=1)
    return Estimates(means, np.sqrt(long_run / count), freedom)


@dataclass(frozen=True, slots=True)
class Overstatement:
    """By how much a forecast of volatility has been too high.

    Attributes:
        ratio: Forecast over realised volatility: 1.2 is 20% too high.
        error: Its standard error.
        t: Logarithm of the ratio over its error; NaN without an error.
        verdict: Whether it differs from 1 at SIGNIFICANCE; None without an error.
    """

    ratio: float
    error: float
    t: float
    verdict: Verdict | None


def overstatement(mean: float, error: float, freedom: int) -> Overstatement:
    """From the mean of realised over forecast variance, whose expectation is 1 under a fair forecast.

    Each span is divided by its own forecast before the mean is taken: of the variances themselves, a crisis would
    outweigh ten years. The ratio is ``1 / sqrt(mean)``. Its logarithm is tested, since the mean is skewed.

    Args:
        mean: As `overlapping_means` has it.
        error: Likewise.
        freedom: Likewise.
    """
    if not mean > 0:
        return Overstatement(math.nan, math.nan, math.nan, None)
    ratio = 1 / math.sqrt(mean)
    relative = error / mean / 2
    if not relative > 0:
        return Overstatement(ratio, math.nan, math.nan, None)
    t = math.log(ratio) / relative
    verdict: Verdict = "fair"
    if abs(t) > student_quantile(1 - SIGNIFICANCE / 2, freedom):
        verdict = "overstates" if t > 0 else "understates"
    return Overstatement(ratio, ratio * relative, t, verdict)


@lru_cache(maxsize=256)
def student_quantile(probability: float, freedom: int) -> float:
    """A quantile of Student's t above its median, within 1e-4 from 4 degrees of freedom on (Hill 1970)."""
    tails, n = 2 * (1 - probability), float(freedom)
    a = 1 / (n - 0.5)
    b = 48 / a**2
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * n
    x = d * tails
    y = x ** (2 / n)
    if y > 0.05 + a:
        x = NormalDist().inv_cdf(tails / 2)
        y = x * x
        if n < 5:
            c += 0.3 * (n - 4.5) * (x + 0.6)
        c += (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
        y = math.expm1(a * y * y)
    else:
        y = ((1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1) * (n + 1) / (
            n + 2
        ) + 1 / y
    return math.sqrt(n * y)
