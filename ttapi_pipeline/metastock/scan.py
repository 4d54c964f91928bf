# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The fast way: files of one layout are scanned together, as one text, by one Polars query.

A scan keeps whole files only. A file that cannot be scanned, or that has a row which breaks a rule of `row_rules`, is
left to `careful`, which finds the reasons.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from polars import selectors as cs

from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.batch import Account, Batch
from ttapi_pipeline.metastock.file_sizes import read_at_most
from ttapi_pipeline.metastock.frames import CODED_ROWS
from ttapi_pipeline.metastock.layout import FIELDS, IGNORED, NUMBERS, Layout
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.metastock.row_rules import RowRule, all_hold, is_sound, row_rules, without_unusable
from ttapi_pipeline.metastock.row_values import bar_columns, needs_care, numbers_from_text
from ttapi_pipeline.metastock.series import may_be_other, may_vary, needs_steps, needs_times

_ODD_BYTES: Final = (b'"', b"\0", b"\x1a")
"""Quotes, zero bytes and a Ctrl-Z, of which a scan does not make what the careful reading does."""

_PACKED: Final = (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"\x28\xb5\x2f\xfd")
"""How gzip, zlib and zstd begin. `x` and 1 are letters of a text, too."""


@dataclass(frozen=True, slots=True)
class ScannedBlock:
    """Some lines of one file that are all good rows.

    Attributes:
        rows: `ticker` (null without such a column), `session`, the numbers of a bar, and `time` where times tell
            whether rows are daily; one row per line.
        doubtful: `row`, the place of each row in which a number was not believed, and its ``<field>_lost``.
    """

    rows: pl.DataFrame
    doubtful: pl.DataFrame


def scan_together(batch: Batch, layout: Layout) -> Sequence[int]:
    """Keep the rows of all files in which nothing is amiss; returns the positions of the others, in order."""
    positions = range(len(batch.candidates))
    # What is larger than all that is scanned together is scanned block by block, by `careful`.
    large = [position for position in positions if batch.candidates[position].fact.size > limits.BATCH_BYTES]
    others = [position for position in positions if position not in large]
    return sorted([*large, *_scan(batch, layout, others, is_typed=not layout.decimal_comma)])


def _scan(batch: Batch, layout: Layout, positions: Sequence[int], *, is_typed: bool) -> Sequence[int]:
    if not positions:
        return positions
    rows, odd = _collected(batch, layout, positions, is_typed=is_typed)
    if rows is not None:
        sound = [position for position in positions if position not in odd]
        return [*odd, *_keep_good_files(batch, layout, sound, rows)]
    # A value that is not a number ends a typed scan. An untyped scan goes on, and only that value's file needs care.
    if is_typed:
        return _scan(batch, layout, positions, is_typed=False)
    # A row that is too long ends any scan. The error names no file, so halve until its file is alone.
    if len(positions) == 1:
        return positions
    half = len(positions) // 2
    return [
        *_scan(batch, layout, positions[:half], is_typed=False),
        *_scan(batch, layout, positions[half:], is_typed=False),
    ]


def scan_block(text: bytes, layout: Layout, options: ImportOptions, today: date | None) -> ScannedBlock | None:
    """Scan whole lines of one file.

    Returns:
        None where a line is anything else than a row that breaks no rule, so that it has to be cut with care.
    """
    if any(byte in text for byte in _ODD_BYTES) or _is_packed(text):
        return None
    for is_typed in (not layout.decimal_comma, False):
        with suppress(pl.exceptions.PolarsError):
            rows = _query(layout, text, options, is_typed=is_typed, today=today).collect(engine="streaming")
            rows, doubtful = _judged(
                rows.with_columns(file=pl.lit(0, pl.UInt32)), layout, row_rules(layout, options, today)
            )
            is_good = bool(rows["is_good"].all() and doubtful["is_good"].all() and not rows["has_extra"].any())
            return ScannedBlock(rows, doubtful) if is_good else None
    return None


def _collected(
    batch: Batch, layout: Layout, positions: Sequence[int], *, is_typed: bool
) -> tuple[pl.DataFrame | None, Sequence[int]]:
    """All rows of some files (see `_query`), with their `file`, and the files that are left out of them.

    The lines of the files are put together and scanned as one text, since to begin a scan costs more than to scan the
    rows of a file. Which rows are whose is known by counting lines: each line is a row, blank ones too. None when they
    cannot be scanned; files are left out whose bytes a scan would read otherwise than the careful way.
    """
    try:
        lines, odd = [], []
        for position in positions:
            size = batch.candidates[position].fact.size
            # One byte more than was listed tells of a file that has grown, however large it is by now.
            content = read_at_most(batch.path(position), size + 1)
            part, count = _lines_of(content, layout)
            if len(content) > size or _is_odd(content) or _is_packed(part):
                odd.append(position)
            else:
                lines.append((part, count))
        counts = [count for _, count in lines]
        text = b"".join(each for each, _ in lines)
        # The files' bytes are in memory twice at this moment, and a batch has 64 MB.
        lines.clear()
        rows = _query(layout, text, batch.options, is_typed=is_typed, today=batch.today).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError):
        return None, ()
    positions = [position for position in positions if position not in odd]
    # Another count means that Polars and we disagree about the lines, so that rows would be given to wrong files.
    if sum(counts) != rows.height:
        return None, ()
    files = pl.Series("file", np.repeat(np.asarray(positions, dtype=np.uint32), counts))
    return rows.hstack([files]), odd


