# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads the ticker of a file without a ticker column from the file's name.

A name that is a ticker is taken as it stands. Sites that put more into the names of their downloads have a rule each,
which holds only below the header of that site. Any other name is no ticker, and a part of it no share class: the reason
says what to write into the symbol map. What a ticker means: see `identity`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from ttapi_pipeline.core.symbology import RIC_SUFFIXES
from ttapi_pipeline.metastock.evidence import COUNTRIES


class FileName(NamedTuple):
    """What a file's name says.

    Attributes:
        ticker: As the vendor spells it; None where the name says none.
        rule: Of a site, by which it is read, in words; None where the name is the ticker.
        fault: Why there is none, and what to do; None where there is one.
        is_evidence: Whether it tells, beside other tickers, how its vendor spells them.
    """

    ticker: str | None
    rule: str | None = None
    fault: str | None = None
    is_evidence: bool = True


@dataclass(frozen=True, slots=True)
class _Site:
    """How a site names its downloads.

    Attributes:
        name: Of the site.
        pattern: Of a name, without what a browser adds. Groups: `ticker`; where the site tells them, `exchange`,
            `interval` of the bars, and `kind` of instrument.
        dialects: Of the files that the site gives.
        says: How the ticker is found, in words.
    """

    name: str
    pattern: re.Pattern[str]
    dialects: frozenset[str]
    says: str


_SITES: Final = (
    _Site(
        "Investing.com",
        re.compile(r"(?P<ticker>.+) Historical Data"),
        frozenset({"Investing"}),
        "the ticker stands before Historical Data, and is taken for a listing in the US",
    ),
    _Site(
        "TradingView",
        re.compile(r"(?P<exchange>[A-Z]+(?:_[A-Z]+)*)_(?P<ticker>[^_,]+), (?P<interval>\w+?)(?:_[0-9a-f]{5})?"),
        frozenset({"TradingView"}),
        "the ticker stands between the exchange and the interval",
    ),
    _Site(
        "Alpha Vantage",
        re.compile(r"(?P<interval>daily|weekly|monthly|intraday_\d+min)(?:_adjusted)?_(?P<ticker>[^_]+)"),
        frozenset({"Alpha Vantage"}),
        "the ticker stands behind daily_",
    ),
    _Site(
        "MarketWatch",
        re.compile(r"Download Data - (?P<kind>[A-Z]+)_(?P<exchange>[A-Z]{2})_[^_]+_(?P<ticker>[^_]+)"),
        frozenset({"plain"}),
        "the ticker stands behind country and exchange",
    ),
    _Site(
        "Cboe",
        re.compile(r"(?P<ticker>[A-Z0-9]+)_History"),
        frozenset({"plain without volume"}),
        "the index stands before _History",
    ),
    _Site(
        "Barchart",
        re.compile(
            r"(?P<ticker>\$?[A-Za-z0-9.-]+)_(?:(?P<interval>[a-z0-9-]+)_historical-data(?:-download)?|price-history)"
            r"-\d\d-\d\d-\d{4}"
        ),
        frozenset({"Barchart"}),
        "the ticker stands in front",
    ),
    _Site(
        "Macrotrends",
        re.compile(r"MacroTrends_Data_Download_(?P<ticker>[^_]+)", re.IGNORECASE),
        frozenset({"plain"}),
        "the ticker stands at the end",
    ),
    _Site("Quandl", re.compile(r"(?:WIKI|EOD)-(?P<ticker>.+)"), frozenset({"Quandl"}), "the ticker stands at the end"),
    _Site(
        "NinjaTrader",
        re.compile(r"(?P<ticker>.+)\.Last"),
        frozenset({"NinjaTrader"}),
        "the ticker stands before .Last, which says that prices are of trades",
    ),
    _Site(
        "MetaTrader",
        re.compile(r"(?P<ticker>[^_]+)_(?P<interval>Daily|Weekly|Monthly|[MH]\d+)_\d{12}_\d{12}"),
        frozenset({"MetaTrader"}),
        "the ticker stands in front",
    ),
    _Site(
        "stooq",
        re.compile(r"(?P<ticker>\^[a-z0-9]+|[a-z0-9.-]+_us)_(?P<interval>[dwmqy])", re.IGNORECASE),
        frozenset({"plain", "plain without volume", "stooq Polish"}),
        "the ticker stands before _us_d, and an index before _d",
    ),
    _Site(
        "Yahoo",
        re.compile(r"(?P<ticker>[A-Z]+)-P(?P<series>[A-Z])"),
        frozenset({"Yahoo", "yfinance"}),
        "-P and a letter are a preferred share",
    ),
    _Site("Yahoo", re.compile(r"\^GSPC"), frozenset({"Yahoo", "yfinance"}), "^GSPC is the S&P 500"),
)

