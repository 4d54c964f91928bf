# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which vendor's scheme the tickers of some files follow, and the symbol that a ticker means in it.

The same letters mean different things to different vendors: ``BMY.P`` is Bristol-Myers on NYSE Arca to Reuters, and a
right or a preferred share to EODData. So nothing is stripped from a ticker unless the tickers beside it prove whose
scheme they follow. Which files belong together, and two tickers that lead to one symbol: see `claims`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Final

from ttapi_pipeline.core.symbology import RIC_SUFFIXES, canonical_symbol, symbol_from_metastock


class Scheme(StrEnum):
    """How a vendor spells tickers; the value says what is done, for people."""

    PLAIN = "tickers are taken as they stand"
    COUNTRY = "every ticker ends in a country (stooq, Kaggle), of which .us is stripped"
    RIC = "every ticker has an exchange behind it (Reuters), which is stripped where it is one of the US"
    FINAM = "every ticker begins with US1. or US2. (Finam), which is stripped"
    CLASSES = (
        "a dot is followed by a share class and a hyphen by a preferred share (EODData), which are other instruments"
    )
    UNPROVEN = (
        "a suffix may be an exchange or a kind of share, which the tickers together do not prove, so that it stays"
    )


PROVING: Final = frozenset({"N", "O", "OQ", "K", "PK", "NYS", "NAS"})
"""Reuters' exchanges that are no kind of share to anybody. P and Z are preferred shares and others elsewhere."""

_LONGEST: Final = 5
"""Letters of a ticker that is looked at no further: it is a symbol as it stands, as most are."""

_INDEX: Final = re.compile(r"[.^][A-Za-z0-9]+", re.ASCII)
COUNTRIES: Final = (
    *("us", "ca", "mx", "br", "ar", "cl", "uk", "gb", "ie", "fr", "de", "it", "es", "pt", "nl", "be", "lu", "ch", "at"),
    *("se", "no", "dk", "fi", "pl", "hu", "cz", "ro", "gr", "tr", "ru", "il", "sa", "ae", "za", "jp", "hk", "cn", "tw"),
    *("kr", "sg", "my", "th", "in", "au", "nz"),
)
"""Two letters of each country (ISO 3166, and uk) whose exchanges vendors sell. No kind of share has two letters."""

_COUNTRY: Final = re.compile(rf".+\.(?:{'|'.join(COUNTRIES)})", re.ASCII | re.IGNORECASE)
_FINAM: Final = re.compile(r"US[12]\.(.+)", re.ASCII)
_RIC: Final = re.compile(r"(?:[A-Z0-9]+[a-z]?(?:_[a-z]{1,2})?\.[A-Z]{1,4}|[a-z0-9]+\.[a-z]{1,4})", re.ASCII)
_RIC_CLASS: Final = re.compile(r"[A-Z0-9]+[a-z]\.([A-Z]{1,3})", re.ASCII)
_DOT_CLASS: Final = re.compile(r"[A-Z0-9]+\.[A-Z]", re.ASCII | re.IGNORECASE)
_HYPHEN_CLASS: Final = re.compile(r"([A-Z0-9]+)-([A-Z]?)", re.ASCII | re.IGNORECASE)
_TITLE: Final = re.compile(r"[A-Z][a-z](?:\.[A-Za-z]{2})?", re.ASCII)
_PREFERRED: Final = re.compile(r"([A-Z0-9]+)\.PR\.?([A-Z]?)", re.ASCII | re.IGNORECASE)
_DOWNLOAD: Final = re.compile(r"(?:(\^[a-z0-9]+)|([a-z0-9.-]+)_us)_d", re.ASCII | re.IGNORECASE)


EODDATA_DIALECTS: Final = frozenset({"D", "EODData"})
"""Dialects of EODData. A converter may write them, too, so that the dialect alone does not say whose tickers these are:
one suffix that may be a kind of share does."""

_EXCHANGES: Final = frozenset(
    {"NYSE", "NASDAQ", "NSDQ", "AMEX", "ARCA", "NYSEARCA", "BATS", "CBOE", "OTC", "NY", "XNYS", "XNAS", "XASE", "ARCX"}
)
"""Names and codes of exchanges of the US that no common vendor writes behind a dot: they stay, and are told."""

