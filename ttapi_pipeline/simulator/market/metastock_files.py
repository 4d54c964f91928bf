# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writes MetaStock ASCII files of the synthetic market, in the mix of dialects that the folder of a user holds.

The formats are spelled out here: the package `metastock`, which reads such files, shares no code with the simulator.
Importing this module imports Polars, which the rest of the simulator does without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.files import replacing_folder
from ttapi_pipeline.core.sessions import all_sessions, last_closed_session, session_hours, session_on_or_before
from ttapi_pipeline.core.symbology import symbol_to_metastock
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.market.instruments import Instrument
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.prices import Bars
from ttapi_pipeline.simulator.market.randomness import uniforms

DEFAULT_FIRST: Final = date(2000, 1, 3)
SESSIONS_BEHIND: Final = 30
"""The files end this many sessions before the last closed one, so that candles have something to complement."""

_RIC_SUFFIXES: Final = {"XNAS": "O", "XNYS": "N", "ARCX": "P", "BATS": "Z"}
_WINDOWS_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)
_LEFT_OUT: Final = 0.05
_NO_SPLITS: Final[Mapping[str, Sequence[tuple[date, float]]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How one kind of file is written.

    Attributes:
        header: First line without its end; None for a file that has none.
        columns: Names of the values in a row, in their order.
        newline: CRLF or LF.
        byte_order_mark: Whether a UTF-8 BOM comes first.
    """

    header: str | None
    columns: tuple[str, ...]
    newline: str = "\n"
    byte_order_mark: bool = False


_PRICES: Final = ("open", "high", "low", "close", "volume")
_SHORT: Final = ("ticker", "date", *_PRICES)
_LONG: Final = ("ticker", "period", "date", "time", *_PRICES, "open_interest")
# Letters as in docs/protocols/metastock.md, "Dialects".
_DIALECTS: Final[dict[str, _Dialect]] = {
    "A": _Dialect(
        "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>", _LONG, newline="\r\n"
    ),
    "B": _Dialect("<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", _SHORT),
    "C": _Dialect("<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>", _LONG, newline="\r\n"),
    "D": _Dialect("<ticker>,<date>,<open>,<high>,<low>,<close>,<vol>", _SHORT),
    "F": _Dialect(None, _SHORT),
    "G": _Dialect(None, ("ticker", "period", "date", *_PRICES), newline="\r\n"),
    "H": _Dialect(
        "<Ticker>,<DTYYYYMMDD>,<Open>,<High>,<Low>,<Close>,<Volume>", _SHORT, newline="\r\n", byte_order_mark=True
    ),
}
_SHARES: Final = (("A", 0.80), ("B", 0.05), ("C", 0.06), ("D", 0.02), ("F", 0.02), ("G", 0.03), ("H", 0.02))


def default_last(now: datetime) -> date:
    """The session 30 sessions before the last closed one."""
    sessions = all_sessions()
    return sessions[sessions.index(last_closed_session(now).session) - SESSIONS_BEHIND]


def metastock_symbols(market: Market) -> Sequence[str]:
    """The S&P 500 members that get files. About 5%, always the same ones, are left out and have candles alone."""
    return tuple(
        member.symbol
        for member in sp500()
        if member.symbol in market.instruments and uniforms("metastock", member.symbol, count=1)[0] >= _LEFT_OUT
    )


Splits = Mapping[str, Sequence[tuple[date, float]]]
"""By symbol: first session of the new shares, and how many of them there are for an old one."""


def splits_of_market(market: Market, symbols: Sequence[str]) -> Splits:
    """The splits that the market itself has had, which files as traded are not adjusted for."""
    return {symbol: [(each.ex_date, each.ratio) for each in market.splits(symbol)] for symbol in symbols}


def write_metastock_files(
    market: Market,
    folder: Path,
    *,
    first: date,
    last: date,
    symbols: Sequence[str] | None = None,
    unadjusted: Splits = _NO_SPLITS,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the finished bars of `first` to `last` as MetaStock files into a folder that is new or empty.

    Most symbols have a file of their own in dialect A with RIC tickers; some are in B, C (sub-folders, lower case), F,
    G or H, and the few of dialect D share one file per year. Prices are adjusted for splits, but for `unadjusted`, with
    4 decimals. The same arguments give the same bytes. The files are written into a hidden folder beside the target,
    which becomes the target when it is complete, so an interrupted run leaves nothing that looks finished.

    Args:
        symbols: By default `metastock_symbols`. A symbol without bars in the range gets no file.
        unadjusted: Splits that the files are not adjusted for: prices before them are those of the old share. They may
            be splits that the market does not know, as a fault of the files.
        progress: Called after each symbol with the number of symbols that are done and the number of all.

    Returns:
        The number of files.

    Raises:
        StorageError: The folder cannot be written or has something in it.
        KeyError: The market does not list a symbol.
    """
    wanted = metastock_symbols(market) if symbols is None else tuple(symbols)
    folder = folder.absolute()
    try:
        if folder.exists() and any(folder.iterdir()):
            raise StorageError(f"{folder} has files already; MetaStock files are written into a new or empty folder")
        with replacing_folder(folder, is_durable=False) as staged:
            return _write_all(
                market, staged, first=first, last=last, symbols=wanted, unadjusted=unadjusted, progress=progress
            )
    except OSError as error:
        raise StorageError(f"MetaStock files cannot be written to {folder}: {error.strerror or error}") from error


def _write_all(
    market: Market,
    folder: Path,
    *,
    first: date,
    last: date,
    symbols: Sequence[str],
    unadjusted: Splits,
    progress: Callable[[int, int], None] | None,
) -> int:
    closes_at = session_hours(session_on_or_before(last)).closes_at
    shared: list[pl.DataFrame] = []
    written = 0
    for done, symbol in enumerate(symbols, start=1):
        instrument = market.instruments[symbol]
        bars = market.bars(symbol, first=first, at=closes_at)
        name = _dialect_of(symbol)
        if len(bars.sessions):
            rows = _rows(bars, ticker=_ticker(instrument, name), unadjusted=unadjusted.get(symbol, ()))
            if name == "D":
                shared.append(rows)
            else:
                if name == "H":
                    # The files of this vendor are unsorted and repeat rows.
                    rows = pl.concat([rows.reverse(), rows.tail(1)])
                _write(folder / _file_name(instrument, name), _DIALECTS[name], rows)
                written += 1
        if progress is not None:
            progress(done, len(symbols))
    if shared:
        years = pl.concat(shared).with_columns(year=pl.col("date").str.head(4)).partition_by("year", as_dict=True)
        for (year,), rows in years.items():
            _write(folder / "eoddata" / f"US_{year}.txt", _DIALECTS["D"], rows)
        written += len(years)
    return written


def _rows(bars: Bars, *, ticker: str, unadjusted: Sequence[tuple[date, float]] = ()) -> pl.DataFrame:
    sessions = pl.Series("date", bars.sessions)
    # How many shares of today one share of each session has become.
    scale = np.ones(len(sessions))
    for split, ratio in unadjusted:
        scale = np.where(sessions < split, scale * ratio, scale)
    return pl.DataFrame(
        {
            "date": sessions,
            "open": bars.open * scale,
            "high": bars.high * scale,
            "low": bars.low * scale,
            "close": bars.close * scale,
            "volume": (bars.volume / scale).astype(np.int64),
        }
    ).with_columns(
        pl.col("date").dt.strftime("%Y%m%d"),
        # Polars writes decimals many times faster than floats to a given precision.
        pl.col("open", "high", "low", "close").cast(pl.Decimal(12, 4)),
        pl.lit(ticker).alias("ticker"),
        pl.lit("D").alias("period"),
        pl.lit("000000").alias("time"),
        pl.lit(0).alias("open_interest"),
    )


def _write(path: Path, dialect: _Dialect, rows: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if dialect.header is not None:
            text = dialect.header + dialect.newline
            file.write(text.encode("utf-8-sig" if dialect.byte_order_mark else "ascii"))
        rows.select(dialect.columns).write_csv(
            file,
            include_header=False,
            line_terminator=dialect.newline,
            quote_style="never",
        )


def _dialect_of(symbol: str) -> str:
    """The dialect for a symbol. Class shares are always in A, as RIC, since the spellings of other vendors differ."""
    left = uniforms("dialect", symbol, count=1)[0]
    if "/" in symbol:
        return "A"
    for name, share in _SHARES:
        left -= share
        if left < 0:
            return name
    return "A"


def _ticker(instrument: Instrument, dialect: str) -> str:
    match dialect:
        case "A" if instrument.kind == "Index":
            return f".{instrument.symbol}"
        case "A":
            return symbol_to_metastock(instrument.symbol, exchange=_RIC_SUFFIXES[instrument.listed_market])
        case "C":
            return f"{instrument.symbol}.US"
        case _:
            return instrument.symbol


def _file_name(instrument: Instrument, dialect: str) -> Path:
    symbol = instrument.symbol
    match dialect:
        case "A":
            return Path("datalink", f"{_escaped(_ticker(instrument, dialect))}.txt")
        case "B":
            return Path("mst", f"{_escaped(symbol)}.mst")
        case "C":
            exchange = "nasdaq stocks" if instrument.listed_market == "XNAS" else "nyse stocks"
            kind = "etfs" if instrument.kind == "ETF" else "stocks"
            place = exchange.replace("stocks", kind)
            return Path("data", "daily", "us", place, "1", f"{_escaped(symbol.lower())}.us.txt")
        case _:
            return Path("ascii", f"{_escaped(symbol)}.{'csv' if dialect == 'H' else 'txt'}")


def _escaped(stem: str) -> str:
    """Windows device names with an underscore in front, as stooq writes them."""
    return f"_{stem}" if stem.partition(".")[0].lower() in _WINDOWS_DEVICES else stem
