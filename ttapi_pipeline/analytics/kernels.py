# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The estimators over windows of consecutive bars, as compiled loops over arrays. Arrays from tables: see `windows`.

Polars has no expression for a window over several columns. Put together from its rolling sums, the estimators take
several times as long. Here the sums over a run of bars stay in the cache for all estimators and all windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from ttapi_pipeline.analytics.estimators import BELIEVABLE_RANGE, ESTIMATORS, Measures
from ttapi_pipeline.analytics.returns import COMPLETE

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])

# Compiled code has no names: an estimator is its place in ESTIMATORS, a term its row.
_CLOSE_TO_CLOSE, _ZERO_MEAN, _PARKINSON, _GARMAN_KLASS, _ROGERS_SATCHELL, _YANG_ZHANG = range(6)
_R, _RR, _O, _OO, _C, _CC, _HLHL, _RS = range(8)
_TERMS: Final = 8
_TERMS_OF_CLOSES: Final = 4
"""Rows of terms. Closes alone fill two of them, but four are summed at a time."""
# Compiled code takes the value of a global when it is compiled.
_BELIEVABLE_RANGE: Final = BELIEVABLE_RANGE
_COMPLETE: Final = COMPLETE
_LOG_4: Final = 2 * math.log(2)


def compiled(function: _Function) -> _Function:
    """Compile a function to run without the interpreter's lock; the code is kept on disk for the next process."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"arcp"}}
    try:
        loop = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # Numba found no folder for the cache that it can write to: every process compiles for itself.
        loop = numba.njit(**options)(function)
    return cast("_Function", loop)


def fill_rolling(bars: Floats, runs: Rows, measures: Measures, out: Floats) -> None:
    """Measure every window of every run of bars.

    Args:
        bars: A row for each of `measures.prices`, and as many rows for their logarithms, which are filled in. A price
            that is not a positive number counts as missing; so does a bar whose high and low do not enclose its open
            and close, or lie further from them than BELIEVABLE_RANGE.
        runs: The bar that each run begins with, ascending from 0, and at the end the number of bars. Inside of a run,
            the bars are of consecutive sessions.
        measures: What to compute.
        out: A row for each of `measures.columns`, a place for each bar: filled with the volatility of the window that
            ends there; NaN where the window reaches beyond the run or something in it is missing. For the formulas see
            `volatility.rolling_volatility`.
    """
    _fill_logs(bars)
    _roll(bars, runs, *_numbers(measures), measures.annualization, out)


def fill_latest(bars: Floats, runs: Rows, measures: Measures, out: Floats) -> None:
    """Measure the last window of every run, as `fill_rolling` does; `out` has a place for each run.

    A run may hold bars without prices for sessions that are missing. A window is measured if COMPLETE of its returns
    are there.
    """
    _fill_logs(bars)
    _measure_ends(bars, runs, *_numbers(measures), measures.annualization, out)


@compiled
def session_numbers(days: Numbers, first_day: int, table: Numbers) -> Numbers:
    """Look up the number of each day's session; -1 for a day without a session or outside of the table."""
    numbers = np.empty(len(days), np.int32)
    for row in range(len(days)):
        place = days[row] - first_day
        numbers[row] = table[place] if 0 <= place < len(table) else -1
    return numbers


@compiled
def consecutive(numbers: Numbers, lengths: Rows) -> Rows:
    """Find runs in which the numbers rise by one.

    Args:
        numbers: Of sessions; the numbers of each symbol lie together.
        lengths: How many numbers each symbol has.

    Returns:
        The place that each run begins at, and at the end the number of places; a run is of one symbol.
    """
    edges = np.empty(len(numbers) + 1, np.int64)
    runs = 0
    begin = 0
    for length in lengths:
        for place in range(begin, begin + length):
            if place == begin or numbers[place] != numbers[place - 1] + 1:
                edges[runs] = place
                runs += 1
        begin += length
    edges[runs] = len(numbers)
    return edges[: runs + 1].copy()


def _numbers(measures: Measures) -> tuple[Rows, Rows]:
    """Windows, and the places of the estimators in ESTIMATORS."""
    estimators = [[*ESTIMATORS].index(name) for name in measures.estimators]
    return np.array(measures.windows, np.int64), np.array(estimators, np.int64)


