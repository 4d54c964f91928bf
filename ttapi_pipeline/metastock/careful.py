# SPDX-License-Identifier: MIT
"""The careful way: one file at a time, and for each row that is not kept its line, its reason and its text.

Text is cut line by line; for a binary data file, a record is a line. Files in which nothing is amiss are read by
`scan`, which is faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import polars as pl
from polars import selectors as cs

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.batch import Account, Batch
from ttapi_pipeline.metastock.binary import Security, decode_records
from ttapi_pipeline.metastock.dates import DATE_AND_TIME, read_dates
from ttapi_pipeline.metastock.frames import CODED_ROWS
from ttapi_pipeline.metastock.identity import file_ticker
from ttapi_pipeline.metastock.layout import IGNORED, NUMBERS, QUANTITIES, Layout
from ttapi_pipeline.metastock.number_text import marks_of, numbers_of
from ttapi_pipeline.metastock.row_rules import first_reason, row_rules, without_unusable
from ttapi_pipeline.metastock.row_values import bar_columns
from ttapi_pipeline.metastock.sniff import sniff_lines
from ttapi_pipeline.metastock.text import decode, split_lines, split_row


def read_carefully(batch: Batch, position: int) -> None:
    """Read one file of a batch. A file that cannot be read is one reject."""
    candidate = batch.candidates[position]
    try:
        if candidate.fault is not None:
            batch.reject_file(position, candidate.fault)
        elif candidate.is_index:
            batch.accounts[position] = Account("index")
        elif candidate.security is not None:
            _read_records(batch, position, candidate.security)
        else:
            _read_lines(batch, position)
    except InvalidFormatError as error:
        batch.reject_file(position, str(error))
    except OSError as error:
        batch.reject_file(position, f"it cannot be read: {error.strerror or error}")


def _read_records(batch: Batch, position: int, security: Security) -> None:
    records = decode_records(batch.path(position).read_bytes(), security)
    layout = _layout_of_records(security)
    batch.accounts[position] = Account(layout.dialect, rows_read=records.height)
    if records.is_empty():
        batch.note_symbol(position, security.ticker)
        return
    rows = records.with_row_index("line", offset=1).with_columns(
        pl.lit(security.ticker or None, pl.String).alias("ticker"),
        pl.lit(security.period.strip(" \0") or None, pl.String).alias("period"),
        has_extra=False,
    )
    text = pl.concat_str(["ticker", *security.fields], separator=",", ignore_nulls=True)
    _keep_good_rows(batch, position, _judged(batch, position, layout, rows.with_columns(raw=text)))


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


def _read_lines(batch: Batch, position: int) -> None:
    text, _ = decode(batch.path(position).read_bytes(), code_page=batch.options.code_page)
    lines = split_lines(text)
    # The file may have changed since the first look, which saw its first lines only.
    sniffed = sniff_lines(lines)
    layout = sniffed.layout
    stem = file_ticker(batch.candidates[position].fact.name)
    if layout is not None and "ticker" not in layout.columns and sniffed.ticker is not None:
        stem = sniffed.ticker
    if layout is None:
        batch.accounts[position] = Account("empty")
        return
    layout, rows = _with_time_apart(layout, _cut_all(layout, lines, stem))
    rows = _with_numbers(layout, rows)
    # Of a file of millions of lines, these are the larger part of what is held.
    del text, lines
    account = Account(layout.dialect, rows_read=rows.height, unknown_fields=layout.unknown_fields)
    batch.accounts[position] = account
    if rows.is_empty():
        batch.note_symbol(position, stem)
        return
    _keep_good_rows(batch, position, _judged(batch, position, layout, rows))


def _judged(batch: Batch, position: int, layout: Layout, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of one file with the columns of a bar, `code`, and the `reason` against each; null for a good row.

    Beside each field is ``<field>_lost``, see `without_unusable`.

    Args:
        batch: For the symbols and the options.
        position: Of the file.
        layout: Says which columns there are.
        rows: `ticker`, `date` and the layout's other columns, with numbers in the numeric ones.
    """
    read = read_dates(
        rows["date"].drop_nulls(), order=batch.options.date_order, beside=batch.candidates[position].date_order
    )
    batch.accounts[position].dates = read
    codes = batch.codes(rows["ticker"])
    rows = without_unusable(rows.with_columns(bar_columns(layout, batch.options)), layout)
    return rows.with_columns(
        session=pl.col("date").replace_strict(read.dates, default=None, return_dtype=pl.Date),
        date_fault=pl.col("date").replace_strict(read.faults, default=None, return_dtype=pl.String),
        code=pl.col("ticker").replace_strict(codes, default=None, return_dtype=pl.UInt32),
    ).with_columns(reason=first_reason(row_rules(layout, batch.options)))


