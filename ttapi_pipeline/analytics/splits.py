# SPDX-License-Identifier: MIT
"""Ratios of share splits, and the rule that finds a split in the bars of one symbol.

Next door: cautions about bars in `current`. Splits that two sources prove by their ratio are found in the datasets.
"""

from __future__ import annotations

import math
from typing import Final

import polars as pl

SPLIT_RATIOS: Final = (
    *(1.25, 4 / 3, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
    *(10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0),
)
"""New shares per old one that are usual, 5:4 to 50:1."""

SPLIT_FACTORS: Final = tuple(sorted({*SPLIT_RATIOS, *(1 / ratio for ratio in SPLIT_RATIOS)}))
"""The same with their inverses, which are those of reverse splits; ascending."""

_SMALL: Final = 1.45
"""Below this ratio, an open after good or bad news looks like a split: FB opened 24% higher on 2012-10-24."""

_OPEN_TOLERANCE: Final = 0.03
"""How far the open may lie from the split price by itself, as a logarithm. The open of AAPL's 2:1 split of 2000-06-21
was 0.2% away, that of MSFT's on 2003-02-18 1.9%; the open of AAPL's crash of 2000-09-29 lies 5.2% from 2:1."""

_QUIET_TOLERANCES: Final = (0.065, 0.1)
"""How far it may lie away when the volume says that there was no news; the nearer first, since 7:1 is near 8:1."""

_QUIET_VOLUME: Final = 2.0
"""Volume, in shares of the same size, over that of the session before. A split moves nobody to trade; the three splits
above had 0.3 to 0.5, the crash 3.8 if the shares had been those of a 2:1 split."""

_CLOSE_TOLERANCE: Final = 0.25
"""How far the close may have gone from the split price by the evening; AAPL rose by 10% on 2000-06-21."""


_LEAST: Final = math.log(min(SPLIT_RATIOS)) - _OPEN_TOLERANCE


def possible_splits(bars: pl.LazyFrame) -> pl.LazyFrame:
    """Find the bars that look like the first ones after a split that prices are not adjusted for.

    The open against the last close is the better witness: a split happens overnight, what follows is a day's trading.
    Without an open the close stands in for it.

    Args:
        bars: `symbol`, `session`, `open`, `close`, `volume` and any other columns, in any order.

    Returns:
        The columns of `bars` for these bars alone, and

        - `factor`: new shares per old one, a member of SPLIT_FACTORS.
        - `previous_session`: the symbol's bar before.
    """
    before = {
        "_close_before": _usable("close").shift(),
        "_volume_before": pl.col("volume").shift(),
        "previous_session": pl.col("session").shift(),
    }
    witness = _usable("open").fill_null(_usable("close"))
    return (
        bars.with_columns(value.over("symbol", order_by="session").alias(name) for name, value in before.items())
        .with_columns(_opened=(pl.col("_close_before") / witness).log())
        # Nearly all bars end here; what follows costs a hundred comparisons for each.
        .filter(pl.col("_opened").abs() >= _LEAST)
        .with_columns(
            _closed=(pl.col("_close_before") / _usable("close")).log(),
            _louder=pl.when(pl.col("_volume_before") > 0).then(pl.col("volume") / pl.col("_volume_before")),
        )
        .with_columns(factor=_factor())
        .filter(pl.col("factor").is_not_null())
        .drop("_close_before", "_volume_before", "_opened", "_closed", "_louder")
    )


def nearest_factor(step: pl.Expr, *, tolerance: float) -> pl.Expr:
    """The member of SPLIT_FACTORS that a ratio equals but for a relative tolerance; null where it equals none."""
    return pl.coalesce(pl.when((step / factor - 1.0).abs() <= tolerance).then(factor) for factor in SPLIT_FACTORS)


def _usable(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_finite() & (pl.col(name) > 0)).then(pl.col(name))


def _factor() -> pl.Expr:
    passes = ((_OPEN_TOLERANCE, False), *((tolerance, True) for tolerance in _QUIET_TOLERANCES))
    return pl.coalesce(
        pl.when(_is_near(factor, tolerance, needs_quiet=needs_quiet)).then(factor)
        for tolerance, needs_quiet in passes
        for factor in SPLIT_FACTORS
    )


def _is_near(factor: float, tolerance: float, *, needs_quiet: bool) -> pl.Expr:
    price = math.log(factor)
    is_small = 1 / _SMALL < factor < _SMALL
    distance = _OPEN_TOLERANCE if is_small else tolerance
    is_near = ((pl.col("_opened") - price).abs() <= distance) & ((pl.col("_closed") - price).abs() <= _CLOSE_TOLERANCE)
    is_quiet = pl.col("_louder") <= _QUIET_VOLUME * factor
    if is_small:
        return is_near & is_quiet.fill_null(value=True)
    return is_near & is_quiet if needs_quiet else is_near
