# SPDX-License-Identifier: MIT
"""From the feed's columns to rows of the quote log; what the columns are is `streaming`'s."""

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
    """The latest values of some symbols, schema QUOTES.

    Args:
        board: Where they are.
        positions: Of the symbols.
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
    """Sales as they were reported, schema TRADES; `symbols` as above."""
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
    # Epoch microseconds are what a Datetime("us") is made of, so the cast moves nothing.
    return rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
