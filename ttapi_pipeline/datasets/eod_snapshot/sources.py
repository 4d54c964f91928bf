# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Bars of two sources, MetaStock files and candles: how they agree, and one row per symbol and session of both.

Candles are of today's share. Files are of the share of whenever they were written, as far as nobody adjusted them. The
closes of the sessions that both have prove by which splits they differ: `scales` finds them, and the files' bars are
re-based by them. Where nothing is proven, candles stand wherever there are some, and files where there are none.
Going through all symbols in bounded memory is done in `build`.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from ttapi_pipeline.analytics.splits import SPLIT_FACTORS, SPLIT_RATIOS, nearest_factor, possible_splits
from ttapi_pipeline.datasets.eod_snapshot.scales import CONSTANT_TOLERANCE, product_of_later, scales
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT

MIN_OVERLAP_SESSIONS: Final = 20
MAX_OVERLAP_SESSIONS: Final = 60
"""How many of the newest common sessions are compared."""

RATIO_TOLERANCE: Final = 0.002
"""How far the median ratio of closes may lie from 1; rounding to cents moves a 5 dollar share by 0.1%."""

SPREAD_TOLERANCE: Final = 0.01
"""How far the ratios of single sessions may lie apart before they count as drifting."""

UNLIKE_SHARE: Final = 0.02
"""With more of the common sessions at another scale than the newest ones, sources drift apart over the years."""

OTHER_STEP: Final = 0.25
"""Typical step of the ratio from one session to the next above which the sources are of two instruments, as a share of
the candles' own typical move. Two vendors of one series had 0.09 at most over any 60 sessions, dividends included. The
190 pairs of 20 large companies over 32 years, KO and PEP among them, had at least 0.27, and 0.42 over 300 sessions."""

NOISE: Final = 0.001
"""Step up to which vendors may differ in any case, such as about which trade of the evening was the last one."""

_TICK: Final = 0.01
"""Both sources may round to cents, which moves a share of 50 cents by 1%."""

SHORT_SPLIT_SESSIONS: Final = 3
"""Common sessions that prove a split ratio between short overlaps; a single one may lie there by chance."""

_TWO_SPLITS: Final = tuple(
    sorted(factor for a in SPLIT_RATIOS for b in SPLIT_RATIOS for factor in (a * b, 1 / (a * b)) if min(a, b) >= 2)
)
"""Files that ended years ago may lack two splits: Apple's of 2014 and 2020 make 28."""

KEY: Final = ("symbol", "session")
BAR_COLUMNS: Final = ("symbol", "session", "open", "high", "low", "close", "volume", "open_interest")
_PRICES: Final = ("open", "high", "low", "close")


