# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Making a frame fit its schema, or saying why it does not. Schemas: see `schema`."""

from __future__ import annotations

from functools import partial
from typing import overload

import polars as pl
from polars import selectors as cs

from ttapi_pipeline.core.errors import DataError, MissingColumnError
from ttapi_pipeline.core.privacy import ACCOUNT_NUMBER, masked
from ttapi_pipeline.tables.schema import Column, DatasetSchema


@overload
def conform(frame: pl.DataFrame, schema: DatasetSchema) -> pl.DataFrame: ...


@overload
def conform(frame: pl.LazyFrame, schema: DatasetSchema) -> pl.LazyFrame: ...


def conform(frame: pl.DataFrame | pl.LazyFrame, schema: DatasetSchema) -> pl.DataFrame | pl.LazyFrame:
    """Order and cast the columns of a frame; NaN becomes null.

    A cast is for values that come out the same: whole floats for integers, text that reads as a number, midnights for
    dates, an instant of another zone for a UTC one. Timestamps without a zone, and numbers for text, are refused:
    their meaning would be a guess.

    Args:
        frame: Rows in any order. Without columns it is an empty dataset; without rows, its data types do not matter.
        schema: Of the dataset.

    Returns:
        The same kind of frame, with exactly the schema's columns. Keys and nulls are not looked at: `publish` does.

    Raises:
        MissingColumnError: Columns of the schema are not there; the message lists them.
        DataError: There are other columns, or a value does not fit its column; the message names column, value and the
            row's key. For the values of a lazy frame, it comes when the frame is collected.
    """
    actual = frame.collect_schema() if isinstance(frame, pl.LazyFrame) else frame.schema
    if not actual:
        empty = schema.polars.to_frame()
        return empty.lazy() if isinstance(frame, pl.LazyFrame) else empty
    _check_names(actual, schema)
    if isinstance(frame, pl.LazyFrame):
        if actual == schema.polars:
            return frame.with_columns(cs.float().fill_nan(None))
        return frame.map_batches(
            partial(_cast, schema=schema),
            streamable=True,
            projection_pushdown=False,
            predicate_pushdown=False,
            slice_pushdown=False,
            schema=schema.polars,
        )
    return _cast(frame, schema)


def _check_names(actual: pl.Schema, schema: DatasetSchema) -> None:
    expected = schema.polars
    missing = [name for name in expected if name not in actual]
    if missing:
        raise MissingColumnError(f"{schema.name} lacks {', '.join(missing)}; it has {', '.join(actual)}")
    extra = [name for name in actual if name not in expected]
    if extra:
        raise DataError(f"{schema.name} has columns that its schema does not name: {', '.join(extra)}")


def _cast(frame: pl.DataFrame, schema: DatasetSchema) -> pl.DataFrame:
    expected = schema.polars
    if frame.is_empty():
        return expected.to_frame()
    frame = frame.select(expected.names()).with_columns(cs.float().fill_nan(None))
    casts = [
        _cast_column(frame, column, schema) for column in schema.columns if frame[column.name].dtype != column.dtype
    ]
    # The cast makes a NaN of the text "NaN".
    return frame.with_columns(casts).with_columns(cs.float().fill_nan(None)) if casts else frame


def _cast_column(frame: pl.DataFrame, column: Column, schema: DatasetSchema) -> pl.Series:
    values, target = frame[column.name], column.dtype
    if not _is_castable(values.dtype, target):
        is_lost, reason = values.is_not_null(), f"{values.dtype} and not {target}"
        cast = pl.Series(column.name, dtype=target).clear(len(values))
    elif values.dtype == pl.String:
        # Dates come as ISO 8601; the cast from text to Date is not in Polars 2.
        cast = values.str.to_date("%Y-%m-%d", strict=False) if target == pl.Date else values.cast(target, strict=False)
        is_lost, reason = cast.is_null() & values.is_not_null(), f"which {target} cannot hold"
    else:
        cast = values.cast(target, strict=False)
        is_lost, reason = cast.cast(values.dtype, strict=False).ne_missing(values), f"which {target} cannot hold"
    if is_lost.any():
        row = int(is_lost.arg_max() or 0)
        value = values.slice(row, 1).to_list()[0]
        raise DataError(f"{describe_row(frame, schema, row)}: {column.name} is {value!r}, {reason}")
    return cast


def _is_castable(source: pl.DataType, target: pl.DataType) -> bool:
    """Whether values of one type can mean the same in the other type. The cast then shows whether each value does."""
    if source == pl.Null:
        return True
    if target == pl.String:
        return isinstance(source, pl.Categorical | pl.Enum)
    if isinstance(target, pl.List):
        return isinstance(source, pl.List)
    if target.is_numeric():
        return source.is_numeric() or source == pl.String
    if target == pl.Date:
        return source == pl.String or (isinstance(source, pl.Datetime) and source.time_zone is None)
    return isinstance(source, pl.Datetime) and isinstance(target, pl.Datetime) and source.time_zone is not None


def describe_row(frame: pl.DataFrame, schema: DatasetSchema, row: int) -> str:
    """A row's dataset and key, for a message: ``daily_candles AAPL, 2026-01-05``. Account numbers are masked."""
    values = {name: frame[name][row] for name in schema.key}
    shown = [masked(value) if name == ACCOUNT_NUMBER else str(value) for name, value in values.items()]
    return f"{schema.name} {', '.join(shown)}"
