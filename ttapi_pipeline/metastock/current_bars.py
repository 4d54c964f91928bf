# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Puts together the bars of the files that are in the folder now, one range of symbols at a time.

The rows come from the cached batches. They have the spellings of the files, and `claims` says which symbol each of them
stands for. Where several files have the same symbol and session, the last of them by name counts. A range is read from
all batches that have one of its symbols, so that memory grows with the longest range and not with the number of files.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.claims import Claims, settle, without_rivals
from ttapi_pipeline.metastock.file_cache import IDENTITY, FileCache
from ttapi_pipeline.metastock.frames import BARS, CONTENTS, ROWS, is_contradicted
from ttapi_pipeline.metastock.identity import Symbols
from ttapi_pipeline.metastock.rivals import RIVALS, find_rivals, sources_of
from ttapi_pipeline.metastock.slips import SLIPS, slips_of_files
from ttapi_pipeline.tables.sorting import sort_keys
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, is_within

DUPLICATES: Final = pl.Schema({"rank": pl.UInt32(), "lost": pl.UInt32(), "contradicted": pl.UInt32()})
"""How many rows of each file a later file replaces, for files with any, and how many of them by another close
(`frames.is_contradicted`)."""

_CONTENTS: Final = pl.Schema({**CONTENTS, "rank": pl.UInt32(), "batch": pl.String()})


