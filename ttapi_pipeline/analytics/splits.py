# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Ratios of share splits, and the rule that finds a split in the bars of one symbol.

Next door: cautions about bars in `current`. Splits that two sources prove by their ratio are found in the datasets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.returns import usable_price

ADJUSTED: Final = ("split", "rebased")
"""Values of `adjustment` that say that prices are of today's share."""

SPLIT_RATIOS: Final = (
    *(1.25, 4 / 3, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
    *(10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0),
)
"""New shares per old one that are usual, 5:4 to 50:1."""

SPLIT_FACTORS: Final = tuple(sorted({*SPLIT_RATIOS, *(1 / ratio for ratio in SPLIT_RATIOS)}))
"""The same with their inverses, which are those of reverse splits; ascending."""

_SMALL: Final = 1.45
"""Below this ratio, an open after good or bad news looks like a split: FB opened 24% higher on 2012-10-24."""

_SMALL_STEP: Final = math.log(_SMALL)

_OPEN_TOLERANCE: Final = 0.03
"""How far the open may lie from the split price by itself, as a logarithm. The open of AAPL's 2:1 split of 2000-06-21
was 0.2% away, that of MSFT's on 2003-02-18 1.9%; the open of AAPL's crash of 2000-09-29 lies 5.2% from 2:1."""

_QUIET_TOLERANCE: Final = 0.1
"""How far it may lie away when the volume says that there was no news."""

_QUIET_VOLUME: Final = 2.0
"""Volume, in shares of the same size, over that of the session before. A split moves nobody to trade; the three splits
above had 0.3 to 0.5, the crash 3.8 if the shares had been those of a 2:1 split."""

_CLOSE_TOLERANCE: Final = 0.25
"""How far the close may have gone from the split price by the evening; AAPL rose by 10% on 2000-06-21."""


_CLEAR_STEP: Final = math.log(2.0) - 1e-9
"""Below 2:1, a close alone is no witness. Of 20 companies over 32 years, 92 closes lie near a smaller ratio, in crashes
and after news, and one near a larger one."""

_LEAST: Final = math.log(min(SPLIT_RATIOS)) - _OPEN_TOLERANCE

_STEP_LIMIT: Final = math.log(1.2 * max(SPLIT_RATIOS))
"""A close this far from the last one is beyond every split, and beyond every crash short of bankruptcy."""

_SEAM_LIMIT: Final = math.log(4.0)
"""The same where another source begins, or bars begin whose share is known. Of 20 companies over 32 years, the largest
move of a day was RRC to a third on 1990-04-10."""

_STEP_PER_DAY: Final = 0.17
"""What is added after a gap, times the square root of its days: about five standard deviations of a wild share."""

_LONG_WEEKEND: Final = 4
"""Days from one session to the next one that are no gap."""

STEPS: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "session": pl.Date(),
        "previous_session": pl.Date(),
        "close_before": pl.Float64(),
        "close": pl.Float64(),
        "is_lasting": pl.Boolean(),
    }
)
"""Steps of closes that no split explains, see `price_steps`."""


def possible_splits(bars: pl.LazyFrame, *, is_sorted: bool = False) -> pl.LazyFrame:
    """Find the bars that look like the first ones after a split that prices are not adjusted for.

    The open against the last close is the better witness: a split happens overnight, what follows is a day's trading.
    Without an open the close stands in for it, for ratios from 2:1 on.

    Args:
        bars: `symbol`, `session`, `open`, `close`, `volume` and any other columns, in any order.
        is_sorted: Whether they are sorted by symbol and session; saves sorting them.

    Returns:
        The columns of `bars` for these bars alone, and

        - `factor`: new shares per old one, a member of SPLIT_FACTORS.
        - `previous_session`: the symbol's bar before.
    """
    before = {
        "_close_before": usable_price("close").shift(),
        "_volume_before": pl.col("volume").shift(),
        "previous_session": pl.col("session").shift(),
    }
    # A window function over each symbol takes fifteen times as long as a look at the row above.
    is_same = pl.col("symbol") == pl.col("symbol").shift()
    ordered = bars if is_sorted else bars.sort("symbol", "session")
    witness = usable_price("open").fill_null(usable_price("close"))
    opened = (
        ordered.with_columns(pl.when(is_same).then(value).alias(name) for name, value in before.items())
        .with_columns(_opened=(pl.col("_close_before") / witness).log())
        # Nearly all bars end here, before they are compared with each of the factors.
        .filter(pl.col("_opened").abs() >= _LEAST)
        .with_columns(
            _closed=(pl.col("_close_before") / usable_price("close")).log(),
            _louder=pl.when(pl.col("_volume_before") > 0).then(pl.col("volume") / pl.col("_volume_before")),
        )
    )
    factors = pl.LazyFrame({"factor": SPLIT_FACTORS})
    return (
        opened.join(factors, how="cross")
        .filter(_is_near())
        .sort((pl.col("_opened") - pl.col("factor").log()).abs())
        .unique(["symbol", "session"], keep="first", maintain_order=True)
        .drop("_close_before", "_volume_before", "_opened", "_closed", "_louder")
    )


