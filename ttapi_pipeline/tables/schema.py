# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Columns and schemas: how a table is described. The tables themselves are described in `datasets`.

Importing this costs nothing, since `tt status` reads the description of every dataset; Polars is imported by what needs
its types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.tables.digits import ESTIMATE_DIGITS, counted_digits

if TYPE_CHECKING:
    import polars as pl


class ColumnType(StrEnum):
    """The type of a column, written as Polars writes it and as manifests and footers hold it."""

    STRING = "String"
    FLOAT = "Float64"
    COUNT = "Int64"
    SMALL = "Int32"
    FLAG = "Boolean"
    DATE = "Date"
    TIMESTAMP = "Datetime(time_unit='us', time_zone='UTC')"
    FLOATS = "List(Float64)"

    @property
    def words(self) -> str:
        """The type for people."""
        return _WORDS[self]


_WORDS: Final = {
    ColumnType.STRING: "text",
    ColumnType.FLOAT: "number",
    ColumnType.COUNT: "whole number",
    ColumnType.SMALL: "whole number",
    ColumnType.FLAG: "true or false",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "time, UTC",
    ColumnType.FLOATS: "numbers",
}

STRING: Final = ColumnType.STRING
FLOAT: Final = ColumnType.FLOAT
COUNT: Final = ColumnType.COUNT
SMALL: Final = ColumnType.SMALL
FLAG: Final = ColumnType.FLAG
DATE: Final = ColumnType.DATE
TIMESTAMP: Final = ColumnType.TIMESTAMP
FLOATS: Final = ColumnType.FLOATS


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: As in the files.
        type: Its type.
        description: One sentence with the unit and, where null is not plain, what null means.
        is_nullable: Whether a row may lack it.
        digits: How many significant digits count, see `digits`; None where all do. All are stored.
    """

    name: str
    type: ColumnType
    description: str
    is_nullable: bool = True
    digits: int | None = None

    @property
    def dtype(self) -> pl.DataType:
        """The type as Polars has it."""
        from ttapi_pipeline.tables.dtypes import DTYPES  # noqa: PLC0415 - needs Polars

        return DTYPES[self.type]


def required(name: str, column_type: ColumnType, description: str) -> Column:
    """A column that every row has."""
    return Column(name, column_type, description, is_nullable=False)


def estimate(name: str, description: str) -> Column:
    """A column with an estimate of a table with `as_of_session`: all digits are stored, and six count; see `digits`."""
    return Column(name, ColumnType.FLOAT, description, digits=ESTIMATE_DIGITS)


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """The columns of a stored table in order, and its key.

    Attributes:
        name: Of the table, as in file names.
        columns: In the order of the files.
        key: Columns that no two rows have in common.
    """

    name: str
    columns: Sequence[Column]
    key: Sequence[str]

    def __post_init__(self) -> None:
        """Hold the declared digits to the rule that data versions are taken by."""
        counted = counted_digits({column.name: column.type for column in self.columns})
        if self.digits != counted:
            differing = sorted(name for name, _ in self.digits.items() ^ counted.items())
            raise ValueError(f"{self.name} declares other digits than `tables.digits` counts: {', '.join(differing)}")

    @property
    def polars(self) -> pl.Schema:
        """Names and types as Polars has them."""
        import polars as pl  # noqa: PLC0415 - see the module

        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def digits(self) -> Mapping[str, int]:
        """How many significant digits of a column count, by name; columns of which everything counts are left out."""
        return {column.name: column.digits for column in self.columns if column.digits is not None}

    @property
    def sort_by(self) -> Sequence[str]:
        """The order of the stored rows: by the key. Symbol comes before session, so one symbol's rows lie together."""
        return self.key
