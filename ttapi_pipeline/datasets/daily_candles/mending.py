# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The second question of a refresh: for bars that are missing between others, and after the last one of a symbol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from ttapi_pipeline.core.collection import Collection
from ttapi_pipeline.datasets.daily_candles.holes import (
    absences,
    confirmed,
    holes,
    holes_in_words,
    starts_before,
    tails,
    without,
)
from ttapi_pipeline.datasets.daily_candles.revisions import restated_symbols
from ttapi_pipeline.streaming.candles import CandleHistory

Collect = Callable[[Mapping[str, date]], Awaitable[tuple[Collection[CandleHistory], pl.DataFrame]]]


def merge_candles(fresh: pl.DataFrame, previous: pl.LazyFrame, *, replaced: Sequence[str] = ()) -> pl.DataFrame:
    """Put the fetched bars over the stored ones: for each session, the newest fetch wins.

    Args:
        fresh: What came.
        previous: What is stored.
        replaced: Symbols whose stored rows are dropped whole.
    """
    kept = (
        previous.filter(~pl.col("symbol").is_in(list(replaced)))
        .join(fresh.lazy().select("symbol", "session"), on=["symbol", "session"], how="anti")
        .collect()
    )
    return pl.concat([kept.select(fresh.columns), fresh]).sort("symbol", "session")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """The bars after their holes were asked for.

    Attributes:
        missing: A sentence for each symbol with holes that are not confirmed.
        ended: Symbols after whose last bar the feed has none, as it has confirmed.
        absences: Schema CANDLE_ABSENCES.
        filled: How many bars came.
        lost: Values that could not be read.
    """

    frame: pl.DataFrame
    missing: Mapping[str, str]
    ended: Sequence[str]
    absences: pl.DataFrame
    filled: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)


async def mended_candles(
    collect: Collect,
    frame: pl.DataFrame,
    settled: pl.Series,
    absent: pl.LazyFrame | None,
    *,
    due: pl.Series,
    answered: Sequence[str],
    now: datetime,
) -> Mended:
    """Ask once more for the bars of holes and ends: one request per symbol, from the bar before the first on.

    Args:
        collect: Asks the feed for symbols from a session on; gives what came, and its bars as a table.
        frame: Every bar.
        settled: Sessions whose bars are final, ascending.
        absent: The table `candle_absences`; None for none.
        due: The sessions that a symbol must have bars up to.
        answered: Symbols that came. Of another one, the end is not asked for again.
        now: When the feed was asked.
    """
    between, after = holes(frame.lazy(), settled), tails(frame.lazy(), due, answered)
    torn = without(pl.concat([between, after]), confirmed(absent))
    answers, filled, lost = frame.clear(), 0, dict[str, int]()
    if torn.height:
        came, answers = await collect(starts_before(torn, frame.lazy()))
        # Bars of a restated past do not continue the stored ones, and are no answer about them.
        answers = answers.filter(~pl.col("symbol").is_in(restated_symbols(answers, frame.lazy())))
        new = without(answers, frame)
        frame, filled, lost = merge_candles(new, frame.lazy()), new.height, dict(came.lost)
        between, after = holes(frame.lazy(), settled), tails(frame.lazy(), due, answered)
    found = absences(pl.concat([between, after]), answers, frame.lazy(), absent, now=now)
    known = confirmed(found.lazy())
    ended = after.join(known, on=["symbol", "session"], how="semi")
    still = without(between, known)
    return Mended(
        frame=frame,
        missing=holes_in_words(still),
        ended=ended["symbol"].to_list(),
        absences=found,
        filled=filled,
        lost=lost,
    )
