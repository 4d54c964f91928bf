# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Draws the movement of prices, volumes and implied volatility, session by session and within one.

One market factor, and per symbol a beta, its own noise, and jumps on earnings. A path covers every session of the
packaged calendar from FIRST_SESSION on and is drawn row by row, so the figures up to an instant are a prefix of it: a
later clock shows more of the same path. How much of it a moment may show is decided in `prices`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from ttapi_pipeline.core.sessions import LAST_DATE, sessions_between
from ttapi_pipeline.simulator.market.instruments import (
    ANCHOR_DATE,
    FIRST_SESSION,
    HALT_DATE,
    MARKET_VOLATILITY,
    Instrument,
    Traits,
)
from ttapi_pipeline.simulator.market.pricing import THIRTY_DAYS
from ttapi_pipeline.simulator.market.randomness import generator, uniforms

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KNOT_SECONDS: Final = 5
"""Within a session prices are drawn every five seconds and lie on a line in between."""
SESSIONS_PER_YEAR: Final = 252

_SQRT_YEAR: Final = math.sqrt(SESSIONS_PER_YEAR)
_OVERNIGHT_SHARE: Final = 0.3  # of the variance from close to close
_MARKET_PERSISTENCE: Final = 0.985
_MARKET_STATE_STDDEV: Final = 0.38
_MARKET_GROWTH: Final = 2.2  # log growth of the factor from the first session to the anchor
_CALM: Final = 0.6  # volatility falls less below its usual level than it rises above
_LEVERAGE: Final = -0.7  # correlation of volatility with returns
_OWN_PERSISTENCE: Final = 0.97
_OWN_STATE_STDDEV: Final = 0.28
_OWN_MEAN_REVERSION: Final = 0.9985  # keeps 30 years of own noise within a sane range of prices
_COMMON_GROWTH: Final = 1.2  # growth that does not depend on beta
_MAX_SPLIT_FACTOR: Final = 64.0


@dataclass(frozen=True, slots=True)
class MarketFactor:
    """The common factor: log returns per session, and the log volatility state after each."""

    overnight: Floats
    intraday: Floats
    state: Floats
    volatility: Floats  # daily, in force during the session


@dataclass(frozen=True, slots=True)
class Quarters:
    """Fiscal quarters with their reports, ascending; positions are indices into `session_dates`."""

    quarter_ends: npt.NDArray[np.datetime64]
    report_positions: Ints
    reaction_positions: Ints
    surprises: Floats  # actual over trend, log
    estimate_errors: Floats  # consensus over actual, relative


@dataclass(frozen=True, slots=True)
class SymbolPath:
    """The bars of one symbol for every session; compact, since hundreds of paths are kept.

    Attributes:
        first: Position of the first session with a bar; `last` of the last one (a halt, or the end of the calendar).
        open: Split-adjusted price in units of 0.0001 US dollars, as `high`, `low` and `close`.
        volume: Shares.
        variance_30: Annual 30-day variance that options imply at the close, without the earnings jump.
        jump_variance: The share of an earnings jump in the 30-day variance, annual.
        splits: Position of the first session after the split, and its ratio, ascending.
    """

    first: int
    last: int
    open: npt.NDArray[np.uint32]
    high: npt.NDArray[np.uint32]
    low: npt.NDArray[np.uint32]
    close: npt.NDArray[np.uint32]
    volume: npt.NDArray[np.uint32]
    variance_30: npt.NDArray[np.float32]
    jump_variance: npt.NDArray[np.float32]
    variance_long: float
    quarters: Quarters | None
    splits: Sequence[tuple[int, float]]

    def split_factor(self, position: int) -> float:
        """The price on the tape divided by the adjusted price, in that session."""
        return math.prod(ratio for at, ratio in self.splits if at > position)


@cache
def session_dates() -> npt.NDArray[np.datetime64]:
    """Every session of the market, ascending, as datetime64[D]."""
    dates = np.array(sessions_between(FIRST_SESSION, LAST_DATE), dtype="datetime64[D]")
    dates.setflags(write=False)
    return dates


@lru_cache(maxsize=32_768)
def position_of(day: date) -> int:
    """Index of the first session on or after that day."""
    return int(np.searchsorted(session_dates(), np.datetime64(day, "D")))


