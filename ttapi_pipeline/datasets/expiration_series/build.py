# SPDX-License-Identifier: MIT
"""`expiration_series`: every listed expiration and the session it falls on.

Facts only: `dte` and `horizon_sessions` change every day and belong to `returns_stddev`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

import polars as pl

from ttapi_pipeline.client import OptionChain, TastytradeClient
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.errors import InvalidFormatError
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.datasets.build import Build, carry_over, rows_per_source
from ttapi_pipeline.datasets.expiration_series.table import EXPIRATION_SERIES
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

_COLLECTED: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "root_symbol": pl.String(),
        "expiration_date": pl.Date(),
        "settlement_type": pl.String(),
        "option_chain_type": pl.String(),
        "expiration_type": pl.String(),
        "shares_per_contract": pl.Int32(),
        "strikes": pl.List(pl.Float64()),
    }
)


def expiration_series_frame(
    chains: Sequence[OptionChain], calendar: pl.DataFrame, *, fetched_at: datetime
) -> pl.DataFrame:
    """One row per root, expiration date and settlement.

    Args:
        chains: Roots with their expirations, as the broker lists them.
        calendar: `trading_calendar`.
        fetched_at: When the chains were fetched.

    Raises:
        InvalidFormatError: An expiration lies beyond the calendar, so that its session cannot be told.
    """
    rows = [
        (
            chain.symbol,
            root.root_symbol,
            expiration.expiration_date,
            expiration.settlement_type or "PM",
            root.option_chain_type or "Standard",
            expiration.expiration_type or "Regular",
            100 if root.shares_per_contract is None else root.shares_per_contract,
            sorted({strike.strike_price for strike in expiration.strikes}),
        )
        for chain in chains
        for root in chain.roots
        for expiration in root.expirations
    ]
    listed = pl.DataFrame(rows, schema=_COLLECTED, orient="row")
    _refuse_beyond(listed, last=calendar["session"].max())
    frame = on_sessions(listed, calendar).with_columns(
        strike_count=pl.col("strikes").list.len().cast(EXPIRATION_SERIES.polars["strike_count"]),
        lowest_strike=pl.col("strikes").list.first(),
        highest_strike=pl.col("strikes").list.last(),
        strikes=pl.col("strikes").list.eval(_plain(pl.element())).list.join(" "),
        source=pl.lit("tastytrade"),
        fetched_at=pl.lit(fetched_at, UTC_DATETIME),
    )
    return frame.select(EXPIRATION_SERIES.polars.names())


def on_sessions(series: pl.DataFrame, calendar: pl.DataFrame) -> pl.DataFrame:
    """Add, or tell anew, the session on which each expiration falls: on its date or the last one before it."""
    sessions = calendar.select(expiration_session=pl.col("session")).sort("expiration_session")
    return (
        series.drop("expiration_session", "is_expiration_on_session", strict=False)
        .sort("expiration_date")
        .join_asof(sessions, left_on="expiration_date", right_on="expiration_session", coalesce=False)
        .with_columns(is_expiration_on_session=pl.col("expiration_session") == pl.col("expiration_date"))
    )


def _plain(strike: pl.Expr) -> pl.Expr:
    """150.0 as ``150``, 2.5 as ``2.5``."""
    return strike.cast(pl.String).str.strip_suffix(".0")


def _refuse_beyond(listed: pl.DataFrame, *, last: object) -> None:
    if not isinstance(last, date):
        raise InvalidFormatError("trading_calendar has no session; run `tt refresh trading_calendar --force`")
    beyond = listed.filter(pl.col("expiration_date") > last)
    if beyond.height:
        row = beyond.row(0, named=True)
        raise InvalidFormatError(
            f"{row['symbol']} lists an expiration on {row['expiration_date']}, after the last session, {last}"
        )


def without_vanished(
    chains: Collection[OptionChain], previous: pl.LazyFrame | None, *, today: date
) -> Collection[OptionChain]:
    """Count as missing the symbols that have no options any more although stored ones have not expired.

    A broker whose chain service answers "not found" for everybody would empty the table otherwise.
    """
    if previous is None or not chains.empty:
        return chains
    alive = previous.filter((pl.col("expiration_date") >= today) & pl.col("symbol").is_in(sorted(chains.empty)))
    vanished = alive.select(pl.col("symbol").unique()).collect()["symbol"].to_list()
    reasons = dict.fromkeys(vanished, "no option chain came, and stored expirations are still ahead")
    return replace(chains, empty=chains.empty - set(vanished), missing={**chains.missing, **reasons})


async def build_expiration_series(
    client: TastytradeClient,
    universe: pl.DataFrame,
    calendar: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    min_coverage: float,
    progress: ProgressCallback,
) -> Build:
    """Fetch the chain of every symbol of the universe; those that fail keep their last known rows."""
    chains = await client.nested_option_chains(universe["symbol"].to_list(), progress=progress)
    chains = without_vanished(chains, previous, today=now.astimezone(NEW_YORK).date())
    chains.require(min_coverage, subject="expiration_series")
    fresh = expiration_series_frame(chains.rows, calendar, fetched_at=now)
    # Rows that are carried over were made with an older calendar, perhaps with another one.
    frame = on_sessions(carry_over(fresh, previous, chains.missing), calendar)
    return Build(
        frame=frame,
        missing=chains.missing,
        sources=rows_per_source(frame),
        statistics={
            "coverage": chains.coverage,
            "symbols_without_options": len(chains.empty),
            "rows_carried_over": frame.height - fresh.height,
            "rows_rejected": len(chains.rejected),
        },
        is_simulated=client.is_simulated,
    )


async def build(refresh: Refresh, trading_calendar: pl.LazyFrame, universe: pl.LazyFrame) -> Build:
    """Fetch the option chains of the universe."""
    async with refresh.connect() as client:
        return await build_expiration_series(
            client,
            universe.collect(),
            trading_calendar.collect(),
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("chains"),
        )
