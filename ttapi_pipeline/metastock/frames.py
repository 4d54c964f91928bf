# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The frames that pass between the modules of this room, and the bars that leave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from ttapi_pipeline.metastock.layout import FIELDS, NUMBERS

_BAR_NUMBERS: Final = {name: pl.Float64() for name in NUMBERS}

BARS: Final = pl.Schema({"symbol": pl.String(), "session": pl.Date(), **_BAR_NUMBERS})
"""One row per symbol and session. Prices in the file's currency; volume in units, after `volume_multiplier`."""

ROWS: Final = pl.Schema({"spelling": pl.String(), "session": pl.Date(), "file": pl.UInt32(), **_BAR_NUMBERS})
"""Bars before it is known which symbol each spelling of a ticker stands for, with the file that each is from, as its
position in the batch: among the files that were read together."""

CODED_ROWS: Final = pl.Schema({"file": pl.UInt32(), "code": pl.UInt32(), "session": pl.Date(), **_BAR_NUMBERS})
"""The same while a batch is read: `code` is a number that stands for the spelling of the ticker."""

CONTENTS: Final = pl.Schema(
    {"file": pl.UInt32(), "spelling": pl.String(), "rows": pl.UInt32(), "may_slip": pl.Boolean()}
)
"""One row per file and spelling of a ticker, with its number of rows, which may be 0. Rows that a later one of the same
file replaces are not counted. `may_slip` says whether `slips` has to look at its bars."""

LOST_FIELDS: Final = pl.Schema({f"lost_{name}": pl.UInt32() for name in FIELDS})
"""How many values of each field came and could not be believed, in rows that are kept: they are null there."""

CLOSED: Final = "closed"
"""Stands for the dialect of a file that the system did not let us read, which may pass: it is read again next time."""

ACCOUNTS: Final = pl.Schema(
    {
        "file": pl.UInt32(),
        "dialect": pl.String(),
        "rows_read": pl.UInt32(),
        "duplicates": pl.UInt32(),
        "contradicted": pl.UInt32(),
        "rejected": pl.UInt32(),
        "extra_values": pl.UInt32(),
        **LOST_FIELDS,
        "unknown_fields": pl.List(pl.String()),
        "proven_orders": pl.List(pl.String()),
        "taken_orders": pl.List(pl.String()),
        "open_forms": pl.List(pl.String()),
        "open_dates": pl.List(pl.String()),
        "is_named": pl.Boolean(),
        "footers": pl.UInt32(),
        "events": pl.UInt32(),
        "next_session": pl.Date(),
        "read_on": pl.Date(),
    }
)
"""One row per file, in order. `duplicates` counts rows that a later row of the same file replaces,
`contradicted` those of them whose close is another one; `extra_values`
counts rows with more values than the file has columns. Of dates that may have several orders (`dates.DateForm`):
`proven_orders` are the orders that the dates of the file prove, as `order_of_form` writes them, several of one form
when they contradict each other; `open_forms` are the forms that the file leaves open, `open_dates` some of these dates,
and `taken_orders` what other files say of them. `is_named` says that the file's name stands for the ticker of its rows;
`footers` counts lines of text at the end of the file, and `events` lines that tell of a dividend or a split, which are
no rows. `read_on` is the exchange's date when it was read (null: any date was accepted), and `next_session` the first
session that was rejected as later."""


def order_of_form(form: str, order: str) -> str:
    """The order of the dates of one form, as an account writes it: ``ymd 20/09/01``."""
    return f"{order} {form}"


REJECTED_ROWS: Final = pl.Schema(
    {"file": pl.UInt32(), "line": pl.UInt32(), "symbol": pl.String(), "reason": pl.String(), "raw": pl.String()}
)
"""One row per row that was not kept: 1-based line (null: the whole file), the ticker as the file spells it, the
reason, and the row's text."""


SAME_CLOSE: Final = 0.005
"""Two closes of a symbol and session that differ by less, as a fraction, are one: vendors round, and revise."""


def is_contradicted() -> pl.Expr:
    """Whether the next row, of the same symbol and session, has another close; for rows in that order."""
    return ((pl.col("close") / pl.col("close").shift(-1) - 1.0).abs() > SAME_CLOSE).fill_null(value=False)


@dataclass(frozen=True, slots=True)
class FilesRead:
    """The rows of one batch of files, and an account of them. Files are known by their position in the batch.

    Attributes:
        rows: Schema ROWS, sorted by spelling, session and file, which are unique together. All numbers but the close
            are null where the file has no such column, where a row has no value, and where its value was lost.
        contents: Schema CONTENTS.
        accounts: Schema ACCOUNTS. A file that cannot be read counts as one row, which is rejected.
        rejects: Schema REJECTED_ROWS.
    """

    rows: pl.DataFrame
    contents: pl.DataFrame
    accounts: pl.DataFrame
    rejects: pl.DataFrame
