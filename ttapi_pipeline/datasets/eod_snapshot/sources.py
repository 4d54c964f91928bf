# SPDX-License-Identifier: MIT
"""Bars of two sources, MetaStock files and candles: whether they agree, and one row per symbol and session of both.

Two sources are glued only where they agree: their closes are compared over the sessions that both have. A constant
ratio away from 1 means that they disagree about a split, a drifting one about dividends. Going through all symbols in
bounded memory is done in `build`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT

MIN_OVERLAP_SESSIONS: Final = 20
MAX_OVERLAP_SESSIONS: Final = 60
"""How many of the newest common sessions are compared."""

RATIO_TOLERANCE: Final = 0.002
"""How far the median ratio of closes may lie from 1; rounding to cents moves a 5 dollar share by 0.1%."""

SPREAD_TOLERANCE: Final = 0.01
"""How far the ratios of single sessions may lie apart before they count as drifting."""

SPLIT_FACTORS: Final = (1.25, 4 / 3, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0)
"""New shares per old one that are usual; their inverses are those of reverse splits."""

SPLIT_TOLERANCE: Final = 0.005
"""Relative; both sources round their prices."""

KEY: Final = ("symbol", "session")
BAR_COLUMNS: Final = ("symbol", "session", "open", "high", "low", "close", "volume", "open_interest")


def compare_sources(metastock: pl.LazyFrame, candles: pl.LazyFrame) -> pl.DataFrame:
    """Judge, for each symbol that both sources have, whether they may be glued.

    Returns:
        Schema COMPARISON, by symbol. metastock_sessions counts the files' bars; median_ratio and ratio_spread are of
        candle close over MetaStock close over the newest common sessions; verdict is ``agreed``, ``split``,
        ``dividends`` or ``short_overlap``. An overlap shorter than MIN_OVERLAP_SESSIONS is enough when it is all that
        MetaStock has of the symbol.
    """
    ratios = (
        metastock.select(*KEY, metastock_close="close")
        .join(candles.filter("is_final").select(*KEY, "close"), on=KEY)
        .select(*KEY, ratio=pl.col("close") / pl.col("metastock_close"))
        .sort(KEY)
        .group_by("symbol")
        .agg(
            common_sessions=pl.len(),
            median_ratio=pl.col("ratio").tail(MAX_OVERLAP_SESSIONS).median(),
            ratio_spread=pl.col("ratio").tail(MAX_OVERLAP_SESSIONS).max()
            - pl.col("ratio").tail(MAX_OVERLAP_SESSIONS).min(),
        )
    )
    in_candles = candles.select(pl.col("symbol").unique())
    counts = metastock.group_by("symbol").agg(metastock_sessions=pl.len()).join(in_candles, on="symbol", how="semi")
    is_constant = pl.col("ratio_spread") <= SPREAD_TOLERANCE * pl.col("median_ratio")
    is_one = (pl.col("median_ratio") - 1.0).abs() <= RATIO_TOLERANCE
    is_long = (pl.col("common_sessions") >= MIN_OVERLAP_SESSIONS) | (
        (pl.col("common_sessions") > 0) & (pl.col("common_sessions") == pl.col("metastock_sessions"))
    )
    return (
        counts.join(ratios, on="symbol", how="left")
        .with_columns(pl.col("common_sessions").fill_null(0))
        .with_columns(
            verdict=pl.when(~is_long)
            .then(pl.lit("short_overlap"))
            .when(is_constant & is_one)
            .then(pl.lit("agreed"))
            .when(is_constant)
            .then(pl.lit("split"))
            .otherwise(pl.lit("dividends"))
        )
        .sort("symbol")
        .collect()
    )


def merge_sources(
    metastock: pl.LazyFrame,
    candles: pl.LazyFrame,
    comparison: pl.DataFrame,
    *,
    adjustment: str = "unknown",
    is_rescaling: bool = False,
) -> pl.LazyFrame:
    """One row per symbol and session: MetaStock's where it has one, else the candle of a symbol whose sources agree.

    Args:
        metastock: Schema BARS and `fetched_at`.
        candles: Schema DAILY_CANDLES.
        comparison: What `compare_sources` says of the two.
        adjustment: What the MetaStock prices are adjusted for.
        is_rescaling: Candles of symbols with the verdict ``split`` are divided by the ratio, their volume multiplied by
            it, and marked as ``rescaled``, instead of being left out.
    """
    accepted = accepted_verdicts(is_rescaling=is_rescaling)
    judged = comparison.lazy().select("symbol", "verdict", "median_ratio")
    from_files = metastock.select(
        *BAR_COLUMNS,
        adjustment=pl.lit(adjustment),
        is_final=pl.lit(True),  # noqa: FBT003
        source=pl.lit("metastock"),
        fetched_at="fetched_at",
    )
    is_rescaled = pl.col("verdict").eq_missing("split")
    ratio = pl.when(is_rescaled).then(pl.col("median_ratio")).otherwise(1.0)
    from_feed = (
        candles.join(judged, on="symbol", how="left")
        .filter(pl.col("verdict").is_null() | pl.col("verdict").is_in(accepted))
        .join(metastock.select(KEY), on=KEY, how="anti")
        .select(
            *KEY,
            *(pl.col(name) / ratio for name in ("open", "high", "low", "close")),
            pl.col("volume") * ratio,
            open_interest=pl.lit(None, pl.Float64),
            adjustment=pl.when(is_rescaled).then(pl.lit("rescaled")).otherwise(pl.lit("split")),
            is_final="is_final",
            source=pl.lit("dxlink"),
            fetched_at="fetched_at",
        )
    )
    return pl.concat([from_files, from_feed]).select(EOD_SNAPSHOT.polars.names())


def accepted_verdicts(*, is_rescaling: bool) -> Sequence[str]:
    """The verdicts that let candles be appended."""
    return ("agreed", "split") if is_rescaling else ("agreed",)


def find_splits(metastock: pl.LazyFrame, candles: pl.LazyFrame) -> pl.DataFrame:
    """Sessions at which the ratio of the two sources' closes steps by the ratio of a split.

    A jump of one source's prices alone is no proof: Apple fell by 52% on 2000-09-29, and that was no split.

    Returns:
        symbol, session and factor (new shares per old one), by symbol and session. The sources' previous common session
        may lie days back.
    """
    ratio = pl.col("close") / pl.col("metastock_close")
    step = (pl.col("ratio") / pl.col("ratio").shift()).over("symbol", order_by="session")
    factors = pl.DataFrame({"factor": sorted({*SPLIT_FACTORS, *(1 / factor for factor in SPLIT_FACTORS)})})
    return (
        metastock.select(*KEY, metastock_close="close")
        .join(candles.filter("is_final").select(*KEY, "close"), on=KEY)
        .select(*KEY, ratio=ratio)
        .select(*KEY, step=step)
        .filter((pl.col("step") - 1.0).abs() > 0.1)
        .sort("step")
        .join_asof(factors.lazy(), left_on="step", right_on="factor", strategy="nearest")
        .filter((pl.col("step") / pl.col("factor") - 1.0).abs() < SPLIT_TOLERANCE)
        .select(*KEY, "factor")
        .sort(KEY)
        .collect()
    )


def explain_conflicts(comparison: pl.DataFrame, *, is_rescaling: bool = False) -> Mapping[str, str]:
    """A sentence, with the numbers, for each symbol whose candles were not appended."""
    reasons = {}
    accepted = accepted_verdicts(is_rescaling=is_rescaling)
    for row in comparison.filter(~pl.col("verdict").is_in(accepted)).iter_rows(named=True):
        common, ratio = row["common_sessions"], row["median_ratio"]
        match row["verdict"]:
            case "short_overlap":
                why = f"MetaStock and candles share {common} sessions, too few to compare them"
            case "split":
                why = f"candles are {ratio:.4f} times MetaStock over {common} sessions: a split disagreement"
            case _:
                why = f"the ratio of candle to MetaStock closes drifts by {row['ratio_spread']:.4f} around {ratio:.4f}"
        reasons[row["symbol"]] = f"{why}; candles were not appended"
    return reasons
