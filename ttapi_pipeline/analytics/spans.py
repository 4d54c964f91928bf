# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Moments and order statistics of overlapping returns, as loops over arrays. What they are used for: see `horizons`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.kernels import Floats, Rows, compiled

MOMENTS: Final = (
    # Over the last h returns.
    *("recent_used", "recent_stddev", "recent_largest"),
    # Over the fixed lookback.
    *("lookback_used", "lookback_stddev", "lookback_square", "lookback_noise", "lookback_largest"),
    "lookback_kurtosis",
    # Over the lookback of the horizon: its daily returns, then its spans.
    *("daily_used", "daily_mean", "daily_square", "daily_noise", "daily_largest"),
    *("spans_used", "spans_square", "spans_variance", "variance_ratio", "variance_ratio_variance"),
)
"""What `measure` finds, by column. `stddev`: sample deviation (n - 1); `mean` and `square`: means of the returns and of
their squares; `noise`: relative variance of that mean of squares, right for fat tails and for calm and wild months;
`kurtosis`: around zero; `variance`: around the mean, with divisor n; `largest`: of the absolute values."""

_MOST_LAGS: Final = 63
"""Sessions; a quarter. In a GARCH process as persistent as shares are, half of a shock is gone after a month."""

_BATCH: Final = 256
"""Pairs that a thread takes at a time."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure, an entry per pair of symbol and horizon.

    Attributes:
        rows: The symbol's row in the closes.
        horizons: Sessions, 1 or more.
        lookbacks: Sessions in the lookback of the horizon, no less than the horizon.
        lookback: Sessions in the fixed lookback.
        levels: Shares whose quantiles of the absolute spans are wanted.
        moves: A positive move per pair, or NaN; the share of the absolute spans up to it is wanted.
    """

    rows: Rows
    horizons: Rows
    lookbacks: Rows
    lookback: int
    levels: Sequence[float]
    moves: Floats


def measure(closes: Floats, request: Request) -> tuple[Floats, Floats, Floats]:
    """Measure all pairs, in threads.

    Args:
        closes: A row of log closes per symbol, a place per session, the as-of session last; NaN where none is.
        request: No lookback is longer than the rows.

    Returns:
        A row per pair: MOMENTS; the quantiles of the absolute spans, with linear interpolation; the shares (a single
        column). NaN where nothing is there to be measured.
    """
    count = len(request.rows)
    pairs = np.column_stack((request.rows, request.horizons, request.lookbacks))
    moments = np.full((count, len(MOMENTS)), math.nan)
    quantiles, shares = np.full((count, len(request.levels)), math.nan), np.full((count, 1), math.nan)

    def fill(first: int) -> None:
        batch = slice(first, first + _BATCH)
        _fill_moments(closes, pairs[batch], request.lookback, moments[batch])
        for place in range(first, min(first + _BATCH, count)):
            window = closes[request.rows[place], closes.shape[1] - 1 - request.lookbacks[place] :]
            ascending = _absolute_spans(window, request.horizons[place])
            if len(ascending):
                quantiles[place] = _quantiles(ascending, np.asarray(request.levels))
                if not math.isnan(request.moves[place]):
                    shares[place] = np.searchsorted(ascending, request.moves[place], side="right") / len(ascending)

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        list(pool.map(fill, range(0, count, _BATCH)))
    return moments, quantiles, shares


def _absolute_spans(window: Floats, horizon: int) -> Floats:
    """The absolute values of the overlapping returns over the horizon, ascending."""
    spans = np.abs(window[horizon:] - window[:-horizon])
    spans.sort()  # NaN comes last
    return spans[: np.searchsorted(spans, np.nan)]


def _quantiles(ascending: Floats, levels: Floats) -> Floats:
    places = levels * (len(ascending) - 1)
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, len(ascending) - 1)
    quantiles: Floats = ascending[low] + (places - low) * (ascending[high] - ascending[low])
    return quantiles


@compiled
def _fill_moments(closes: Floats, pairs: Rows, lookback: int, out: Floats) -> None:
    places = closes.shape[1]
    for number in range(len(pairs)):
        row, h, own = pairs[number]
        log_close, values = closes[row], out[number]
        first = max(places - h, 1)
        used, mean, _, _, largest = _daily(log_close, first)
        values[0], values[2] = used, largest
        values[1] = _sample_stddev(log_close, first, mean, used)
        first = max(places - lookback, 1)
        used, mean, square, fourth, largest = _daily(log_close, first)
        values[3], values[5], values[7] = used, square, largest
        values[4] = _sample_stddev(log_close, first, mean, used)
        values[6], values[8] = _noise(log_close, first, square, used), fourth / (square * square)
        first = max(places - own, 1)
        used, mean, square, _, largest = _daily(log_close, first)
        values[9], values[10], values[11], values[13] = used, mean, square, largest
        values[12] = _noise(log_close, first, square, used)
        _fill_spans(log_close, first, h, values)


