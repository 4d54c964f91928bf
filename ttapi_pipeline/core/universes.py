# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The lists that TT_LIST can name, and the symbols of those that ship with the package or lie in a text file.

The broker's own lists (a watchlist, all active equities) are fetched in `datasets.universe.build`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.nearest import did_you_mean
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.core.user_files import read_user_text


class SymbolList(StrEnum):
    """The lists that have a number; the value is the number in TT_LIST."""

    WATCHLIST = "1"
    SP500 = "2"
    OPTIONABLE = "3"
    TRADED = "4"


TRADED: Final = ("SPY", "QQQ", "IWM", "DIA", "SPX", "NDX", "RUT", "VIX", "XSP")
"""The exchange-traded funds and indices whose options are traded most."""

SP500_AS_OF: Final = date(2026, 10, 6)
SP500_SOURCE: Final = "PyPI package index-constitution 1.0.1"


@dataclass(frozen=True, slots=True)
class Constituent:
    """A member of the S&P 500; `symbol` as tastytrade writes it."""

    symbol: str
    name: str
    added_date: date


@dataclass(frozen=True, slots=True)
class FormerConstituent:
    """A stretch of membership in the S&P 500 that is over; `symbol` as tastytrade writes it.

    Attributes:
        symbol: The symbol that the source has for the company now, or the last one that it had.
        name: Of the company.
        added_date: None where the source does not know.
        removed_date: The first day on which it was no member.
    """

    symbol: str
    name: str
    added_date: date | None
    removed_date: date


@cache
def sp500() -> Sequence[Constituent]:
    """The S&P 500 constituents on SP500_AS_OF, by symbol."""
    rows = _rows("sp500.csv")
    return tuple(Constituent(row["symbol"], row["name"], date.fromisoformat(row["added_date"])) for row in rows)


@cache
def sp500_former() -> Sequence[FormerConstituent]:
    """The memberships that ended by SP500_AS_OF, by symbol and date; a symbol can have several, and be a member now."""
    return tuple(
        FormerConstituent(
            row["symbol"],
            row["name"],
            date.fromisoformat(row["added_date"]) if row["added_date"] else None,
            date.fromisoformat(row["removed_date"]),
        )
        for row in _rows("sp500_former.csv")
    )


def _rows(name: str) -> Sequence[Mapping[str, str]]:
    from importlib.resources import files  # noqa: PLC0415 - it takes a tenth of what `tt status` imports of ours

    text = files("ttapi_pipeline.core").joinpath(f"data/{name}").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def read_symbol_file(path: Path, setting: str = "TT_LIST") -> Sequence[str]:
    """Read one symbol per line; blank lines and what follows a ``#`` are skipped, repetitions dropped.

    Symbols may be spelled ``BRK.B``, ``BRK-B`` or ``brk/b``; they come back as tastytrade writes them, in the order of
    the file.

    Args:
        path: The file.
        setting: The variable that names it, for messages.

    Raises:
        StorageError: The file cannot be read.
        InvalidFormatError: It is no text or too large, a line is not one symbol, or the file has no symbol.
    """
    text = read_user_text(path, f"{setting}: {path}")
    symbols: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.split("#", 1)[0].strip()
        if not word:
            continue
        try:
            symbols[canonical_symbol(word)] = None
        except ValueError as error:
            hint = "" if "," in word else likely_symbol(word)
            raise InvalidFormatError(
                f"{path}, line {number}: {error}{hint}; the file has one symbol per line"
            ) from error
    if not symbols:
        raise InvalidFormatError(f"{path} names no symbol; it has one symbol per line")
    return tuple(symbols)


def lists_of(text: str, folder: Path | None = None) -> Sequence[str]:
    """The lists that TT_LIST names, between commas: numbers of `SymbolList`, and paths as they are written.

    Args:
        text: The value. A file whose name has a comma is one list, if it is there.
        folder: A relative path is relative to it; the current folder by default.
    """
    if "," not in text or _is_file(Path(text) if folder is None else folder / text):
        return (text,)
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def likely_symbol(word: str) -> str:
    """A question with the symbol of a shipped list that was probably meant, in brackets; empty when none is like it."""
    known = shipped_symbols()
    return "" if word in known else did_you_mean(word, known)


def shipped_symbols() -> Sequence[str]:
    """The symbols of the lists that ship with the package."""
    return (*TRADED, *(member.symbol for member in sp500()))
