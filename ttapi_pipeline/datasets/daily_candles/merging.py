# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Fetched bars put over the stored ones, a range of symbols at a time, and what a refresh has to know of each range.

The rows of a range are made whenever they are asked for, and are never all in memory. What is kept of them is a `Part`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Final

import polars as pl

from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.datasets.daily_candles.bars import FetchedBars, StoredBars
from ttapi_pipeline.datasets.daily_candles.doubts import short_answers, short_replacements
from ttapi_pipeline.datasets.daily_candles.holes import holes, starts_before, without
from ttapi_pipeline.datasets.daily_candles.revisions import restated_symbols, revisions
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.storage.changes import RowChanges, count_changes
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, cut_into_ranges

RANGE_ROWS: Final = 1 << 18
"""The most rows of a range of symbols, unless a single symbol has more: two ranges at work take some 200 MB."""

RANGE_SYMBOLS: Final = 128
"""Symbols of a range, on average, where histories are short."""

WORKERS: Final = 2
"""Ranges at work at the same time."""


def merge_candles(fresh: pl.DataFrame, previous: pl.DataFrame, *, replaced: Sequence[str] = ()) -> pl.DataFrame:
    """Put the fetched bars over the stored ones: for each session, the newest fetch wins; by symbol and session.

    Args:
        fresh: What came.
        previous: What is stored.
        replaced: Symbols whose stored rows are dropped whole.
    """
    stored = previous.filter(~pl.col("symbol").is_in(list(replaced))) if replaced else previous
    kept = stored.join(fresh.select("symbol", "session"), on=["symbol", "session"], how="anti", maintain_order="left")
    return pl.concat([kept.select(fresh.columns), fresh]).sort("symbol", "session")


def ranges_of(rows: Mapping[str, int]) -> Sequence[SymbolRange]:
    """All symbols in ranges, each with few enough rows.

    Args:
        rows: Of each symbol.
    """
    return cut_into_ranges(sorted(rows.items()), most_rows=RANGE_ROWS, symbols=RANGE_SYMBOLS)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the bars of a refresh are held against.

    Attributes:
        starts: The first session that each symbol was asked for.
        settled: Sessions whose bars are final, ascending.
        confirmed: The holes that the feed has confirmed, by symbol and session.
    """

    starts: Mapping[str, date]
    settled: pl.Series
    confirmed: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Merged:
    """The bars of a range.

    Attributes:
        kept: Those that were stored.
        came: Those that were fetched first.
        taken: Those that were fetched and are put over the stored ones.
        answers: Those that came in answer to questions for holes, without those of a restated past.
        filling: Those of these that fill a hole.
        frame: All of them, by symbol and session.
    """

    kept: pl.DataFrame
    came: pl.DataFrame
    taken: pl.DataFrame
    answers: pl.DataFrame
    filling: pl.DataFrame
    frame: pl.DataFrame

    def changes(self) -> RowChanges:
        """The rows that are new and changed; the number of those that are gone is not known from here."""
        fresh, key = pl.concat([self.taken, self.filling]), list(DAILY_CANDLES.key)
        return count_changes(self.kept.join(fresh.select(key), on=key, how="semi").lazy(), fresh, DAILY_CANDLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleMerge:
    """What was fetched, and what was stored.

    Attributes:
        stored: The stored bars.
        fetched: What came first.
        restated: Symbols whose past was restated, and which were fetched again as a whole.
        whole: What came of these.
        refused: The reason for each of these whose new history is not taken: its stored bars stay, and nothing else.
        answers: What came in answer to questions for holes.
    """

    stored: StoredBars
    fetched: FetchedBars
    restated: frozenset[str] = frozenset()
    whole: FetchedBars | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    answers: FetchedBars | None = None

    def merged(self, symbols: SymbolRange) -> Merged:
        """The bars of a range."""
        kept, _ = self.stored.read(symbols)
        came = taken = self.fetched.read(symbols)
        replaced: Sequence[str] = ()
        if self.whole is not None:
            whole = self.whole.read(symbols, but=self.refused)
            replaced = whole["symbol"].unique().to_list()
            taken = pl.concat([came.filter(~pl.col("symbol").is_in(list(self.restated))), whole])
        frame = merge_candles(taken, kept, replaced=replaced)
        if self.answers is None:
            return Merged(kept, came, taken, frame.clear(), frame.clear(), frame)
        answers = self.answers.read(symbols)
        # Bars of a restated past do not continue the stored ones, and are no answer about them.
        answers = answers.filter(~pl.col("symbol").is_in(restated_symbols(answers, frame.lazy())))
        new = without(answers, frame)
        return Merged(kept, came, taken, answers, new, merge_candles(new, frame))

    def refusals(self, symbols: SymbolRange) -> Mapping[str, str]:
        """The restated symbols of a range whose new history is too short to replace the stored one, with a reason."""
        if self.whole is None:
            return {}
        kept, _ = self.stored.read(symbols)
        return short_replacements(self.whole.read(symbols), kept.lazy())

    def pieces(self, parts: Iterable[Part]) -> Pieces:
        """The dataset."""
        return Pieces(DAILY_CANDLES.polars, [Piece(part.key, partial(self.rows, part.symbols)) for part in parts])

    def rows(self, symbols: SymbolRange) -> pl.DataFrame:
        """The rows of a range."""
        return self.merged(symbols).frame

    def ranges(self) -> Sequence[SymbolRange]:
        """All symbols, in ranges whose rows fit in memory."""
        counts = dict(self.stored.counts)
        for symbol, history in self.fetched.histories.known.items():
            # Most bars that come are stored already.
            counts[symbol] = max(counts.get(symbol, 0), history.bars)
        return ranges_of(counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a refresh has to know of the bars of a range.

    Attributes:
        symbols: The range.
        key: Stands for its rows.
        sources: `source` and `len`: rows per source.
        changes: How many rows are new and changed.
        bars_fetched: How many bars came and were put over the stored ones.
        bars_filled: How many of holes came.
        restated: Symbols whose past was restated.
        revised: Schema CANDLE_REVISIONS.
        short: A sentence for each symbol whose answer lacks stored bars.
        ends: `symbol` and `session`, the last one of each symbol.
        holes: `symbol` and `session`, see `holes`.
        before_holes: The session of the last bar before the first hole of a symbol that the feed has not confirmed.
    """

    symbols: SymbolRange
    key: str
    sources: pl.DataFrame
    changes: RowChanges
    bars_fetched: int
    bars_filled: int
    restated: Sequence[str]
    revised: pl.DataFrame
    short: Mapping[str, str]
    ends: pl.DataFrame
    holes: pl.DataFrame
    before_holes: Mapping[str, date]