class CurrentBars:
    """The bars of the files that are known.

    Args:
        cache: The cached batches, which must stay as they are while bars are read.
        known: Schema KNOWN_FILES.
        names: The names of the files, by rank.
        symbols: The meaning of spellings.
        reading_key: Stands for everything besides the files that decides what was read from them.

    Attributes:
        contents: CONTENTS of all files, with rank, batch, `symbol` and `reason` (see `claims.settle`).
        schemes: Schema `claims.SCHEMES`.
        conflicts: Schema `claims.CONFLICTS`.
        duplicates: Schema DUPLICATES.
        slips: Schema `slips.SLIPS`: bars that are set aside; `file` is the rank of the file that a bar is from.
    """

    def __init__(
        self, cache: FileCache, known: pl.DataFrame, *, names: pl.Series, symbols: Symbols, reading_key: str
    ) -> None:
        self._cache = cache
        self._known = known
        self._reading_key = reading_key
        # Per batch: position and rank of each file that counts.
        self._files: dict[str, pl.DataFrame] = {
            str(batch): files.select("file", "rank") for (batch,), files in known.group_by("batch", maintain_order=True)
        }
        self._ranks = {batch: _by_position(files["file"], files["rank"]) for batch, files in self._files.items()}
        # Batches with files that have changed or gone since then.
        self._with_old_files = {
            batch for batch, files in self._files.items() if files.height < cache.frame(batch, "known").height
        }
        contents = [
            cache.frame(batch, "contents").join(files, on="file").with_columns(batch=pl.lit(batch))
            for batch, files in self._files.items()
        ]
        folder = names.gather(known["rank"]).str.replace("/?[^/]*$", "").alias("folder")
        claims = settle(
            pl.concat([pl.DataFrame(schema=_CONTENTS), *contents]),
            known.select("rank", folder, "dialect", "is_named"),
            symbols,
        )
        self._use(claims)
        # Per batch all spellings of its files, in order.
        self._spellings: dict[str, pl.Series] = {
            str(batch): found["spelling"].unique().sort() for (batch,), found in self.contents.group_by("batch")
        }
        sources = sources_of(names)
        rivals, self.duplicates, self.slips = self._look(sources, symbols)
        if not rivals.is_empty():
            self._use(without_rivals(claims, rivals, sources, names))

    def _use(self, claims: Claims) -> None:
        self.contents = claims.contents
        self.schemes = claims.schemes
        self.conflicts = claims.conflicts
        # Per batch the spellings that do not mean the same in every file, or of which rows are set aside.
        meanings = self.contents.group_by("batch", "spelling").agg(meanings=pl.col("symbol").n_unique())
        several = meanings.filter(pl.col("meanings") > 1).group_by("batch").agg("spelling")
        self._with_several_meanings: dict[str, list[str]] = dict(several.iter_rows())
        self._used = self.contents.filter(pl.col("rows") > 0, pl.col("symbol").is_not_null())

    def _look(self, sources: pl.Series, symbols: Symbols) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Look at the symbols that are in several files, and at those of which a bar may have slipped.

        In most folders there are few. Their rows are read once, and rows that are set aside count no further.

        Args:
            sources: Of the files, by rank.
            symbols: What the user names is no rival.

        Returns:
            Schemas `rivals.RIVALS`, DUPLICATES and `slips.SLIPS`.
        """
        used = self._used.with_columns(source=sources.gather(self._used["rank"]))
        looked_at = used.filter(
            (pl.col("rank").n_unique() > 1).over("symbol") | pl.col("may_slip").any().over("symbol")
        )
        named = [each for each in looked_at["spelling"].unique() if symbols.is_mapped(each)]
        may_be_two = looked_at.filter(
            pl.col("source").n_unique().over("symbol") > 1, ~pl.col("spelling").is_in(named).any().over("symbol")
        )["symbol"].unique()
        rivals, duplicates, slips = [RIVALS.to_frame()], [DUPLICATES.to_frame()], [SLIPS.to_frame()]
        for wanted in _portions(looked_at):
            rows = self._rows(_is_one_of("symbol", wanted), ("symbol", "session", "open", "close"))
            rows = rows.with_columns(source=sources.gather(rows["file"])).sort("symbol", "session", "file")
            rivals.append(find_rivals(rows.filter(pl.col("symbol").is_in(may_be_two.implode()))))
            rows = rows.join(rivals[-1], on=["symbol", "source"], how="anti", maintain_order="left")
            slips.append(slips_of_files(rows))
            rows = rows.join(slips[-1], on=["symbol", "session", "file"], how="anti", maintain_order="left")
            duplicates.append(_duplicates(rows))
        counts = pl.concat(duplicates).group_by("rank").agg(pl.all().sum())
        return pl.concat(rivals), counts, pl.concat(slips)

    def versions(self, starts: Sequence[str]) -> Sequence[str]:
        """A digest of the rows from each of these symbols up to the next: it changes when one of their files does."""
        digests = [hashlib.sha256(self._reading_key.encode()) for _ in starts]
        read = self._known.select(*IDENTITY.names(), "taken_orders", "next_session")
        facts = dict(zip(self._known["rank"], read.iter_rows(), strict=True))
        used = self._used.select("symbol", "spelling", "rank").sort("rank", "symbol", "spelling")
        for symbol, spelling, rank in used.iter_rows():
            # A file of many symbols is in several ranges: the facts alone would say that they hold the same rows.
            digests[bisect_right(starts, symbol) - 1].update(repr((symbol, spelling, facts[rank])).encode())
        return [digest.hexdigest() for digest in digests]

    def scan(self, ranges: Sequence[SymbolRange]) -> pl.LazyFrame:
        """All bars, schema BARS, a range at a time."""

        def batches(
            with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
        ) -> Iterator[pl.DataFrame]:
            left = n_rows
            for symbols in ranges:
                frame = self.read(symbols, BARS.names() if with_columns is None else with_columns)
                frame = frame if left is None else frame.head(left)
                left = None if left is None else left - frame.height
                yield frame if predicate is None else frame.filter(predicate)
                if left == 0:
                    return

        return register_io_source(batches, schema=BARS, is_pure=True)

    def read(self, symbols: SymbolRange, columns: Sequence[str]) -> pl.DataFrame:
        """The bars of a range, sorted by symbol and session; `file` is the rank of the file that a bar is from."""
        rows = self._rows(is_within(symbols), columns)
        slips = self.slips.filter(is_within(symbols))
        if not slips.is_empty():
            rows = rows.join(slips, on=["symbol", "session", "file"], how="anti", maintain_order="left")
        keys = sort_keys(rows)
        # From the cheapest case to the dearest: in order, out of order, with rows that replace others.
        if (keys.diff() > 0).all():
            return rows[list(columns)]
        order = keys.arg_sort()
        if (keys.gather(order).diff() != 0).all():
            return rows.select(pl.col(columns).gather(order))
        rows = rows.with_columns(key=keys).sort("key", "file")
        return rows.filter(pl.col("key").ne_missing(pl.col("key").shift(-1))).select(columns)

    def _rows(self, is_inside: pl.Expr, columns: Sequence[str]) -> pl.DataFrame:
        """The rows of some symbols, batch after batch: symbol, session, `file` as its rank, and the given columns."""
        columns = [name for name in ROWS.names()[1:] if name in columns or name in {"session", "file"}]
        wanted = self._used.filter(is_inside)
        # Batches hold their files by ticker, so that in this order the rows are often sorted already.
        batches = wanted.group_by("batch").agg(pl.col("symbol").min()).sort("symbol", "batch")["batch"].to_list()
        spellings = {str(batch): names for (batch,), names in wanted.group_by("batch")}
        queries = []
        for batch in batches:
            rows = self._cache.rows(batch).filter(self._has_one_of(batch, spellings[batch]["spelling"].unique().sort()))
            if batch in self._with_old_files:
                rows = rows.filter(pl.col("file").is_in(self._files[batch]["file"].implode()))
            queries.append(rows.select("spelling", *columns))
        frames = [pl.DataFrame(schema={"symbol": pl.String(), **ROWS}).select("symbol", *columns)]
        for batch, frame in zip(batches, pl.collect_all(queries), strict=True):
            named = self._named(batch, frame, spellings[batch]).select("symbol", *columns)
            frames.append(named.with_columns(file=self._ranks[batch].gather(named["file"])))
        return pl.concat(frames)

    def _has_one_of(self, batch: str, spellings: pl.Series) -> pl.Expr:
        """Whether a row of a batch has one of these spellings; by the bounds alone where nothing else lies between."""
        first, last = self._spellings[batch].search_sorted(spellings.gather([0, -1]))
        if last - first + 1 == len(spellings):
            between: pl.Expr = (pl.col("spelling") >= spellings[0]) & (pl.col("spelling") <= spellings[-1])
            return between
        return _is_one_of("spelling", spellings)

    def _named(self, batch: str, rows: pl.DataFrame, used: pl.DataFrame) -> pl.DataFrame:
        """The rows with the symbol that their spelling stands for in their file, without those that are set aside."""
        # Rows come by spelling, so that one is looked up once and not once per row.
        runs = rows["spelling"].rle().struct.unnest()
        of_run = np.repeat(np.arange(runs.height), runs["len"].to_numpy())
        several = self._with_several_meanings.get(batch, [])
        plain = used.filter(~pl.col("spelling").is_in(several))
        symbols = {**dict.fromkeys(several), **dict(plain.select("spelling", "symbol").iter_rows())}
        named = runs["value"].replace_strict(symbols, return_dtype=pl.String).gather(of_run)
        if not several:
            return rows.with_columns(symbol=named)
        at = runs["value"].is_in(several).gather(of_run).arg_true()
        meant = rows.select(pl.col("file", "spelling").gather(at)).join(
            used.select("file", "spelling", "symbol"), on=["file", "spelling"], how="left", maintain_order="left"
        )
        return rows.with_columns(symbol=named.scatter(at, meant["symbol"])).drop_nulls("symbol")


def _duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """How many rows of each file a later file replaces, schema DUPLICATES; for rows by symbol, session and file."""
    is_last = pl.struct("symbol", "session").ne_missing(pl.struct("symbol", "session").shift(-1))
    replaced = rows.with_columns(contradicted=is_contradicted()).filter(~is_last)
    counts = replaced.group_by(rank="file").agg(lost=pl.len(), contradicted=pl.sum("contradicted"))
    return counts.select(pl.col(name).cast(dtype) for name, dtype in DUPLICATES.items())


def _portions(contents: pl.DataFrame) -> Iterator[pl.Series]:
    """The symbols of some contents, in order, as many at a time as have few enough rows."""
    rows = contents.group_by("symbol").agg(pl.col("rows").sum().cast(pl.Int64)).sort("symbol")
    total = pl.col("rows").cum_sum() // limits.RANGE_ROWS
    for _, portion in rows.group_by(total.alias("range"), maintain_order=True):
        yield portion["symbol"]


def _is_one_of(column: str, values: pl.Series) -> pl.Expr:
    """Whether a text is among these, which are sorted. The bounds let a reader of Parquet skip row groups."""
    text = pl.col(column)
    is_inside: pl.Expr = (text >= values[0]) & (text <= values[-1]) & text.is_in(values.implode())
    return is_inside


def _by_position(positions: pl.Series, values: pl.Series) -> pl.Series:
    """The value of each position, to be gathered; positions without a value hold anything."""
    table = np.zeros(0 if positions.is_empty() else positions.to_numpy().max() + 1, dtype=np.uint32)
    table[positions.to_numpy()] = values.to_numpy()
    return pl.Series(table)
