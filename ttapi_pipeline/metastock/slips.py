# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Finds bars whose price slips for a session or a few and comes back: a decimal point in another place, a placeholder.

A bar is set aside only where the closes before and after it agree with each other, and not with it, by a power of ten,
because it is 99999.99, or by a hundred times and more. A step that stays may be a split, and what no bar follows yet
may be one: both are kept, and are doubted where splits and steps are looked for (`analytics.splits`).
"""

from __future__ import annotations

import math
from typing import Final

import polars as pl

SLIPS: Final = pl.Schema({"symbol": pl.String(), "session": pl.Date(), "file": pl.UInt32(), "reason": pl.String()})
"""One row per bar that is set aside."""

NEAR: Final = math.log(1.25)
"""How far the closes on either side may lie apart, and a slipped price from these once its decimal point is moved, as a
logarithm. Shares that trebled in a day and fell again were further from where they began, and from ten times that."""

MOST_SESSIONS: Final = 5
MOST_DAYS: Final = 21
"""How many bars in a row may slip, and how many days may lie between the two that are on either side of them."""

LEAST_PRICE: Final = 0.1
"""Below, a share may well go to ten times its price and back: the smallest step is a great part of it."""

_WINDOW: Final = 2 * MOST_SESSIONS + 1
"""Bars of which the median tells the price around a bar, itself included."""

_LEAST_STEP: Final = math.log(10.0) - 2 * NEAR
"""The smallest step from one price to another by which a bar may have slipped."""

_FAR: Final = math.log(2.0)
"""A placeholder is further than this from the closes on either side, or it is a price."""

_ABSURD: Final = math.log(100.0)
"""From here on, whatever the digits are, no share goes so far and comes back within days: 2147483647, 0.0001."""

_LEAST_NINES: Final = 999.0
_NINES: Final = "^9{3,}(\\.9{1,4}|\\.0)?$"


def may_slip(before: pl.Expr) -> pl.Expr:
    """Whether a bar may have slipped, or the one before it, by a look that costs little; never null.

    Args:
        before: The close of the bar before, of the same ticker.
    """
    close = pl.col("close")
    step, opened = (close / before).log().abs(), (pl.col("open") / close).log().abs()
    is_high = (step >= _FAR - NEAR) & (close >= _LEAST_NINES)
    return pl.any_horizontal(step >= _LEAST_STEP, opened >= _LEAST_STEP, is_high).fill_null(value=False)


def slips_of_files(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that are set aside where several files may have the same session, of which the last one counts.

    Where that is set aside, the row of another file counts, unless it has slipped, too.

    Args:
        rows: symbol, session, open, close and file, by symbol, session and file.

    Returns:
        Schema SLIPS.
    """
    before = pl.when(pl.col("symbol") == pl.col("symbol").shift()).then(pl.col("close").shift())
    doubtful = rows.filter(may_slip(before))["symbol"].unique()
    rows = rows.filter(pl.col("symbol").is_in(doubtful.implode()))
    found = [SLIPS.to_frame()]
    while not rows.is_empty():
        slips = find_slips(rows.unique(["symbol", "session"], keep="last", maintain_order=True))
        if len(found) > 1:
            slips = slips.join(found[-1], on=["symbol", "session"], how="semi")
        if slips.is_empty():
            break
        found.append(slips)
        rows = rows.join(slips, on=["symbol", "session", "file"], how="anti", maintain_order="left")
    return pl.concat(found)