def compare_sources(metastock: pl.LazyFrame, candles: pl.LazyFrame, common: pl.DataFrame | None = None) -> pl.DataFrame:
    """Judge, for each symbol that both sources have, by what their prices differ.

    Args:
        metastock: `symbol`, `session`, `close`.
        candles: The same and `is_final`.
        common: From `scales`, where it is known already.

    Returns:
        Schema COMPARISON, by symbol. `metastock_sessions` counts the files' bars, `common_sessions` those that have a
        final candle too. `median_ratio` and `ratio_spread` are of candle close over MetaStock close over the newest
        common sessions, once the splits that lie between them are taken out. `verdict` is one of

        - ``agreed``: the prices are the same.
        - ``split``: they are the same but for splits.
        - ``scale``: their ratio is constant, and is not the ratio of a split.
        - ``drift``: their ratio is not constant even over the newest common sessions.
        - ``changed``: it is constant over these, and was another one at first, which splits do not explain. Dividends
          that one source takes out of its past do so, and nothing here proves that it is they.
        - ``strayed``: it is the same at first and now, and was another one in between.
        - ``other``: they do not move together, as if they were of two instruments.
        - ``short_overlap``: fewer than MIN_OVERLAP_SESSIONS, and not all that MetaStock has of the symbol; too few to
          tell by what they differ unless `newest_divisor` is known.
        - ``no_overlap``: nothing in common, so nothing that they could disagree about.

        `newest_divisor` is what the newest prices of the files have to be divided by to be those of the candles, null
        where nothing proves it; `oldest_ratio` is the ratio of closes at the first common session, as it was measured.
        `first_candle` and `last_candle` bound the sessions of the candles.
    """
    # Reads better in one piece: each verdict is explained where it is decided.
    common = scales(metastock, candles) if common is None else common
    ratio, newest = pl.col("rescaled_ratio"), pl.col("rescaled_ratio").tail(MAX_OVERLAP_SESSIONS)
    step = (ratio / ratio.shift() - 1.0).abs()
    is_other = pl.col("step") > pl.max_horizontal(OTHER_STEP * pl.col("move"), NOISE + pl.col("tick"))
    ratios = (
        common.lazy()
        .group_by("symbol", maintain_order=True)
        .agg(
            common_sessions=pl.len(),
            median_ratio=newest.median(),
            ratio_spread=newest.max() - newest.min(),
            # But for one session on either side: a single wrong close is no drift.
            inner_spread=pl.when(newest.len() >= MIN_OVERLAP_SESSIONS)
            .then(newest.top_k(2).min() - newest.bottom_k(2).max())
            .otherwise(newest.max() - newest.min()),
            first_ratio=ratio.head(5).median(),
            unlike=((ratio / newest.median() - 1.0).abs() > SPREAD_TOLERANCE).mean(),
            step=step.median().fill_null(0.0),
            move=(pl.col("candle_close") / pl.col("candle_close").shift() - 1.0).abs().median().fill_null(0.0),
            tick=(_TICK / pl.min_horizontal("candle_close", pl.col("candle_close") / pl.col("ratio"))).median(),
            splits=(pl.col("factor") != 1.0).sum().cast(pl.UInt32),
            oldest_ratio=pl.col("ratio").head(5).median(),
        )
    )
    in_candles = candles.group_by("symbol").agg(
        first_candle=pl.col("session").min(), last_candle=pl.col("session").max()
    )
    counts = metastock.group_by("symbol").agg(metastock_sessions=pl.len()).join(in_candles, on="symbol")
    is_steady = pl.col("inner_spread") <= SPREAD_TOLERANCE * pl.col("median_ratio")
    is_constant = is_steady & (pl.col("unlike") <= UNLIKE_SHARE)
    is_as_at_first = (pl.col("first_ratio") / pl.col("median_ratio") - 1.0).abs() <= SPREAD_TOLERANCE
    is_long = (pl.col("common_sessions") >= MIN_OVERLAP_SESSIONS) | (
        pl.col("common_sessions") == pl.col("metastock_sessions")
    )
    proves_split = is_long | (pl.col("common_sessions") >= SHORT_SPLIT_SESSIONS)
    is_one = pl.col("newest_divisor") == 1.0
    measured = counts.join(ratios, on="symbol", how="left").sort("symbol").collect()
    return (
        measured.with_columns(pl.col("common_sessions", "splits").fill_null(0))
        .with_columns(newest_divisor=_divisors(measured["median_ratio"]))
        .with_columns(newest_divisor=pl.when(is_constant).then("newest_divisor"))
        .with_columns(newest_divisor=pl.when(is_one | proves_split).then("newest_divisor"))
        .with_columns(
            verdict=pl.when(pl.col("common_sessions") == 0)
            .then(pl.lit("no_overlap"))
            .when(~is_long)
            .then(pl.lit("short_overlap"))
            .when(is_other)
            .then(pl.lit("other"))
            .when(is_one & (pl.col("splits") == 0))
            .then(pl.lit("agreed"))
            .when(pl.col("newest_divisor").is_not_null())
            .then(pl.lit("split"))
            .when(is_constant)
            .then(pl.lit("scale"))
            .when(~is_steady)
            .then(pl.lit("drift"))
            .when(is_as_at_first)
            .then(pl.lit("strayed"))
            .otherwise(pl.lit("changed"))
        )
        .with_columns(
            newest_divisor=pl.when(pl.col("verdict").is_in(["agreed", "split", "short_overlap"])).then("newest_divisor")
        )
    )