def draw_market_factor(seed: int) -> MarketFactor:
    """Draw the path of the factor over all sessions."""
    z = generator("market", seed).standard_normal((len(session_dates()), 4))
    shock = math.sqrt(_OVERNIGHT_SHARE) * z[:, 0] + math.sqrt(1 - _OVERNIGHT_SHARE) * z[:, 1]
    state_shock = _LEVERAGE * shock + math.sqrt(1 - _LEVERAGE**2) * z[:, 2]
    scale = _MARKET_STATE_STDDEV * math.sqrt(1 - _MARKET_PERSISTENCE**2)
    state = autoregression(scale * state_shock, _MARKET_PERSISTENCE)
    state *= np.where(state < 0.0, _CALM, 1.0)
    volatility = MARKET_VOLATILITY / _SQRT_YEAR * _volatility_in_force(state, _MARKET_STATE_STDDEV)
    overnight = volatility * math.sqrt(_OVERNIGHT_SHARE) * z[:, 0]
    intraday = volatility * math.sqrt(1 - _OVERNIGHT_SHARE) * z[:, 1]
    anchor = position_of(ANCHOR_DATE)
    reached = float(np.sum(overnight[: anchor + 1] + intraday[: anchor + 1]))
    overnight += (_MARKET_GROWTH - reached) / (anchor + 1)
    return MarketFactor(overnight, intraday, state, volatility)


def draw_symbol_path(seed: int, instrument: Instrument, traits: Traits, market: MarketFactor) -> SymbolPath:
    """Draw the path of a symbol over all sessions, with its close on ANCHOR_DATE at the target price."""
    n = len(session_dates())
    z = generator("path", seed, traits.path_key).standard_normal((n, 5)).T.copy()
    extents = generator("range", seed, traits.path_key).random((n, 2)).T
    anchor = position_of(ANCHOR_DATE)
    fat = z[:2] * (0.8 + 0.06 * z[:2] ** 2)  # variance stays near 1, kurtosis near 5

    own_state = autoregression(_OWN_STATE_STDDEV * math.sqrt(1 - _OWN_PERSISTENCE**2) * z[2], _OWN_PERSISTENCE)
    own_volatility = traits.own_volatility / _SQRT_YEAR * _volatility_in_force(own_state, _OWN_STATE_STDDEV)
    own_overnight = own_volatility * math.sqrt(_OVERNIGHT_SHARE) * fat[0]
    own_intraday = own_volatility * math.sqrt(1 - _OVERNIGHT_SHARE) * fat[1]
    quarters = None
    jump_variance = np.zeros(n)
    if traits.earnings_move > 0.0:
        quarters, jumps = _draw_quarters(seed, traits)
        own_overnight[quarters.reaction_positions] += jumps
        jump_variance = _jump_variance_30(quarters, traits.earnings_move)

    own_level = autoregression(own_overnight + own_intraday, _OWN_MEAN_REVERSION)
    growth = _COMMON_GROWTH * (1 - traits.beta) / (anchor + 1)
    market_level = np.cumsum(market.overnight + market.intraday)
    log_close = traits.beta * market_level + own_level + growth * np.arange(1, n + 1)
    log_close += math.log(traits.target_price) - log_close[anchor]
    intraday = traits.beta * market.intraday + own_intraday
    log_open = log_close - intraday

    volatility = np.sqrt((traits.beta * market.volatility) ** 2 + own_volatility**2)
    half_range = 0.8 * math.sqrt(1 - _OVERNIGHT_SHARE) * volatility
    high = np.exp(np.maximum(log_open, log_close) + half_range * extents[0])
    low = np.exp(np.minimum(log_open, log_close) - half_range * extents[1])
    close = np.exp(log_close)

    first = position_of(instrument.listed_date)
    splits = _draw_splits(seed, traits, close[: anchor + 1], first=first) if instrument.kind == "Equity" else ()
    factor = np.ones(n)
    for at, ratio in splits:
        factor[:at] *= ratio

    surprise = np.abs(np.diff(log_close, prepend=log_close[0])) / volatility
    level = autoregression(0.12 * z[3], 0.9) + 0.2 * z[3] + 0.45 * np.minimum(surprise, 5.0) - 0.36
    volume = np.minimum(traits.daily_volume * np.exp(level), 4e9)

    noise = autoregression(0.02 * z[4], 0.9)
    variance_30, variance_long = _implied_variance(traits, market.state, own_state, noise)
    return SymbolPath(
        first=first,
        last=position_of(HALT_DATE) if instrument.is_halted else n - 1,
        open=_to_units(np.exp(log_open), factor),
        high=_to_units(high, factor),
        low=_to_units(low, factor),
        close=_to_units(close, factor),
        volume=np.rint(volume).astype(np.uint32),
        variance_30=variance_30.astype(np.float32),
        jump_variance=jump_variance.astype(np.float32),
        variance_long=variance_long,
        quarters=quarters,
        splits=splits,
    )


