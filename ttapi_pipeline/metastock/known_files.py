# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Finds which files of a folder are in the cache as they are now, and keeps the number of cached batches small."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import polars as pl

from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.candidates import Candidate
from ttapi_pipeline.metastock.date_orders import decide_together, open_dates
from ttapi_pipeline.metastock.dates import DateForm, DateOrder
from ttapi_pipeline.metastock.file_cache import IDENTITY, KNOWN, FileCache
from ttapi_pipeline.metastock.frames import CLOSED, FilesRead, order_of_form

KNOWN_FILES: Final = pl.Schema({**KNOWN, "batch": pl.String(), "rank": pl.UInt32()})
"""One row per file that is known: its identity and account, the batch that it is in, and its rank in the folder. `file`
is its position in the batch."""


class KnownFiles:
    """The files of a folder that are in the cache as they are now.

    Args:
        cache: The cached batches.
        identities: What identifies each file of the folder: rank, and the columns IDENTITY.
        by_content: Whether a file is known by its SHA-256 instead of its size and time of change.
        today: The exchange's date. A file is read again when a row of it that was rejected as later has come.
    """

    def __init__(
        self, cache: FileCache, identities: pl.DataFrame, *, by_content: bool, today: date | None = None
    ) -> None:
        self._cache = cache
        self._today = today
        self._identities = identities
        self._identity = ["name", "index", "sha256"] if by_content else ["name", "index", "size", "mtime_ns"]
        self.frame: pl.DataFrame = self._find()

    def unknown_ranks(self) -> Sequence[int]:
        """The ranks of the files that have to be read, in order: those that are new, and those that were closed."""
        return sorted(set(self._identities["rank"]) - set(self.frame.filter(pl.col("dialect") != CLOSED)["rank"]))

    def ranks_read_otherwise(self) -> Mapping[int, Mapping[DateForm, DateOrder]]:
        """The ranks of files that were read by other orders than the other files prove now, with these orders."""
        orders = self._date_orders()
        open_files = self.frame.filter(pl.col("open_forms").list.len() > 0)
        found: dict[int, Mapping[DateForm, DateOrder]] = {}
        for rank, dialect, forms, taken in open_files.select(
            "rank", "dialect", "open_forms", "taken_orders"
        ).iter_rows():
            proven = orders.get(dialect, {})
            wanted = {form: proven[form] for form in sorted(forms) if form in proven}
            if taken != [order_of_form(form, order) for form, order in wanted.items()]:
                found[rank] = wanted
        return found

    def _date_orders(self) -> Mapping[str, Mapping[DateForm, DateOrder]]:
        """The order of each form of dates that the files of a dialect prove; none where they contradict each other."""
        orders: dict[str, Mapping[DateForm, DateOrder]] = {}
        columns = ("dialect", "proven_orders", "open_forms", "open_dates")
        stated = self.frame.filter(pl.any_horizontal(pl.col("proven_orders", "open_forms").list.len() > 0))
        for (dialect,), files in stated.select(columns).group_by("dialect", maintain_order=True):
            proven = set(files["proven_orders"].explode().drop_nulls())
            dates = open_dates(files["open_dates"].explode().drop_nulls())
            orders[str(dialect)] = decide_together(proven, dates, today=self._today)
        return orders

    def add(self, batch: Sequence[Candidate], read: FilesRead) -> None:
        """Put a batch into the cache. Its files are known after `refresh`."""
        names = pl.DataFrame({"name": [os.fsencode(each.fact.name) for each in batch]}, schema={"name": pl.Binary()})
        # As the folder was listed: a file that has changed since then is read again by the next import.
        identities = names.join(self._identities, on="name", how="left", maintain_order="left").select(IDENTITY.names())
        self._cache.add(read, pl.concat([identities, read.accounts], how="horizontal").select(KNOWN.names()))

    def refresh(self) -> None:
        """Look up all files again."""
        self.frame = self._find()

    def tidy(self) -> None:
        """Remove batches of which no file is left, and put small batches together when they are many."""
        names = self._cache.names()
        in_use = set(self.frame["batch"].unique())
        self._cache.remove([batch for batch in names if batch not in in_use])
        sizes = dict(self.frame.group_by("batch").agg(pl.col("size").sum()).iter_rows())
        small = [batch for batch in names if batch in in_use and sizes[batch] < limits.BATCH_BYTES // 4]
        if len(small) <= limits.MOST_SMALL_BATCHES:
            return
        group: list[str] = []
        total = 0
        for batch in small:
            if group and total + sizes[batch] > limits.BATCH_BYTES:
                self._put_together(group)
                group, total = [], 0
            group.append(batch)
            total += sizes[batch]
        self._put_together(group)
        self.refresh()

    def _find(self) -> pl.DataFrame:
        batches = [self._cache.frame(name, "known").with_columns(batch=pl.lit(name)) for name in self._cache.names()]
        cached = pl.concat([pl.DataFrame(schema={**KNOWN, "batch": pl.String()}), *batches])
        now = self._identities.select("rank", *self._identity, changed="mtime_ns")
        return (
            cached.filter(self._is_of_today())
            .join(now, on=self._identity)
            # Of a file that is in several batches, the newest one counts.
            .unique("rank", keep="last", maintain_order=True)
            .sort("rank")
            # A file that is known by its content may have been touched, which its bars tell in `fetched_at`.
            .with_columns(mtime_ns="changed")
            .select(KNOWN_FILES.names())
        )

    def _is_of_today(self) -> pl.Expr:
        """Whether reading a file today would keep the same rows. The clock may have been set back since then."""
        if self._today is None:
            return pl.col("read_on").is_null()
        has_come = pl.col("next_session") <= self._today
        return (pl.col("read_on") <= self._today).fill_null(value=False) & ~has_come.fill_null(value=False)

    def _put_together(self, batches: Sequence[str]) -> None:
        """Make one batch of several, without the files that are no longer there."""
        files = self.frame.filter(pl.col("batch").is_in(batches)).with_row_index("new_file")
        rows, contents, rejects = [], [], []
        for batch in batches:
            positions = files.filter(batch=batch).select("file", "new_file")
            rows.append(_moved(self._cache.rows(batch).collect(), positions))
            contents.append(_moved(self._cache.frame(batch, "contents"), positions))
            rejects.append(_moved(self._cache.frame(batch, "rejects"), positions))
        accounts = files.with_columns(file="new_file")
        read = FilesRead(
            rows=pl.concat(rows).sort("spelling", "session", "file"),
            contents=pl.concat(contents),
            accounts=accounts,
            rejects=pl.concat(rejects),
        )
        self._cache.add(read, accounts.select(KNOWN.names()))
        self._cache.remove(batches)


def _moved(frame: pl.DataFrame, positions: pl.DataFrame) -> pl.DataFrame:
    """The rows of the files that go into another batch, with their `file` there."""
    return frame.join(positions, on="file", maintain_order="left").with_columns(file="new_file").select(frame.columns)