_INDICES: Final = frozenset({"SPX", "XSP", "OEX", "NDX", "RUT", "VIX", "VIX9D", "VIX3M", "VIX6M", "VVIX", "DJX", "DJI"})
"""Indices whose names are those of the broker, too."""

_INDEX_KINDS: Final = frozenset({"SP", "DJ", "TVC", "INDEX"})
"""What says, in the place of an exchange or a kind, that a name is that of an index or of something else again."""

_US: Final = frozenset({"NASDAQ", "NYSE", "AMEX", "ARCA", "BATS", "CBOE", "OTC", "US"})
"""Exchanges of the US as TradingView names them, and the country as MarketWatch does."""

_SHARES: Final = frozenset({"STOCK", "FUND", "INDEX"})
_DAILY: Final = frozenset({"1d", "d", "daily"})

_FOREIGN: Final = frozenset({"DAX", "AEX", "ATX", "SMI", "PSI", "MOEX", "RTSI", "KOSPI", "SET", "BIST"})
"""Indices that Investing.com calls by names which are tickers of others in the US, or none there."""

_STOCK: Final = re.compile(r"[A-Z]{1,5}(?:[./-][A-Z])?", re.IGNORECASE)
_COPY: Final = re.compile(r"(.+?) ?\(\d{1,3}\)")
_INDEX: Final = re.compile(r"[.^][A-Za-z0-9]+", re.ASCII)
_FINAM: Final = re.compile(r"US[12]\.[A-Z0-9.-]+", re.ASCII)
_STEM: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]{1,6}", re.ASCII)
_USUAL: Final = re.compile(r"[a-z]{1,6}(?:-[a-z])?(?:\.us)?", re.ASCII)
"""Names of stooq's archive and of Kaggle, of which a folder may have ten thousand."""

_PARTS: Final = re.compile(r"[./-]")

_LONGEST: Final = 6
"""Letters of a ticker without its class; exchanges of the US give five at most."""

_KINDS: Final = frozenset({"PR", "WS", "WT", "UN", "RT", "WI", "CVR"})
"""Words behind a ticker that are kinds of share. Any single letter is a class or a kind, and so is PR with a letter."""

_PREFERRED: Final = re.compile(r"PR[A-Z]", re.ASCII)

_WORDS: Final = frozenset(
    {
        *("all", "bar", "bars", "book", "chart", "close", "csv", "data", "day", "daily", "down", "eod", "etf", "etfs"),
        *("excel", "export", "file", "files", "full", "hist", "history", "index", "input", "last", "list", "main"),
        *("mappe", "merged", "min", "new", "ohlc", "ohlcv", "old", "open", "out", "output", "price", "prices", "quote"),
        *("quotes", "raw", "sheet", "stock", "stocks", "table", "temp", "test", "tick", "ticks", "tmp", "trade"),
        *("trades", "txt", "us", "usa", "week", "yahoo", "year"),
    }
)
"""What files of prices are called. Some are tickers, too: ALL is Allstate."""


def is_share_class(part: str) -> bool:
    """Whether a part behind a ticker may be a class or a kind of share: ``B``, ``PRA``, ``WS``."""
    upper = part.upper()
    return len(part) <= 1 or upper in _KINDS or _PREFERRED.fullmatch(upper) is not None


def is_word(stem: str) -> bool:
    """Whether a name is what files of prices are called, in letters that are not all capital; digits may follow."""
    return not stem.isupper() and stem.rstrip("0123456789").lower() in _WORDS


def read_file_name(
    stem: str, dialect: str, *, suffixes: Collection[str] = frozenset(), are_words_tickers: bool = False
) -> FileName:
    """The ticker that a file's name says.

    Args:
        stem: The name without its suffix, see `identity.file_ticker`.
        dialect: Of the file.
        suffixes: Suffixes that the user says are exchanges, in upper case.
        are_words_tickers: Whether the names beside it show that a word such as ``all`` is a ticker here.
    """
    if stem.isascii() and stem.isalpha() and stem.isupper() and len(stem) <= _LONGEST:
        return FileName(stem)
    if _USUAL.fullmatch(stem) and not is_word(stem):
        return FileName(stem)
    copy = _COPY.fullmatch(stem)
    bare = stem if copy is None else copy[1]
    found = _of_site(bare, stem, dialect) or _of_ticker(bare, stem, suffixes, are_words_tickers=are_words_tickers)
    if copy is not None and found.fault is None:
        mark = "a number in brackets is a browser's for a second download"
        return found._replace(rule=mark if found.rule is None else f"{found.rule}; {mark}", is_evidence=False)
    return found


