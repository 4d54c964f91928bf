# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows of streamed quotes and sales, a log to put them in, and what is read back of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from ttapi_pipeline.quote_recorder.history import scan_quote_log
from ttapi_pipeline.quote_recorder.layout import log_folder
from ttapi_pipeline.quote_recorder.log import Origin
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.quote_recorder.schemas import QUOTES, TRADES

FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
"""Friday, 12:00 in New York."""
END = datetime(2026, 11, 21, 1, tzinfo=UTC)
"""Friday, 20:00 in New York: the end of extended trading."""
SIMULATED = Origin("simulator seed 7", is_simulated=True)


def quotes(at: datetime, *symbols: str, price: float = 10.0) -> pl.DataFrame:
    """A row per symbol, received at that time."""
    rows = pl.DataFrame({"symbol": symbols, "received_at": [at] * len(symbols), "last_price": [price] * len(symbols)})
    missing = {name: pl.lit(None) for name in QUOTES if name not in rows.columns}
    return rows.with_columns(**missing).select(pl.col(name).cast(dtype) for name, dtype in QUOTES.items())


def trades(at: datetime, symbol: str, *sequences: int) -> pl.DataFrame:
    """A sale per sequence, traded and received at that time."""
    count = len(sequences)
    return pl.DataFrame(
        {
            "symbol": [symbol] * count,
            "traded_at": [at] * count,
            "sequence": list(sequences),
            "received_at": [at] * count,
            "price": [10.0] * count,
            "size": [100.0] * count,
            "bid_price": [9.9] * count,
            "ask_price": [10.1] * count,
            "exchange": ["Q"] * count,
            "type": ["NEW"] * count,
            "is_extended_hours": [False] * count,
        },
        schema=TRADES,
    )


def prices(data: Path, session: date = FRIDAY) -> list[float]:
    """The last price of every quote that is stored of a session."""
    return scan_quote_log(data, session, "quotes").collect()["last_price"].to_list()


def sequences(data: Path, session: date = FRIDAY) -> list[int]:
    """The sequence of every sale that is stored of a session."""
    return scan_quote_log(data, session, "trades").collect()["sequence"].to_list()


def parts(data: Path, table: str, session: date = FRIDAY) -> list[str]:
    """The files of a table of a session's log."""
    return sorted(path.name for path in (log_folder(data, session) / table).iterdir())


def open_log(data: Path, now: datetime = NOON, origin: Origin = SIMULATED) -> LogWriter:
    """A writer of the log, from that time on."""
    return LogWriter(data, origin, now=now)