def parts_of(merge: CandleMerge, ranges: Iterable[SymbolRange], expected: Expected) -> list[Part]:
    """Look at the bars of some ranges."""
    return list(map_in_order(lambda symbols: part_of(merge, symbols, expected), ranges, workers=WORKERS))


def part_of(merge: CandleMerge, symbols: SymbolRange, expected: Expected, merged: Merged | None = None) -> Part:
    """Look at the bars of a range.

    Args:
        merge: What there is.
        symbols: The range.
        expected: What is expected of it.
        merged: Its bars, where they are known already.
    """
    bars = merge.merged(symbols) if merged is None else merged
    kept, frame = bars.kept.lazy(), bars.frame
    stored = set(bars.kept["symbol"].unique().to_list())
    known = [each for symbol, each in merge.fetched.histories.known.items() if symbol in stored]
    found = holes(frame.lazy(), expected.settled)
    return Part(
        symbols=symbols,
        key=data_version(frame, exclude=()),
        sources=frame.group_by("source").len(),
        changes=bars.changes(),
        bars_fetched=bars.taken.height,
        bars_filled=bars.filling.height,
        restated=restated_symbols(bars.came, kept),
        revised=revisions(bars.came, kept),
        short=short_answers(
            bars.came,
            kept,
            {symbol: start for symbol, start in expected.starts.items() if symbol in stored},
            expected.settled,
            set_aside={each.symbol: each.lost.get("close", 0) + each.lost.get("time", 0) for each in known},
            snipped={each.symbol for each in known if each.is_snipped},
        ),
        ends=frame.group_by("symbol").agg(pl.col("session").max()),
        holes=found,
        before_holes=starts_before(without(found, expected.confirmed), frame.lazy()),
    )
