# SPDX-License-Identifier: MIT
"""A batch: files that are read together, and what has been read of them so far.

`reader` says which files go which way. `scan` and `careful` read, and leave rows, rejects and accounts here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.metastock.candidates import Candidate
from ttapi_pipeline.metastock.fingerprint import printable
from ttapi_pipeline.metastock.frames import ACCOUNTS, CODED_ROWS, CONTENTS, REJECTED_ROWS, ROWS, FilesRead
from ttapi_pipeline.metastock.identity import Symbols, file_ticker
from ttapi_pipeline.metastock.layout import FIELDS
from ttapi_pipeline.metastock.options import ImportOptions

_REJECTS_OF_A_FILE: Final = pl.Schema({name: dtype for name, dtype in REJECTED_ROWS.items() if name != "file"})


@dataclass(slots=True)
class Account:
    """What has been counted in one file.

    Attributes:
        dialect: Its dialect, or ``unreadable``, ``empty``, ``index`` or ``binary``.
        rows_read: All rows, kept or not.
        rejected: Rows that broke a rule.
        only_ticker: The ticker that all of its rows have; None when there are several, or no ticker column.
        unknown_fields: Names in its header that stand for no role.
        extra_values: Rows with more values than columns.
        lost: How many values of a field, in rows that are kept, could not be believed.
    """

    dialect: str
    rows_read: int = 0
    rejected: int = 0
    only_ticker: str | None = None
    unknown_fields: tuple[str, ...] = ()
    extra_values: int = 0
    lost: dict[str, int] = field(default_factory=dict)


class Batch:
    """Files that are read together, known by their position.

    Args:
        folder: The folder that the files' names are relative to.
        candidates: The files.
        symbols: The canonical symbol of each spelling.
        options: How to read what the files leave open.
    """

    def __init__(self, folder: Path, candidates: Sequence[Candidate], symbols: Symbols, options: ImportOptions) -> None:
        self.candidates: Final = candidates
        self.options: Final = options
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

    def codes(self, spellings: pl.Series) -> dict[str, int | None]:
        """A number for the canonical symbol of each spelling; None where there is no such symbol."""
        codes: dict[str, int | None] = {}
        for spelling in spellings.unique().drop_nulls():
            symbol = self._symbols.canonical(spelling)
            codes[spelling] = None if symbol is None else self._codes.setdefault(symbol, len(self._codes))
        return codes

    def keep(self, rows: pl.DataFrame) -> None:
        """Keep rows, schema CODED_ROWS."""
        self._rows.append(rows)

    def reject(self, position: int, rejects: pl.DataFrame) -> None:
        """Note rows that are not kept, with all columns of REJECTED_ROWS but the file."""
        self._rejects.append(rejects.with_columns(file=pl.lit(position, pl.UInt32)).select(REJECTED_ROWS.names()))

    def reject_file(self, position: int, reason: str) -> None:
        """Note that a whole file cannot be read; it counts as one row."""
        self.accounts[position] = Account("unreadable", rows_read=1, rejected=1)
        rejects = {"line": [None], "symbol": [None], "reason": [reason], "raw": [None]}
        self.reject(position, pl.DataFrame(rejects, schema=_REJECTS_OF_A_FILE))

    def note_contents(self, counts: pl.DataFrame) -> None:
        """Note the rows that were kept, per file and spelling; spellings without a symbol are left out.

        Args:
            counts: file, spelling and rows, in any order; several rows of one file and spelling are added up.
        """
        spellings = {spelling: self._symbols.canonical(spelling) for spelling in counts["spelling"].unique()}
        self._contents.append(
            counts.group_by("file", "spelling")
            .agg(pl.col("rows").sum())
            .with_columns(
                pl.col("file", "rows").cast(pl.UInt32),
                symbol=pl.col("spelling").replace_strict(spellings, default=None, return_dtype=pl.String),
            )
            .filter(pl.col("symbol").is_not_null())
            .select(CONTENTS.names())
        )

    def note_symbol(self, position: int, spelling: str) -> None:
        """Note that a file without rows is about a symbol."""
        self.note_contents(pl.DataFrame({"file": [position], "spelling": [spelling], "rows": [0]}))

    def finish(self) -> FilesRead:
        """Put in order what was read, and count duplicates within each file. The batch is used up afterwards."""
        rows, duplicates = self._ordered_rows()
        accounts = [
            (
                position,
                account.dialect,
                account.rows_read,
                duplicates.get(position, 0),
                account.rejected,
                account.extra_values,
                *(account.lost.get(name, 0) for name in FIELDS),
                list(self._warnings(position)),
            )
            for position, account in enumerate(self.accounts)
        ]
        contents = pl.concat([pl.DataFrame(schema=CONTENTS), *self._contents])
        rejects = pl.concat([pl.DataFrame(schema=REJECTED_ROWS), *self._rejects])
        return FilesRead(
            rows=rows,
            contents=contents.sort("file", "spelling"),
            accounts=pl.DataFrame(accounts, schema=ACCOUNTS, orient="row"),
            rejects=rejects.sort("file", "line", maintain_order=True),
        )

    def _ordered_rows(self) -> tuple[pl.DataFrame, dict[int, int]]:
        """The rows by symbol, session and file, the last of each only; and how many others each file had."""
        ordered = sorted(self._codes)
        ranks = {symbol: position for position, symbol in enumerate(ordered)}
        rank = pl.Series([ranks[symbol] for symbol in self._codes], dtype=pl.Int64)
        rows = pl.concat([pl.DataFrame(schema=CODED_ROWS), *self._rows])
        self._rows.clear()
        # One integer per symbol and session: sorting by it is several times faster than by text and date.
        rows = rows.with_columns(key=rank.gather(rows["code"]) * 2**32 + rows["session"].to_physical())
        duplicates: dict[int, int] = {}
        # Files are read in the order of their symbols, so that most batches are in order already.
        if not (rows["key"].diff() > 0).all():
            rows = rows.sort("key", "file", maintain_order=True)
            is_last = pl.struct("key", "file").ne_missing(pl.struct("key", "file").shift(-1))
            duplicates = dict(rows.filter(~is_last).group_by("file").len().iter_rows())
            rows = rows.filter(is_last)
        names = pl.Series(ordered, dtype=pl.String)
        symbols = names.gather(rank.gather(rows["code"])).alias("symbol")
        return rows.select(symbols, *ROWS.names()[1:]), duplicates

    def _warnings(self, position: int) -> Iterator[str]:
        account, name = self.accounts[position], printable(self.candidates[position].fact.name)
        if account.only_ticker is not None:
            by_name = self._symbols.canonical(file_ticker(name))
            by_row = self._symbols.canonical(account.only_ticker)
            if by_name is not None and by_row is not None and by_name != by_row:
                yield f"{name}: its ticker is {account.only_ticker}, its name says {by_name}; the ticker counts"
        if account.unknown_fields:
            yield f"{name}: unknown fields are not read: {', '.join(account.unknown_fields)}"