@compiled
def _noise(log_close: Floats, first: int, square: float, used: int) -> float:
    """Relative variance of the mean of squared returns, with their autocovariances (Newey and West 1987).

    The variance of independent returns would be ``(kurtosis - 1) / n``. A wild month makes the squares of its returns
    high together, so that they count as fewer. Lags up to a twelfth of the window are taken, at most 63, with weights
    that fall to 0; what the estimated mean takes off the autocovariances is given back.
    """
    lags = min(used // 12, _MOST_LAGS)
    total, products = 0.0, 0.0
    s0, s1 = 0.0, 0.0
    for place in range(first, len(log_close)):
        d = _from_square(log_close, place, square)
        total += d * d
        products += d * s1
        # As in `_fill_spans`: the weight of a lag falls by 1 from one session to the next.
        s1 += lags * d - s0
        s0 += d - (_from_square(log_close, place - lags, square) if place - lags >= first else 0.0)
    if used <= lags + 1:
        return math.nan
    long_run = total + 2 * products / (lags + 1)
    return long_run / (square * square * used * (used - lags - 1))


@compiled
def _from_square(log_close: Floats, place: int, square: float) -> float:
    r = log_close[place] - log_close[place - 1]
    return 0.0 if math.isnan(r) else r * r - square


@compiled
def _sample_stddev(log_close: Floats, first: int, mean: float, used: int) -> float:
    return math.sqrt(_around(log_close, first, 1, mean) / (used - 1)) if used > 1 else math.nan


@compiled
def _daily(log_close: Floats, first: int) -> tuple[int, float, float, float, float]:
    """Number, mean, mean second and fourth power and largest absolute value of the returns from a place on."""
    used, total, square, fourth, largest = 0, 0.0, 0.0, 0.0, 0.0
    for place in range(first, len(log_close)):
        r = log_close[place] - log_close[place - 1]
        if not math.isnan(r):
            used += 1
            total += r
            square += r * r
            fourth += r * r * r * r
            largest = max(largest, abs(r))
    count = used or 1
    return used, total / count, square / count, fourth / count, largest


@compiled
def _around(log_close: Floats, first: int, step: int, mean: float) -> float:
    """The sum of squares, around a mean, of the returns over `step` sessions that end at a place or later."""
    total = 0.0
    for place in range(first, len(log_close)):
        distance = log_close[place] - log_close[place - step] - mean
        if not math.isnan(distance):
            total += distance * distance
    return total


@compiled
def _fill_spans(log_close: Floats, first: int, h: int, values: Floats) -> None:
    """Fill in what is measured of the spans, and the variance ratio with its variance.

    Lo and MacKinlay (1988): the ratio is free of bias from the overlap and the estimated mean, and its variance is
    right when the volatility changes. The variance is a sum over all lags below h; weights that fall as squares let it
    be kept up from one session to the next.
    """
    used, mean = values[9], values[10]
    end = first - 1 + h
    n, total, square = 0, 0.0, 0.0
    for place in range(end, len(log_close)):
        x = log_close[place] - log_close[place - h]
        if not math.isnan(x):
            n += 1
            total += x
            square += x * x
    values[14] = n
    if n == 0 or used < 2:
        return
    values[15] = square / n
    values[16] = _around(log_close, end, h, total / n) / n
    squares, products = 0.0, 0.0
    s0, s1, s2 = 0.0, 0.0, 0.0
    for place in range(first, len(log_close)):
        y = _squared(log_close, place, mean)
        squares += y
        products += y * s2
        s2 += s0 - 2 * s1 + (h - 1) * (h - 1) * y
        s1 += (h - 1) * y - s0
        s0 += y - (_squared(log_close, place - h + 1, mean) if place - h + 1 >= first else 0.0)
    if squares > 0.0 and used > h:
        of_spans = _around(log_close, end, h, h * mean) / (h * n * (1 - h / used))
        values[17] = of_spans / (squares / (used - 1))
        values[18] = 4 * products / (h * h * squares * squares)


@compiled
def _squared(log_close: Floats, place: int, mean: float) -> float:
    distance = log_close[place] - log_close[place - 1] - mean
    return 0.0 if math.isnan(distance) else distance * distance
