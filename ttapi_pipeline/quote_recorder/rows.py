# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Turns columns of the feed into rows of the quote log. The columns are described in `streaming`."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ttapi_pipeline.quote_recorder.schemas import QUOTES, TRADES
from ttapi_pipeline.streaming.market_data import Sales, SaleType
from ttapi_pipeline.streaming.quote_board import NUMBER_COLUMNS, QuoteBoard

_SALE_TYPES: Final = {kind.value: kind.name for kind in SaleType}


def quote_rows(board: QuoteBoard, positions: NDArray[np.intp], symbols: pl.Series) -> pl.DataFrame:
    """The latest values of some symbols, one row per symbol, in the schema QUOTES.

    Args:
        board: Has the values.
        positions: Positions of the symbols on the board.
        symbols: The symbol of every position, as tastytrade writes it.
    """
    numbers = {name: pl.Series(getattr(board, name)[positions]).fill_nan(None) for name in NUMBER_COLUMNS}
    traded_at = pl.Series(board.last_trade_at[positions])
    rows = pl.DataFrame(
        {
            "symbol": symbols.gather(positions),
            "received_at": board.received_at[positions],
            "last_trade_at": traded_at.set(traded_at == 0, None),
            **numbers,
        }
    )
    return _typed(rows, QUOTES)


def trade_rows(sales: Sales, symbols: pl.Series) -> pl.DataFrame:
    """Sales as they were reported, in the schema TRADES; `symbols` as in `quote_rows`."""
    rows = pl.DataFrame(
        {
            "symbol": symbols.gather(sales.position),
            "traded_at": sales.time_ms * 1_000,
            "sequence": sales.sequence,
            "received_at": sales.received_at,
            "price": sales.price,
            "size": sales.size,
            "bid_price": sales.bid_price,
            "ask_price": sales.ask_price,
            "exchange": pl.Series(sales.exchange_code.tolist(), dtype=pl.String),
            "type": pl.Series(sales.type).replace_strict(_SALE_TYPES, return_dtype=pl.String),
            "is_extended_hours": sales.is_extended,
        }
    )
    return _typed(rows.with_columns(pl.col(pl.Float64).fill_nan(None)), TRADES)


def _typed(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    # A Datetime("us") is stored as epoch microseconds, so the cast changes no value.
    return rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
