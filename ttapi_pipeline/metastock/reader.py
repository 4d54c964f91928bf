# SPDX-License-Identifier: MIT
"""Some MetaStock ASCII files in, their daily bars and an account of every row out; folders are `importer`'s.

Files whose first look shows nothing unusual are scanned together, one lazy query per layout. A file in which anything
is amiss (a row that cannot be kept, an odd encoding, a change while it was read) is read again with care, line by line,
so that each rejected row has its line, its reason and its text. What is sound to the first way has no fault in the
second.
"""

from __future__ import annotations

import math
import os
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import polars as pl

from ttapi_pipeline.core.errors import ConfigError, InvalidFormatError
from ttapi_pipeline.core.symbology import symbol_from_file_stem, symbol_from_metastock
from ttapi_pipeline.metastock.binary import Security, decode_records
from ttapi_pipeline.metastock.dates import EARLIEST, NOT_A_DATE, DateOrder, read_dates
from ttapi_pipeline.metastock.fingerprint import FileFact
from ttapi_pipeline.metastock.layout import IGNORED, NUMBERS, PRICES, QUANTITIES, Layout
from ttapi_pipeline.metastock.sniff import sniff_file, sniff_lines
from ttapi_pipeline.metastock.text import decode, split_lines, split_row

BARS: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "session": pl.Date(),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "open_interest": pl.Float64(),
    }
)
"""One row per symbol and session. Prices in the file's currency; volume in units after `volume_multiplier`."""

ROWS: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "session": pl.Date(),
        "file": pl.UInt32(),
        **{name: dtype for name, dtype in BARS.items() if name not in {"symbol", "session"}},
    }
)
"""BARS with the file that each row is from, by its position among the files that were read together."""

CONTENTS: Final = pl.Schema({"file": pl.UInt32(), "spelling": pl.String(), "symbol": pl.String(), "rows": pl.UInt32()})
"""One row per file and spelling of a ticker: the canonical symbol, and how many rows have it, none included."""

ACCOUNTS: Final = pl.Schema(
    {
        "file": pl.UInt32(),
        "dialect": pl.String(),
        "rows_read": pl.UInt32(),
        "duplicates": pl.UInt32(),
        "rejected": pl.UInt32(),
        "extra_values": pl.UInt32(),
        "warnings": pl.List(pl.String()),
    }
)
"""One row per file, in order. `duplicates` are those within the file; `extra_values` counts rows."""

REJECTED_ROWS: Final = pl.Schema(
    {"file": pl.UInt32(), "line": pl.UInt32(), "symbol": pl.String(), "reason": pl.String(), "raw": pl.String()}
)
"""One row per row that was not kept: 1-based line (null: the whole file), the file's ticker, the text."""

