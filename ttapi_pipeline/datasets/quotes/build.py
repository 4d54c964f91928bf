# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`quotes`: bid, ask, last trade and the day's prices of the universe, as they are now.

They come from the streaming feed, which says what is true at this moment. What it does not bring, be it one symbol or
everything, is asked of the REST API, whose snapshots are up to a minute old; each row says where it is from.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from ttapi_pipeline.client import MarketData, TastytradeClient
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import Collection as Answers
from ttapi_pipeline.core.collection import ProgressCallback, summarize
from ttapi_pipeline.core.manifest import Fact, lost_facts
from ttapi_pipeline.datasets.build import Build, carry_over, rows_per_source
from ttapi_pipeline.datasets.quotes.table import QUOTES
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.streaming.links import OpenConnection
from ttapi_pipeline.streaming.quote_board import NUMBER_COLUMNS, QuoteBoard
from ttapi_pipeline.streaming.quote_collection import collect_quotes
from ttapi_pipeline.streaming.values import AMOUNT, PRICE, Range
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

OpenClient = Callable[[], AbstractAsyncContextManager[TastytradeClient]]

DECIMALS: Final = 6
"""Of mid and spread: far below any tick, and enough to drop what binary fractions leave behind."""

# The field of a REST snapshot that each column is filled from.
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


_AMOUNTS: Final = ("bid_size", "ask_size", "last_size", "day_volume")
_PRICES: Final = tuple(name for name in NUMBER_COLUMNS if name not in _AMOUNTS)

_LOGGER: Final = logging.getLogger(__name__)