def _divisors(ratios: pl.Series) -> pl.Series:
    """What to divide by when candles are this many times the files: 1, a ratio of splits, or null.

    The measured ratio stands where it is near that of a split only: a class distribution has an odd one.
    """
    measured = 1.0 / ratios
    known = nearest_factor(measured, tolerance=CONSTANT_TOLERANCE)
    exact = nearest_factor(measured, tolerance=RATIO_TOLERANCE, factors=(1.0,))
    for factors in (SPLIT_FACTORS, _TWO_SPLITS):
        exact = exact.zip_with(
            exact.is_not_null(), nearest_factor(measured, tolerance=RATIO_TOLERANCE, factors=factors)
        )
    return exact.zip_with(exact.is_not_null() | known.is_null(), measured)


def merge_sources(
    metastock: pl.LazyFrame,
    candles: pl.LazyFrame,
    comparison: pl.DataFrame,
    common: pl.DataFrame | None = None,
    *,
    adjustment: str = "unknown",
    is_rescaling: bool = False,
) -> pl.LazyFrame:
    """One row per symbol and session, in the share of today where that is known; the columns of EOD_SNAPSHOT.

    MetaStock's row stands where the sources are proven to be the same but for splits, divided by these; so it does
    where there is no candle. Else the candle stands: on single sessions at which the two differ, wherever nothing is
    proven, and after the end of the files in any case. Files of another instrument (``other``) come in nowhere.

    Args:
        metastock: Schema BARS and `fetched_at`.
        candles: Schema DAILY_CANDLES. They are divided where it is proven that they were not adjusted for a split.
        comparison: What `compare_sources` says of the two.
        common: From `scales`, where it is known already.
        adjustment: What the MetaStock prices are adjusted for, as far as nothing proves it. The bars that are ``raw``
            are divided by the splits that `possible_splits` finds in them, where they are older than any candle.
        is_rescaling: Where the ratio is not that of splits, MetaStock's bars before and after the candles are re-based
            by the ratio that was measured, instead of being left on their scale.
    """
    # Reads better in one piece: which row stands, and what it then says of itself.
    feed = candles.collect()
    if feed.is_empty() and adjustment != "raw":
        return _as_they_are(metastock, adjustment)
    files = metastock.sort(KEY).collect()
    common = scales(files.lazy(), feed.lazy()) if common is None else common
    scaled = _scaled(files, common, comparison, is_rescaling=is_rescaling)
    if adjustment == "raw":
        scaled = _divided_by_own_splits(scaled)
    from_feed = _from_feed(feed, common)
    doubtful = possible_splits(from_feed.lazy()).group_by("symbol").agg(doubtful_before=pl.col("session").max())
    is_doubtful = (pl.col("session") < pl.col("doubtful_before")).fill_null(value=False)
    divisor, proven = pl.col("divisor"), pl.col("is_proven")
    kept = (
        scaled.lazy()
        .filter("is_kept")
        .join(doubtful, on="symbol", how="left", maintain_order="left")
        .select(
            *KEY,
            *(pl.col(name) / divisor for name in _PRICES),
            pl.col("volume") * divisor,
            "open_interest",
            adjustment=pl.when(proven & is_doubtful)
            .then(pl.lit("unknown"))
            .when(divisor != 1.0)
            .then(pl.lit("rebased"))
            .when(proven)
            .then(pl.lit("split"))
            .when("is_in_conflict")
            .then(pl.lit("unknown"))
            .otherwise(pl.lit(adjustment)),
            is_final=pl.lit(True),  # noqa: FBT003
            source=pl.lit("metastock"),
            fetched_at="fetched_at",
        )
    )
    added = (
        from_feed.lazy()
        .join(kept.select(KEY), on=KEY, how="anti")
        .join(doubtful, on="symbol", how="left")
        .with_columns(adjustment=pl.when(is_doubtful).then(pl.lit("unknown")).otherwise("adjustment"))
    )
    names = EOD_SNAPSHOT.polars.names()
    return pl.concat([kept.select(names), added.select(names)])


