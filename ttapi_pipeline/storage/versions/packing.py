# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The rows of one version as what they differ by from those of another, number by number.

A computed table changes in every row with every session, and by little. Of its estimates, few digits count, as schemas
declare, and to these they have been rounded here. The broker's figures have few digits by themselves. So a number is a
whole number of units in the last digit of the other version's number, and the difference is a small one. The file is
Parquet with one or two columns for each that differs:

- ``<name>``: of numbers and dates, the difference in these units, positive ones doubled and negative ones doubled less
  one, so that small ones have small bytes. Of other columns, the value where it differs.
- ``<name>/value``: the number itself where it is not a difference in these units; nearly always null, else left out.
- ``<name>/differs``: of other columns, where they differ.
- ``/row``: which row of the other version a row is compared with; left out where it is the one in the same place.

Which versions are packed, and when: see `packed_versions`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError

_COMPRESSION_LEVEL: Final = 19
"""Of zstd: half a megabyte takes a tenth of a second, and stays for ever."""

_ROW: Final = "/row"
_VALUE: Final = "/value"
_DIFFERS: Final = "/differs"
_FACTS: Final = "packed"

_MOST_DIGITS: Final = 15
"""More decimal digits than a float holds in any case."""

_NEARLY_ALL: Final = 0.99

_LARGEST: Final = 1 << 30
"""Differences fit 32 bits with their sign."""

_WHOLE: Final = 0
"""In place of digits: whole numbers and dates, whose unit is 1."""

_POWERS: Final = 10.0 ** np.arange(23)
"""Powers of ten that a float holds exactly."""

_WHOLE_TYPES: Final = (pl.Int32, pl.Int64, pl.Date)