_BLOCK_LINES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How to read what the files themselves do not say.

    Attributes:
        as_of: Rows of later dates are rejected; None accepts any.
        date_order: Of dates such as ``3/4/2021``; None takes the order that other dates of the file prove.
        code_page: Encoding of files that are not Unicode.
        volume_multiplier: What the volume is multiplied by, for sources that count in lots or thousands.
        exchange_suffixes: Suffixes to strip from tickers, in upper case; symbology's RIC_SUFFIXES by default.
        daily_periods: Values of the period column that mean daily, in upper case; Finam writes 8.

    Raises:
        ConfigError: The code page is unknown.
    """

    as_of: date | None = None
    date_order: DateOrder | None = None
    code_page: str = "cp1250"
    volume_multiplier: float = 1.0
    exchange_suffixes: frozenset[str] | None = None
    daily_periods: frozenset[str] = frozenset({"D", "DAILY", "8"})

    def __post_init__(self) -> None:
        try:
            b" ".decode(self.code_page, errors="replace")
        except (LookupError, UnicodeError) as error:
            raise ConfigError(
                f"code page {self.code_page!r} is unknown; cp1250, cp1252 and cp1256 are common"
            ) from error


DEFAULT_OPTIONS: Final = ImportOptions()


@dataclass(frozen=True, slots=True)
class FilesRead:
    """What some files gave, and what became of each of their rows.

    Attributes:
        rows: Schema ROWS, by symbol, session and file, one row for each three of them. open, high and low are null only
            where the file has no such column, volume and open_interest also where it says nothing.
        contents: Schema CONTENTS.
        accounts: Schema ACCOUNTS. A file that cannot be read counts as one row, which is rejected.
        rejects: Schema REJECTED_ROWS.
    """

    rows: pl.DataFrame
    contents: pl.DataFrame
    accounts: pl.DataFrame
    rejects: pl.DataFrame


class Symbols:
    """The canonical symbol of each source spelling, by the symbol map and then by the rules of symbology."""

    def __init__(self, symbol_map: Mapping[str, str], suffixes: frozenset[str] | None) -> None:
        self._map = symbol_map
        self._suffixes = suffixes
        self._resolved: dict[str, str | None] = {}

    def canonical(self, spelling: str) -> str | None:
        """The canonical symbol, or None when the spelling is none's."""
        if spelling not in self._resolved:
            symbol = self._map.get(spelling)
            if symbol is None:
                try:
                    symbol = symbol_from_metastock(spelling, exchange_suffixes=self._suffixes)
                except ValueError:
                    symbol = None
            self._resolved[spelling] = symbol
        return self._resolved[spelling]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file after the first look.

    Attributes:
        fact: The file, as its folder listed it.
        layout: How it can be scanned together with others; None when it has to be read with care.
        ticker: The first row's ticker, or what the file's name stands for.
        fault: Why it is no MetaStock file; None when it may be one.
        security: What the index says of a binary data file; None for text.
        is_index: Whether it is an index of binary data files, which holds no rows.
    """

    fact: FileFact
    layout: Layout | None
    ticker: str
    fault: str | None = None
    security: Security | None = None
    is_index: bool = False


def look_at(folder: Path, fact: FileFact, options: ImportOptions) -> Candidate:
    """Take a first look at a file."""
    stem = file_ticker(fact.name)
    try:
        sniffed = sniff_file(folder / fact.name, code_page=options.code_page)
    except InvalidFormatError as error:
        return Candidate(fact, None, stem, str(error))
    except OSError as error:
        return Candidate(fact, None, stem, f"it cannot be read: {error.strerror or error}")
    layout = sniffed.layout
    # Polars takes paths as text, and a file name need not be one.
    if layout is None or not layout.is_plain or layout.date_format is None or not fact.name.isprintable():
        layout = None
    return Candidate(fact, layout, stem if sniffed.ticker is None else sniffed.ticker)


def read_files(
    folder: Path, candidates: Sequence[Candidate], symbols: Symbols, options: ImportOptions = DEFAULT_OPTIONS
) -> FilesRead:
    """Read some files of one layout, or some that need care. Only daily rows are kept.

    Args:
        folder: Which the files' names are relative to.
        candidates: All of one layout, or all without. They are known by their position from here on.
        symbols: The spellings.
        options: What the files do not say.
    """
    return _Reading(folder.absolute(), candidates, symbols, options).run()


@dataclass(slots=True)
class _Account:
    """What is known of one file; `only_ticker` is set when all of its rows have one."""

    dialect: str
    rows_read: int = 0
    rejected: int = 0
    only_ticker: str | None = None
    unknown_fields: tuple[str, ...] = ()
    extra_values: int = 0


class _Reading:
    """One reading of some files, which are known by their position."""

    def __init__(self, folder: Path, candidates: Sequence[Candidate], symbols: Symbols, options: ImportOptions) -> None:
        self._folder = folder
        self._options = options
        self._symbols = symbols
        self._candidates = candidates
        self._codes: dict[str, int] = {}
        self._accounts = [_Account("unreadable") for _ in candidates]
        self._parts: list[pl.DataFrame] = []
        self._contents: list[pl.DataFrame] = []
        self._rejects: list[pl.DataFrame] = []

    def run(self) -> FilesRead:
        positions = range(len(self._candidates))
        layout = self._candidates[0].layout if self._candidates else None
        if layout is None:
            for index in positions:
                self._read_or_reject(index)
        else:
            for index in sorted(self._scan(layout, positions)):
                self._read_carefully(index)
        return self._finish()

    def _code(self, spelling: str) -> int | None:
        """The number of the spelling's canonical symbol; None for an unknown spelling."""
        symbol = self._symbols.canonical(spelling)
        return None if symbol is None else self._codes.setdefault(symbol, len(self._codes))

    def _path(self, index: int) -> Path:
        return self._folder / self._candidates[index].fact.name

    def _read_or_reject(self, index: int) -> None:
        candidate = self._candidates[index]
        if candidate.fault is not None:
            self._reject_file(index, candidate.fault)
        elif candidate.is_index:
            self._accounts[index] = _Account("index")
        elif candidate.security is not None:
            self._read_binary(index, candidate.security)
        else:
            self._read_carefully(index)

    def _scan(self, layout: Layout, positions: Sequence[int], *, is_typed: bool = True) -> list[int]:
        """Scan files of one layout together; returns those to read with care instead."""
        is_typed = is_typed and not layout.decimal_comma
        scanned = self._scanned(layout, positions, is_typed=is_typed)
        if scanned is None:
            # A number that is none ends a typed scan. As text it does not, and only its own file needs care.
            if is_typed:
                return self._scan(layout, positions, is_typed=False)
            # Rows that are too long end any scan. The error names no file, so halve until the culprit is alone.
            if len(positions) == 1:
                return list(positions)
            half = len(positions) // 2
            return [
                *self._scan(layout, positions[:half], is_typed=False),
                *self._scan(layout, positions[half:], is_typed=False),
            ]
        frame, runs = scanned
        has_ticker = "ticker" in layout.columns
        codes = {ticker: self._code(ticker) for ticker in runs["ticker"].unique() if ticker is not None}
        runs = runs.with_columns(code=pl.col("ticker").replace_strict(codes, default=None, return_dtype=pl.UInt32))
        frame = frame.hstack(
            [_repeated(runs["file"], runs["rows"]), _repeated(runs["code"].fill_null(0), runs["rows"])]
        )
        careful = set(frame["file"].filter(frame["is_faulty"]).unique())
        careful.update(runs.filter(pl.col("code").is_null())["file"])
        careful.update(index for index in positions if self._has_changed(index))
        if _may_be_intraday(layout):
            careful.update(frame.filter(pl.struct("file", "code", "session").is_duplicated())["file"].unique())
        if careful:
            frame = frame.filter(~pl.col("file").is_in(careful))
            runs = runs.filter(~pl.col("file").is_in(careful))
        # Taking columns by name moves nothing; `select` would copy them all.
        self._parts.append(frame[list(_PART)])
        self._add_contents(runs.select("file", spelling="ticker", rows="rows"))
        for index in positions:
            self._accounts[index] = _Account(layout.dialect, unknown_fields=layout.unknown_fields)
        per_file = runs.group_by("file").agg(
            pl.col("rows").sum(), pl.col("ticker").first(), n=pl.col("ticker").n_unique()
        )
        for index, count, ticker, distinct in per_file.iter_rows():
            self._accounts[index].rows_read = count
            self._accounts[index].only_ticker = ticker if has_ticker and distinct == 1 else None
        if layout.overflow:
            extra = frame.filter("has_extra").group_by("file").len()
            for index, count in extra.iter_rows():
                self._accounts[index].extra_values = count
        return list(careful)

    def _scanned(
        self, layout: Layout, positions: Sequence[int], *, is_typed: bool
    ) -> tuple[pl.DataFrame, pl.DataFrame] | None:
        """All rows of some files, and their runs of one file and ticker: file, ticker, rows. None when that fails.

        The files' lines are put together and scanned as one text, since a file of its own costs a scan more than its
        rows do. Whose they are is known by counting them: a line is a row, blank ones too. A file alone is scanned
        where it is, as large as it may be.
        """
        try:
            if len(positions) == 1:
                frame = self._query(layout, self._path(positions[0]), is_typed=is_typed).collect(engine="streaming")
                counts = [frame.height]
            else:
                lines = [_lines_of(self._path(index).read_bytes(), layout) for index in positions]
                counts = [count for _, count in lines]
                text = b"".join(text for text, _ in lines)
                del lines
                frame = self._query(layout, text, is_typed=is_typed).collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError):
            return None
        if sum(counts) != frame.height:
            return None
        files = np.repeat(np.asarray(positions, dtype=np.uint32), counts)
        ends = [np.cumsum(counts, dtype=np.int64)]
        if "ticker" in layout.columns:
            ends.append(np.cumsum(frame["ticker"].rle().struct.field("len").to_numpy(), dtype=np.int64))
        last = np.unique(np.concatenate(ends))
        rows = np.diff(last, prepend=0)
        first = (last - rows)[rows > 0]
        if "ticker" in layout.columns:
            tickers = frame["ticker"].gather(first)
        else:
            names = pl.Series([candidate.ticker for candidate in self._candidates], dtype=pl.String)
            tickers = names.gather(files[first])
        runs = {"file": files[first], "ticker": tickers, "rows": rows[rows > 0].astype(np.uint32)}
        return frame, pl.DataFrame(runs)

    def _query(self, layout: Layout, text: bytes | Path, *, is_typed: bool) -> pl.LazyFrame:
        """All rows of a text or of a file, with what is wrong with them as a flag.

        Numbers are typed by the scan itself, which is faster, or cast from text, which a bad one does not stop. A text
        has rows only, a file may have a header.
        """
        columns = [role if role != IGNORED else f"ignored_{index}" for index, role in enumerate(layout.columns)]
        extra = [f"extra_{index}" for index in range(layout.overflow)]
        date_format = layout.date_format or "%Y%m%d"
        # Polars' parser takes "2020 101" too; only the exact length is the format.
        length = 8 if date_format == "%Y%m%d" else 10
        session = pl.when(pl.col("date").str.len_bytes() == length).then(
            pl.col("date").str.to_date(date_format, strict=False)
        )
        numbers = (
            {f"{role}_number": pl.col(role) for role in NUMBERS if role in layout.columns}
            if is_typed
            else _numbers(layout, decimal_comma=layout.decimal_comma)
        )
        rows = pl.scan_csv(
            text,
            has_header=False,
            skip_lines=1 if layout.has_header and isinstance(text, Path) else 0,
            separator=layout.delimiter,
            quote_char=None,
            # A ticker is text whatever it looks like: TRUE, 1E5 and 000001 are tickers.
            schema={name: pl.Float64() if is_typed and name in NUMBERS else pl.String() for name in (*columns, *extra)},
            glob=False,
        )
        return (
            rows.with_columns(session=session, **numbers)
            .with_columns(
                is_faulty=~pl.all_horizontal(_signs_of_soundness(layout, self._options)).fill_null(value=False),
                has_extra=pl.any_horizontal(pl.col(extra).is_not_null()) if extra else pl.lit(value=False),
            )
            .select(
                pl.col("ticker") if "ticker" in layout.columns else pl.lit(None, pl.String).alias("ticker"),
                "session",
                "is_faulty",
                "has_extra",
                *_bar_columns(layout, self._options),
            )
        )

    def _has_changed(self, index: int) -> bool:
        fact = self._candidates[index].fact
        try:
            status = self._path(index).stat()
        except OSError:
            return True
        return (status.st_size, status.st_mtime_ns) != (fact.size, fact.mtime_ns)

    def _read_binary(self, index: int, security: Security) -> None:
        """Read one data file of a binary folder; its lines are its records, from 1."""
        try:
            records = decode_records(self._path(index).read_bytes(), security)
        except InvalidFormatError as error:
            self._reject_file(index, str(error))
            return
        except OSError as error:
            self._reject_file(index, f"it cannot be read: {error.strerror or error}")
            return
        layout = _binary_layout(security)
        self._accounts[index] = _Account(layout.dialect, rows_read=records.height)
        if records.is_empty():
            self._add_contents(pl.DataFrame({"file": [index], "spelling": [security.ticker], "rows": [0]}))
            return
        rows = records.with_row_index("line", offset=1).with_columns(
            pl.lit(security.ticker or None, pl.String).alias("ticker"),
            pl.lit(security.period.strip(" \0") or None, pl.String).alias("period"),
            has_extra=False,
            **{f"{role}_number": pl.col(role) for role in NUMBERS if role in layout.columns},
        )
        text = pl.concat_str(["ticker", *security.fields], separator=",", ignore_nulls=True)
        self._take(index, self._judged(layout, rows), raw=text)

    def _read_carefully(self, index: int) -> None:
        """Read one file line by line, with a reason for each row that is not kept."""
        try:
            content = self._path(index).read_bytes()
            text, _ = decode(content, code_page=self._options.code_page)
            lines = split_lines(text)
            layout = sniff_lines(lines).layout
        except InvalidFormatError as error:
            self._reject_file(index, str(error))
            return
        except OSError as error:
            self._reject_file(index, f"it cannot be read: {error.strerror or error}")
            return
        stem = file_ticker(self._candidates[index].fact.name)
        if layout is None:
            self._accounts[index] = _Account("empty")
            return
        typed = _typed(layout, lines, stem)
        # Of a file of millions of lines, these are the larger part of what is held.
        del text, lines
        account = self._accounts[index] = _Account(
            layout.dialect, rows_read=typed.height, unknown_fields=layout.unknown_fields
        )
        if typed.is_empty():
            self._add_contents(pl.DataFrame({"file": [index], "spelling": [stem], "rows": [0]}))
            return
        rows = self._judged(layout, typed)
        if "ticker" in layout.columns and rows["ticker"].n_unique() == 1:
            account.only_ticker = rows["ticker"][0]
        self._take(index, rows, raw=pl.col("raw"))

    def _take(self, index: int, rows: pl.DataFrame, *, raw: pl.Expr) -> None:
        """Keep the rows without a reason against them, and the others' reasons."""
        account = self._accounts[index]
        account.extra_values = int(rows["has_extra"].sum())
        rejected = rows.filter(pl.col("reason").is_not_null())
        account.rejected = rejected.height
        self._add_rejects(index, rejected.select("line", pl.col("ticker").alias("symbol"), "reason", raw.alias("raw")))
        kept = rows.filter(pl.col("reason").is_null())
        self._parts.append(kept.with_columns(file=pl.lit(index, pl.UInt32)).select(_PART))
        self._add_contents(
            rows.filter(pl.col("code").is_not_null())
            .group_by(spelling="ticker")
            .agg(rows=pl.col("reason").is_null().sum())
            .with_columns(file=pl.lit(index))
        )

    def _judged(self, layout: Layout, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of one file as BARS, with the first reason against each; null for none.

        They come with ticker, date and what else the layout has as text, or as numbers, and ``<role>_number``.
        """
        dates, date_faults = read_dates(rows["date"].drop_nulls(), order=self._options.date_order)
        codes = {ticker: self._code(ticker) for ticker in rows["ticker"].unique() if ticker is not None}
        rows = rows.with_columns(
            session=pl.col("date").replace_strict(dates, default=None, return_dtype=pl.Date),
            date_fault=pl.col("date").replace_strict(date_faults, default=None, return_dtype=pl.String),
            code=pl.col("ticker").replace_strict(codes, default=None, return_dtype=pl.UInt32),
        )
        faults = [
            (pl.col("ticker").is_null(), pl.lit("there is no ticker")),
            (pl.col("code").is_null(), pl.lit("the ticker is no symbol that we can spell; name it in the symbol map")),
            (pl.col("date").is_null(), pl.lit("there is no date")),
            (pl.col("session").is_null(), pl.col("date_fault")),
            *((condition, pl.lit(reason)) for condition, reason in _faults(layout, self._options)),
        ]
        if _may_be_intraday(layout):
            times = pl.col("time").n_unique().over("ticker", "session")
            faults.append((times > 1, pl.lit("one session has several times of day, so these are no daily rows")))
        reason = pl.coalesce(pl.when(condition).then(text) for condition, text in faults)
        return rows.with_columns(reason=reason).with_columns(_bar_columns(layout, self._options))

    def _reject_file(self, index: int, reason: str) -> None:
        self._accounts[index] = _Account("unreadable", rows_read=1, rejected=1)
        rejects = pl.DataFrame(
            {"line": [None], "symbol": [None], "reason": [reason], "raw": [None]}, schema=_REJECTS_OF_A_FILE
        )
        self._add_rejects(index, rejects)

    def _add_rejects(self, index: int, rejects: pl.DataFrame) -> None:
        self._rejects.append(rejects.with_columns(file=pl.lit(index, pl.UInt32)).select(REJECTED_ROWS.names()))

    def _add_contents(self, counts: pl.DataFrame) -> None:
        """Note file, spelling and rows; spellings that are no symbol's are left out."""
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

    def _finish(self) -> FilesRead:
        ordered = sorted(self._codes)
        ranks = {symbol: position for position, symbol in enumerate(ordered)}
        rank = pl.Series([ranks[symbol] for symbol in self._codes], dtype=pl.Int64)
        parts = pl.concat([pl.DataFrame(schema=_PART_SCHEMA), *self._parts])
        self._parts.clear()
        # One integer per symbol and session: sorting by it is several times faster than by text and date.
        parts = parts.with_columns(key=rank.gather(parts["code"]) * 2**32 + parts["session"].to_physical())
        duplicates: dict[int, int] = {}
        if not (parts["key"].diff() > 0).all():
            parts = parts.sort("key", "file", maintain_order=True)
            is_last = pl.struct("key", "file").ne_missing(pl.struct("key", "file").shift(-1))
            duplicates = dict(parts.filter(~is_last).group_by("file").len().iter_rows())
            parts = parts.filter(is_last)
        names = pl.Series(ordered, dtype=pl.String)
        rows = parts.select(names.gather(rank.gather(parts["code"])).alias("symbol"), *ROWS.names()[1:])
        accounts = pl.DataFrame(
            [
                (
                    index,
                    account.dialect,
                    account.rows_read,
                    duplicates.get(index, 0),
                    account.rejected,
                    account.extra_values,
                    list(self._warnings(index)),
                )
                for index, account in enumerate(self._accounts)
            ],
            schema=ACCOUNTS,
            orient="row",
        )
        return FilesRead(
            rows=rows,
            contents=pl.concat([pl.DataFrame(schema=CONTENTS), *self._contents]).sort("file", "spelling"),
            accounts=accounts,
            rejects=pl.concat([pl.DataFrame(schema=REJECTED_ROWS), *self._rejects]).sort(
                "file", "line", maintain_order=True
            ),
        )

    def _warnings(self, index: int) -> Iterator[str]:
        account, name = self._accounts[index], printable(self._candidates[index].fact.name)
        if account.only_ticker is not None:
            by_name = self._symbols.canonical(file_ticker(name))
            by_row = self._symbols.canonical(account.only_ticker)
            if by_name is not None and by_row is not None and by_name != by_row:
                yield f"{name}: its ticker is {account.only_ticker}, its name says {by_name}; the ticker counts"
        if account.unknown_fields:
            yield f"{name}: unknown fields are not read: {', '.join(account.unknown_fields)}"


def _lines_of(content: bytes, layout: Layout) -> tuple[memoryview, int]:
    """A file's rows as text that ends with a line's end, and how many lines these are."""
    if content and not content.endswith(b"\n"):
        content += b"\n"
    if not layout.has_header:
        content = content.removeprefix(BOM_UTF8)
    lines = memoryview(content)[content.find(b"\n") + 1 if layout.has_header else 0 :]
    # Ten times as fast as `bytes.count`, which goes from line to line.
    return lines, int(np.count_nonzero(np.frombuffer(lines, dtype=np.uint8) == ord("\n")))


def _repeated(values: pl.Series, times: pl.Series) -> pl.Series:
    return pl.Series(values.name, np.repeat(values.to_numpy(), times.to_numpy()))


_PART_SCHEMA: Final = pl.Schema(
    {
        "file": pl.UInt32(),
        "code": pl.UInt32(),
        **{name: dtype for name, dtype in BARS.items() if name != "symbol"},
    }
)
_REJECTS_OF_A_FILE: Final = pl.Schema({name: dtype for name, dtype in REJECTED_ROWS.items() if name != "file"})
_PART: Final = tuple(_PART_SCHEMA)


def _numbers(layout: Layout, *, decimal_comma: bool) -> dict[str, pl.Expr]:
    """The numeric columns that the layout has, as ``<role>_number``; null where the text is no number."""
    numbers: dict[str, pl.Expr] = {}
    for role in NUMBERS:
        if role in layout.columns:
            text = pl.col(role)
            if decimal_comma:
                text = pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True))
            numbers[f"{role}_number"] = text.cast(pl.Float64, strict=False)
    return numbers


