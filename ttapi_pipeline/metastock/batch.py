# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A batch: files that are read together, and what has been read of them so far.

`reader` says which files go which way. `scan` and `careful` read, and leave rows, rejects and accounts here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.metastock.candidates import Candidate
from ttapi_pipeline.metastock.date_orders import Orders
from ttapi_pipeline.metastock.frames import (
    ACCOUNTS,
    CLOSED,
    CODED_ROWS,
    CONTENTS,
    REJECTED_ROWS,
    ROWS,
    FilesRead,
    is_contradicted,
    order_of_form,
)
from ttapi_pipeline.metastock.identity import Symbols
from ttapi_pipeline.metastock.layout import FIELDS
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.metastock.slips import may_slip
from ttapi_pipeline.metastock.visible import visible

_COUNTS: Final = pl.Schema({name: dtype for name, dtype in CONTENTS.items() if name != "may_slip"})
_REJECTS_OF_A_FILE: Final = pl.Schema({name: dtype for name, dtype in REJECTED_ROWS.items() if name != "file"})


@dataclass(slots=True)
class Account:
    """What has been counted in one file.

    Attributes:
        dialect: Its dialect, or ``unreadable``, ``closed`` (the system did not let us read it, which may pass),
            ``empty``, ``index`` or ``binary``.
        rows_read: All rows, kept or not.
        rejected: Rows that broke a rule.
        unknown_fields: Names in its header that stand for no role.
        extra_values: Rows with more values than columns.
        lost: How many values of a field, in rows that are kept, could not be believed.
        next_session: The earliest session of the rows that were rejected because they lie in the future; None without.
        orders: Of its dates.
        is_named: Whether the file's name stands for the ticker of its rows.
        footers: Lines of text at its end, which are no rows.
        events: Lines that tell of a dividend or a split, which are no rows.
    """

    dialect: str
    rows_read: int = 0
    rejected: int = 0
    unknown_fields: tuple[str, ...] = ()
    extra_values: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    next_session: date | None = None
    orders: Orders = field(default_factory=Orders)
    is_named: bool = False
    footers: int = 0
    events: int = 0