def _keep_good_rows(batch: Batch, position: int, rows: pl.DataFrame) -> None:
    """Keep the rows without a reason against them, and note the others and the lost fields."""
    account = batch.accounts[position]
    account.extra_values = int(rows["has_extra"].sum())
    rejected = rows.filter(pl.col("reason").is_not_null())
    account.rejected = rejected.height
    batch.reject(position, rejected.select("line", "reason", symbol="ticker", raw="raw"))
    kept = rows.filter(pl.col("reason").is_null())
    lost = kept.select(cs.ends_with("_lost")).sum()
    account.lost = {each.name.removesuffix("_lost"): int(each.item() or 0) for each in lost}
    batch.keep(kept.with_columns(file=pl.lit(position, pl.UInt32)).select(CODED_ROWS.names()))
    batch.note_contents(
        rows.filter(pl.col("code").is_not_null())
        .group_by(spelling="ticker")
        .agg(rows=pl.col("reason").is_null().sum())
        .with_columns(file=pl.lit(position))
    )


def _cut_all(layout: Layout, lines: Sequence[str], stem: str) -> pl.DataFrame:
    """The rows among a file's lines as columns of text, and each row's line and text.

    Args:
        layout: How lines are cut.
        lines: All lines of the file, with the header and blank ones.
        stem: The ticker of rows without a ticker column.
    """
    filled = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    numbered = islice(filled, layout.header_lines, None)
    blocks = [_cut(layout, [], stem)]
    while block := list(islice(numbered, limits.BLOCK_LINES)):
        blocks.append(_cut(layout, block, stem))
    return pl.concat(blocks)


def _cut(layout: Layout, numbered: Sequence[tuple[int, str]], stem: str) -> pl.DataFrame:
    cells = [split_row(line, layout.delimiter) for _, line in numbered]
    width = len(layout.columns)
    columns = {
        role: pl.Series([(row[at] or None) if at < len(row) else None for row in cells], dtype=pl.String)
        for at, role in enumerate(layout.columns)
        if role != IGNORED
    }
    columns.setdefault("ticker", pl.Series([stem] * len(cells), dtype=pl.String))
    return pl.DataFrame(columns).with_columns(
        line=pl.Series([number for number, _ in numbered], dtype=pl.UInt32),
        raw=pl.Series([line for _, line in numbered], dtype=pl.String),
        has_extra=pl.Series([any(row[width:]) for row in cells], dtype=pl.Boolean),
    )


def _with_time_apart(layout: Layout, rows: pl.DataFrame) -> tuple[Layout, pl.DataFrame]:
    """Dates without their time of day, which is a column of its own then."""
    if "time" in layout.columns or not rows["date"].str.contains(DATE_AND_TIME).any():
        return layout, rows
    parts = pl.col("date").str.extract_groups(DATE_AND_TIME).struct
    rows = rows.with_columns(date=pl.coalesce(parts[0], parts[2], "date"), time=pl.coalesce(parts[1], parts[3]))
    return replace(layout, columns=(*layout.columns, "time")), rows


def _with_numbers(layout: Layout, rows: pl.DataFrame) -> pl.DataFrame:
    numeric = [role for role in NUMBERS if role in layout.columns]
    decimal = marks_of(rows[role] for role in numeric).decimal(delimiter=layout.delimiter)
    return rows.with_columns(
        numbers_of(rows[role], decimal=decimal, has_units=role in QUANTITIES).alias(role) for role in numeric
    )
