# SPDX-License-Identifier: MIT
"""Reads the user's own table of tickers: how MetaStock files spell them, and which symbol each of them means.

The rules for tickers that the table does not name: see `identity`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from ttapi_pipeline.core.errors import InvalidFormatError, StorageError
from ttapi_pipeline.core.symbology import canonical_symbol


def read_symbol_map(path: Path) -> Mapping[str, str]:
    """Read a CSV file with the header ``source,symbol``.

    A source is a ticker as the files spell it, letter case included.

    Raises:
        InvalidFormatError: The header is another; a symbol is not a valid symbol; or one source has two symbols.
        StorageError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidFormatError(f"symbol map {path}: it is not UTF-8 text") from error
    except OSError as error:
        raise StorageError(f"symbol map {path} cannot be read: {error.strerror or error}") from error
    header, *rows = [[cell.strip() for cell in row] for row in csv.reader(lines)] or [[]]
    if [name.lower() for name in header] != ["source", "symbol"]:
        raise InvalidFormatError(f"symbol map {path}: its first line is {','.join(header)!r}; it must be source,symbol")
    symbols: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        try:
            source, text = row
            symbol = canonical_symbol(text)
        except ValueError as error:
            raise InvalidFormatError(
                f"symbol map {path}, line {number}: {','.join(row)!r} is no source and symbol"
            ) from error
        if not source or symbols.setdefault(source, symbol) != symbol:
            raise InvalidFormatError(f"symbol map {path}, line {number}: {source!r} is empty or has two symbols")
    return symbols
