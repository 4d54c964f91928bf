# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `quotes` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.datasets.columns import FETCHED_AT, SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import FLOAT, STRING, TIMESTAMP, Column, DatasetSchema, required

QUOTES: Final = DatasetSchema(
    "quotes",
    (
        SYMBOL,
        Column(
            "bid_price",
            FLOAT,
            "Best bid, above zero; null without one. It may be above the ask, as the feed has it",
        ),
        Column("ask_price", FLOAT, "Best ask; null without one"),
        Column("bid_size", FLOAT, "Shares bid; null where there are none to bid for, as for an index"),
        Column("ask_size", FLOAT, "Shares asked; null likewise"),
        Column("mid_price", FLOAT, "Mean of bid and ask; null unless both are there"),
        Column("spread", FLOAT, "Ask less bid, negative when crossed; null unless both are there"),
        Column("last_price", FLOAT, "Price of the last trade"),
        Column("last_size", FLOAT, "Its shares; null where the source does not say"),
        Column("last_trade_at", TIMESTAMP, "When it was; null where the source does not say"),
        Column("day_open", FLOAT, "First price of the day; null before it"),
        Column("day_high", FLOAT, "Highest price of the day"),
        Column("day_low", FLOAT, "Lowest price of the day"),
        Column("day_close", FLOAT, "Closing price of the day; null until it closes"),
        Column("previous_close", FLOAT, "Closing price of the session before"),
        Column("day_volume", FLOAT, "Shares traded in the day; null where the source does not say"),
        required("received_at", TIMESTAMP, "When the newest of these values arrived"),
        required("source", STRING, "dxlink, or rest for a snapshot up to a minute old"),
        FETCHED_AT,
    ),
    key=("symbol",),
)

DATASET: Final = Dataset(
    name=QUOTES.name,
    schema=QUOTES,
    description="Bid, ask, last trade and the day's prices of the universe; one row per symbol.",
    ttl=timedelta(minutes=5),
    code_version="1.1",
    group="market_data",
    source="DXLink, else /market-data/by-type",
    # A universe that changed is a reason to collect again: it takes seconds, and a new symbol has its row on a weekend.
    upstream=("universe",),
    changes=Changes.WHILE_OPEN,
    rules={
        # A bid above the ask is a quote. Nobody bids zero for a share: it is how a source says that nobody bids.
        "prices are positive": " AND ".join(
            f"COALESCE({name}, 1) > 0" for name in ("bid_price", "ask_price", "last_price", "day_low", "previous_close")
        ),
        "sizes and volume are not negative": " AND ".join(
            f"COALESCE({name}, 0) >= 0" for name in ("bid_size", "ask_size", "last_size", "day_volume")
        ),
        "day's low <= day's high": "day_low <= day_high",
        "mid and spread are there with both sides": " AND ".join(
            f"({name} IS NOT NULL) = (bid_price IS NOT NULL AND ask_price IS NOT NULL)"
            for name in ("mid_price", "spread")
        ),
        "source is dxlink or rest": "source IN ('dxlink', 'rest')",
    },
    lineage={
        "symbol": ("universe.symbol", "universe.streamer_symbol"),
        "bid_*": ("dxlink/quote.bidPrice", "dxlink/quote.bidSize"),
        "ask_*": ("dxlink/quote.askPrice", "dxlink/quote.askSize"),
        "mid_price": ("dxlink/quote.bidPrice", "dxlink/quote.askPrice"),
        "spread": ("dxlink/quote.bidPrice", "dxlink/quote.askPrice"),
        "last_price": ("dxlink/trade.price",),
        "last_size": ("dxlink/trade.size",),
        "last_trade_at": ("dxlink/trade.time",),
        "day_volume": ("dxlink/trade.dayVolume",),
        "day_open": ("dxlink/summary.dayOpenPrice",),
        "day_high": ("dxlink/summary.dayHighPrice",),
        "day_low": ("dxlink/summary.dayLowPrice",),
        "day_close": ("dxlink/summary.dayClosePrice",),
        "previous_close": ("dxlink/summary.prevDayClosePrice",),
    },
    preview=Preview(
        ("symbol", "bid_price", "ask_price", "spread", "last_price", "day_volume", "received_at"), by="day_volume"
    ),
)
