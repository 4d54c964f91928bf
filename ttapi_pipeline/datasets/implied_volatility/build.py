# SPDX-License-Identifier: MIT
"""`implied_volatility`: what each listed expiration is priced at, from the same payload as `symbols`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from ttapi_pipeline.client import MarketMetrics, TastytradeClient
from ttapi_pipeline.core.collection import ProgressCallback
from ttapi_pipeline.datasets.build import Build, carry_over, rows_per_source
from ttapi_pipeline.datasets.implied_volatility.table import IMPLIED_VOLATILITY
from ttapi_pipeline.datasets.refresh import Refresh


def implied_volatility_frame(metrics: Sequence[MarketMetrics], *, fetched_at: datetime) -> pl.DataFrame:
    """One row per symbol, expiration date, settlement and chain type."""
    rows = [
        (
            each.symbol,
            entry.expiration_date,
            entry.settlement_type or "PM",
            entry.option_chain_type or "Standard",
            entry.implied_volatility,
            "tastytrade",
            fetched_at,
        )
        for each in metrics
        for entry in each.option_expiration_implied_volatilities
    ]
    frame = pl.DataFrame(rows, schema=IMPLIED_VOLATILITY.polars, orient="row")
    # The payload lists an expiration once per root; two roots of one kind on one date have one volatility.
    return frame.unique(IMPLIED_VOLATILITY.key, keep="first", maintain_order=True)


async def build_implied_volatility(
    client: TastytradeClient,
    universe: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    min_coverage: float,
    progress: ProgressCallback,
) -> Build:
    """Fetch the volatility of every listed expiration of the universe."""
    metrics = await client.market_metrics(universe["symbol"].to_list(), progress=progress)
    metrics.require(min_coverage, subject="implied_volatility")
    fresh = implied_volatility_frame(metrics.rows, fetched_at=now)
    frame = carry_over(fresh, previous, metrics.missing)
    return Build(
        frame=frame,
        missing=metrics.missing,
        sources=rows_per_source(frame),
        statistics={
            "coverage": metrics.coverage,
            "symbols_without_options": sum(not each.option_expiration_implied_volatilities for each in metrics.rows),
            "rows_carried_over": frame.height - fresh.height,
            "rows_rejected": len(metrics.rejected),
        },
        is_simulated=client.is_simulated,
    )


async def build(refresh: Refresh, universe: pl.LazyFrame) -> Build:
    """Fetch the metrics of the universe."""
    async with refresh.connect() as client:
        return await build_implied_volatility(
            client,
            universe.collect(),
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("metrics"),
        )
