# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Asking for the bars of holes and ends once more. What a hole is, and the memory of those that stay: see `holes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl

from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.datasets.daily_candles.feed import Feed
from ttapi_pipeline.datasets.daily_candles.holes import absences, confirmed, holes_in_words, tails, without
from ttapi_pipeline.datasets.daily_candles.merging import WORKERS, CandleMerge, Expected, Part, part_of
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_ABSENCES, DAILY_CANDLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """The bars after their holes were asked for.

    Attributes:
        merge: With the answers.
        parts: What is known of each range, in order.
        missing: A sentence for each symbol with holes that are not confirmed.
        ended: Symbols after whose last bar the feed has none, as it has confirmed.
        absences: Schema CANDLE_ABSENCES.
        lost: Values that could not be read.
    """

    merge: CandleMerge
    parts: Sequence[Part]
    missing: Mapping[str, str]
    ended: Sequence[str]
    absences: pl.DataFrame
    lost: Mapping[str, int] = field(default_factory=dict)


async def mended_candles(
    feed: Feed,
    merge: CandleMerge,
    parts: Sequence[Part],
    expected: Expected,
    *,
    recorded: pl.LazyFrame | None,
    due: pl.Series,
    answered: Sequence[str],
    now: datetime,
) -> Mended:
    """Ask once more for the bars of holes and ends: one request per symbol, from the bar before the first on.

    Args:
        feed: Is asked.
        merge: Every bar.
        parts: What is known of each range.
        expected: What the bars are held against.
        recorded: The table `candle_absences`; None for none.
        due: The sessions that a symbol must have bars up to.
        answered: Symbols that came. Of another one, the end is not asked for again.
        now: When the feed was asked.
    """
    torn = [_torn(part, tails(part.ends.lazy(), due, answered), expected) for part in parts]
    starts = {symbol: start for each in torn for symbol, start in each.items()}
    lost: Mapping[str, int] = {}
    if starts:
        # Not from the spool: what it has of them is what came before.
        came, answers = await feed.collect(starts, is_new=True)
        merge, lost = replace(merge, answers=answers), dict(came.lost)

    def mend(place: int) -> tuple[Part, pl.DataFrame, pl.DataFrame]:
        """A part, its ends that are too early, and its absences."""
        part, answers, bars = parts[place], none, none
        if torn[place]:
            merged = merge.merged(part.symbols)
            part, answers, bars = part_of(merge, part.symbols, expected, merged), merged.answers, merged.frame
        after = tails(part.ends.lazy(), due, answered)
        left = pl.concat([part.holes, after])
        return part, after, absences(left, answers, bars.lazy(), recorded, now=now)

    none = DAILY_CANDLES.polars.to_frame()
    mended = list(map_in_order(mend, range(len(parts)), workers=WORKERS))
    found = pl.concat([CANDLE_ABSENCES.polars.to_frame(), *(each for *_, each in mended)])
    known = confirmed(found.lazy())
    ended = pl.concat([after for _, after, _ in mended]).join(known, on=["symbol", "session"], how="semi")
    between = pl.concat([part.holes for part, *_ in mended])
    return Mended(
        merge=merge,
        parts=[part for part, *_ in mended],
        missing=holes_in_words(without(between, known)),
        ended=ended["symbol"].to_list(),
        absences=found,
        lost=lost,
    )


def _torn(part: Part, after: pl.DataFrame, expected: Expected) -> Mapping[str, date]:
    """The session to ask from, for each symbol of a part with a hole or an end that the feed has not confirmed."""
    ended = without(after, expected.confirmed).select("symbol")
    return {**dict(part.ends.join(ended, on="symbol", how="semi").iter_rows()), **part.before_holes}