def _bar_columns(layout: Layout, options: ImportOptions) -> list[pl.Expr]:
    """The numeric columns of BARS; null throughout where the layout has no such column."""
    columns = []
    for role in NUMBERS:
        number = pl.col(f"{role}_number") if role in layout.columns else pl.lit(None, pl.Float64)
        if role == "volume" and options.volume_multiplier != 1.0:
            number = number * options.volume_multiplier
        columns.append(number.alias(role))
    return columns


def _is_daily(options: ImportOptions) -> pl.Expr:
    """Whether the period says so; null where it says nothing. Changing the case of each row's text would cost more."""
    periods = sorted({spell(period) for period in options.daily_periods for spell in (str.upper, str.lower, str.title)})
    return pl.col("period").is_in(periods)


def _signs_of_soundness(layout: Layout, options: ImportOptions) -> list[pl.Expr]:
    """Conditions that, all true, rule out every fault of `_faults`; a null or false one calls for a careful look.

    With 0 < low <= open, close <= high < infinity no price can be missing, NaN, infinite or below zero, so that a few
    comparisons do the work of the whole list.
    """
    signs = [pl.col("session") >= EARLIEST]
    if options.as_of is not None:
        signs.append(pl.col("session") <= options.as_of)
    if "period" in layout.columns:
        signs.append(_is_daily(options).fill_null(value=True))
    low, high = ("low_number" if "low" in layout.columns else ""), ("high_number" if "high" in layout.columns else "")
    for role in ("open", "close", "high"):
        if role in layout.columns:
            number = pl.col(f"{role}_number")
            signs.append(number >= pl.col(low) if low else number > 0)
            signs.append(number <= pl.col(high) if high and role != "high" else number < math.inf)
    if low:
        signs.append(pl.col(low) > 0)
    for role in QUANTITIES:
        if role in layout.columns:
            number = pl.col(f"{role}_number")
            signs.append(pl.col(role).is_null() | ((number >= 0) & (number < math.inf)))
    return signs


