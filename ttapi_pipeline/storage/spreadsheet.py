# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The CSV of a dataset: written so that a spreadsheet runs none of its cells, read back without loss.

RFC 4180 with CRLF, UTF-8 and a header. Dates are ISO 8601, timestamps in UTC look like 2026-01-05 14:30:00, booleans
are true and false, and a float is the shortest decimal that reads back as the same float. A list of numbers has spaces
between them. Null is an empty field, the empty text or list is "".

A text cell that a spreadsheet would run as a formula (it begins with = + - @, also in their full width, with a tab, a
carriage return or a line feed) gets a leading apostrophe. So that this can be undone, a cell that has only apostrophes
before such a character gets one more.
Source of the rule: OWASP, CSV injection.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.errors import storage_errors
from ttapi_pipeline.storage.files import file_for_polars
from ttapi_pipeline.tables.older_types import numbers_in, text_of
from ttapi_pipeline.tables.schema import DatasetSchema

_RISKY: Final = r"^('*[=+\-@\t\r\n＝＋－＠])"
_NEUTRALISED: Final = r"^'('*[=+\-@\t\r\n＝＋－＠])"
_WAY_OUT: Final = "`tt doctor --repair` rebuilds it"
_LINE_END: Final = "\r\n"
_TIMESTAMP: Final = "%Y-%m-%d %H:%M:%S%.f"
"""Digits of the second where there are any. With a T or a Z, spreadsheets take the cell for a text."""
_DATE: Final = "%Y-%m-%d"
_QUOTED: Final = r'^$|[",\r\n]'

_MOST_DAYS: Final = 50_000
"""Days between the first and the last date of a column (137 years); dates further apart are spelled one by one."""


def sink_csv(frame: pl.LazyFrame, path: Path) -> None:
    """Write a frame as the module's docstring describes; PolarsError or OSError when that fails."""
    schema = frame.collect_schema()
    spelled = pl.Schema({name: pl.String() if _is_spelled(dtype) else dtype for name, dtype in schema.items()})
    lines = frame.map_batches(_harmless, streamable=True, schema=spelled)
    with file_for_polars(path) as file:
        lines.sink_csv(file, line_terminator=_LINE_END)


def csv_header(schema: DatasetSchema) -> bytes:
    """The first line of the file."""
    return schema.polars.to_frame().write_csv(line_terminator=_LINE_END).encode()


def csv_rows(frame: pl.DataFrame) -> bytes:
    """The lines of some rows of the file."""
    frame = with_lists_as_text(frame)
    lines, runs = io.BytesIO(), _runs(frame)
    # With "necessary", the writer looks at every cell for characters that need quotes: a third of its time.
    style: Literal["necessary", "never"] = "necessary" if _needs_quotes(runs) else "never"
    _spelled(frame, runs).write_csv(lines, include_header=False, line_terminator=_LINE_END, quote_style=style)
    return lines.getvalue()


def with_lists_as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with a text, numbers with spaces between them, in place of each list."""
    return frame.with_columns(text_of(pl.col(column.name)) for column in frame if isinstance(column.dtype, pl.List))


def _harmless(batch: pl.DataFrame) -> pl.DataFrame:
    texts = with_lists_as_text(batch)
    return _spelled(texts, _runs(texts))


def _runs(frame: pl.DataFrame) -> Mapping[str, pl.Series]:
    """For each column of texts or timestamps: the values of its runs of equal cells."""
    repeated = (column for column in frame if isinstance(column.dtype, pl.String | pl.Datetime))
    return {column.name: column.rle().struct.field("value") for column in repeated}


def _needs_quotes(runs: Mapping[str, pl.Series]) -> bool:
    """Whether a text has a comma, a quote or a line end, or is empty: only quotes tell the empty text from null."""
    texts = (values for values in runs.values() if isinstance(values.dtype, pl.String))
    return any(bool(values.str.contains(_QUOTED).any()) for values in texts)


def _is_spelled(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Date | pl.Datetime | pl.List)


def _spelled(frame: pl.DataFrame, runs: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Make texts harmless, and dates and timestamps text.

    Bars repeat all of these. To spell each value once and look it up takes a tenth of the time.
    """
    dates = (_spell_dates(column) for column in frame if isinstance(column.dtype, pl.Date))
    return frame.with_columns(*dates, *(_spell(frame[name], values) for name, values in runs.items()))


def _spell(column: pl.Series, runs: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Datetime):
        return runs.dt.to_string(_TIMESTAMP).gather(column.rle_id()).alias(column.name)
    values = runs.filter(runs.str.contains(_RISKY)).unique()
    return column.replace(values, values.str.replace(_RISKY, "'$1")) if len(values) else column


def _spell_dates(column: pl.Series) -> pl.Series:
    days = column.to_physical()
    first, last = days.min(), days.max()
    if not isinstance(first, int) or not isinstance(last, int) or last - first > _MOST_DAYS:
        return column.dt.to_string(_DATE)
    every_day = pl.int_range(first, last + 1, dtype=pl.Int32, eager=True).cast(pl.Date)
    return every_day.dt.to_string(_DATE).gather(days - first).alias(column.name)


def scan_csv_back(path: Path, schema: DatasetSchema) -> pl.LazyFrame:
    """Scan the rows of a dataset's CSV: the rows of its Parquet file, in the same order.

    Raises:
        CorruptFileError: The file has other columns.
        OSError, PolarsError: It cannot be read, here or when the frame is collected.
    """
    # Timestamps and dates are read as text first: Polars' CSV reader would accept other spellings too.
    as_read = {name: pl.String() if _is_spelled(dtype) else dtype for name, dtype in schema.polars.items()}
    frame = pl.scan_csv(path, schema_overrides=as_read, glob=False)
    columns = frame.collect_schema().names()
    if columns != list(as_read):
        raise CorruptFileError(f"{path} has the columns {', '.join(columns)}; {_WAY_OUT}")
    return frame.with_columns(
        _parsed(column.name, column.dtype) for column in schema.columns if _is_spelled(column.dtype)
    )


def read_csv_back(folder: Path, schema: DatasetSchema) -> pl.DataFrame:
    """Read the rows of a dataset's CSV: the rows of its Parquet file, in the same order.

    Raises:
        CorruptFileError: The file is not one that `sink_csv` writes for this schema.
        StorageError: It cannot be read.
    """
    path = folder / f"{schema.name}.csv"

    def unreadable(error: Exception) -> CorruptFileError:
        return CorruptFileError(f"{path} does not read as {schema.name}: {error}; {_WAY_OUT}")

    with storage_errors(path, of_polars=unreadable):
        return scan_csv_back(path, schema).collect()


def _parsed(name: str, dtype: pl.DataType) -> pl.Expr:
    cell = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        # Files of older versions have a T and a Z.
        plain = cell.str.replace("T", " ", literal=True).str.strip_suffix("Z")
        return plain.str.to_datetime(_TIMESTAMP, time_unit="us").dt.replace_time_zone("UTC")
    if isinstance(dtype, pl.Date):
        return cell.str.to_date(_DATE)
    text = cell.str.replace(_NEUTRALISED, "$1")
    return numbers_in(text) if isinstance(dtype, pl.List) else text