def _as_they_are(metastock: pl.LazyFrame, adjustment: str) -> pl.LazyFrame:
    """MetaStock bars as rows of the snapshot, with nothing to compare them to."""
    return metastock.select(
        *BAR_COLUMNS,
        adjustment=pl.lit(adjustment),
        is_final=pl.lit(True),  # noqa: FBT003
        source=pl.lit("metastock"),
        fetched_at="fetched_at",
    ).select(EOD_SNAPSHOT.polars.names())


def _scaled(files: pl.DataFrame, common: pl.DataFrame, comparison: pl.DataFrame, *, is_rescaling: bool) -> pl.DataFrame:
    """Each MetaStock bar with what it is to be divided by, and whether it stands; in their order.

    Returns:
        `files` and `divisor`; `is_kept`; `is_proven`, whether candles prove the bar's scale; `is_in_conflict`, whether
        they contradict it; `is_older`, whether no common session lies before it.
    """
    # Reads better in one piece: one rule, whose terms have names.
    facts = comparison.lazy().select(
        *("symbol", "verdict", "newest_divisor", "median_ratio", "oldest_ratio", "first_candle", "last_candle"),
    )
    proved, is_known = pl.col("newest_divisor"), pl.col("newest_divisor").is_not_null()
    before, after = (pl.col("session") < pl.col("first_candle")), (pl.col("session") > pl.col("last_candle"))
    has_verdict = pl.col("verdict").is_not_null()
    is_apart = pl.col("verdict").eq_missing("no_overlap")
    in_conflict = has_verdict & ~is_known & ~is_apart
    by_splits = pl.col("files_divisor").fill_null(1.0) * proved.fill_null(1.0)
    measured = (
        pl.when(in_conflict & before)
        .then(1.0 / pl.col("oldest_ratio"))
        .when(in_conflict & after)
        .then(1.0 / pl.col("median_ratio"))
    )
    is_unlike = (pl.col("rescaled_ratio") * proved - 1.0).abs() > SPREAD_TOLERANCE
    stands = (
        pl.when(is_known)
        .then(~is_unlike.fill_null(value=False))
        .when(in_conflict)
        .then((before | after) & (pl.col("verdict") != "other"))
        .otherwise(statement=True)
    )
    return (
        files.lazy()
        .join(common.lazy(), on=KEY, how="left", maintain_order="left")
        .with_columns(
            _before=pl.col("files_divisor").forward_fill().over("symbol"),
            _after=pl.col("files_divisor").backward_fill().over("symbol"),
            _candle=pl.col("candle_close").forward_fill().over("symbol"),
        )
        .with_columns(files_divisor=_nearer(pl.col("_before"), pl.col("_after")))
        .join(facts, on="symbol", how="left", maintain_order="left")
        .with_columns(
            divisor=pl.coalesce(measured, by_splits) if is_rescaling else by_splits,
            is_kept=stands,
            is_proven=is_known & pl.col("_before").is_not_null(),
            is_in_conflict=in_conflict,
            is_older=pl.col("_before").is_null(),
        )
        .select(*files.columns, "divisor", "is_kept", "is_proven", "is_in_conflict", "is_older")
        .collect()
    )


