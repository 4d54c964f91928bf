# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Forecasts of how far a price will move over the next sessions, and how far it then moved. Their scores: see `scores`.

Arrays of one symbol, a place per session of the calendar. A forecast at a session is made of the bars and the implied
volatility up to it, the realised figure of the sessions after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from ttapi_pipeline.analytics.estimators import BELIEVABLE_RANGE
from ttapi_pipeline.analytics.forecast_kernels import exponential_mean, regressed, rolling_sums
from ttapi_pipeline.analytics.kernels import Floats, Numbers, Rows

YEAR: Final = 252
_QUARTER: Final = 63
_DECAY: Final = 0.94
_LEAST_SHARE: Final = 0.9
"""Share of a window's sessions that need a value."""
_FITTED: Final = 500
"""Observations that a regression needs: two years, as daily variances are noisy."""
_REFIT: Final = 5
_UNIT: Final = 1e-4
"""The constant of the regression, in the size of the other regressors: the variance of a day at 16% a year."""


@dataclass(frozen=True, eq=False)
class History:
    """Bars and implied volatilities of one symbol on consecutive sessions of the calendar.

    Attributes:
        prices: Rows of open, high, low and close, adjusted for splits, with a place per session; NaN where missing.
        implied: 30-day implied volatility at each close, annualised; NaN where missing.
        days: The date of each session in days, followed by those of the sessions to come.
    """

    prices: Floats
    implied: Floats
    days: Rows

    def __len__(self) -> int:
        return len(self.implied)

    @cached_property
    def log_close(self) -> Floats:
        """NaN where the close is not a positive number."""
        close = self.prices[3]
        return np.log(np.where((close > 0) & np.isfinite(close), close, math.nan))

    @cached_property
    def returns(self) -> Floats:
        """Log return since the session before; NaN without both closes."""
        return np.diff(self.log_close, prepend=math.nan)

    @cached_property
    def squares(self) -> Floats:
        """Squared log returns."""
        return np.square(self.returns)

    @cached_property
    def variances_per_session(self) -> Mapping[str, Floats]:
        """The forecasts that are the same for every session ahead, and the regressors of `har`."""
        r = self.returns
        squares = self.squares
        means = {name: _mean(squares, sessions) for name, sessions in (("week", 5), ("month", 21), ("year", YEAR))}
        total, count = _sums(np.array([r, squares]), YEAR)
        with np.errstate(divide="ignore", invalid="ignore"):
            sample = (total[1] - total[0] ** 2 / count) / (count - 1)
        is_known = ~np.isnan(means["year"])
        ewma = exponential_mean(squares, _DECAY)
        return {
            "day": squares,
            **means,
            "close_to_close": _positive(np.where(is_known, sample, math.nan)),
            "yang_zhang": _positive(_yang_zhang(self.prices, self.log_close)),
            "ewma": _positive(np.where(is_known, ewma, math.nan)),
        }

    def days_ahead(self, tenor: int) -> Floats:
        """Calendar days from each session to the one `tenor` sessions later; NaN where the calendar ends before."""
        ahead = np.full(len(self), math.nan)
        places = min(len(self), len(self.days) - tenor)
        ahead[:places] = self.days[tenor : tenor + places] - self.days[:places]
        return ahead


def expected_variances(history: History, tenor: int, *, since: int = 0) -> Mapping[str, Floats]:
    """What each method expected of the next `tenor` sessions, at every session.

    Args:
        history: Of one symbol.
        tenor: Sessions.
        since: Forecasts before this place may be left out, which saves time.

    Returns:
        For each of `tenors.METHODS` the variance of the log return over the tenor, not annualised, a place per session:
        its root is the expected move, one standard deviation. NaN where something is missing, or nothing moved.

        - A window needs nine tenths of its sessions; `horizon_rms` looks back on as many as there are, from a year on.
        - `har` is fitted by least squares weighted by the year's variance, every fifth session, to the tenors that had
          ended by then.
    """
    known = history.variances_per_session
    steady = {name: tenor * known[name] for name in ("close_to_close", "yang_zhang", "ewma")}
    regressors = np.array([np.full(len(history), _UNIT), *(known[name] for name in ("day", "week", "month", "year"))])
    target = _sums_ahead(known["day"], tenor) / tenor
    har = regressed(regressors, target, known["year"], tenor, _FITTED, _REFIT, since)
    implied = np.square(history.implied) * history.days_ahead(tenor) / 365
    return {
        **steady,
        "har": _positive(tenor * har),
        "horizon_rms": _positive(_horizon_mean_square(history.log_close, tenor)),
        "iv_30_day": _positive(implied),
    }


