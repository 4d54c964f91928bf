# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Cuts the lines of one text file into rows, block by block, and reads their numbers as the whole file explains them.

A block of good rows is scanned, whatever is amiss in the others; these are cut line by line. What a comma or a first
``3/4`` means is known when all lines have been seen, so that blocks that are cut are read a second time, unless there
are few lines in them. Which rows are kept is decided in `careful`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import polars as pl

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.asides import aside_of
from ttapi_pipeline.metastock.batch import Batch
from ttapi_pipeline.metastock.blocks import Block, TextFile
from ttapi_pipeline.metastock.date_orders import OpenDates, open_dates
from ttapi_pipeline.metastock.dates import DATE_AND_TIME, is_date
from ttapi_pipeline.metastock.epochs import dates_of_seconds
from ttapi_pipeline.metastock.layout import IGNORED, NUMBERS, QUANTITIES, Layout
from ttapi_pipeline.metastock.number_text import Marks, marks_of, numbers_of
from ttapi_pipeline.metastock.scan import ScannedBlock, scan_block
from ttapi_pipeline.metastock.sniff import SAMPLE_LINES, Sniffed, sniff_lines
from ttapi_pipeline.metastock.text import split_row

_LONGEST_HEAD: Final = 4 * SAMPLE_LINES


@dataclass(frozen=True, slots=True)
class Facts:
    """What all rows of a file tell together.

    Attributes:
        marks: Of the marks in its numbers.
        dates: Those of which the order is not told by their form.
        has_times: Whether its dates have a time of day.
    """

    marks: Marks = field(default_factory=Marks)
    dates: OpenDates = field(default_factory=OpenDates)
    has_times: bool = False

    def __or__(self, other: Facts) -> Facts:
        return Facts(self.marks | other.marks, self.dates | other.dates, self.has_times or other.has_times)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one block.

    Attributes:
        frame: `line`, `ticker` and the layout's columns, with numbers in the numeric ones. Of rows that were cut also
            `raw`, the text; `has_extra`, whether there were more values than columns; `damage`, why the line cannot be
            a row at all, null for most; and `aside`, see `asides`. Of scanned rows `session` instead of `date`.
        scanned: The block as it was scanned, every row of it a good one; None where it was cut.
    """

    frame: pl.DataFrame
    scanned: ScannedBlock | None = None


def sniff_text(text: TextFile) -> Sniffed:
    """Look at the first lines of a file.

    Raises:
        InvalidFormatError: They are not MetaStock ASCII rows.
        OSError: The file cannot be read.
    """
    lines: list[str] = []
    for block in text.blocks():
        lines.extend(block.lines)
        if len(lines) >= _LONGEST_HEAD and sum(bool(line.strip()) for line in lines) >= 2 * SAMPLE_LINES:
            break
    return sniff_lines(lines, is_plain=True)


class TextRows:
    """The rows of one text file.

    Args:
        text: The file.
        layout: How its lines are cut.
        stem: The ticker of rows without a ticker column.
        batch: Says how to read what the file leaves open.
        is_named: Whether that ticker is the file's name.

    Raises:
        InvalidFormatError: It has too many tickers, or hardly any row of it has a date.
        OSError: The file cannot be read, here and in every method.
    """

    def __init__(self, text: TextFile, layout: Layout, stem: str, batch: Batch, *, is_named: bool) -> None:
        self._text = text
        self._layout = layout
        self._stem = stem
        self._batch = batch
        self._is_named = is_named
        self._scanned: dict[int, Rows] = {}
        self._held: dict[int, pl.DataFrame] = {}
        self._has_all = True
        self._tickers: set[str] = set()
        self.facts = self._look(is_scanning=layout.is_plain and layout.date_format is not None)
        if self._scanned and "," in self.facts.marks.seen:
            # Whether a scanned number is what it seems depends on the others.
            self.facts = self._look(is_scanning=False)

    @property
    def layout(self) -> Layout:
        """What the columns of the rows are: those of the file, and one for times of day that stand beside the dates."""
        if self.facts.has_times and "time" not in self._layout.columns:
            return replace(self._layout, columns=(*self._layout.columns, "time"))
        return self._layout

    def blocks(self) -> Iterator[Rows]:
        """The rows of each block, in order."""
        if self._has_all:
            for at in sorted({*self._scanned, *self._held}):
                yield self._scanned[at] if at in self._scanned else self._read(self._held.pop(at))
            return
        skipped = self._layout.header_lines
        for at, block in enumerate(self._text.blocks()):
            if at in self._scanned:
                yield self._scanned.pop(at)
            else:
                for rows in self._cut(block, skipped):
                    yield self._read(rows)
            skipped = max(0, skipped - _filled(block))

    def _look(self, *, is_scanning: bool) -> Facts:
        """Scan or cut every block, and hold what is scanned, and what is cut as long as it is not too much."""
        self._scanned, self._held, self._has_all = {}, {}, True
        facts, held_rows, skipped, seen, dated = Facts(), 0, self._layout.header_lines, 0, 0
        for at, block in enumerate(self._text.blocks()):
            scanned = self._scan(block, skipped) if is_scanning else None
            if scanned is not None:
                self._scanned[at] = scanned
            else:
                for rows in self._cut(block, skipped):
                    self._note(rows["ticker"].unique())
                    facts |= self._facts(rows)
                    if seen < limits.FIRST_ROWS:
                        seen, dated = seen + rows.height, dated + _dated(rows["date"])
                        check_share(dated, seen, "have a date")
                    held_rows += rows.height
                    if held_rows > limits.BLOCK_LINES:
                        self._has_all = False
                        self._held.clear()
                    else:
                        held = self._held.get(at)
                        self._held[at] = rows if held is None else pl.concat([held, rows])
            skipped = max(0, skipped - _filled(block))
        return facts

    def _scan(self, block: Block, skipped: int) -> Rows | None:
        lines = block.lines[skipped:]
        if block.too_long or skipped > 1 or (skipped and not block.lines[0].strip()):
            return None
        count = len(lines) - (not lines[-1] if lines else 0)
        if not count:
            return None
        scanned = scan_block("\n".join(lines).encode(), self._layout, self._batch.options, self._batch.today)
        if scanned is None or scanned.rows.height != count:
            return None
        frame = scanned.rows.with_row_index("line", offset=block.first_line + skipped)
        if "ticker" not in self._layout.columns:
            frame = frame.with_columns(ticker=pl.lit(self._stem))
        tickers = frame["ticker"].unique()
        self._note(tickers)
        codes = self._batch.codes(tickers, are_names=self._is_named)
        is_known = tickers.null_count() == 0 and None not in codes.values()
        return Rows(frame, scanned) if is_known else None

    def _note(self, tickers: pl.Series) -> None:
        self._tickers.update(tickers.drop_nulls().str.head(limits.TICKER_CHARACTERS))
        if len(self._tickers) > limits.MOST_TICKERS:
            raise InvalidFormatError(f"it has more than {limits.MOST_TICKERS:,} tickers, and no exchange has as many")

    def _cut(self, block: Block, skipped: int) -> Iterator[pl.DataFrame]:
        numbered = islice(block.filled(), skipped, None)
        while part := list(islice(numbered, limits.BLOCK_LINES)):
            yield _cut(self._layout, part, self._stem, block.too_long)

    def _facts(self, rows: pl.DataFrame) -> Facts:
        rows = rows.filter(pl.col("aside").is_null())
        dates, times = _days_and_times(rows["date"])
        texts = dates.drop_nulls().unique(maintain_order=True)
        return Facts(marks_of(rows[role] for role in self._numeric), open_dates(texts), times is not None)

    def _read(self, rows: pl.DataFrame) -> Rows:
        decimal = self.facts.marks.decimal(delimiter=self._layout.delimiter)
        numbers = [numbers_of(rows[role], decimal=decimal, has_units=role in QUANTITIES) for role in self._numeric]
        rows = rows.with_columns(each.alias(role) for role, each in zip(self._numeric, numbers, strict=True))
        if self.facts.has_times:
            dates, times = _days_and_times(rows["date"])
            own = rows["time"] if "time" in rows.columns else times
            rows = rows.with_columns(date=dates, time=pl.lit(None, pl.String) if own is None else own)
        return Rows(rows)

    @property
    def _numeric(self) -> Sequence[str]:
        return [role for role in NUMBERS if role in self._layout.columns]


def _cut(layout: Layout, numbered: Sequence[tuple[int, str]], stem: str, too_long: frozenset[int]) -> pl.DataFrame:
    cells = [split_row(line, layout.delimiter) for _, line in numbered]
    width = len(layout.columns)
    columns = {
        role: pl.Series([(row[at] or None) if at < len(row) else None for row in cells], dtype=pl.String)
        for at, role in enumerate(layout.columns)
        if role != IGNORED
    }
    columns.setdefault("ticker", pl.Series([stem] * len(cells), dtype=pl.String))
    if layout.dialect == "TradingView":
        columns["date"] = dates_of_seconds(columns["date"])
    closes = layout.columns.index("close")
    damage = [_damage(number, line, too_long) for number, line in numbered]
    return pl.DataFrame(columns).with_columns(
        line=pl.Series([number for number, _ in numbered], dtype=pl.UInt32),
        raw=pl.Series([line for _, line in numbered], dtype=pl.String),
        has_extra=pl.Series([any(row[width:]) for row in cells], dtype=pl.Boolean),
        damage=pl.Series(damage, dtype=pl.String),
        aside=pl.Series([aside_of(row, closes) for row in cells], dtype=pl.String),
    )


def _damage(number: int, line: str, too_long: frozenset[int]) -> str | None:
    if number in too_long:
        return f"the line is longer than {limits.LINE_CHARACTERS} characters"
    return "the line holds zero bytes" if "\0" in line else None


def check_share(good: int, seen: int, what: str) -> None:
    """Raise InvalidFormatError where hardly any of many rows are good.

    Args:
        good: How many are.
        seen: How many there are.
        what: Of the good ones, in words.
    """
    if seen >= limits.FIRST_ROWS and 10 * good < seen:
        raise InvalidFormatError(f"of its first {seen:,} rows {good:,} {what}, so it is no file of daily prices")


def _dated(texts: pl.Series) -> int:
    """How many of some rows have a date that could be one."""
    dates, _ = _days_and_times(texts)
    possible = [text for text in dates.unique().drop_nulls() if is_date(text)]
    return int(dates.is_in(possible).sum())


def _days_and_times(texts: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """The dates without the times of day that stand beside some of them, and these; None where none does."""
    if not texts.str.contains(DATE_AND_TIME).any():
        return texts, None
    parts = texts.str.extract_groups(DATE_AND_TIME).struct.unnest()
    first, time, second, other = parts.iter_columns()
    has_time = first.is_not_null() | second.is_not_null()
    dates = first.zip_with(first.is_not_null(), second).zip_with(has_time, texts)
    return dates, time.zip_with(time.is_not_null(), other)


def _filled(block: Block) -> int:
    return sum(1 for _ in block.filled())