def draw_volatility_index_path(seed: int, traits: Traits, index: SymbolPath) -> SymbolPath:
    """Draw the path of VIX: at each close the 30-day implied volatility of the index in points."""
    n = len(session_dates())
    z = generator("path", seed, traits.path_key).standard_normal((n, 4))
    close = 100 * np.sqrt(index.variance_30.astype(np.float64))
    previous = np.concatenate([close[:1], close[:-1]])
    open_ = previous * (close / previous) ** 0.35 * np.exp(0.015 * z[:, 0])
    high = np.maximum(open_, close) * np.exp(0.025 * np.abs(z[:, 1]))
    low = np.minimum(open_, close) * np.exp(-0.025 * np.abs(z[:, 2]))
    ones = np.ones(n)
    volatility = 0.9 * np.exp(autoregression(0.04 * z[:, 3], 0.93))
    return SymbolPath(
        first=0,
        last=n - 1,
        open=_to_units(open_, ones),
        high=_to_units(high, ones),
        low=_to_units(low, ones),
        close=_to_units(close, ones),
        volume=np.zeros(n, dtype=np.uint32),
        variance_30=(volatility**2).astype(np.float32),
        jump_variance=np.zeros(n, dtype=np.float32),
        variance_long=0.75**2,
        quarters=None,
        splits=(),
    )


def intraday_knots(
    seed: int, path_key: str, *, position: int, seconds: int, bar: tuple[int, int, int, int], split_factor: float
) -> npt.NDArray[np.uint32]:
    """Prices every KNOT_SECONDS of a session, in units of 0.0001 US dollars.

    Args:
        position: Of the session.
        seconds: Length of the session.
        bar: Open, high, low and close of the finished bar, same units: the path starts and ends there, touches both
            extremes and stays within them.
        split_factor: Of the session, since prices move by ticks of the tape.
    """
    open_, high, low, close = bar
    n = seconds // KNOT_SECONDS + 1
    if high == low:
        return np.full(n, open_, dtype=np.uint32)
    rng = generator("intraday", seed, path_key, position)
    first, second = np.sort(rng.uniform(0.03, 0.97, 2))
    # A session that falls is more likely to have made its high first.
    extremes = (high, low) if close < open_ else (low, high)
    grid = np.arange(n)
    knots = np.array([0, max(1, round(first * (n - 1))), min(n - 2, round(second * (n - 1)) + 1), n - 1])
    walk = np.cumsum(rng.standard_normal(n)) * (0.45 * (high - low) / math.sqrt(n))
    line = np.interp(grid, knots, [open_, *extremes, close])
    prices = line + walk - np.interp(grid, knots, walk[knots])
    width = high - low
    folded = np.mod(prices - low, 2 * width)
    prices = low + np.where(folded > width, 2 * width - folded, folded)
    units = np.clip(_to_units(prices / 10_000, np.full(n, split_factor)), low, high)
    units[knots] = (open_, *extremes, close)
    return units


def volume_share(elapsed: float) -> float:
    """Share of the volume traded when this share of a session is over, both 0 to 1; most near open and close."""
    return elapsed + 0.45 / (2 * math.pi) * math.sin(2 * math.pi * elapsed)


@cache
def volume_shares(seconds: int) -> Floats:
    """`volume_share` at every knot of a session of that length."""
    shares = np.array([volume_share(at / seconds) for at in range(0, seconds + 1, KNOT_SECONDS)])
    shares.setflags(write=False)
    return shares


def autoregression(shocks: Floats, persistence: float) -> Floats:
    """x[t] = persistence * x[t - 1] + shocks[t], from 0.

    1 / (1 - pL) is the product of (1 + p^(2^k) L^(2^k)) over k, which takes a dozen vector operations, not a loop.
    """
    x = shocks.copy()
    lag, weight = 1, persistence
    while lag < len(x) and weight > 1e-9:
        x[lag:] += weight * x[:-lag]
        lag, weight = 2 * lag, weight * weight
    return x


