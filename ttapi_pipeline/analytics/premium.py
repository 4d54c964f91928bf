# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every forecast of one symbol scored over the same past spans: which overstates, by how much, and which was best.

The forecasts are `forecasts`, the scores `scores`; this puts both together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from ttapi_pipeline.analytics.forecasts import History, expected_variances, realised
from ttapi_pipeline.analytics.kernels import Floats
from ttapi_pipeline.analytics.scores import (
    LEAST_FREEDOM,
    Overstatement,
    is_inside,
    log_scores,
    overlapping_means,
    overstatement,
    qlikes,
)
from ttapi_pipeline.analytics.tenors import BANDS

LEAST_SPANS: Final = 2 * LEAST_FREEDOM
"""Spans end to end that a method needs: with fewer, its scores would have no error."""


@dataclass(frozen=True, slots=True)
class MethodScore:
    """How one forecast of one tenor has done.

    Attributes:
        overstatement: Forecast over realised volatility.
        median_log_ratio: Median of the logarithm of forecast over realised volatility of a span.
        inside: Share of the spans whose return stayed in the central band of each percentage.
        log_score: Mean of the spans; `log_score_error` its standard error.
        qlike: Mean of the spans; `qlike_error` its standard error.
        qlike_excess: Mean less that of the best method; `qlike_excess_error` the standard error of the difference.
    """

    overstatement: Overstatement
    median_log_ratio: float
    inside: Mapping[int, float]
    log_score: float
    log_score_error: float
    qlike: float
    qlike_error: float
    qlike_excess: float
    qlike_excess_error: float


@dataclass(frozen=True, slots=True)
class TenorScores:
    """How all forecasts of one tenor have done, over the same spans.

    Attributes:
        expected: Each method's forecast at every session: a variance over the tenor.
        returns: Realised over the sessions after each session; `variances` likewise.
        spans: The sessions at which the spans begin that all scored methods have, by their places.
        methods: The scores of the methods that have enough spans; empty when these have too few in common.
        best: The method with the lowest QLIKE among them.
    """

    expected: Mapping[str, Floats]
    returns: Floats
    variances: Floats
    spans: np.ndarray[tuple[int], np.dtype[np.intp]]
    methods: Mapping[str, MethodScore]
    best: str | None


def score_tenor(history: History, tenor: int) -> TenorScores:
    """Score every method over the spans of `tenor` sessions that have ended.

    A method counts when it has LEAST_SPANS spans end to end. All that count are scored over the spans that all of them
    have, so that their scores can be compared. A span in which nothing moved is left out.

    Args:
        history: Of one symbol.
        tenor: Sessions.
    """
    expected = expected_variances(history, tenor)
    returns, variances = realised(history, tenor)
    has_moved = variances > 0
    least = LEAST_SPANS * tenor
    scored = {name: values for name, values in expected.items() if (has_moved & ~np.isnan(values)).sum() >= least}
    is_common = has_moved & np.logical_and.reduce([~np.isnan(values) for values in scored.values()] or [has_moved])
    spans = np.flatnonzero(is_common)
    if not scored or len(spans) < least:
        return TenorScores(expected, returns, variances, spans[:0], {}, None)
    forecasts = np.array([values[spans] for values in scored.values()])
    methods, best = _score(forecasts, returns[spans], variances[spans], tenor)
    return TenorScores(expected, returns, variances, spans, dict(zip(scored, methods, strict=True)), [*scored][best])


def _score(forecasts: Floats, returns: Floats, variances: Floats, tenor: int) -> tuple[list[MethodScore], int]:
    """The scores of each row of forecasts, and the place of the best."""
    ratios, qlike, logs = variances / forecasts, qlikes(variances, forecasts), log_scores(returns, forecasts)
    best = int(np.argmin(qlike.mean(axis=1)))
    series = overlapping_means(np.concatenate([ratios, qlike, logs, qlike - qlike[best]]), tenor)
    count = len(forecasts)
    means, errors = series.means.reshape(4, count), series.errors.reshape(4, count)
    return [
        MethodScore(
            overstatement(float(means[0, row]), float(errors[0, row]), series.freedom),
            float(-np.median(np.log(ratios[row])) / 2),
            {percent: float(is_inside(returns, forecasts[row], percent).mean()) for percent in BANDS},
            log_score=float(means[2, row]),
            log_score_error=float(errors[2, row]),
            qlike=float(means[1, row]),
            qlike_error=float(errors[1, row]),
            qlike_excess=float(means[3, row]),
            qlike_excess_error=float(errors[3, row]) if row != best else math.nan,
        )
        for row in range(count)
    ], best
