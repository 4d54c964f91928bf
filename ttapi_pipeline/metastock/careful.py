# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The careful way: one file at a time, and for each row that is not kept its line, its reason and its text.

`text_rows` cuts text into rows, block by block, so that memory does not grow with what is amiss in a file; for a binary
data file, a record is a line. Small files in which nothing is amiss are read together by `scan`, which is faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl
from polars import selectors as cs

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.asides import EVENT, MOST_FOOTER_LINES, TEXT
from ttapi_pipeline.metastock.batch import Account, Batch
from ttapi_pipeline.metastock.binary import Security, decode_records, read_records
from ttapi_pipeline.metastock.blocks import TextFile
from ttapi_pipeline.metastock.date_orders import Orders, settle
from ttapi_pipeline.metastock.dates import is_swapped, read_dates
from ttapi_pipeline.metastock.frames import CODED_ROWS
from ttapi_pipeline.metastock.identity import file_ticker
from ttapi_pipeline.metastock.layout import FIELDS, NUMBERS, Layout
from ttapi_pipeline.metastock.row_rules import first_reason, row_rules, without_unusable
from ttapi_pipeline.metastock.row_values import bar_columns
from ttapi_pipeline.metastock.scan import ScannedBlock
from ttapi_pipeline.metastock.series import needs_times, not_daily, not_daily_runs
from ttapi_pipeline.metastock.text_rows import Rows, TextRows, check_share, sniff_text

_LOST: Final = tuple(f"{name}_lost" for name in FIELDS)
_MOST_TEXT: Final = 500
"""Characters that are kept of a rejected row."""

_MOST_SWAPPED: Final = 0.2
"""Share of rows whose date is one only with day and month exchanged, from which on no date of the file is believed.
Of the dates of a month three in five are such where a file has the other order."""

_SWAPPED: Final = (
    "too many other dates of the file are dates only with day and month exchanged, so that this one may be another day;"
    " write them as 2026-01-31"
)


def read_carefully(batch: Batch, position: int) -> None:
    """Read one file of a batch. A file that cannot be read is one reject."""
    candidate = batch.candidates[position]
    try:
        if candidate.fault is not None:
            batch.reject_file(position, candidate.fault, is_closed=candidate.is_closed)
        elif candidate.is_index:
            batch.accounts[position] = Account("index")
        elif candidate.security is not None:
            _read_records(batch, position, candidate.security)
        else:
            _read_text(batch, position)
    except InvalidFormatError as error:
        batch.reject_file(position, str(error))
    except OSError as error:
        batch.reject_file(position, f"it cannot be read: {error.strerror or error}", is_closed=True)


def _read_records(batch: Batch, position: int, security: Security) -> None:
    records = decode_records(read_records(batch.path(position)), security)
    layout = _layout_of_records(security)
    rows = records.with_row_index("line", offset=1).with_columns(
        pl.lit(security.ticker or None, pl.String).alias("ticker"),
        pl.lit(security.period.strip(" \0") or None, pl.String).alias("period"),
        has_extra=False,
        damage=pl.lit(None, pl.String),
        aside=pl.lit(None, pl.String),
    )
    text = pl.concat_str(["ticker", *security.fields], separator=",", ignore_nulls=True)
    judge = _Judge(batch, position, layout, Orders())
    judge.take(Rows(rows.with_columns(raw=text)))
    judge.finish(security.ticker)


def _layout_of_records(security: Security) -> Layout:
    return Layout(
        dialect="binary",
        delimiter=",",
        columns=("ticker", "period", *security.fields),
        overflow=0,
        header_lines=0,
        unknown_fields=(),
        date_format=None,
        decimal_comma=False,
        is_plain=False,
    )


def _read_text(batch: Batch, position: int) -> None:
    with TextFile(batch.path(position), code_page=batch.options.code_page) as text:
        _read_rows(batch, position, text)


def _read_rows(batch: Batch, position: int, text: TextFile) -> None:
    # The file may have changed since the first look.
    sniffed = sniff_text(text)
    if sniffed.layout is None:
        batch.accounts[position] = Account("empty")
        return
    is_named = "ticker" not in sniffed.layout.columns and sniffed.ticker is None
    has_own = "ticker" in sniffed.layout.columns or is_named
    stem = file_ticker(batch.candidates[position].fact.name) if has_own else str(sniffed.ticker)
    rows = TextRows(text, sniffed.layout, stem, batch, is_named=is_named)
    orders = settle(
        rows.facts.dates,
        order=batch.options.date_order,
        beside=batch.candidates[position].date_orders,
        today=batch.today,
    )
    judge = _Judge(batch, position, rows.layout, orders, is_named=is_named)
    for block in rows.blocks():
        judge.take(block)
    judge.finish(stem)


