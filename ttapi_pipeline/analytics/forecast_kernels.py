# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The loops behind the forecasts of `forecasts`, compiled. Estimators over consecutive bars: see `kernels`.

Here a session may be missing inside of a window. Every value at a place is made of the places up to it alone.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from ttapi_pipeline.analytics.kernels import Floats, Numbers, compiled

_FRESH: Final = 64
"""After this many sessions a sum is added up anew, so that what was subtracted leaves nothing behind."""


@compiled
def rolling_sums(terms: Floats, window: int, sums: Floats, counts: Numbers) -> None:
    """Sum up the last `window` sessions at every session, or all there are while they are fewer.

    Args:
        terms: A row per term and a place per session; a session counts when none of its terms is NaN.
        window: Sessions.
        sums: As `terms`, filled in.
        counts: How many sessions counted, filled in.
    """
    rows, places = terms.shape
    is_there = np.ones(places, np.bool_)
    for row in range(rows):
        for place in range(places):
            is_there[place] &= not math.isnan(terms[row, place])
    for row in range(rows):
        total, count = 0.0, 0
        for place in range(places):
            first = place
            if place % _FRESH == 0:
                total, count = 0.0, 0
                first = max(place - window + 1, 0)
            elif place >= window and is_there[place - window]:
                total -= terms[row, place - window]
                count -= 1
            for added in range(first, place + 1):
                if is_there[added]:
                    total += terms[row, added]
                    count += 1
            sums[row, place] = total
            counts[place] = count


@compiled
def exponential_mean(terms: Floats, decay: float) -> Floats:
    """``m = decay m + (1 - decay) x`` from the first value on; a missing session leaves it as it was."""
    out = np.empty(len(terms))
    mean = math.nan
    for place in range(len(terms)):
        term = terms[place]
        if not math.isnan(term):
            mean = term if math.isnan(mean) else decay * mean + (1.0 - decay) * term
        out[place] = mean
    return out


@compiled
def regressed(
    regressors: Floats, target: Floats, scale: Floats, ahead: int, least: int, every: int, since: int
) -> Floats:
    """Forecast the target by a least-squares fit to what was known at each session.

    Each observation is divided by `scale`, so that a calm year counts as much as a violent one. A forecast is held
    between the lowest and the highest target of its fit: a line that is read far outside can go below 0.

    Args:
        regressors: A row per regressor.
        target: Known `ahead` sessions after its place.
        scale: Positive; an observation with another value is left out.
        ahead: Sessions.
        least: Observations that a fit needs.
        every: A fit is made at every place that is a multiple of this.
        since: Places before this one get no forecast.

    Returns:
        The forecast at each place; NaN before the first fit and where a regressor is missing.
    """
    count, places = regressors.shape
    products = np.zeros((count, count + 1))
    coefficients = np.full(count, math.nan)
    lowest, highest, fitted = math.inf, -math.inf, 0
    out = np.full(places, math.nan)
    is_there = ~np.isnan(target) & (scale > 0.0)
    for row in range(count):
        is_there &= ~np.isnan(regressors[row])
    for place in range(places):
        known = place - ahead
        if known >= 0 and is_there[known]:
            goal, weight = target[known], 1.0 / (scale[known] * scale[known])
            for row in range(count):
                weighted = weight * regressors[row, known]
                for column in range(row, count):
                    products[row, column] += weighted * regressors[column, known]
                products[row, count] += weighted * goal
            lowest, highest, fitted = min(lowest, goal), max(highest, goal), fitted + 1
        if place <= since - every:
            continue
        if fitted >= least and place % every == 0:
            coefficients = _solved(products.copy())
        if place < since:
            continue
        forecast = 0.0
        for row in range(count):
            forecast += coefficients[row] * regressors[row, place]
        if not math.isnan(forecast):
            out[place] = min(max(forecast, lowest), highest)
    return out


@compiled
def _solved(system: Floats) -> Floats:
    """Solve a symmetric system, given above its diagonal, its right side as last column; NaN when it is singular."""
    count = len(system)
    for row in range(count):
        for column in range(row):
            system[row, column] = system[column, row]
    for pivot in range(count):
        best = pivot
        for row in range(pivot + 1, count):
            if abs(system[row, pivot]) > abs(system[best, pivot]):
                best = row
        if not abs(system[best, pivot]) > 0.0:
            return np.full(count, math.nan)
        for column in range(count + 1):
            held = system[pivot, column]
            system[pivot, column] = system[best, column]
            system[best, column] = held
        for row in range(pivot + 1, count):
            factor = system[row, pivot] / system[pivot, pivot]
            for column in range(pivot, count + 1):
                system[row, column] -= factor * system[pivot, column]
    solution = np.empty(count)
    for row in range(count - 1, -1, -1):
        total = system[row, count]
        for column in range(row + 1, count):
            total -= system[row, column] * solution[column]
        solution[row] = total / system[row, row]
    return solution


@compiled
def cosine_transforms(series: Floats, frequencies: int) -> Floats:
    """Orthonormal cosine transforms (DCT-II) at the lowest frequencies but 0.

    Args:
        series: A row per place, a column per series, so that one cosine serves all of them side by side.
        frequencies: How many.

    Returns:
        A row per frequency, a column per series.
    """
    places, count = series.shape
    out = np.zeros((frequencies, count))
    for number in range(frequencies):
        angle = math.pi * (number + 1) / places
        step = 2.0 * math.cos(angle)
        before, now = 0.0, 0.0
        for place in range(places):
            if place % _FRESH == 0:
                before, now = math.cos(angle * (place - 0.5)), math.cos(angle * (place + 0.5))
            for each in range(count):
                out[number, each] += now * series[place, each]
            before, now = now, step * now - before
    return out * math.sqrt(2.0 / places)
