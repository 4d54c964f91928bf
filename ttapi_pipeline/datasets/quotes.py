# SPDX-License-Identifier: MIT
"""`quotes`: bid, ask, last trade and the day's prices of the universe, as they are now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

import polars as pl
from polars import selectors as cs

from ttapi_pipeline.client import MarketData, TastytradeClient
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.datasets.build import Build, carry_over, rows_per_source
from ttapi_pipeline.frames.conform import conform
from ttapi_pipeline.frames.schemas import QUOTES, UTC_DATETIME

OpenClient = Callable[[], AbstractAsyncContextManager[TastytradeClient]]

DECIMALS: Final = 6
"""Of mid and spread: far below any tick, and enough to drop what binary fractions leave behind."""

# Where a snapshot of the REST API has what a column holds.
_SNAPSHOT_FIELDS: Final[Mapping[str, str]] = {
    "symbol": "symbol",
    "bid_price": "bid",
    "ask_price": "ask",
    "bid_size": "bid_size",
    "ask_size": "ask_size",
    "last_price": "last",
    "day_open": "open",
    "day_high": "day_high_price",
    "day_low": "day_low_price",
    "day_close": "close",
    "previous_close": "prev_close",
    "day_volume": "volume",
}


def snapshot_quotes(rows: Sequence[MarketData], *, received_at: datetime, fetched_at: datetime) -> pl.DataFrame:
    """One row per snapshot of the REST API, which has neither the size nor the time of the last trade."""
    schema = {name: dtype for name, dtype in QUOTES.polars.items() if name in _SNAPSHOT_FIELDS}
    values = {name: [getattr(row, field) for row in rows] for name, field in _SNAPSHOT_FIELDS.items()}
    return quotes_frame(
        pl.DataFrame(values, schema=schema).with_columns(
            last_size=pl.lit(None, pl.Float64),
            last_trade_at=pl.lit(None, UTC_DATETIME),
            received_at=pl.lit(received_at, UTC_DATETIME),
        ),
        source="rest",
        fetched_at=fetched_at,
    )


def quotes_frame(values: pl.DataFrame, *, source: str, fetched_at: datetime) -> pl.DataFrame:
    """Rows in the schema QUOTES from the columns that a source has, whatever it writes for nothing.

    Args:
        values: The columns of QUOTES without `mid_price`, `spread`, `source` and `fetched_at`. NaN and the infinities
            stand for nothing.
        source: Where they come from.
        fetched_at: When the collection began.
    """
    bid, ask = pl.col("bid_price"), pl.col("ask_price")
    finite = values.with_columns(pl.when(cs.float().is_finite()).then(cs.float()))
    return conform(
        finite.with_columns(
            # The size of a side that has no price is the size of nothing.
            bid_size=pl.when(bid.is_not_null()).then("bid_size"),
            ask_size=pl.when(ask.is_not_null()).then("ask_size"),
            mid_price=((bid + ask) / 2).round(DECIMALS),
            spread=(ask - bid).round(DECIMALS),
            source=pl.lit(source),
            fetched_at=pl.lit(fetched_at, UTC_DATETIME),
        ),
        QUOTES,
    )


async def build_quotes(
    open_client: OpenClient,
    universe: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    clock: Clock,
    min_coverage: float,
    progress: ProgressCallback,
) -> Build:
    """Fetch a snapshot of every symbol; one that does not come keeps its last known row.

    Args:
        open_client: Opens a REST client.
        universe: Schema UNIVERSE.
        previous: The stored quotes; None for none.
        now: When the collection began.
        clock: Says when an answer came.
        min_coverage: Share of the universe that has to come.
        progress: Told how many symbols are settled.

    Raises:
        CoverageError: Too little came.
        AuthError: The credentials were refused.
    """
    symbols = universe["symbol"].to_list()
    indices = frozenset(universe.filter("is_index")["symbol"].to_list())
    async with open_client() as client:
        snapshots: Collection[MarketData] = await client.market_data(symbols, indices=indices, progress=progress)
        is_simulated = client.is_simulated
    snapshots.require(min_coverage, subject="quotes")
    fresh = snapshot_quotes(snapshots.rows, received_at=clock.now(), fetched_at=now)
    frame = carry_over(fresh, previous, snapshots.missing)
    return Build(
        frame=frame,
        missing=snapshots.missing,
        sources=rows_per_source(frame),
        statistics={"rows_carried_over": frame.height - fresh.height, "rows_rejected": len(snapshots.rejected)},
        is_simulated=is_simulated,
    )