def _nearer(before: pl.Expr, after: pl.Expr) -> pl.Expr:
    """Of the divisors of the common sessions before and after a bar, the one that makes the smaller step of it.

    A split may lie on a session that the candles lack.
    """

    def step(divisor: pl.Expr) -> pl.Expr:
        return (pl.col("close") / divisor / pl.col("_candle")).log().abs()

    return (
        pl.when(before.is_null() | (before == after))
        .then(after)
        .when(after.is_null() | (step(before) <= step(after)))
        .then(before)
        .otherwise(after)
    )


def splits_of_sources(
    metastock: pl.DataFrame, common: pl.DataFrame, comparison: pl.DataFrame, *, adjustment: str
) -> pl.DataFrame:
    """The splits that a merge divides by; schema SPLITS.

    A split after the files' end is in no row of theirs: it is the divisor in the comparison.

    Args:
        metastock: As for `merge_sources`.
        common: From `scales`.
        comparison: From `compare_sources`.
        adjustment: As for `merge_sources`.
    """
    by_ratio = common.filter(pl.col("factor") != 1.0).select(
        *KEY,
        factor=pl.when("is_of_candles").then(1.0 / pl.col("factor")).otherwise("factor"),
        source=pl.when("is_of_candles").then(pl.lit("dxlink")).otherwise(pl.lit("metastock")),
        proof=pl.lit("ratio"),
    )
    if adjustment != "raw":
        return by_ratio
    own = _own_splits(_scaled(metastock.sort(KEY), common, comparison, is_rescaling=False))
    own = own.with_columns(source=pl.lit("metastock"), proof=pl.lit("open"))
    return pl.concat([by_ratio, own]).sort(KEY)


def possible_splits_of_files(metastock: pl.DataFrame, common: pl.DataFrame, comparison: pl.DataFrame) -> pl.DataFrame:
    """The splits that files of an unknown adjustment show before the sessions at which candles prove their scale.

    They are left in: candles prove nothing of that time, and an open alone is also that of a day of news. Takes and
    gives what `splits_of_sources` does.
    """
    scaled = _scaled(metastock.sort(KEY), common, comparison, is_rescaling=False)
    is_proven = comparison.filter(pl.col("newest_divisor").is_not_null())["symbol"]
    shared = scaled.filter(pl.col("symbol").is_in(is_proven.implode()))
    return _own_splits(shared).with_columns(source=pl.lit("metastock"), proof=pl.lit("open"))


def _own_splits(files: pl.DataFrame) -> pl.DataFrame:
    """The splits that bars as traded show by their own prices, before the first session that they share with candles.

    Args:
        files: From `_scaled`.

    Returns:
        `symbol`, `session`, `factor`.
    """
    found = possible_splits(files.lazy().with_columns(was_older=pl.col("is_older").shift().over("symbol")))
    return found.filter("was_older", "is_kept").select(*KEY, "factor").sort(KEY).collect()


def _divided_by_own_splits(files: pl.DataFrame) -> pl.DataFrame:
    found = files.join(_own_splits(files), on=KEY, how="left", maintain_order="left")
    return found.with_columns(divisor=pl.col("divisor") * product_of_later(pl.col("factor"))).drop("factor")


def _from_feed(feed: pl.DataFrame, common: pl.DataFrame) -> pl.DataFrame:
    """The candles as rows of the snapshot."""
    divisor = pl.col("candles_divisor")
    return (
        feed.sort(KEY)
        .join(common.select(*KEY, "candles_divisor"), on=KEY, how="left", maintain_order="left")
        .with_columns(
            candles_divisor=pl.coalesce(divisor.backward_fill(), divisor.forward_fill()).over("symbol").fill_null(1.0)
        )
        .select(
            *KEY,
            *(pl.col(name) / divisor for name in _PRICES),
            pl.col("volume") * divisor,
            open_interest=pl.lit(None, pl.Float64),
            adjustment=pl.when(divisor == 1.0).then(pl.lit("split")).otherwise(pl.lit("rebased")),
            is_final="is_final",
            source=pl.lit("dxlink"),
            fetched_at="fetched_at",
        )
    )