def _query(
    layout: Layout, text: bytes, options: ImportOptions, *, is_typed: bool, today: date | None = None
) -> pl.LazyFrame:
    """All rows of a text without a header: ticker, session, is_good, is_sound, has_extra and the numbers of a bar.

    Numbers are typed by the scan itself, which is faster, or cast from text, which goes on after a bad one.
    """
    columns = [role if role != IGNORED else f"ignored_{index}" for index, role in enumerate(layout.columns)]
    extra = [f"extra_{index}" for index in range(layout.overflow)]
    is_comma = layout.decimal_comma
    numbers = [] if is_typed else numbers_from_text(layout, decimal_comma=is_comma)
    is_odd = pl.lit(value=False) if is_typed else needs_care(layout, decimal_comma=is_comma)
    rows = pl.scan_csv(
        text,
        has_header=False,
        separator=layout.delimiter,
        quote_char=None,
        # A ticker is text whatever it looks like: TRUE, 1E5 and 000001 are tickers.
        schema={name: pl.Float64() if is_typed and name in NUMBERS else pl.String() for name in (*columns, *extra)},
        glob=False,
    )
    return (
        rows.with_columns(_session(layout.date_format or "%Y%m%d").alias("session"), *numbers, is_odd=is_odd)
        .with_columns(bar_columns(layout, options))
        .with_columns(
            is_good=all_hold(row_rules(layout, options, today), "row") & ~pl.col("is_odd"),
            is_sound=is_sound(layout),
            has_extra=pl.any_horizontal(pl.col(extra).is_not_null()) if extra else pl.lit(value=False),
        )
        .select(
            pl.col("ticker") if "ticker" in layout.columns else pl.lit(None, pl.String).alias("ticker"),
            "session",
            "is_good",
            "is_sound",
            "has_extra",
            *NUMBERS,
            *(["time"] if needs_times(layout) else []),
        )
    )