def streamed_quotes(board: QuoteBoard, names: Mapping[str, str], *, fetched_at: datetime) -> pl.DataFrame:
    """One row per symbol of the board.

    Args:
        board: Holds the values.
        names: The board's name, a streamer symbol, of each symbol that is to have a row.
        fetched_at: When the collection began.
    """
    places = np.array([board.positions[streamer] for streamer in names.values()], dtype=np.intp)
    times = {"last_trade_at": board.last_trade_at, "received_at": board.received_at}
    return quotes_frame(
        pl.DataFrame(
            {
                "symbol": pl.Series(list(names), dtype=pl.String),
                **{name: getattr(board, name)[places] for name in NUMBER_COLUMNS},
                # The feed writes 0 for a time that it does not know.
                **{
                    name: pl.Series(column[places]).replace(0, None).cast(UTC_DATETIME)
                    for name, column in times.items()
                },
            }
        ),
        source="dxlink",
        fetched_at=fetched_at,
    )


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
        values: The columns of QUOTES without `mid_price`, `spread`, `source` and `fetched_at`. NaN, the infinities,
            negative numbers, and zero as a price stand for nothing: nobody bids, asks or trades a share at zero.
        source: Where they come from.
        fetched_at: When the collection began.
    """
    bid, ask = pl.col("bid_price"), pl.col("ask_price")
    finite = values.with_columns(
        *(pl.when(_in_range(name, PRICE)).then(name).alias(name) for name in _PRICES),
        *(pl.when(_in_range(name, AMOUNT)).then(name).alias(name) for name in _AMOUNTS),
    )
    return finite.with_columns(
        # The size of a side that has no price is the size of nothing.
        bid_size=pl.when(bid.is_not_null()).then("bid_size"),
        ask_size=pl.when(ask.is_not_null()).then("ask_size"),
        mid_price=((bid + ask) / 2).round(DECIMALS),
        spread=(ask - bid).round(DECIMALS),
        source=pl.lit(source),
        fetched_at=pl.lit(fetched_at, UTC_DATETIME),
    ).select(QUOTES.polars.names())


def _in_range(name: str, kind: Range) -> pl.Expr:
    # NaN is greater than every number to Polars, so it is not within.
    least = pl.col(name) >= 0 if kind.has_zero else pl.col(name) > 0
    return least & (pl.col(name) <= kind.most)


async def build_quotes(
    open_connection: OpenConnection,
    open_client: OpenClient,
    universe: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    clock: Clock,
    min_coverage: float,
    progress: ProgressCallback,
) -> Build:
    """Collect the quotes of every symbol; one that does not come from either source keeps its last known row.

    Args:
        open_connection: Opens a link to the feed.
        open_client: Opens a REST client, should the feed leave anything out.
        universe: Schema UNIVERSE.
        previous: The stored quotes; None for none.
        now: When the collection began.
        clock: For deadlines, and the times at which values come.
        min_coverage: Share of the universe that has to come.
        progress: Told how many symbols have come.

    Raises:
        CoverageError: Too little came.
        AuthError: The credentials were refused.
    """
    # Reads better in one piece: the feed is asked, and then REST for what it did not bring.
    streamers: dict[str, str] = dict(universe.select("symbol", "streamer_symbol").iter_rows())
    board = QuoteBoard(streamers.values())
    indices = frozenset(universe.filter("is_index")["symbol"])
    streamed = await collect_quotes(
        open_connection,
        board,
        clock=clock,
        progress=progress,
        unquoted={streamers[symbol] for symbol in indices},
        never_quoted={streamers[symbol] for symbol in never_quoted(previous, indices)},
    )
    silent = streamed.missing
    unstreamed = {symbol: silent[streamer] for symbol, streamer in streamers.items() if streamer in silent}
    came = {symbol: streamer for symbol, streamer in streamers.items() if symbol not in unstreamed}
    rows, missing, is_simulated = streamed_quotes(board, came, fetched_at=now), dict[str, str](), False
    statistics: dict[str, Fact] = {"symbols_asked_by_rest": len(unstreamed), **lost_facts(streamed.lost)}
    if unstreamed:
        why = summarize(unstreamed)
        _LOGGER.warning("%d of %d symbols not from DXLink but by REST: %s", len(unstreamed), len(streamers), why)
        async with open_client() as client:
            snapshots = await client.market_data(
                list(unstreamed),
                indices=indices,
                progress=lambda done, _: progress(len(came) + done, len(streamers)),
            )
            is_simulated = client.is_simulated
        statistics.update(lost_facts(Counter(streamed.lost) + Counter(snapshots.lost)), asked_by_rest_because=why)
        missing = {each: f"DXLink: {unstreamed[each]}; REST: {why}" for each, why in snapshots.missing.items()}
        # Part of an answer, with a price in it, is better than a whole one of some time ago.
        partly = {each: streamers[each] for each in missing if board.last_price[board.positions[streamers[each]]] > 0}
        others = snapshot_quotes(snapshots.rows, received_at=clock.now(), fetched_at=now)
        rows = pl.concat([rows, others, streamed_quotes(board, partly, fetched_at=now)])
    quotes = Answers(rows["symbol"].to_list(), missing, requested=len(streamers))
    quotes.require(min_coverage, subject="quotes")
    frame = carry_over(rows, previous, missing)
    return Build(
        frame=frame,
        missing=missing,
        sources=rows_per_source(frame),
        statistics={"coverage": quotes.coverage, **statistics, "rows_carried_over": frame.height - rows.height},
        is_simulated=is_simulated,
    )


def never_quoted(previous: pl.LazyFrame | None, indices: Collection[str]) -> Sequence[str]:
    """The indices that had a price from the feed and no Quote when it was asked last: most have none, ever."""
    if previous is None:
        return []
    has_no_quote = pl.col("bid_price").is_null() & pl.col("ask_price").is_null() & pl.col("last_price").is_not_null()
    of_feed = previous.filter(pl.col("symbol").is_in(sorted(indices)), pl.col("source") == "dxlink", has_no_quote)
    return of_feed.select("symbol").collect()["symbol"].to_list()


async def build(refresh: Refresh, universe: pl.LazyFrame) -> Build:
    """Collect the present quotes of the universe."""
    return await build_quotes(
        refresh.broker.open_link,
        refresh.connect,
        universe.collect(),
        previous=refresh.previous(),
        now=refresh.now,
        clock=refresh.clock,
        min_coverage=refresh.settings.min_coverage,
        progress=refresh.progress("quotes"),
    )