def _fill_logs(bars: Floats) -> None:
    prices, logs = np.split(bars, 2)
    # NumPy takes several logarithms at a time; a compiled loop takes one after the other.
    with np.errstate(divide="ignore", invalid="ignore"):
        np.log(prices, out=logs)


@compiled
def _roll(bars: Floats, runs: Rows, windows: Rows, estimators: Rows, annualization: int, out: Floats) -> None:
    longest_run = 0
    for run in range(len(runs) - 1):
        longest_run = max(longest_run, runs[run + 1] - runs[run])
    count = _TERMS if len(bars) > 2 else _TERMS_OF_CLOSES
    terms, sums = np.zeros((count, longest_run)), np.empty((count, longest_run))
    ends = np.empty((4, windows.max() + 1))
    for run in range(len(runs) - 1):
        first, end = runs[run], runs[run + 1]
        length = end - first
        _fill_terms(bars, first, first, end, terms)
        for place in range(len(windows)):
            for four in range(0, count, 4):
                rows = slice(four, four + 4)
                _rolling_sums(terms[rows, :length], windows[place], ends, sums[rows, :length])
            for number in range(len(estimators)):
                values = out[number * len(windows) + place, first:end]
                _volatility(estimators[number], sums, windows[place], annualization, values)


@compiled
def _measure_ends(bars: Floats, runs: Rows, windows: Rows, estimators: Rows, annualization: int, out: Floats) -> None:
    longest_window = windows.max()
    count = _TERMS if len(bars) > 2 else _TERMS_OF_CLOSES
    terms, sums = np.zeros((count, longest_window)), np.empty((count, 1))
    for run in range(len(runs) - 1):
        end = runs[run + 1]
        first = max(runs[run], end - longest_window)
        _fill_terms(bars, runs[run], first, end, terms)
        for place in range(len(windows)):
            begin = end - windows[place] - first
            for term in range(count):
                sums[term, 0] = terms[term, begin : end - first].sum() if begin >= 0 else math.nan
            is_partial = begin >= 0 and end - windows[place] > runs[run] and math.isnan(sums[_R, 0])
            n, in_range = windows[place], windows[place]
            if is_partial:
                n, in_range = _sum_present(terms[:count, begin : end - first], sums)
            for number in range(len(estimators)):
                values = out[number * len(windows) + place, run : run + 1]
                used = n if estimators[number] <= _ZERO_MEAN else in_range
                if used >= max(2.0, _COMPLETE * windows[place]):
                    _volatility(estimators[number], sums, used, annualization, values)
                else:
                    values[0] = math.nan


@compiled
def _sum_present(terms: Floats, sums: Floats) -> tuple[int, int]:
    """Sum up the terms of the bars that are there and have one before them.

    Returns:
        How many they are; for the estimators with a range 0 if one of them is not believed.
    """
    sums[:] = 0.0
    n, in_range = 0, 0
    for place in range(terms.shape[1]):
        if math.isnan(terms[_R, place]):
            continue
        n += 1
        for term in range(len(terms)):
            sums[term, 0] += terms[term, place]
    if len(terms) == _TERMS and not (math.isnan(sums[_O, 0]) or math.isnan(sums[_RS, 0])):
        in_range = n
    return n, in_range


@compiled
def _fill_terms(bars: Floats, run: int, first: int, end: int, terms: Floats) -> None:
    """Fill in the terms that are summed, for the bars from `first` to `end` of the run that begins at `run`.

    A term is NaN where something is missing.
    """
    log_close = bars[-1]
    previous = log_close[first - 1] if first > run else math.nan
    for bar in range(first, end):
        r = log_close[bar] - previous
        # The logarithm of anything but a positive number is not finite, and neither is a difference with it.
        r = r if -math.inf < r < math.inf else math.nan
        terms[_R, bar - first] = r
        terms[_RR, bar - first] = r * r
        previous = log_close[bar]
    if len(bars) == 2:
        return
    open_, high, low, close = bars[0], bars[1], bars[2], bars[3]
    log_open, log_high, log_low = bars[4], bars[5], bars[6]
    previous = log_close[first - 1] if first > run else math.nan
    for bar in range(first, end):
        is_plausible = (
            (low[bar] > 0.0)
            & (high[bar] < math.inf)
            & (low[bar] <= open_[bar])
            & (low[bar] <= close[bar])
            & (open_[bar] <= high[bar])
            & (close[bar] <= high[bar])
            & (high[bar] <= _BELIEVABLE_RANGE * max(open_[bar], close[bar]))
            & (low[bar] * _BELIEVABLE_RANGE >= min(open_[bar], close[bar]))
        )
        opened = log_open[bar] if is_plausible else math.nan
        o, c, u, d = opened - previous, log_close[bar] - opened, log_high[bar] - opened, log_low[bar] - opened
        o = o if -math.inf < o < math.inf else math.nan
        terms[_O, bar - first] = o
        terms[_OO, bar - first] = o * o
        terms[_C, bar - first] = c
        terms[_CC, bar - first] = c * c
        terms[_HLHL, bar - first] = (u - d) * (u - d)
        terms[_RS, bar - first] = u * (u - c) + d * (d - c)
        previous = log_close[bar]


