# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads the user's own table of tickers: how MetaStock files spell them, and which symbol each of them means.

The rules for tickers that the table does not name: see `identity`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.lines import shortened
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.core.user_files import read_user_text


def read_symbol_map(path: Path) -> Mapping[str, str]:
    """Read a CSV file with the header ``source,symbol``.

    A source is a ticker as the files spell it, letter case included.

    Raises:
        InvalidFormatError: It is no text or too large; the header is another; a symbol is not a valid symbol; or one
            source has two symbols.
        StorageError: The file cannot be read.
    """
    subject = f"symbol map {path}"
    reader = csv.reader(read_user_text(path, subject).splitlines())
    try:
        header, *rows = [[cell.strip() for cell in row] for row in reader] or [[]]
    except csv.Error as error:
        raise InvalidFormatError(f"{subject}, line {reader.line_num}: {error}") from error
    if [name.lower() for name in header] != ["source", "symbol"]:
        first = shortened(",".join(header))
        raise InvalidFormatError(f"{subject}: its first line is {first!r}; it must be source,symbol")
    symbols: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        try:
            source, text = row
            symbol = canonical_symbol(text)
        except ValueError as error:
            text = shortened(",".join(row))
            raise InvalidFormatError(f"{subject}, line {number}: {text!r} is no source and symbol") from error
        if not source or symbols.setdefault(source, symbol) != symbol:
            raise InvalidFormatError(f"{subject}, line {number}: {shortened(source)!r} is empty or has two symbols")
    return symbols