def _faults(layout: Layout, options: ImportOptions) -> list[tuple[pl.Expr, str]]:
    """What makes a row unusable, with the reason in words, over text columns, `session` and ``<role>_number``."""
    faults: list[tuple[pl.Expr, str]] = [(pl.col("session") < EARLIEST, NOT_A_DATE)]
    if options.as_of is not None:
        faults.append((pl.col("session") > options.as_of, f"the date is later than {options.as_of}"))
    if "period" in layout.columns:
        faults.append((~_is_daily(options), "the period is not daily"))
    prices = [role for role in PRICES if role in layout.columns]
    for role in prices:
        number = pl.col(f"{role}_number")
        faults.append((pl.col(role).is_null(), f"{role} is missing"))
        faults.append((number.is_null() | ~number.is_finite(), f"{role} is not a number"))
        faults.append((number <= 0, f"{role} is not positive"))
    for role in QUANTITIES:
        if role in layout.columns:
            number = pl.col(f"{role}_number")
            is_number = number.is_not_null() & number.is_finite()
            faults.append((pl.col(role).is_not_null() & ~is_number, f"{role} is not a number"))
            faults.append((number < 0, f"{role} is negative"))
    for low, high in (("low", "high"), ("low", "open"), ("low", "close"), ("open", "high"), ("close", "high")):
        if low in prices and high in prices:
            reason = f"low is above {high}" if low == "low" else f"high is below {low}"
            faults.append((pl.col(f"{low}_number") > pl.col(f"{high}_number"), reason))
    return faults