def _volatility_in_force(state: Floats, stddev: float) -> Floats:
    """Relative volatility of each session from the state after the session before; its square is 1 on average."""
    before: Floats = np.concatenate([[0.0], state[:-1]])
    return np.exp(before - stddev**2)


def _implied_variance(traits: Traits, market_state: Floats, own_state: Floats, noise: Floats) -> tuple[Floats, float]:
    """Annual 30-day variance after each session, and the long-run level."""
    market_long = (traits.beta * MARKET_VOLATILITY) ** 2
    own_long = traits.own_volatility**2
    # Average of the expected state over the next 21 sessions.
    market_ahead = (1 - _MARKET_PERSISTENCE**21) / (21 * (1 - _MARKET_PERSISTENCE))
    own_ahead = (1 - _OWN_PERSISTENCE**21) / (21 * (1 - _OWN_PERSISTENCE))
    expected = market_long * np.exp(2 * market_ahead * market_state - _MARKET_STATE_STDDEV**2)
    expected += own_long * np.exp(2 * own_ahead * own_state - _OWN_STATE_STDDEV**2)
    premium = traits.volatility_premium**2
    return premium * expected * np.exp(2 * noise), premium * (market_long + own_long)


def _draw_quarters(seed: int, traits: Traits) -> tuple[Quarters, Floats]:
    """Fiscal quarters and the log jump of the price at each reaction."""
    months = np.arange("1994-12", f"{LAST_DATE.year}-10", 3, dtype="datetime64[M]") - traits.fiscal_month
    ends = (months + 1).astype("datetime64[D]") - 1
    z = generator("earnings", seed, traits.path_key).standard_normal((len(ends), 4))
    lag = traits.report_lag_days + np.clip(np.rint(z[:, 0]), -3, 3).astype(np.int64)
    reports = np.searchsorted(session_dates(), ends + lag)
    reactions = reports + (1 if traits.is_after_close else 0)
    quarters = Quarters(ends, reports, reactions, 0.06 * z[:, 2], 0.04 * z[:, 3])
    return quarters, traits.earnings_move * z[:, 1]


def _jump_variance_30(quarters: Quarters, earnings_move: float) -> Floats:
    """The addition to the annual 30-day variance by a report within the next 30 days."""
    dates = session_dates()
    starts = np.searchsorted(dates, dates[quarters.reaction_positions] - np.timedelta64(30, "D"))
    ahead = np.zeros(len(dates), dtype=np.int64)
    np.add.at(ahead, starts, 1)
    np.add.at(ahead, quarters.reaction_positions, -1)
    added: Floats = np.where(np.cumsum(ahead) > 0, earnings_move**2 / THIRTY_DAYS, 0.0)
    return added


def _draw_splits(seed: int, traits: Traits, close: Floats, *, first: int) -> Sequence[tuple[int, float]]:
    """Splits that keep earlier prices on the tape from being too low; found from the newest back, ascending."""
    u = uniforms("splits", seed, traits.path_key, count=12)
    if u[0] < 0.35:
        return ()
    splits: list[tuple[int, float]] = []
    factor, end = 1.0, len(close) - 20
    for which, trigger in zip(u[1:6], u[6:11], strict=True):
        ratio = 2.0 if which < 0.7 else 3.0 if which < 0.85 else 1.5 if which < 0.95 else 4.0
        below = np.flatnonzero(close[:end] * factor < 18.0 + 30.0 * trigger)
        if not len(below) or below[-1] <= first + 250 or factor * ratio > _MAX_SPLIT_FACTOR:
            break
        at = int(below[-1])
        splits.append((at, ratio))
        factor, end = factor * ratio, max(1, at - 300)
    return tuple(reversed(splits))


def _to_units(prices: Floats, factor: Floats) -> npt.NDArray[np.uint32]:
    """Prices on the tick of the tape (a cent; 0.0001 below a dollar), adjusted for splits, in 0.0001 US dollars."""
    tape = prices * factor
    ticks = np.rint(tape * 100) * 100
    if len(tape) and tape.min() < 1.0:
        ticks = np.where(tape >= 1.0, ticks, np.maximum(np.rint(tape * 10_000), 1.0))
    return np.rint(ticks / factor).astype(np.uint32)
