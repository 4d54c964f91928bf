# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The scale of MetaStock bars against candles, session by session: where the ratio of their closes steps by a split.

A jump of one source's prices alone is no proof: Apple fell by 52% on 2000-09-29, and that was no split.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from ttapi_pipeline.analytics.splits import nearest_factor

STEP_TOLERANCE: Final = 0.02
"""How far a step of the ratio may lie from that of a split, relative. A share of a dollar, split 50:1 and rounded to
cents, is 1% away, and the nearest ratios, 5:4 and 4:3, are 6% apart."""

CONSTANT_TOLERANCE: Final = 0.005
"""How far a ratio over many sessions may lie from that of a split, relative; both sources round their prices."""

_KEY: Final = ("symbol", "session")


def scales(metastock: pl.LazyFrame, candles: pl.LazyFrame) -> pl.DataFrame:
    """Compare the closes of the sessions that both sources have; only final candles count.

    Args:
        metastock: `symbol`, `session`, `close`.
        candles: The same and `is_final`.

    Returns:
        One row per common session, by symbol and session:

        - `symbol`, `session`, `candle_close`.
        - `ratio`: candle close over MetaStock close.
        - `factor`: new shares per old one where the ratio steps by a split on this session, else 1.
        - `is_of_candles`: whether it is the candles that step there: they were not adjusted, and the files were.
        - `files_divisor`, `candles_divisor`: what prices of this session are to be divided by to be in the share of the
          newest common session.
        - `rescaled_ratio`: `ratio` once both are divided.
    """
    smoothed = (
        metastock.filter(_is_usable("close"))
        .select(*_KEY, files_close="close")
        .join(candles.filter("is_final", _is_usable("close")).select(*_KEY, candle_close="close"), on=_KEY)
        .sort(_KEY)
        .with_columns(ratio=pl.col("candle_close") / pl.col("files_close"))
        .with_columns(_smooth("ratio"), _smooth("candle_close"), _smooth("files_close"))
        .with_columns(step=_step("_ratio"))
        .collect()
    )
    # Few sessions step; only these are compared with the factors.
    steps = smoothed.filter((pl.col("step") - 1.0).abs() > 0.1).select(*_KEY, "step")
    steps = steps.select(*_KEY, factor=nearest_factor(steps["step"], tolerance=STEP_TOLERANCE)).drop_nulls("factor")
    common = (
        smoothed.join(steps, on=_KEY, how="left", maintain_order="left")
        .with_columns(pl.col("factor").fill_null(1.0))
        .with_columns(is_of_candles=_step("_candle_close").log().abs() > _step("_files_close").log().abs())
        .with_columns(
            # Candles that were not adjusted fall where the ratio falls: their step is the inverse of that of the ratio.
            files_divisor=product_of_later(pl.when(~pl.col("is_of_candles")).then("factor")),
            candles_divisor=product_of_later(pl.when("is_of_candles").then(1.0 / pl.col("factor"))),
        )
        .with_columns(
            rescaled_ratio=pl.col("ratio") * pl.col("files_divisor") / pl.col("candles_divisor"),
            is_of_candles=(pl.col("factor") != 1.0) & pl.col("is_of_candles"),
        )
    )
    return common.select(
        *_KEY, "candle_close", "ratio", "factor", "is_of_candles", "files_divisor", "candles_divisor", "rescaled_ratio"
    )


def find_splits(metastock: pl.LazyFrame, candles: pl.LazyFrame) -> pl.DataFrame:
    """Sessions at which the ratio of the two sources' closes steps by the ratio of a split.

    Returns:
        symbol, session and factor (new shares per old one by the files; below 1 as well where the candles are those
        that were not adjusted), by symbol and session. The previous common session may lie days back.
    """
    return scales(metastock, candles).filter(pl.col("factor") != 1.0).select(*_KEY, "factor")


def _is_usable(name: str) -> pl.Expr:
    return pl.col(name).is_finite() & (pl.col(name) > 0)


def _smooth(name: str) -> pl.Expr:
    """The median with the session before and the one after: a single wrong close is no step there and back."""
    before = pl.col(name).shift().over("symbol").fill_null(pl.col(name))
    after = pl.col(name).shift(-1).over("symbol").fill_null(pl.col(name))
    low, high = pl.min_horizontal(before, after), pl.max_horizontal(before, after)
    return pl.col(name).clip(low, high).alias(f"_{name}")


def _step(name: str) -> pl.Expr:
    return pl.col(name) / pl.col(name).shift().over("symbol")


def product_of_later(factor: pl.Expr) -> pl.Expr:
    """The product of the factors of all later sessions of the symbol, for rows by symbol and session; null is 1."""
    return factor.fill_null(1.0).cum_prod(reverse=True).shift(-1, fill_value=1.0).over("symbol")
