# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The field names, headers and headerless forms that vendors write. `headers` and `sniff` compare a file with them.

There is no single MetaStock format. There is a grammar (a header names the fields) and two dozen dialects of it. The
rules here come from the MetaStock Help text, and from files and downloads that are published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.metastock.layout import PRICES

ROLES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "ticker": ("TICKER", "SYMBOL"),
        "name": ("NAME", "SECURITY NAME", "COMPANY"),
        "period": ("PER", "PERIOD", "INTERVAL", "TIMEFRAME", "TIME FRAME", "FREQUENCY", "FREQ", "OKRES", "PERIODE"),
        "date": (
            *("DTYYYYMMDD", "DTYYMMDD", "DATE", "DATETIME", "DATE TIME", "DATE/TIME", "TIMESTAMP"),
            *("TRADE DATE", "TRADING DATE", "GMT TIME", "LOCAL TIME", "DATUM", "DATA", "FECHA"),
        ),
        "time": ("TIME", "HHMMSS", "HOUR", "UHRZEIT", "ZEIT", "CZAS", "GODZINA", "HORA"),
        # TSETMC keeps the open in FIRST and a reference price in OPEN, hence the order.
        "open": (
            *("FIRST", "OPEN", "OPEN PRICE", "EROFFNUNG", "EROEFFNUNG", "EROFFN.", "ERSTER", "OTWARCIE", "APERTURA"),
            *("ABERTURA", "OUVERTURE", "OUV."),
        ),
        "high": (
            *("HIGH", "MAX", "HIGH PRICE", "HOCH", "TAGESHOCH", "NAJWYZSZY", "MAXIMO", "MAXIMA", "MASSIMO", "MAX."),
            *("PLUS HAUT", "HAUT"),
        ),
        "low": (
            *("LOW", "MIN", "LOW PRICE", "TIEF", "TAGESTIEF", "NAJNIZSZY", "MINIMO", "MINIMA", "MIN.", "PLUS BAS"),
            "BAS",
        ),
        # Barchart calls the close the latest price, Investing.com a price, and yfinance writes Price above the dates.
        "close": (
            *("CLOSE", "LAST", "CLOSE/LAST", "CLOSE PRICE", "CLOSING PRICE", "LAST PRICE"),
            *("SCHLUSS", "SCHLUSSKURS", "SCHLUSSPREIS", "ZULETZT", "ZAMKNIECIE", "OSTATNIO", "CIERRE", "ULTIMO"),
            *("CLOTURE", "DERNIER", "LATEST", "PRICE"),
        ),
        # Ariva counts shares in STUCKE and money in VOLUMEN, hence the order.
        "volume": ("VOL", "VOLUME", "VOL.", "TOTAL VOLUME", "STUCKE", "STUECKE", "VOLUMEN", "WOLUMEN", "WOL."),
        "open_interest": ("OPENINT", "O/I", "OI", "OPENINTEREST", "OPEN INTEREST", "OPEN INT", "LOP"),
    }
)
"""The field names of each column that is read, as `headers.field_names` spells them, the preferred one first."""

FIELD_NAMES: Final = frozenset(name for names in ROLES.values() for name in names)

UNREAD_NAMES: Final = frozenset(
    {
        *("ADJ CLOSE", "ADJUSTED CLOSE", "ADJ. CLOSE", "DIVIDENDS", "DIVIDEND AMOUNT", "STOCK SPLITS"),
        *("SPLIT COEFFICIENT", "CAPITAL GAINS", "CHANGE", "CHANGE %", "CHG%", "CHG %", "%CHG", "%CHANGE"),
        *("ADJ. OPEN", "ADJ. HIGH", "ADJ. LOW", "ADJ. VOLUME", "ADJ OPEN", "ADJ HIGH", "ADJ LOW", "ADJ VOLUME"),
        *("EX-DIVIDEND", "SPLIT RATIO", "DIVIDEND", "SPLIT", "TICKVOL", "SPREAD"),
        *("+/- %", "% VAR.", "VAR%", "VAR. %", "VARIATION %", "ZMIANA%"),
    }
)
"""Fields of common downloads that say nothing more of a bar: adjusted prices, dividends, changes, counts of ticks."""


def _headers(**headers: str) -> Mapping[tuple[str, ...], str]:
    return MappingProxyType(
        {
            tuple(names.split(",")): dialect.replace("_", " ")
            for dialect, spellings in headers.items()
            for names in spellings.split("|")
        }
    )


