# SPDX-License-Identifier: MIT
"""Annualised volatility over fixed windows: six estimators, rolling per symbol.

What is made of them is in `current` and `cone`; windows as long as an expiration is away are in `horizons`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from types import MappingProxyType
from typing import Final

import polars as pl

from ttapi_pipeline.frames.returns import last_index, on_sessions, usable_price


def rolling_volatility(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    windows: Sequence[int],
    estimators: Sequence[str] = ("close_to_close", "yang_zhang"),
    annualization: int = 252,
    is_sorted: bool = False,
) -> pl.LazyFrame:
    """Add rolling volatilities, per symbol, one column per estimator and window such as `yang_zhang_21`.

    With n the window, ``r = ln(C_i / C_{i-1})``, ``o = ln(O_i / C_{i-1})``, ``c = ln(C_i / O_i)``,
    ``u = ln(H_i / O_i)`` and ``d = ln(L_i / O_i)``, the variance per session is

    - `close_to_close`: sample variance (n - 1) of r.
    - `zero_mean`: mean of r^2, what variance swaps pay on.
    - `parkinson` (1980): mean of ``ln(H / L)^2 / (4 ln 2)``; blind to drift and to gaps between sessions.
    - `garman_klass` (1980): mean of ``ln(H / L)^2 / 2 - (2 ln 2 - 1) c^2``; likewise.
    - `rogers_satchell` (1991): mean of ``u (u - c) + d (d - c)``; allows for drift, blind to gaps.
    - `yang_zhang` (2000): ``V_o + k V_c + (1 - k) V_rs`` with the sample variances (n - 1) of o and c, Rogers and
      Satchell's mean and ``k = 0.34 / (1.34 + (n + 1) / (n - 1))``; allows for both.

    For cash indices, whose printed open is often the last close, every estimator with a range reads low.

    Args:
        bars: `symbol`, `session`, `close`, and for the estimators with a range `open`, `high`, `low`, all adjusted for
            splits; one row per symbol and session, in any order.
        calendar: `session`, covering the bars.
        windows: Sessions, each 2 or more.
        estimators: Keys of ESTIMATORS.
        annualization: Sessions per year.
        is_sorted: Whether `bars` are by symbol and session already, as the EOD snapshot is stored; saves the sort.

    Returns:
        `bars` by symbol and session, without those on days that are not sessions, plus the volatilities. A value needs
        all n sessions of its window (and the close before them, except for Parkinson, Garman-Klass and
        Rogers-Satchell), each with positive prices and ``low <= open, close <= high``; otherwise it is null.

    Raises:
        ValueError: An estimator is not known or a window is shorter than 2.
    """
    variances = _variances(estimators, windows)
    sums = {name: total for name, total in _rolling_sums(windows).items() if name in _roots(variances.values())}
    needed = _roots(sums.values())
    return (
        _terms(bars, calendar, needed=needed, is_sorted=is_sorted)
        .with_columns(**sums)
        .with_columns(_annualized(variance, annualization).alias(name) for name, variance in variances.items())
        .drop(needed, sums)
    )


def latest_volatility(
    bars: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    as_of: date,
    windows: Sequence[int],
    estimators: Sequence[str] = ("close_to_close", "yang_zhang"),
    annualization: int = 252,
) -> pl.LazyFrame:
    """What `rolling_volatility` has in the row of one session, without the windows that end elsewhere.

    Args:
        bars: As for `rolling_volatility`; those after `as_of` change nothing, nor those before the longest window.
        calendar: `session`, covering the bars and `as_of`.
        as_of: Where the windows end; when it is not a session, the last one before it.
        windows: Sessions, each 2 or more.
        estimators: Keys of ESTIMATORS.
        annualization: Sessions per year.

    Returns:
        One row per symbol of `bars`, in any order: `symbol` and the volatilities, null where they are null there.

    Raises:
        ValueError: As by `rolling_volatility`.
    """
    variances = _variances(estimators, windows)
    wanted = _roots(variances.values())
    summed = {name: term for name, term in _SUMMED.items() if wanted & {f"sum_{name}_{window}" for window in windows}}
    last = last_index(calendar, as_of=as_of)
    age = pl.col("age")
    return (
        _terms(
            bars.filter(pl.col("session") <= as_of),
            calendar,
            needed={*_roots(summed.values()), "session_index"},
            is_sorted=False,
        )
        .select("symbol", age=last - pl.col("session_index"), **summed)
        .group_by("symbol")
        .agg(
            _sum_of_all(pl.col(name).filter(age < window), window).alias(f"sum_{name}_{window}")
            for name in summed
            for window in windows
        )
        .select("symbol", *(_annualized(variance, annualization).alias(name) for name, variance in variances.items()))
    )


def _terms(bars: pl.LazyFrame, calendar: pl.LazyFrame, *, needed: AbstractSet[str], is_sorted: bool) -> pl.LazyFrame:
    """Add what is summed up: `term_` and a letter of `rolling_volatility`, `term_close` and `term_run`.

    The rows are by symbol and session, and windows roll over the whole frame, several times faster than per group.
    No value ever comes from a window across two symbols or across a gap: `term_r` and `term_o` are null on the first
    bar of every unbroken run of sessions, and `term_run`, the number of that run, guards sums without them.
    """
    numbered = on_sessions(bars, calendar)
    ordered = numbered if is_sorted else numbered.sort("symbol", "session")
    is_next = (pl.col("symbol") == pl.col("symbol").shift()) & (pl.col("session_index").diff() == 1)
    logs = {"term_close": usable_price("close").log()}
    if needed - {"term_r", "term_close"}:
        low, high = pl.col("low"), pl.col("high")
        within = [(low <= pl.col(name)) & (pl.col(name) <= high) for name in ("open", "close")]
        # Between a positive low and a finite high, every price is a positive number. All terms of a range have the
        # open in them, so that without it they are null.
        is_plausible = pl.all_horizontal((low > 0) & (high < math.inf), *within)
        logs["log_open"] = pl.when(is_plausible).then(pl.col("open").log())
        logs |= {f"log_{name}": pl.col(name).log() for name in ("high", "low")}
    open_, high, low, close = (pl.col(name) for name in ("log_open", "log_high", "log_low", "term_close"))
    previous_close = pl.when(pl.col("is_next")).then(close.shift())
    terms = {
        "term_r": close - previous_close,
        "term_o": open_ - previous_close,
        "term_c": close - open_,
        "term_u": high - open_,
        "term_d": low - open_,
        "term_run": (~pl.col("is_next")).cum_sum(),
    }
    return (
        ordered.with_columns(is_next=is_next.fill_null(value=False), **logs)
        .with_columns(**{name: term for name, term in terms.items() if name in needed})
        .drop({"is_next", "session_index", *logs} - needed)
    )


def _variances(estimators: Sequence[str], windows: Sequence[int]) -> Mapping[str, pl.Expr]:
    """The variance of each column, by its name, from sums over its window."""
    unknown = [name for name in estimators if name not in ESTIMATORS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not an estimator; there are {', '.join(ESTIMATORS)}")
    if any(window < 2 for window in windows):
        raise ValueError(f"windows are {list(windows)}; a variance needs 2 sessions or more")
    return {f"{name}_{window}": ESTIMATORS[name](window) for name in estimators for window in windows}


def _roots(expressions: Iterable[pl.Expr]) -> AbstractSet[str]:
    return {root for expression in expressions for root in expression.meta.root_names()}


def _rolling_sums(windows: Iterable[int]) -> Mapping[str, pl.Expr]:
    """The sums that the estimators are made from, by names such as `sum_oo_21`; null where a term is missing.

    A rolling sum takes a third of the time of a rolling variance. Polars compensates its rounding errors (Kahan), so
    that nothing is left of a violent window once it has passed.
    """
    sums = {}
    for window in windows:
        run = pl.col("term_run")
        for name, term in _SUMMED.items():
            total = term.rolling_sum(window)
            if name in _WITHIN_A_BAR:
                total = pl.when(run == run.shift(window - 1)).then(total)
            sums[f"sum_{name}_{window}"] = total
        # Where a return is missing this says nothing; the sum of their squares, always beside it, is null there.
        sums[f"sum_r_{window}"] = pl.col("term_close").diff(window)
    return sums


def _sum_of_all(terms: pl.Expr, window: int) -> pl.Expr:
    return pl.when(terms.count() == window).then(terms.sum())


def _sum(name: str, window: int) -> pl.Expr:
    return pl.col(f"sum_{name}_{window}")


def _sample_variance(squares: pl.Expr, total: pl.Expr, window: int) -> pl.Expr:
    # Daily returns average far less than they deviate, so the difference loses none of the digits that matter.
    return (squares - total * total / window) / (window - 1)


def _close_to_close(window: int) -> pl.Expr:
    return _sample_variance(_sum("rr", window), _sum("r", window), window)


def _zero_mean(window: int) -> pl.Expr:
    return _sum("rr", window) / window


def _parkinson(window: int) -> pl.Expr:
    return _sum("hlhl", window) / (4 * math.log(2) * window)


def _garman_klass(window: int) -> pl.Expr:
    return (_sum("hlhl", window) / 2 - (2 * math.log(2) - 1) * _sum("cc", window)) / window


def _rogers_satchell(window: int) -> pl.Expr:
    return _sum("rs", window) / window


def _yang_zhang(window: int) -> pl.Expr:
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    overnight = _sample_variance(_sum("oo", window), _sum("o", window), window)
    # From the close before to the open and on to the close: c is what o leaves of r.
    within = _sample_variance(_sum("cc", window), _sum("r", window) - _sum("o", window), window)
    return overnight + k * within + (1 - k) * _rogers_satchell(window)


_R, _O, _C, _U, _D = (pl.col(f"term_{name}") for name in ("r", "o", "c", "u", "d"))
_SUMMED: Final[Mapping[str, pl.Expr]] = MappingProxyType(
    {
        "r": _R,
        "rr": _R * _R,
        "o": _O,
        "oo": _O * _O,
        "cc": _C * _C,
        "hlhl": (_U - _D) * (_U - _D),
        "rs": _U * (_U - _C) + _D * (_D - _C),
    }
)
_WITHIN_A_BAR: Final = frozenset({"cc", "hlhl", "rs"})
FROM_CLOSES: Final = frozenset({"close_to_close", "zero_mean"})

ESTIMATORS: Final[Mapping[str, Callable[[int], pl.Expr]]] = MappingProxyType(
    {
        "close_to_close": _close_to_close,
        "zero_mean": _zero_mean,
        "parkinson": _parkinson,
        "garman_klass": _garman_klass,
        "rogers_satchell": _rogers_satchell,
        "yang_zhang": _yang_zhang,
    }
)
"""Variance per session from the sums of a window, by name; see `rolling_volatility`."""


def _annualized(variance: pl.Expr, annualization: int) -> pl.Expr:
    # A difference that should be 0 can end a rounding error below it, and the root of that is NaN. (`clip` would take
    # five times as long.)
    return (pl.when(variance < 0).then(0.0).otherwise(variance) * annualization).sqrt()