def realised(history: History, tenor: int) -> tuple[Floats, Floats]:
    """What happened over the `tenor` sessions after each session.

    Returns:
        The log return over them, and their variance, which is the sum of the squared daily log returns; a place per
        session. Both are NaN while the tenor has not ended, and where a close is missing in it.
    """
    variance = _sums_ahead(history.squares, tenor)
    moved = np.full(len(history), math.nan)
    if tenor < len(history):
        moved[:-tenor] = history.log_close[tenor:] - history.log_close[:-tenor]
    return np.where(np.isnan(variance), math.nan, moved), variance


def _horizon_mean_square(log_close: Floats, tenor: int) -> Floats:
    """Mean square of overlapping returns over the tenor around zero: a trend is part of the move."""
    lookback = max(YEAR, 10 * tenor)
    squares = np.full(len(log_close), math.nan)
    squares[tenor:] = np.square(log_close[tenor:] - log_close[:-tenor])
    return _mean(squares, lookback - tenor + 1, least=math.ceil(_LEAST_SHARE * (max(YEAR, 2 * tenor) - tenor + 1)))


def _yang_zhang(prices: Floats, log_close: Floats) -> Floats:
    """Daily variance; for the formula see `volatility.rolling_volatility`, with n the sessions that count."""
    open_, high, low, close = prices
    with np.errstate(divide="ignore", invalid="ignore"):
        is_sound = (
            (low > 0) & (low <= np.minimum(open_, close)) & (high >= np.maximum(open_, close)) & (high < math.inf)
        )
        is_sound &= (high <= BELIEVABLE_RANGE * np.maximum(open_, close)) & (
            low * BELIEVABLE_RANGE >= np.minimum(open_, close)
        )
        start = np.where(is_sound, np.log(open_), math.nan)
        o = start - np.concatenate([[math.nan], log_close[:-1]])
        c, u, d = log_close - start, np.log(high) - start, np.log(low) - start
    terms = np.array([o, o * o, c, c * c, u * (u - c) + d * (d - c)])
    total, count = _sums(terms, _QUARTER)
    n = np.where(count >= math.ceil(_LEAST_SHARE * _QUARTER), count, math.nan)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    overnight = (total[1] - total[0] ** 2 / n) / (n - 1)
    within = (total[3] - total[2] ** 2 / n) / (n - 1)
    return np.asarray(overnight + k * within + (1 - k) * total[4] / n)


def _mean(terms: Floats, window: int, *, least: int | None = None) -> Floats:
    """Rolling mean; NaN where fewer than `least` sessions of the window count, by default nine tenths."""
    needed = math.ceil(_LEAST_SHARE * window) if least is None else least
    total, count = _sums(terms[np.newaxis], window)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count >= needed, total[0] / count, math.nan)


def _sums(terms: Floats, window: int) -> tuple[Floats, Numbers]:
    sums, counts = np.empty_like(terms), np.empty(terms.shape[1], np.int32)
    rolling_sums(np.ascontiguousarray(terms), window, sums, counts)
    return sums, counts


def _sums_ahead(terms: Floats, ahead: int) -> Floats:
    """The sum of the `ahead` sessions that follow each session; NaN when one of them is missing or yet to come."""
    out = np.full(len(terms), math.nan)
    if ahead < len(terms):
        total, count = _sums(terms[np.newaxis], ahead)
        out[:-ahead] = np.where(count == ahead, total[0], math.nan)[ahead:]
    return out


def _positive(variances: Floats) -> Floats:
    """Variances without what rounding leaves of a price that does not move."""
    with np.errstate(invalid="ignore"):
        return np.where(variances > 1e-14, variances, math.nan)