class Batch:
    """Files that are read together, known by their position.

    Args:
        folder: The folder that the files' names are relative to.
        candidates: The files.
        symbols: Says which spellings can stand for a symbol.
        options: How to read what the files leave open.
        today: The exchange's date; rows of later dates are rejected. None accepts any date.
    """

    def __init__(
        self,
        folder: Path,
        candidates: Sequence[Candidate],
        symbols: Symbols,
        options: ImportOptions,
        *,
        today: date | None = None,
    ) -> None:
        self.candidates: Final = candidates
        self.options: Final = options
        self.today: Final = today
        self.accounts: Final = [Account("unreadable") for _ in candidates]
        # Relative paths would be read from wherever the process is by then.
        self._folder = folder.absolute()
        self._symbols = symbols
        self._codes: dict[str, int] = {}
        self._rows: list[pl.DataFrame] = []
        self._contents: list[pl.DataFrame] = []
        self._rejects: list[pl.DataFrame] = []

    def path(self, position: int) -> Path:
        """Where a file is."""
        return self._folder / self.candidates[position].fact.name

    def codes(self, spellings: pl.Series, *, are_names: bool) -> dict[str, int | None]:
        """A number for each spelling of a ticker; None where it can stand for no symbol.

        Args:
            spellings: Of tickers.
            are_names: Whether they are names of files. What these say depends on the names beside them (`claims`).
        """
        codes: dict[str, int | None] = {}
        for spelling in spellings.unique().drop_nulls():
            is_possible = are_names or self._symbols.is_possible(spelling)
            codes[spelling] = self._codes.setdefault(spelling, len(self._codes)) if is_possible else None
        return codes

    def keep(self, rows: pl.DataFrame) -> None:
        """Keep rows, schema CODED_ROWS."""
        self._rows.append(rows)

    def reject(self, position: int, rejects: pl.DataFrame) -> None:
        """Note rows that are not kept, with all columns of REJECTED_ROWS but the file; what is invisible is escaped."""
        rejects = rejects.with_columns(map(visible, rejects["symbol", "reason", "raw"]))
        self._rejects.append(rejects.with_columns(file=pl.lit(position, pl.UInt32)).select(REJECTED_ROWS.names()))

    def reject_file(self, position: int, reason: str, *, is_closed: bool = False) -> None:
        """Note that a whole file cannot be read, since it is closed or for what it holds; it counts as one row."""
        self.accounts[position] = Account(CLOSED if is_closed else "unreadable", rows_read=1, rejected=1)
        rejects = {"line": [None], "symbol": [None], "reason": [reason], "raw": [None]}
        self.reject(position, pl.DataFrame(rejects, schema=_REJECTS_OF_A_FILE))

    def note_contents(self, counts: pl.DataFrame, *, are_names: bool) -> None:
        """Note the rows that were kept, per file and spelling; spellings that can stand for no symbol are left out.

        Args:
            counts: file, spelling and rows, in any order; several rows of one file and spelling are added up.
            are_names: See `codes`.
        """
        spellings = counts["spelling"].drop_nulls().unique()
        possible = [spelling for spelling in spellings if are_names or self._symbols.is_possible(spelling)]
        self._contents.append(
            counts.filter(pl.col("spelling").is_in(possible))
            .group_by("file", "spelling")
            .agg(pl.col("rows").sum())
            .select(pl.col(name).cast(dtype) for name, dtype in _COUNTS.items())
        )

    def note_symbol(self, position: int, spelling: str) -> None:
        """Note that a file without rows is about a symbol, by its name."""
        self.accounts[position].is_named = True
        counts = pl.DataFrame({"file": [position], "spelling": [spelling], "rows": [0]})
        self.note_contents(counts, are_names=True)

    def finish(self) -> FilesRead:
        """Put in order what was read, and count duplicates within each file. The batch is used up afterwards."""
        rows, replaced, doubtful = self._ordered_rows()
        counts = replaced.group_by("file").agg(pl.col("replaced", "contradicted").sum())
        duplicates = {position: numbers for position, *numbers in counts.iter_rows()}
        accounts = [
            (
                position,
                account.dialect,
                account.rows_read,
                *duplicates.get(position, (0, 0)),
                account.rejected,
                account.extra_values,
                *(account.lost.get(name, 0) for name in FIELDS),
                list(account.unknown_fields),
                *_of_orders(account.orders),
                account.is_named,
                account.footers,
                account.events,
                account.next_session,
                self.today,
            )
            for position, account in enumerate(self.accounts)
        ]
        contents = (
            pl.concat([pl.DataFrame(schema=_COUNTS), *self._contents])
            .join(replaced, on=["file", "spelling"], how="left", maintain_order="left")
            .join(doubtful, on=["file", "spelling"], how="left", maintain_order="left")
            .with_columns(pl.col("rows") - pl.col("replaced").fill_null(0), pl.col("may_slip").fill_null(value=False))
            .select(CONTENTS.names())
        )
        rejects = pl.concat([pl.DataFrame(schema=REJECTED_ROWS), *self._rejects])
        return FilesRead(
            rows=rows,
            contents=contents.sort("file", "spelling"),
            accounts=pl.DataFrame(accounts, schema=ACCOUNTS, orient="row"),
            rejects=rejects.sort("file", "line", maintain_order=True),
        )

    def _ordered_rows(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """The rows by spelling, session and file, the last of each only; how many of each file it replaced; and of
        which files and spellings a bar may have slipped."""
        ordered = sorted(self._codes)
        ranks = {spelling: position for position, spelling in enumerate(ordered)}
        rank = pl.Series([ranks[spelling] for spelling in self._codes], dtype=pl.Int64)
        rows = pl.concat([pl.DataFrame(schema=CODED_ROWS), *self._rows])
        self._rows.clear()
        # One integer per spelling and session: sorting by it is several times faster than by text and date.
        rows = rows.with_columns(key=rank.gather(rows["code"]) * 2**32 + rows["session"].to_physical())
        lost = rows.clear().with_columns(contradicted=pl.lit(value=False))
        # Files are read in the order of their tickers, so that most batches are in order already.
        if not (rows["key"].diff() > 0).all():
            rows = rows.sort("key", "file", maintain_order=True)
            is_last = pl.struct("key", "file").ne_missing(pl.struct("key", "file").shift(-1))
            lost = rows.with_columns(contradicted=is_contradicted()).filter(~is_last)
            rows = rows.filter(is_last)
        names = pl.Series(ordered, dtype=pl.String)
        spellings = names.gather(rank.gather(rows["code"])).alias("spelling")
        lost = lost.select("file", "contradicted", spelling=names.gather(rank.gather(lost["code"])))
        replaced = lost.group_by("file", "spelling").agg(replaced=pl.len(), contradicted=pl.sum("contradicted"))
        doubtful = _may_slip(rows, names, rank)
        return rows.select(spellings, *ROWS.names()[1:]), replaced, doubtful


def _may_slip(rows: pl.DataFrame, names: pl.Series, rank: pl.Series) -> pl.DataFrame:
    """Which spellings of which files `slips` has to look at: `file`, `spelling` and `may_slip`, which is true.

    Args:
        rows: By spelling and session.
        names: The spellings in order.
        rank: The place of each code in them.
    """
    is_same = pl.col("code") == pl.col("code").shift()
    # Between the rows of one file there may be some of another one.
    is_mixed = (is_same & (pl.col("file") != pl.col("file").shift())).fill_null(value=False)
    found = rows.filter(is_mixed | may_slip(pl.when(is_same).then(pl.col("close").shift())))
    found = found.select("file", spelling=names.gather(rank.gather(found["code"])), may_slip=True)
    return found.unique(["file", "spelling"])


def _of_orders(orders: Orders) -> Iterator[list[str]]:
    """What an account says of the order of dates: the columns of ACCOUNTS from `proven_orders` on."""
    yield [order_of_form(form, order) for form, proven in orders.proven.items() for order in proven]
    yield [order_of_form(form, order) for form, order in sorted(orders.offered.items())]
    yield list(orders.undecided)
    yield [text for texts in orders.undecided.values() for text in texts]