def pack(path: Path, rows: pl.DataFrame, other: pl.DataFrame, key: Sequence[str], digits: Mapping[str, int]) -> None:
    """Write what a version differs by from another one with the same columns.

    Args:
        path: Where to.
        rows: The version.
        other: The other one, which is needed for reading.
        key: Columns that no two rows have in common.
        digits: Significant digits of the columns that are rounded; of others they are found out.

    Raises:
        OSError, ArrowException: The file cannot be written.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes 50 ms
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    at = rows.select(key).join(
        other.select(key).with_row_index(_ROW), on=list(key), how="left", nulls_equal=True, maintain_order="left"
    )[_ROW]
    beside = other[at]
    columns: dict[str, pl.Series] = {}
    units: dict[str, int] = {}
    if rows.height != other.height or not at.equals(pl.Series(_ROW, range(rows.height), dtype=at.dtype)):
        columns[_ROW] = at.cast(pl.Int32)
    for name in rows.columns:
        for packed in _packed(rows[name], beside[name], digits.get(name)):
            columns[packed.series.name] = packed.series
            if packed.digits is not None:
                units[name] = packed.digits
    facts = {"rows": rows.height, "digits": units}
    table = pa.table({name: series.to_arrow() for name, series in columns.items()})
    split = [name for name in table.column_names if columns[name].dtype in {pl.Int32, pl.Int64, pl.Float64}]
    # A file of Python's says what the system said when it cannot be closed; Arrow's own does not.
    with (
        path.open("wb") as file,
        pq.ParquetWriter(
            file,
            table.schema,
            compression="zstd",
            compression_level=_COMPRESSION_LEVEL,
            use_dictionary=[name for name in table.column_names if name not in split],
            column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
            write_statistics=False,
            # Of a hundred columns it would take a third of the file; the types are those of the other version.
            store_schema=False,
        ) as writer,
    ):
        writer.write_table(table)
        writer.add_key_value_metadata({_FACTS: json.dumps(facts)})


def unpacked(path: Path, other: pl.DataFrame) -> pl.DataFrame:
    """The version that a file was written for, in the order in which its rows were.

    Args:
        path: The file.
        other: The version that it was packed against.

    Raises:
        CorruptFileError: The file is not one of these, or was written for another version.
        OSError: It cannot be read.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - takes 50 ms
    from pyarrow import ArrowException  # noqa: PLC0415 - see above

    try:
        with pq.ParquetFile(path) as file:
            facts: dict[str, Any] = json.loads(file.metadata.metadata[_FACTS.encode()])
            table = file.read(use_threads=False)
        stored = pl.DataFrame(table) if table.num_columns else pl.DataFrame()
    except (ArrowException, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path} has no packed rows: {error!r}") from error
    beside = other[stored[_ROW].cast(pl.UInt32)] if _ROW in stored.columns else other
    if beside.height != facts["rows"]:
        raise CorruptFileError(f"{path} is of {facts['rows']} rows, and was packed against {beside.height}")
    return beside.with_columns(_restored(beside[name], stored, facts["digits"].get(name)) for name in beside.columns)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A column of the file, and the digits of its numbers if it holds differences."""

    series: pl.Series
    digits: int | None = None


def _packed(rows: pl.Series, beside: pl.Series, digits: int | None) -> Iterator[_Packed]:
    """The columns of a column; none where both versions have the same."""
    if not rows.ne_missing(beside).any():
        return
    if rows.dtype not in {pl.Float64, *_WHOLE_TYPES}:
        differs = rows.ne_missing(beside)
        yield _Packed(differs.alias(rows.name + _DIFFERS))
        yield _Packed(pl.select(pl.when(differs).then(rows)).to_series().alias(rows.name))
        return
    unit = _WHOLE if rows.dtype in _WHOLE_TYPES else digits or _digits(rows)
    steps, is_step = _differences(rows, beside, unit)
    yield _Packed(pl.Series(rows.name, steps, dtype=pl.Int32).zip_with(is_step, _nulls(rows, pl.Int32)), unit)
    if (rows.is_not_null() & ~is_step).any():
        physical = rows.to_physical()
        yield _Packed(_nulls(rows, physical.dtype).zip_with(is_step, physical).alias(rows.name + _VALUE))


def _restored(beside: pl.Series, stored: pl.DataFrame, digits: int | None) -> pl.Series:
    name = beside.name
    if name not in stored.columns:
        return beside
    values = stored[name]
    if digits is None:
        return values.zip_with(stored[name + _DIFFERS], beside).cast(beside.dtype)
    zigzag = values.fill_null(0).to_numpy().astype(np.int64)
    steps = (zigzag >> 1) ^ -(zigzag & 1)
    if digits == _WHOLE:
        physical = beside.to_physical()
        numbers = pl.Series(name, physical.fill_null(0).to_numpy() + steps, dtype=pl.Int64).cast(physical.dtype)
    else:
        units, scale = _in_units(beside, digits)
        numbers = pl.Series(name, (units + steps) / scale)
    found = numbers.zip_with(values.is_not_null(), _nulls(beside, numbers.dtype))
    if name + _VALUE in stored.columns:
        found = found.zip_with(values.is_not_null(), stored[name + _VALUE])
    return found.cast(beside.dtype).alias(name)


def _differences(rows: pl.Series, beside: pl.Series, digits: int) -> tuple[np.ndarray[Any, Any], pl.Series]:
    """What is between two columns of numbers, in units of the last digit, and where that is all there is to know."""
    is_there = (rows.is_not_null() & beside.is_not_null()).to_numpy()
    if digits == _WHOLE:
        # A difference of two such numbers may need one bit more than there are.
        steps = rows.to_physical().fill_null(0).to_numpy().astype(object) - beside.to_physical().fill_null(0).to_numpy()
        is_step = is_there & (np.abs(steps) < _LARGEST).astype(bool)
    else:
        units, scale = _in_units(beside, digits)
        values = rows.fill_null(0.0).to_numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            seen = np.rint(values * scale)
            steps = seen - units
            # Compared bit by bit: -0.0 is not 0.0.
            is_same = (seen / scale).view(np.int64) == values.view(np.int64)
            is_step = is_there & is_same & (np.abs(steps) < _LARGEST)
    whole = np.where(is_step, steps, 0).astype(np.int64)
    return ((whole << 1) ^ (whole >> 63)).astype(np.int32), pl.Series(is_step)


def _in_units(beside: pl.Series, digits: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Numbers in units of the last of their significant digits, and how many of the units are 1."""
    values = beside.fill_null(0.0).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(values)))
        scale = _POWERS[np.clip(np.nan_to_num(places), 0, len(_POWERS) - 1).astype(np.int64)]
        return np.nan_to_num(np.rint(values * scale)), scale


def _digits(rows: pl.Series) -> int:
    """The fewest significant digits in which nearly all numbers of a column can be told."""
    sample = rows.drop_nulls().head(1000)
    values = sample.to_numpy()
    for digits in range(4, _MOST_DIGITS):
        units, scale = _in_units(sample, digits)
        if np.count_nonzero(units / scale == values) >= _NEARLY_ALL * len(values):
            return digits
    return _MOST_DIGITS


def _nulls(like: pl.Series, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    return pl.Series(like.name, [None], dtype=dtype).new_from_index(0, len(like))
