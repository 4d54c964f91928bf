# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How tastytrade, DXLink, OCC, MetaStock and a file system each write one instrument.

The canonical symbol is the one that tastytrade uses: class shares with a slash (``BRK/B``), indices bare (``SPX``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final, Literal
from urllib.parse import quote, unquote

from ttapi_pipeline.core.lines import shortened

OPTIONS_ON_FUTURES: Final = frozenset({"VIX"})
"""Indices whose options are written on the future that expires with them, and not on the index."""

_EQUITY: Final = re.compile(r"[A-Z0-9]+(?:/[A-Z0-9]+)?", re.ASCII)
_OCC: Final = re.compile(r"([A-Z0-9]{1,6}) *(\d{6})([CP])(\d{8})", re.ASCII)
_OPTION_STREAMER: Final = re.compile(r"\.([A-Z0-9]+?)(\d{6})([CP])(\d+(?:\.\d+)?)", re.ASCII)
_RIC: Final = re.compile(r"([A-Z0-9]+)([a-z])?(?:\.([A-Za-z]+))?", re.ASCII)
_WINDOWS_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)


def canonical_symbol(text: str) -> str:
    """An equity or index symbol as tastytrade writes it; ``BRK.B`` and ``BRK-B`` become ``BRK/B``.

    Raises:
        ValueError: The text is not one equity or index symbol.
    """
    symbol = text.strip().upper().replace(".", "/").replace("-", "/")
    # Upper-casing turns some letters outside of ASCII into ASCII ones.
    if not text.isascii() or len(symbol) > 16 or _EQUITY.fullmatch(symbol) is None:
        raise ValueError(f"'{shortened(text)}' is not an equity symbol")
    return symbol


def option_root(symbol: str) -> str:
    """The root that an underlying's standard options are filed under: ``BRK/B`` gives ``BRKB``."""
    return symbol.replace("/", "")


@dataclass(frozen=True, slots=True)
class OptionSymbol:
    """An equity option as its symbol describes it. The strike is in US dollars."""

    root_symbol: str
    expiration_date: date
    option_type: Literal["C", "P"]
    strike: Decimal

    @classmethod
    def from_occ(cls, text: str) -> OptionSymbol:
        """Read the 21 characters of an OCC symbol.

        Raises:
            ValueError: The text is not an OCC symbol.
        """
        match = _OCC.fullmatch(text)
        if match is None or len(text) != 21:
            raise ValueError(f"{text!r} is not an OCC option symbol of 21 characters")
        side: Literal["C", "P"] = "C" if match[3] == "C" else "P"
        return cls(match[1], _yymmdd(match[2], text), side, Decimal(match[4]) / 1000)

    @classmethod
    def from_streamer(cls, text: str) -> OptionSymbol:
        """Read a streamer symbol such as ``.SPXW261204P6000``.

        Raises:
            ValueError: The text is not an equity option's streamer symbol.
        """
        match = _OPTION_STREAMER.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not the streamer symbol of an equity option")
        side: Literal["C", "P"] = "C" if match[3] == "C" else "P"
        return cls(match[1], _yymmdd(match[2], text), side, Decimal(match[4]))

    @property
    def occ(self) -> str:
        """Root padded to 6, YYMMDD, C or P, strike in thousandths in 8 digits.

        Raises:
            ValueError: The root or the strike does not fit.
        """
        if len(self.root_symbol) > 6:
            raise ValueError(f"root {self.root_symbol} does not fit an OCC symbol")
        thousandths = self.strike * 1000
        if thousandths != int(thousandths) or not 0 <= thousandths < 10**8:
            raise ValueError(f"strike {self.strike} does not fit an OCC symbol")
        return f"{self.root_symbol:<6}{self.expiration_date:%y%m%d}{self.option_type}{int(thousandths):08d}"

    @property
    def streamer(self) -> str:
        """Dot, root, YYMMDD, C or P, strike without trailing zeros."""
        return f".{self.root_symbol}{self.expiration_date:%y%m%d}{self.option_type}{plain_decimal(self.strike)}"


def plain_decimal(number: Decimal) -> str:
    """A decimal without exponent and without trailing zeros: ``150``, ``2.02``."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def symbol_from_metastock(ticker: str, *, exchange_suffixes: frozenset[str] | None = None) -> str:
    """The canonical symbol of a MetaStock ticker, which may be a Reuters RIC.

    ``BRKb.N`` becomes ``BRK/B``, ``AAPL.O`` and ``aapl.us`` become ``AAPL``, ``.DJX`` becomes ``DJX``; a ticker that is
    neither, such as ``BRK.B``, is normalised like any other symbol. The letter case is read before it is changed, since
    a lower-case letter is a share class.

    Args:
        ticker: As the file has it.
        exchange_suffixes: Suffixes to strip, in upper case; RIC_SUFFIXES by default.

    Raises:
        ValueError: The ticker is not an equity or index symbol, or a share class (``BBDb.TO``) of another exchange.
    """
    suffixes = RIC_SUFFIXES if exchange_suffixes is None else exchange_suffixes
    text = ticker.strip().removeprefix(".")
    stem, dot, suffix = text.rpartition(".")
    if dot and suffix.upper() in suffixes:
        text = stem
    if text.islower():
        return canonical_symbol(text)
    match = _RIC.fullmatch(text)
    if match is not None and match[2] is not None:
        if match[3] is not None:
            raise ValueError(f"{ticker!r} is listed on {match[3]}, which is not among the exchanges that are read")
        return canonical_symbol(f"{match[1]}/{match[2]}")
    return canonical_symbol(text)


RIC_SUFFIXES: Final = frozenset({"N", "O", "OQ", "K", "P", "Z", "PK", "US", "NYS", "NAS"})
"""Exchange suffixes of US listings, in upper case; the letters A to H are left out, since they name share classes."""


def symbol_to_metastock(symbol: str, *, exchange: str = "N") -> str:
    """A Reuters RIC: ``BRK/B`` on ``N`` becomes ``BRKb.N``."""
    stem, slash, share_class = symbol.partition("/")
    return f"{stem}{share_class.lower() if slash else ''}.{exchange}"


def file_stem(symbol: str) -> str:
    """A file name, without suffix, that every file system accepts and that `symbol_from_file_stem` reads back.

    Everything but letters, digits, ``-`` and ``.`` is percent-encoded (``BRK%2FB``), a dot at either end too, and a
    Windows device name gets an underscore in front (``_PRN``), as stooq does.
    """
    stem = quote(symbol, safe="").replace("_", "%5F").replace("~", "%7E")
    if stem.startswith("."):
        stem = f"%2E{stem[1:]}"
    if stem.endswith("."):
        stem = f"{stem[:-1]}%2E"
    return f"_{stem}" if stem.split(".", 1)[0].lower() in _WINDOWS_DEVICES else stem


def symbol_from_file_stem(stem: str) -> str:
    """The inverse of `file_stem`; give it a file name without its suffix."""
    bare = stem[1:] if stem.startswith("_") and stem[1:].split(".", 1)[0].lower() in _WINDOWS_DEVICES else stem
    return unquote(bare)


def _yymmdd(digits: str, text: str) -> date:
    try:
        return date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except (ValueError, InvalidOperation) as error:
        raise ValueError(f"{text!r}: {digits} is not a date as YYMMDD") from error