class _Judge:
    """Decides which rows of one file are kept, block by block, and notes the others.

    Args:
        batch: Takes the outcome, all of it at the end.
        position: Of the file.
        layout: Says which columns its rows have.
        orders: Of its dates.
        is_named: Whether the ticker of its rows is its name.
    """

    def __init__(self, batch: Batch, position: int, layout: Layout, orders: Orders, *, is_named: bool = False) -> None:
        self._batch = batch
        self._position = position
        self._layout = layout
        self._rules = row_rules(layout, batch.options, batch.today)
        self._account = Account(layout.dialect, unknown_fields=layout.unknown_fields, orders=orders, is_named=is_named)
        self._kept: list[pl.DataFrame] = []
        self._rejected: list[pl.DataFrame] = []
        self._counts: list[pl.DataFrame] = []
        self._texts_left = limits.REJECTS_WITH_TEXT
        self._swapped = 0
        self._text: pl.DataFrame | None = None
        self._is_in_text = False

    def take(self, rows: Rows) -> None:
        """Judge the rows of one block, without what is no row: events, and lines of text as long as no row follows."""
        if rows.scanned is not None:
            self._take_text()
            self._is_in_text = False
            self._judge(rows)
            return
        frame = rows.frame.filter(pl.col("aside").ne_missing(EVENT))
        self._account.events += rows.frame.height - frame.height
        if self._text is not None:
            frame = pl.concat([self._text, frame], how="diagonal")
        is_text = (frame["aside"] == TEXT).fill_null(value=False)
        last = (~is_text).arg_true()
        ends = 0 if last.is_empty() else int(last[-1]) + 1
        self._text = frame[ends:] if ends < frame.height else None
        if ends:
            self._judge(Rows(frame[:ends]))
        # What goes on after too much text is no footer either, in whichever block it comes.
        self._is_in_text = frame.height - ends > MOST_FOOTER_LINES or (self._is_in_text and not ends)
        if self._is_in_text:
            self._take_text()

    def _take_text(self) -> None:
        """Judge lines of text as rows after all."""
        text, self._text = self._text, None
        if text is not None:
            self._judge(Rows(text))

    def _judge(self, rows: Rows) -> None:
        judged = self._cut(rows.frame) if rows.scanned is None else self._scanned(rows.frame, rows.scanned)
        self._account.rows_read += judged.height
        self._account.extra_values += int(judged["has_extra"].sum())
        is_good = pl.col("reason").is_null()
        rejected = judged.filter(~is_good)
        self._account.rejected += rejected.height
        if self._account.rows_read - judged.height < limits.FIRST_ROWS:
            good = self._account.rows_read - self._account.rejected
            check_share(good, self._account.rows_read, f"are kept ({_most_frequent(rejected)})")
        text = pl.when(pl.int_range(pl.len()) < self._texts_left).then(pl.col("raw").str.head(_MOST_TEXT))
        symbol = pl.col("ticker").str.head(limits.TICKER_CHARACTERS)
        self._rejected.append(rejected.select("line", "reason", symbol=symbol, raw=text))
        self._texts_left = max(0, self._texts_left - rejected.height)
        if self._batch.today is not None:
            self._note_future(rejected["session"].filter(rejected["session"] > self._batch.today))
        time = [pl.col("time").hash()] if needs_times(self._layout) and "time" in judged.columns else []
        self._kept.append(judged.filter(is_good).select("line", "code", "session", *NUMBERS, *_LOST, *time))
        self._counts.append(
            judged.filter(pl.col("code").is_not_null())
            .group_by("ticker", "code")
            .agg(rows=is_good.sum(), **{name: (pl.col(name) & is_good).sum() for name in _LOST})
        )

    def finish(self, ticker: str) -> None:
        """Look at what the rows are together, and hand over what was found.

        Args:
            ticker: What the file is about, if it has no rows.
        """
        account, batch, position = self._account, self._batch, self._position
        if not account.rows_read:
            self._take_text()
        account.footers = 0 if self._text is None else self._text.height
        batch.accounts[position] = account
        if not account.rows_read:
            batch.note_symbol(position, ticker)
            return
        kept = pl.concat(self._kept, how="diagonal")
        self._kept.clear()
        counts = pl.concat(self._counts).group_by("ticker", "code").agg(pl.all().sum())
        if self._swapped >= _MOST_SWAPPED * account.rows_read:
            swapped = kept.select("code").unique().with_columns(reason=pl.lit(_SWAPPED))
            kept, counts = self._drop(kept, counts, swapped, ["code"])
        kept, counts = self._drop(kept, counts, not_daily(kept, self._layout), ["code"])
        kept, counts = self._drop(kept, counts, not_daily_runs(kept, self._layout), ["code", "session"])
        rejected = pl.concat(self._rejected)
        account.rejected = rejected.height
        batch.reject(position, rejected)
        lost = counts.select(_LOST).sum()
        account.lost = {each.name.removesuffix("_lost"): int(each.item()) for each in lost if each.item()}
        batch.keep(kept.with_columns(file=pl.lit(position, pl.UInt32)).select(CODED_ROWS.names()))
        counts = counts.select(pl.lit(position).alias("file"), spelling="ticker", rows="rows")
        batch.note_contents(counts, are_names=account.is_named)

    def _drop(
        self, kept: pl.DataFrame, counts: pl.DataFrame, others: pl.DataFrame, keys: Sequence[str]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Reject the rows that have the keys of `others`, for its `reason`; returns the other rows and their counts."""
        if others.is_empty():
            return kept, counts
        dropped = kept.join(others, on=keys, maintain_order="left")
        dropped = dropped.join(counts.select("code", symbol="ticker"), on="code", maintain_order="left")
        text = pl.lit(None, pl.String).alias("raw")
        self._rejected.append(dropped.select("line", "reason", "symbol", text))
        kept = kept.join(others, on=keys, how="anti", maintain_order="left")
        left = kept.group_by("code").agg(rows=pl.len(), **{name: pl.col(name).sum() for name in _LOST})
        counts = counts.select("ticker", "code").join(left, on="code", how="left")
        return kept, counts.with_columns(cs.exclude("ticker", "code").fill_null(0))

    def _cut(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with the columns of a bar, `code`, and the `reason` against each; null for a good row."""
        batch = self._batch
        read = read_dates(rows["date"].drop_nulls(), self._account.orders.taken)
        swapped = [text for text in read.faults if is_swapped(text)]
        self._swapped += int(rows["date"].is_in(swapped).sum()) if swapped else 0
        rows = without_unusable(rows.with_columns(bar_columns(self._layout, batch.options)), self._layout)
        return (
            rows.with_columns(
                session=pl.col("date").replace_strict(read.dates, default=None, return_dtype=pl.Date),
                date_fault=pl.col("date").replace_strict(read.faults, default=None, return_dtype=pl.String),
                code=self._codes(rows["ticker"]),
            )
            .with_columns(_false(name) for name in _LOST if name not in rows.columns)
            .with_columns(reason=pl.coalesce("damage", first_reason(self._rules)))
        )

    def _scanned(self, rows: pl.DataFrame, scanned: ScannedBlock) -> pl.DataFrame:
        """The same for rows that a scan has judged."""
        flags = scanned.doubtful.select("row", *(name for name in _LOST if name in scanned.doubtful.columns))
        marked = rows.with_row_index("row").join(flags, on="row", how="left", maintain_order="left")
        return (
            marked.with_columns(_false(name) for name in _LOST if name not in flags.columns)
            .with_columns(pl.col(_LOST).fill_null(value=False), code=self._codes(rows["ticker"]))
            .with_columns(reason=pl.lit(None, pl.String), raw=pl.lit(None, pl.String))
        )

    def _codes(self, tickers: pl.Series) -> pl.Series:
        codes = self._batch.codes(tickers, are_names=self._account.is_named)
        return tickers.replace_strict(codes, default=None, return_dtype=pl.UInt32)

    def _note_future(self, sessions: pl.Series) -> None:
        """Remember when the next of the rows that lie in the future has come."""
        known, found = self._account.next_session, sessions.min()
        if isinstance(found, date) and (known is None or found < known):
            self._account.next_session = found


def _most_frequent(rejected: pl.DataFrame) -> str:
    reasons = rejected["reason"].value_counts(sort=True)["reason"]
    return f"most often {reasons[0]}" if len(reasons) else "the others are rejected"


def _false(name: str) -> pl.Expr:
    return pl.lit(value=False).alias(name)