@compiled
def _rolling_sums(terms: Floats, window: int, ends: Floats, sums: Floats) -> None:
    """Sum up every window as the end of one block of bars plus the beginning of the next, by additions alone.

    Nothing is subtracted, so neither a violent bar nor a missing term leaves anything behind once it has passed. (Van
    Herk's algorithm finds running maxima in the same way.) Four rows of terms take little longer than one, since the
    additions of one row need not wait for those of another.
    """
    count = terms.shape[1]
    ends[:, 1:window] = math.nan
    ends[:, window] = 0.0
    for block in range(0, count, window):
        t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
        for place in range(block, min(block + window, count)):
            t0 += terms[0, place]
            t1 += terms[1, place]
            t2 += terms[2, place]
            t3 += terms[3, place]
            sums[0, place] = ends[0, place - block + 1] + t0
            sums[1, place] = ends[1, place - block + 1] + t1
            sums[2, place] = ends[2, place - block + 1] + t2
            sums[3, place] = ends[3, place - block + 1] + t3
        if block + window < count:
            t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
            for place in range(window - 1, 0, -1):
                t0 += terms[0, block + place]
                t1 += terms[1, block + place]
                t2 += terms[2, block + place]
                t3 += terms[3, block + place]
                ends[0, place] = t0
                ends[1, place] = t1
                ends[2, place] = t2
                ends[3, place] = t3


@compiled
def _volatility(estimator: int, sums: Floats, n: int, annualization: int, out: Floats) -> None:
    """One estimator from the sums over n bars, annualised."""
    r, rr = sums[_R], sums[_RR]
    if estimator == _CLOSE_TO_CLOSE:
        for place in range(len(out)):
            out[place] = _root(_sample_variance(r[place], rr[place], n), annualization)
        return
    if estimator == _ZERO_MEAN:
        for place in range(len(out)):
            out[place] = _root(rr[place] / n, annualization)
        return
    o, oo, c, cc, hlhl, rs = sums[_O], sums[_OO], sums[_C], sums[_CC], sums[_HLHL], sums[_RS]
    if estimator == _PARKINSON:
        for place in range(len(out)):
            out[place] = _root(hlhl[place] / (2 * _LOG_4 * n), annualization)
    elif estimator == _GARMAN_KLASS:
        for place in range(len(out)):
            out[place] = _root((hlhl[place] / 2 - (_LOG_4 - 1) * cc[place]) / n, annualization)
    elif estimator == _ROGERS_SATCHELL:
        for place in range(len(out)):
            out[place] = _root(rs[place] / n, annualization)
    else:
        k = 0.34 / (1.34 + (n + 1) / (n - 1))
        for place in range(len(out)):
            overnight = _sample_variance(o[place], oo[place], n)
            within = _sample_variance(c[place], cc[place], n)
            out[place] = _root(overnight + k * within + (1 - k) * rs[place] / n, annualization)


@compiled
def _sample_variance(total: float, squares: float, n: int) -> float:
    # Daily returns average far less than they deviate, so the difference loses none of the digits that matter.
    return (squares - total * total / n) / (n - 1)


@compiled
def _root(variance: float, annualization: int) -> float:
    # A difference that should be 0 can end a rounding error below it. (NaN is not less than 0, and stays.)
    return math.sqrt(max(variance, 0.0) * annualization)