def _session(date_format: str) -> pl.Expr:
    """The session of a row whose date has exactly this format; null for any other text, which needs care.

    Polars' parser passes over spaces and takes single digits: in this format it reads ``2020 101`` as 2020-10-01.
    """
    text = pl.col("date")
    if date_format == "%Y%m%d":
        # Eight bytes that are a number: to ask for that takes 5 ns a row, and a pattern would take 30.
        is_exact = (text.str.len_bytes() == 8) & text.cast(pl.Int32, strict=False).is_not_null()
    else:
        is_exact = text.str.contains("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    return pl.when(is_exact).then(text.str.to_date(date_format, strict=False))


def _keep_good_files(batch: Batch, layout: Layout, positions: Sequence[int], rows: pl.DataFrame) -> Sequence[int]:
    """Keep the rows of the files that break no rule; returns the positions of the others."""
    rules = row_rules(layout, batch.options, batch.today)
    runs = _runs(batch, layout, rows)
    codes = pl.Series("code", np.repeat(runs["code"].fill_null(0).to_numpy(), runs["rows"].to_numpy()))
    rows = rows.hstack([codes])
    rows, judged = _judged(rows, layout, rules)
    bad = set(rows["file"].filter(~rows["is_good"]).unique())
    bad.update(judged["file"].filter(~judged["is_good"]).unique())
    bad.update(runs.filter(~all_hold(rules, "ticker"))["file"])
    bad.update(position for position in positions if _has_changed(batch, position))
    # Which rows are not daily, only the careful reading tells.
    if needs_times(layout):
        bad.update(rows.filter(pl.struct("file", "code", "session").is_duplicated())["file"].unique())
        bad.update(may_vary(rows))
    if needs_steps(layout):
        bad.update(may_be_other(runs, rows["session"]))
    if bad:
        rows = rows.filter(~pl.col("file").is_in(bad))
        runs = runs.filter(~pl.col("file").is_in(bad))
    # Taking columns by name moves nothing; `select` would copy them all.
    batch.keep(rows[CODED_ROWS.names()])
    are_names = "ticker" not in layout.columns
    batch.note_contents(runs.select("file", spelling="ticker", rows="rows"), are_names=are_names)
    _note_accounts(batch, layout, positions, runs)
    _note_lost(batch, judged.filter(~pl.col("file").is_in(bad)))
    if layout.overflow:
        extra = rows.filter("has_extra").group_by("file").len()
        for position, count in extra.iter_rows():
            batch.accounts[position].extra_values = count
    return list(bad)


def _judged(rows: pl.DataFrame, layout: Layout, rules: Sequence[RowRule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows, with numbers that cannot be believed made null; and those rows alone in which there was any doubt.

    The latter have ``<field>_lost``, and `is_good` says whether they keep the rules of their range.
    """
    doubtful = rows.select("file", "is_sound", *NUMBERS).with_row_index("row").filter(~pl.col("is_sound"))
    judged = without_unusable(doubtful, layout).with_columns(is_good=all_hold(rules, "range"))
    if doubtful.height:
        rows = rows.with_columns(rows[role].scatter(judged["row"], judged[role]) for role in FIELDS)
    return rows, judged


def _note_lost(batch: Batch, judged: pl.DataFrame) -> None:
    for file, *counts in judged.group_by("file").agg(cs.ends_with("_lost").sum()).iter_rows():
        names = [name.removesuffix("_lost") for name in judged.columns if name.endswith("_lost")]
        batch.accounts[file].lost = {name: count for name, count in zip(names, counts, strict=True) if count}


def _runs(batch: Batch, layout: Layout, rows: pl.DataFrame) -> pl.DataFrame:
    """The runs of rows of one file and one ticker: file, ticker, rows and code.

    Most files have one ticker, so that it is looked up once per run and not once per row.
    """
    lengths = [rows["file"].rle().struct.field("len")]
    if "ticker" in layout.columns:
        lengths.append(rows["ticker"].rle().struct.field("len"))
    ends = np.unique(np.concatenate([np.cumsum(length.to_numpy(), dtype=np.int64) for length in lengths]))
    counts = np.diff(ends, prepend=0)
    files = rows["file"].gather(ends - counts)
    if "ticker" in layout.columns:
        tickers = rows["ticker"].gather(ends - counts)
    else:
        tickers = pl.Series([candidate.ticker for candidate in batch.candidates], dtype=pl.String).gather(files)
    runs = pl.DataFrame({"file": files, "ticker": tickers, "rows": counts.astype(np.uint32)})
    several = runs.group_by("file").agg(pl.col("ticker").n_unique())
    # A file with too many is left to the careful reading, which says so.
    crowded = several.filter(pl.col("ticker") > limits.MOST_TICKERS)["file"]
    readable = runs.filter(~pl.col("file").is_in(crowded.implode()))["ticker"]
    codes = batch.codes(readable, are_names="ticker" not in layout.columns)
    return runs.with_columns(code=pl.col("ticker").replace_strict(codes, default=None, return_dtype=pl.UInt32))


def _note_accounts(batch: Batch, layout: Layout, positions: Sequence[int], runs: pl.DataFrame) -> None:
    for position in positions:
        batch.accounts[position] = Account(
            layout.dialect, unknown_fields=layout.unknown_fields, is_named="ticker" not in layout.columns
        )
    for position, count in runs.group_by("file").agg(pl.col("rows").sum()).iter_rows():
        batch.accounts[position].rows_read = count


def _has_changed(batch: Batch, position: int) -> bool:
    """Whether a file is not what it was when the folder was listed."""
    fact = batch.candidates[position].fact
    try:
        status = batch.path(position).stat()
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) != (fact.size, fact.mtime_ns)


def _is_odd(content: bytes) -> bool:
    """Whether a scan reads such bytes otherwise than the careful way: quotes, zeros, line ends of several kinds."""
    if any(byte in content for byte in _ODD_BYTES):
        return True
    return b"\r" in content and _count(content, "\r") != _count(content, "\n")


def _count(text: bytes | memoryview, letter: str) -> int:
    """Ten times as fast as `bytes.count`, which goes from line to line."""
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == ord(letter)))


def _is_packed(text: bytes | memoryview) -> bool:
    """Whether Polars would take a text for packed bytes by how it begins, and unpack a thousand times as many."""
    return bytes(text[:4]).startswith(_PACKED)


def _lines_of(content: bytes, layout: Layout) -> tuple[memoryview, int]:
    """A file's rows as text that ends with a line end, and the number of lines."""
    if content and not content.endswith(b"\n"):
        content += b"\n"
    if not layout.has_header:
        content = content.removeprefix(BOM_UTF8)
    lines = memoryview(content)[content.find(b"\n") + 1 if layout.has_header else 0 :]
    return lines, _count(lines, "\n")
