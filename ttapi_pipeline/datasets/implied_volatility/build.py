# SPDX-License-Identifier: MIT
"""`implied_volatility`: what each listed expiration is priced at, from the same payload as `symbols`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import polars as pl

from ttapi_pipeline.client import MarketMetrics, TastytradeClient
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.datasets.build import Build, carry_over, require_options, rows_per_source, unexpired
from ttapi_pipeline.datasets.implied_volatility.table import IMPLIED_VOLATILITY
from ttapi_pipeline.datasets.placeholders import known_date, known_moment, known_text, positive
from ttapi_pipeline.datasets.refresh import Refresh


def implied_volatility_frame(metrics: Sequence[MarketMetrics], *, fetched_at: datetime) -> pl.DataFrame:
    """One row per symbol, expiration date, settlement and chain type."""
    rows = [
        (
            each.symbol,
            entry.expiration_date,
            entry.settlement_type or "PM",
            known_text(entry.option_chain_type) or "Standard",
            positive(entry.implied_volatility),
            known_moment(each.implied_volatility_updated_at or each.updated_at),
            "tastytrade",
            fetched_at,
        )
        for each in metrics
        for entry in each.option_expiration_implied_volatilities
        if known_date(entry.expiration_date) is not None
    ]
    frame = pl.DataFrame(rows, schema=IMPLIED_VOLATILITY.polars, orient="row")
    # The payload lists an expiration once per root; two roots of one kind on one date have one volatility. One that is
    # null does not hide the other.
    first_known = frame.sort(pl.col("implied_volatility").is_null(), maintain_order=True)
    return first_known.unique(IMPLIED_VOLATILITY.key, keep="first", maintain_order=True)


def is_of_expiration(lost_field: str) -> bool:
    """Whether a field of `/market-metrics` that could not be read is in this table, by its name on the wire."""
    return lost_field.startswith(("option-expiration-implied-volatilities", "implied-volatility-updated-at"))


def without_vanished(
    metrics: Collection[MarketMetrics], previous: pl.LazyFrame | None, *, today: date
) -> Collection[MarketMetrics]:
    """Count as missing the symbols without a volatility of any expiration although stored ones have not expired."""
    silent = {each.symbol for each in metrics.rows if not each.option_expiration_implied_volatilities}
    vanished = set(unexpired(previous, silent, today=today))
    if not vanished:
        return metrics
    reasons = dict.fromkeys(sorted(vanished), "no expiration came, and stored ones are still ahead")
    rows = [each for each in metrics.rows if each.symbol not in vanished]
    return replace(metrics, rows=rows, missing={**metrics.missing, **reasons})


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
    metrics = without_vanished(metrics, previous, today=now.astimezone(NEW_YORK).date())
    metrics.require(min_coverage, subject="implied_volatility")
    fresh = implied_volatility_frame(metrics.rows, fetched_at=now)
    has_some = bool(metrics.missing) or not fresh.is_empty()
    require_options(universe, has_some=has_some, dataset="implied_volatility")
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
            **lost_facts({name: count for name, count in metrics.lost.items() if is_of_expiration(name)}),
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
