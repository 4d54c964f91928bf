# SPDX-License-Identifier: MIT
"""The CSV side of a dataset: writing it so that a spreadsheet runs nothing, reading it back so that nothing is lost.

RFC 4180 with CRLF, UTF-8, a header; ISO 8601 dates, timestamps such as 2026-01-05T14:30:00.000000Z; true and false; the
shortest decimal that reads back as the same float. Null is an empty field, the empty text is "".

A text cell that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage return) gets a
leading apostrophe. So that this can be undone, a cell that has only apostrophes before such a character gets one too.
Source of the rule: OWASP, CSV injection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl
from polars import selectors as cs

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.store import Folder, storage_error
from ttapi_pipeline.frames.schemas import DatasetSchema

_RISKY: Final = r"^('*[=+\-@\t\r])"
_NEUTRALISED: Final = r"^'('*[=+\-@\t\r])"
_WAY_OUT: Final = "`tt doctor --repair` rebuilds it"
_TIMESTAMP: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"


def sink_csv(frame: pl.LazyFrame, path: Path) -> None:
    """Write a frame as described above; PolarsError or OSError when that fails."""
    text = cs.string()
    frame.with_columns(text.str.replace(_RISKY, "'$1")).sink_csv(
        path, line_terminator="\r\n", datetime_format=_TIMESTAMP, date_format="%Y-%m-%d", check_extension=False
    )


def read_csv_back(folder: Folder, schema: DatasetSchema) -> pl.DataFrame:
    """The rows of a dataset's CSV, equal to those of its Parquet file, in the same order.

    Raises:
        CorruptFileError: The file is not what `sink_csv` writes for this schema.
        StorageError: It cannot be read.
    """
    path = folder / f"{schema.name}.csv"
    # Timestamps and dates are read as text, because the CSV reader would take other spellings as well.
    as_read = {
        name: pl.String() if isinstance(dtype, pl.Datetime | pl.Date) else dtype
        for name, dtype in schema.polars.items()
    }
    try:
        content = path.read_bytes()
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        frame = pl.read_csv(content, schema_overrides=as_read)
        if frame.columns != list(as_read):
            raise CorruptFileError(f"{path} has the columns {', '.join(frame.columns)}; {_WAY_OUT}")
        return frame.with_columns(
            _parsed(column.name, column.dtype)
            for column in schema.columns
            if isinstance(column.dtype, pl.String | pl.Datetime | pl.Date)
        )
    except pl.exceptions.PolarsError as error:
        raise CorruptFileError(f"{path} does not read as {schema.name}: {error}; {_WAY_OUT}") from error


def _parsed(name: str, dtype: pl.DataType) -> pl.Expr:
    cell = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return cell.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us").dt.replace_time_zone("UTC")
    if isinstance(dtype, pl.Date):
        return cell.str.to_date("%Y-%m-%d")
    return cell.str.replace(_NEUTRALISED, "$1")