KINDS: Final = frozenset({"K"})
"""Suffixes of `PROVING` that are kinds of share to EODData."""


def find_scheme(tickers: Collection[str], dialect: str = "") -> Scheme:
    """The scheme that tickers prove together: of files that belong together, as the files spell them.

    Args:
        tickers: Of all files that belong together.
        dialect: Of these files. In one of `EODDATA_DIALECTS`, tickers are of Reuters only where none has a suffix that
            may be a kind of share.
    """
    stocks = [ticker for ticker in tickers if not _says_it_all(ticker)]
    if stocks and all(map(_COUNTRY.fullmatch, stocks)):
        return Scheme.COUNTRY
    if stocks and all(map(_FINAM.fullmatch, stocks)):
        return Scheme.FINAM
    suffixes = {ticker.rpartition(".")[2].upper() for ticker in stocks if _RIC.fullmatch(ticker)}
    is_eoddata = dialect in EODDATA_DIALECTS and not suffixes <= PROVING - KINDS
    if suffixes & PROVING and all(map(_RIC.fullmatch, stocks)) and not is_eoddata:
        return Scheme.RIC
    # A vendor writes a share class in one way, so that of two ways one means something else.
    if any(map(_HYPHEN_CLASS.fullmatch, stocks)) and any(map(_DOT_CLASS.fullmatch, stocks)):
        return Scheme.CLASSES
    words = {ticker.rpartition(".")[2].upper() for ticker in stocks if "." in ticker}
    return Scheme.UNPROVEN if suffixes & RIC_SUFFIXES or words & _EXCHANGES else Scheme.PLAIN


def symbol_of(ticker: str, scheme: Scheme, *, suffixes: frozenset[str] | None = None) -> str | None:
    """The canonical symbol that a ticker means; None when it means none that is known.

    Args:
        ticker: As the file, or the file's name, has it.
        scheme: Of the tickers beside it.
        suffixes: Suffixes that the user says are exchanges, in upper case; they are stripped whatever the scheme is,
            and no others are. None leaves it to the scheme.
    """
    if ticker.isascii() and ticker.isalnum() and ticker.isupper() and len(ticker) <= _LONGEST:
        return ticker
    try:
        return _symbol_of(ticker.strip(), scheme, suffixes)
    except ValueError:
        return None


def _symbol_of(text: str, scheme: Scheme, suffixes: frozenset[str] | None) -> str:
    if download := _DOWNLOAD.fullmatch(text):
        text = download[1] or download[2]
    if text.startswith("^"):
        return canonical_symbol(text[1:])
    if finam := _FINAM.fullmatch(text):
        if scheme is not Scheme.FINAM:
            raise ValueError(f"{text!r} is not an equity symbol")
        return canonical_symbol(finam[1])
    if preferred := _PREFERRED.fullmatch(text):
        return canonical_symbol(f"{preferred[1]}/PR{preferred[2]}")
    if scheme is Scheme.CLASSES and (preferred := _HYPHEN_CLASS.fullmatch(text)):
        # As the exchanges write a preferred share in messages (CMS): AGM PRA.
        return canonical_symbol(f"{preferred[1]}/PR{preferred[2]}")
    if _TITLE.fullmatch(text) and scheme is not Scheme.RIC:
        # Ge beside Aapl is GE. To Reuters a small letter is a share class, and it stands behind an exchange or BRK.
        text = text.upper()
    return symbol_from_metastock(text, exchange_suffixes=_stripped(text, scheme, suffixes))


def _stripped(text: str, scheme: Scheme, suffixes: frozenset[str] | None) -> frozenset[str]:
    """The suffixes that are stripped from a ticker, in upper case."""
    if suffixes is not None:
        return suffixes
    match scheme:
        case Scheme.COUNTRY:
            return frozenset({"US"})
        case Scheme.RIC:
            return RIC_SUFFIXES
        case _:
            # BRKb.N proves by itself that it is a RIC.
            return RIC_SUFFIXES if _RIC_CLASS.fullmatch(text) else frozenset()


def _says_it_all(ticker: str) -> bool:
    """Whether a ticker means the same in every scheme, so that it proves none."""
    return bool(_INDEX.fullmatch(ticker) or _RIC_CLASS.fullmatch(ticker) or _DOWNLOAD.fullmatch(ticker))