def price_steps(bars: pl.LazyFrame) -> pl.DataFrame:
    """Find the steps from one close to the next that neither a split nor the trading of these days explains.

    Args:
        bars: `symbol`, `session`, `open`, `close`, `volume`, `adjustment`, `source`, by symbol and session. Bars
            without a usable close are passed over.

    Returns:
        Schema STEPS, by symbol and session. `close_before` is the close of `previous_session`. `is_lasting` is false
        where a single close is far from those on either side, which agree: the bar is wrong, not its neighbours. It is
        false for a step to the last close as well, until another close confirms it.
    """
    known = bars.filter(usable_price("close").is_not_null())
    is_same = pl.col("symbol") == pl.col("symbol").shift()
    is_known = pl.col("adjustment").is_in(ADJUSTED)
    is_seam = (is_known != is_known.shift()) | (pl.col("source") != pl.col("source").shift())
    idle = ((pl.col("session") - pl.col("session").shift()).dt.total_days() - _LONG_WEEKEND).clip(0)
    limit = pl.when(is_seam).then(_SEAM_LIMIT).otherwise(_STEP_LIMIT) + _STEP_PER_DAY * idle.sqrt()
    close, before = pl.col("close").log(), pl.col("close").shift().log()
    earlier = pl.when(pl.col("symbol") == pl.col("symbol").shift(2)).then(pl.col("close").shift(2).log())
    later = pl.when(pl.col("symbol") == pl.col("symbol").shift(-1)).then(pl.col("close").shift(-1).log())
    was_there = ((earlier - before).abs() <= (earlier - close).abs()).fill_null(value=True)
    stays = ((later - close).abs() < (later - before).abs()).fill_null(value=False)
    steps = (
        known.select(
            *("symbol", "session", "close"),
            previous_session=pl.col("session").shift(),
            close_before=pl.col("close").shift(),
            is_lasting=was_there & stays,
            is_step=is_same & ((close - before).abs() > limit),
            # Where both sources say that they are adjusted, a step at a ratio is no split that either has left in.
            is_trusted=(pl.col("adjustment") == "split") & (pl.col("adjustment").shift() == "split"),
        )
        .filter("is_step")
        .collect()
    )
    if steps.is_empty():
        return STEPS.to_frame()
    stepped = known.filter(pl.col("symbol").is_in(steps["symbol"].unique().implode()))
    splits = possible_splits(stepped, is_sorted=True).select("symbol", "session", is_split=True).collect()
    return (
        steps.join(splits, on=["symbol", "session"], how="left", maintain_order="left")
        .filter(pl.col("is_split").is_null() | pl.col("is_trusted"))
        .select(STEPS.names())
    )


def bars_since_steps(bars: pl.LazyFrame, steps: pl.DataFrame) -> pl.LazyFrame:
    """The bars of each symbol from its last lasting step on; what is older is on another scale, or of another thing.

    Args:
        bars: `symbol`, `session` and any other columns.
        steps: From `price_steps`.
    """
    since = steps.filter("is_lasting").group_by("symbol").agg(_since=pl.col("session").max())
    if since.is_empty():
        return bars
    joined = bars.join(since.lazy(), on="symbol", how="left", maintain_order="left")
    is_older = (pl.col("session") < pl.col("_since")).fill_null(value=False)
    return joined.filter(~is_older).drop("_since")


def nearest_factor(steps: pl.Series, *, tolerance: float, factors: Sequence[float] = SPLIT_FACTORS) -> pl.Series:
    """The factor that each ratio equals but for a relative tolerance; null where it equals none.

    Args:
        steps: Ratios; a null has no factor.
        tolerance: How far a ratio may lie from its factor.
        factors: Ascending.
    """
    known, wanted = np.asarray(factors), steps.fill_null(math.nan).to_numpy()
    above = np.clip(np.searchsorted(known, wanted), 1, len(known) - 1)
    below = known[above - 1]
    nearest = np.where(wanted - below < known[above] - wanted, below, known[above])
    return pl.Series(np.where(np.abs(wanted / nearest - 1.0) <= tolerance, nearest, math.nan)).fill_nan(None)


def _is_near() -> pl.Expr:
    """Whether a bar opened near the price that a factor makes of the last close."""
    price = pl.col("factor").log()
    distance = (pl.col("_opened") - price).abs()
    is_quiet = pl.col("_louder") <= _QUIET_VOLUME * pl.col("factor")
    is_news = pl.col("factor").is_between(1 / _SMALL, _SMALL) & ~is_quiet.fill_null(value=True)
    is_near = (distance <= _OPEN_TOLERANCE) | ((distance <= _QUIET_TOLERANCE) & is_quiet & (price.abs() > _SMALL_STEP))
    is_witnessed = usable_price("open").is_not_null() | (price.abs() >= _CLEAR_STEP)
    return is_near & is_witnessed & ~is_news & ((pl.col("_closed") - price).abs() <= _CLOSE_TOLERANCE)