def _of_site(name: str, stem: str, dialect: str) -> FileName | None:
    """What the rule of a site makes of a name; None where the name is that of no site."""
    matches = [(site, match) for site in _SITES if (match := site.pattern.fullmatch(name))]
    if not matches:
        return None
    site, match = next((each for each in matches if dialect in each[0].dialects), matches[0])
    if dialect not in site.dialects:
        if site.name == "Yahoo":
            return None
        why = f"{name!r} is named as downloads of {site.name} are, and the header is not that of {site.name}"
        return _fault(why, stem)
    groups = match.groupdict()
    ticker = str(groups.get("ticker", name))
    interval = groups.get("interval")
    if interval is not None and interval.lower() not in _DAILY:
        why = f"{name!r} says that its bars are not daily, but {interval.replace('_', ' ')}; the daily ones are needed"
        return FileName(None, fault=why, is_evidence=False)
    not_ours = _not_ours(site, ticker, groups.get("exchange"), groups.get("kind"))
    if not_ours is not None:
        return _fault(f"{name!r} is a download of {site.name}, and {not_ours}", stem)
    return FileName(_spelled(site, ticker, groups), f"{site.name} names its downloads so: {site.says}")


def _spelled(site: _Site, ticker: str, groups: dict[str, str | None]) -> str:
    match site.name:
        case "stooq":
            return f"{ticker}_d"
        case "Yahoo":
            return f"{ticker}.PR.{groups['series']}" if groups.get("series") else "^SPX"
        case "Quandl":
            return ticker.replace("_", ".")
        case _:
            return ticker.removeprefix("$").upper()


def _not_ours(site: _Site, ticker: str, exchange: str | None, kind: str | None) -> str | None:
    """Why a ticker in a site's name is no instrument of the broker, in words; None where it may be one."""
    if site.name in {"stooq", "Yahoo"}:
        return None
    bare = ticker.removeprefix("$").upper()
    if kind is not None and kind not in _SHARES:
        return f"{kind} is neither a stock, a fund nor an index"
    if {kind, exchange} & _INDEX_KINDS or ticker.startswith("$") or site.name == "Cboe":
        return None if bare in _INDICES else f"{ticker} is no index whose name the broker is known to share"
    if exchange is not None and exchange.removesuffix("_DLY") not in _US:
        return f"{exchange} is no exchange of the US"
    if bare in _INDICES:
        return None
    if site.name == "Investing.com" and (bare in _FOREIGN or ticker != bare):
        return f"{ticker} is the name of an index or a company there, and no ticker"
    if _STOCK.fullmatch(ticker.replace("_", ".") if site.name == "Quandl" else ticker) is None:
        return f"{ticker} is no ticker of the US"
    return None


def _of_ticker(name: str, stem: str, suffixes: Collection[str], *, are_words_tickers: bool) -> FileName:
    """What a name is that no site gives: a ticker, with a share class or an exchange behind it, or none."""
    if _INDEX.fullmatch(name) or _FINAM.fullmatch(name):
        return FileName(name)
    no_symbol = f"the file's name {name!r} is no symbol"
    first, *parts = _PARTS.split(name)
    if not all(part.isascii() and part.isalnum() for part in (first, *filter(None, parts))):
        return _fault(no_symbol, stem)
    if _STEM.fullmatch(first) is None:
        what = "a number" if first.isdecimal() else f"longer than any ticker, which has {_LONGEST} letters at most"
        return _fault(f"{no_symbol}: {first!r} is {what}", stem)
    odd = next((each for each in parts if not _is_kind(each, suffixes)), None)
    if odd is not None:
        fault = _fault(f"{no_symbol}: {odd!r} is no share class and no exchange of the US", stem)
        # Beside aapl.us, or.fr says that a vendor writes countries behind its tickers.
        return fault._replace(is_evidence=odd.lower() in COUNTRIES)
    if is_word(name) and not are_words_tickers:
        return _fault(f"the file's name {name!r} is what files of prices are called, and taken for no symbol", stem)
    return FileName(name)


def _is_kind(part: str, suffixes: Collection[str]) -> bool:
    """Whether a part behind a ticker may be a share class, a kind of share or an exchange of the US."""
    return is_share_class(part) or part.upper() in RIC_SUFFIXES or part.upper() in suffixes


def _fault(why: str, stem: str) -> FileName:
    """No ticker, with the reason and what to write into the symbol map, which knows the file by its stem."""
    cell = '"' + stem.replace('"', '""') + '"' if "," in stem or '"' in stem else stem
    way_out = (
        f"if it has daily bars of one instrument, write the line {cell},SYMBOL with its symbol into the file of"
        " TT_METASTOCK_SYMBOL_MAP"
    )
    return FileName(None, fault=f"{why}; {way_out}", is_evidence=False)