def find_slips(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars that are set aside.

    Args:
        bars: symbol, session, open, close and file, by symbol and session, which are unique together.

    Returns:
        Schema SLIPS, by symbol and session.
    """
    price = pl.col("close").log()
    # At either end, the nearest window that is whole: a smaller one would be made of the bars that slipped.
    whole = price.rolling_median(_WINDOW, center=True).forward_fill().backward_fill()
    level = pl.coalesce(whole, price.median()).over("symbol")
    judged = bars.with_columns(is_nines=_is_nines(), level=level)
    judged = judged.with_columns(digits=_digits(pl.col("close"), pl.col("level"), most=2 * NEAR))
    distance = (pl.col("close").log() - pl.col("level")).abs()
    is_far, is_absurd = pl.col("is_nines") & (distance > _FAR), distance >= _ABSURD
    judged = judged.with_columns(is_slipped=is_far | is_absurd | (pl.col("digits") != 0))
    sound = pl.when(~pl.col("is_slipped"))
    judged = judged.with_columns(
        before=sound.then("close").forward_fill().shift().over("symbol"),
        after=sound.then("close").backward_fill().shift(-1).over("symbol"),
        since=sound.then("session").forward_fill().shift().over("symbol"),
        until=sound.then("session").backward_fill().shift(-1).over("symbol"),
        run=pl.struct("symbol", "is_slipped").rle_id(),
    ).with_columns(in_a_row=pl.len().over("run"))
    return (
        judged.filter(_is_between() & (_has_slipped() | _opened_elsewhere()))
        .with_columns(reason=_reason())
        .select(SLIPS.names())
    )


def _is_between() -> pl.Expr:
    """Whether the closes on either side are near in time, and agree."""
    before, after = pl.col("before"), pl.col("after")
    return (
        ((pl.col("until") - pl.col("since")).dt.total_days() <= MOST_DAYS)
        & ((before / after).log().abs() <= NEAR)
        & (pl.min_horizontal(before, after) >= LEAST_PRICE)
    )


def _has_slipped() -> pl.Expr:
    """Whether the close is far from the closes on either side by a power of ten, as a placeholder is, or absurdly."""
    moved = pl.col("close") * pl.lit(10.0).pow(-pl.col("digits"))
    is_power = (pl.col("digits") != 0) & _is_near(moved, "before") & _is_near(moved, "after")
    is_alien = (
        pl.col("is_nines") & ~_is_near(pl.col("close"), "before", _FAR) & ~_is_near(pl.col("close"), "after", _FAR)
    )
    is_absurd = ~_is_near(pl.col("close"), "before", _ABSURD) & ~_is_near(pl.col("close"), "after", _ABSURD)
    return pl.col("is_slipped") & (pl.col("in_a_row") <= MOST_SESSIONS) & (is_power | is_alien | is_absurd)


def _opened_elsewhere() -> pl.Expr:
    """Whether the open alone is far from the close and from the closes on either side, all of which agree."""
    digits = _digits(pl.col("open"), pl.col("close").log())
    agrees = _is_near(pl.col("close"), "before") & _is_near(pl.col("close"), "after")
    return (~pl.col("is_slipped") & agrees & (digits != 0)).fill_null(value=False)


def _digits(price: pl.Expr, level: pl.Expr, *, most: float = NEAR) -> pl.Expr:
    """By how many digits the decimal point of a price has moved; 0 where no number of digits explains its distance.

    Args:
        price: The price.
        level: The logarithm of the price around it.
        most: How far the price may be from there once the point is moved back, as a logarithm.
    """
    distance = price.log() - level
    digits = (distance / math.log(10.0)).round()
    return pl.when((distance - digits * math.log(10.0)).abs() <= most).then(digits).otherwise(0.0).fill_null(0.0)


def _is_near(price: pl.Expr, name: str, most: float = NEAR) -> pl.Expr:
    return (price / pl.col(name)).log().abs() <= most


def _is_nines() -> pl.Expr:
    """Whether the close is a placeholder by its digits: 9999, 99999.99."""
    close = pl.col("close")
    # Few prices come near the next power of ten; only these are written out.
    is_high = (close >= _LEAST_NINES) & (close / pl.lit(10.0).pow(close.log10().ceil()) >= 0.999)
    return is_high & pl.when(is_high).then(close.cast(pl.String)).str.contains(_NINES).fill_null(value=False)


def _reason() -> pl.Expr:
    opened = pl.format("an open of {} ", "open")
    closed = pl.format("a close of {} ", "close")
    return pl.format(
        "{}on {} lies between closes of {} and {}: a price that slips by a power of ten, or a placeholder, and comes"
        " back; the bar is set aside",
        pl.when("is_slipped").then(closed).otherwise(opened),
        pl.col("session").cast(pl.String),
        "before",
        "after",
    )