BY_HEADER: Final = _headers(
    A="TICKER,PER,DTYYYYMMDD,TIME,OPEN,HIGH,LOW,CLOSE,VOL,OPENINT",
    B="TICKER,DTYYYYMMDD,OPEN,HIGH,LOW,CLOSE,VOL",
    C="TICKER,PER,DATE,TIME,OPEN,HIGH,LOW,CLOSE,VOL,OPENINT",
    D="TICKER,DATE,OPEN,HIGH,LOW,CLOSE,VOL",
    H="TICKER,DTYYYYMMDD,OPEN,HIGH,LOW,CLOSE,VOLUME",
    J="TICKER,DTYYYYMMDD,FIRST,HIGH,LOW,CLOSE,VALUE,VOL,OPENINT,PER,OPEN,LAST",
    K="TICKER,PER,DATE,TIME,OPEN,HIGH,LOW,CLOSE,VOL",
    L="TICKER,DTYYYYMMDD,TIME,OPEN,HIGH,LOW,CLOSE,VOL",
    plain="DATE,OPEN,HIGH,LOW,CLOSE,VOLUME",
    plain_without_volume="DATE,OPEN,HIGH,LOW,CLOSE",
    plain_with_ticker="TICKER,DATE,OPEN,HIGH,LOW,CLOSE,VOLUME",
    EODData="SYMBOL,DATE,OPEN,HIGH,LOW,CLOSE,VOLUME",
    Kaggle="DATE,OPEN,HIGH,LOW,CLOSE,VOLUME,OPENINT",
    Kaggle_500="DATE,OPEN,HIGH,LOW,CLOSE,VOLUME,NAME",
    stooq="DATE,TIME,OPEN,HIGH,LOW,CLOSE,VOLUME,OPENINT",
    stooq_Polish="DATA,OTWARCIE,NAJWYZSZY,NAJNIZSZY,ZAMKNIECIE,WOLUMEN",
    Yahoo="DATE,OPEN,HIGH,LOW,CLOSE,ADJ CLOSE,VOLUME",
    yfinance="DATE,OPEN,HIGH,LOW,CLOSE,VOLUME,DIVIDENDS,STOCK SPLITS",
    Nasdaq="DATE,CLOSE/LAST,VOLUME,OPEN,HIGH,LOW",
    Investing="DATE,PRICE,OPEN,HIGH,LOW,VOL.,CHANGE %|DATUM,ZULETZT,EROFFN.,HOCH,TIEF,VOL.,+/- %|"
    "FECHA,ULTIMO,APERTURA,MAXIMO,MINIMO,VOL.,% VAR.|DATA,ULTIMO,ABERTURA,MAXIMA,MINIMA,VOL.,VAR%|"
    "DATE,DERNIER,OUV.,PLUS HAUT,PLUS BAS,VOL.,VARIATION %|DATA,ULTIMO,APERTURA,MASSIMO,MINIMO,VOL.,VAR. %|"
    "DATA,OSTATNIO,OTWARCIE,MAX.,MIN.,WOL.,ZMIANA%",
    Alpha_Vantage="TIMESTAMP,OPEN,HIGH,LOW,CLOSE,VOLUME",
    EODHD="DATE,OPEN,HIGH,LOW,CLOSE,ADJUSTED CLOSE,VOLUME",
    Dukascopy="GMT TIME,OPEN,HIGH,LOW,CLOSE,VOLUME|LOCAL TIME,OPEN,HIGH,LOW,CLOSE,VOLUME",
    MetaTrader="DATE,OPEN,HIGH,LOW,CLOSE,TICKVOL,VOL,SPREAD",
    Ariva="DATUM,ERSTER,HOCH,TIEF,SCHLUSSKURS,STUCKE,VOLUMEN",
)
"""The dialect of a header, by its field names as `headers.field_names` spells them."""

BY_FIRST_NAMES: Final = _headers(
    # TradingView adds a column for each indicator of the chart, and Barchart the open interest of a future.
    TradingView="TIME,OPEN,HIGH,LOW,CLOSE",
    Barchart="TIME,OPEN,HIGH,LOW,LAST,CHANGE,%CHG,VOLUME|TIME,OPEN,HIGH,LOW,LATEST,CHANGE,%CHANGE,VOLUME",
    Alpha_Vantage="TIMESTAMP,OPEN,HIGH,LOW,CLOSE,ADJUSTED CLOSE,VOLUME",
    Quandl="DATE,OPEN,HIGH,LOW,CLOSE,VOLUME,EX-DIVIDEND,SPLIT RATIO|DATE,OPEN,HIGH,LOW,CLOSE,VOLUME,DIVIDEND,SPLIT",
)
"""The dialect of a header that begins so."""

BY_COLUMNS: Final[Mapping[tuple[str, ...], str]] = MappingProxyType(
    {
        ("ticker", "date", *PRICES, "volume", "open_interest"): "E",
        ("ticker", "date", *PRICES, "volume"): "F",
        ("ticker", "period", "date", *PRICES, "volume"): "G",
    }
)
"""The dialect of a file without a header: the roles of its columns."""

AFTER_DATE: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {1: ("close",), 4: PRICES, 5: (*PRICES, "volume"), 6: (*PRICES, "volume", "open_interest")}
)
"""Without a header: the roles of the columns after date and time, by how many these columns are."""

DELIMITERS: Final = (",", ";", "\t", " ")

ACCEPTED: Final = (
    "expected is a header with at least a date and a close, such as Date,Open,High,Low,Close,Volume, "
    "or rows of ticker, date and prices"
)
"""What a file has to look like, for the message about one that does not."""