def _typed(layout: Layout, lines: Sequence[str], stem: str) -> pl.DataFrame:
    """The rows among a file's lines as columns of text, with the numbers among them, and each row's line and text.

    Lines are cut block by block, since a row as Python objects takes a kilobyte.
    """
    filled = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    numbered = islice(filled, 1 if layout.has_header else 0, None)
    blocks = [_cut_lines(layout, [], stem)]
    while block := list(islice(numbered, _BLOCK_LINES)):
        blocks.append(_cut_lines(layout, block, stem))
    rows = pl.concat(blocks)
    return rows.with_columns(**_numbers(layout, decimal_comma=_has_decimal_comma(layout, rows)))


def _cut_lines(layout: Layout, numbered: Sequence[tuple[int, str]], stem: str) -> pl.DataFrame:
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


def _binary_layout(security: Security) -> Layout:
    return Layout(
        dialect="binary",
        delimiter=",",
        columns=("ticker", "period", *security.fields),
        overflow=0,
        has_header=False,
        unknown_fields=(),
        date_format=None,
        decimal_comma=False,
        is_plain=False,
    )


def _has_decimal_comma(layout: Layout, rows: pl.DataFrame) -> bool:
    """Whether a comma is the decimal point of this file; with both marks in use, none is taken for the other."""
    if layout.delimiter == ",":
        return False
    numbers = [rows[role] for role in NUMBERS if role in rows.columns]
    has_comma, has_point = (
        any(bool(column.str.contains(mark, literal=True).any()) for column in numbers) for mark in (",", ".")
    )
    return has_comma and not has_point


def _may_be_intraday(layout: Layout) -> bool:
    """Without a period, only the times of day can tell that rows are no daily ones."""
    return "time" in layout.columns and "period" not in layout.columns


def file_ticker(name: str) -> str:
    """The ticker that a file's name stands for: ``us/_prn.us.txt`` gives ``prn.us``."""
    return symbol_from_file_stem(PurePosixPath(printable(name)).stem)


def printable(name: str) -> str:
    """A file name as text, whatever its bytes are."""
    return os.fsencode(name).decode(errors="replace")
