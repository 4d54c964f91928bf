# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How the columns of a file are laid out. Files of equal layouts are scanned together.

`sniff` finds the layout of a file; `dialects` holds the field names and headers that vendors use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PRICES: Final[tuple[str, ...]] = ("open", "high", "low", "close")
QUANTITIES: Final = ("volume", "open_interest")
NUMBERS: Final = (*PRICES, *QUANTITIES)
"""The roles of numeric columns, in the order of a bar."""

FIELDS: Final = tuple(role for role in NUMBERS if role != "close")
"""Numbers without which a bar is still one: where they cannot be believed they are null, and the row stays."""

IGNORED: Final = ""
"""The role of a column that is not read."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file's rows are cut, and what their values mean.

    Attributes:
        dialect: Letter of the dialect, or ``other``.
        delimiter: One of ``, ; tab space``.
        columns: The role of each column: a key of `dialects.ROLES`, or IGNORED.
        overflow: How many values the longest row of the sample has beyond `columns`, empty values included.
        header_lines: How many lines with text come before the first row: 0 without a header, most often 1.
        unknown_fields: Header names that stand for no role; their values are not read.
        date_format: strptime format of all dates of the sample; None when no single format fits them.
        decimal_comma: Whether numbers have a comma for the decimal point; never with a comma as delimiter.
        is_plain: Whether Polars can cut the lines: UTF-8, no quotes, no spaces to strip, no blank first line, no more
            than one line of header.
    """

    dialect: str
    delimiter: str
    columns: tuple[str, ...]
    overflow: int
    header_lines: int
    unknown_fields: tuple[str, ...]
    date_format: str | None
    decimal_comma: bool
    is_plain: bool

    @property
    def has_header(self) -> bool:
        """Whether there is a line that names the fields."""
        return self.header_lines > 0
