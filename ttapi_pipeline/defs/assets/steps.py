# SPDX-License-Identifier: MIT
"""How each dataset is built: one function per dataset, ``(refresh, **upstream LazyFrames) -> Build``, by its name."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import polars as pl

from ttapi_pipeline.datasets.accounts.build import build_accounts
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.daily_candles.build import build_daily_candles, candle_spool
from ttapi_pipeline.datasets.daily_candles.table import CANDLE_REVISIONS
from ttapi_pipeline.datasets.earnings.build import build_earnings
from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot, snapshot_options
from ttapi_pipeline.datasets.expiration_series.build import build_expiration_series
from ttapi_pipeline.datasets.quotes.build import build_quotes
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.returns_stddev.build import build_returns_stddev
from ttapi_pipeline.datasets.status import metastock_folder, metastock_version
from ttapi_pipeline.datasets.symbols.build import build_implied_volatility, build_symbols
from ttapi_pipeline.datasets.trading_calendar.build import build_trading_calendar
from ttapi_pipeline.datasets.universe.build import build_universe
from ttapi_pipeline.datasets.volatility.build import build_volatility
from ttapi_pipeline.datasets.volatility_cone.build import build_volatility_cone
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import DEFAULT_FIRST, default_last, write_metastock_files

Step = Callable[..., Build | Awaitable[Build]]


async def trading_calendar(refresh: Refresh) -> Build:
    async with refresh.connect() as client:
        return await build_trading_calendar(client, now=refresh.now)


async def accounts(refresh: Refresh) -> Build:
    async with refresh.connect() as client:
        return await build_accounts(
            client,
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("balances"),
        )


async def universe(refresh: Refresh) -> Build:
    async with refresh.connect() as client:
        return await build_universe(
            client,
            refresh.settings,
            previous=refresh.previous(),
            now=refresh.now,
            progress=refresh.progress("instruments"),
        )


async def symbols(refresh: Refresh, universe: pl.LazyFrame) -> Build:
    async with refresh.connect() as client:
        return await build_symbols(
            client,
            universe.collect(),
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("metrics"),
        )


async def implied_volatility(refresh: Refresh, universe: pl.LazyFrame) -> Build:
    async with refresh.connect() as client:
        return await build_implied_volatility(
            client,
            universe.collect(),
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("metrics"),
        )


def earnings(refresh: Refresh, symbols: pl.LazyFrame) -> Build:
    return build_earnings(symbols, previous=refresh.accumulated(), file=refresh.settings.earnings_file, now=refresh.now)


async def quotes(refresh: Refresh, universe: pl.LazyFrame) -> Build:
    return await build_quotes(
        refresh.api.open_link,
        refresh.connect,
        universe.collect(),
        previous=refresh.previous(),
        now=refresh.now,
        clock=refresh.clock,
        min_coverage=refresh.settings.min_coverage,
        progress=refresh.progress("quotes"),
    )


async def expiration_series(refresh: Refresh, trading_calendar: pl.LazyFrame, universe: pl.LazyFrame) -> Build:
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


async def daily_candles(refresh: Refresh, trading_calendar: pl.LazyFrame, universe: pl.LazyFrame) -> Build:
    return await build_daily_candles(
        refresh.api.open_link,
        universe.collect(),
        trading_calendar.collect(),
        previous=refresh.previous(),
        history_start=refresh.settings.history_start,
        now=refresh.now,
        clock=refresh.clock,
        min_coverage=refresh.settings.min_coverage,
        progress=refresh.progress("histories"),
        spool=candle_spool(refresh.settings, now=refresh.now),
        recorded=refresh.recorded(CANDLE_REVISIONS.name),
    )


def eod_snapshot(refresh: Refresh, daily_candles: pl.LazyFrame, trading_calendar: pl.LazyFrame) -> Build:
    folder = _metastock_files(refresh)
    return build_eod_snapshot(
        folder,
        daily_candles,
        trading_calendar,
        metastock_version=metastock_version(refresh.settings),
        options=snapshot_options(refresh.settings),
        progress=refresh.progress("files"),
    )


def returns_stddev(
    refresh: Refresh,
    expiration_series: pl.LazyFrame,
    eod_snapshot: pl.LazyFrame,
    implied_volatility: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> Build:
    return build_returns_stddev(
        expiration_series,
        eod_snapshot,
        implied_volatility,
        trading_calendar,
        now=refresh.now,
        lookback=refresh.settings.lookback_sessions,
        annualization=refresh.settings.annualization_sessions,
    )


def volatility(
    refresh: Refresh,
    eod_snapshot: pl.LazyFrame,
    symbols: pl.LazyFrame,
    earnings: pl.LazyFrame,
    trading_calendar: pl.LazyFrame,
) -> Build:
    return build_volatility(
        eod_snapshot,
        symbols,
        earnings,
        trading_calendar,
        annualization=refresh.settings.annualization_sessions,
        now=refresh.now,
    )


def volatility_cone(refresh: Refresh, eod_snapshot: pl.LazyFrame, trading_calendar: pl.LazyFrame) -> Build:
    return build_volatility_cone(
        eod_snapshot,
        trading_calendar,
        annualization=refresh.settings.annualization_sessions,
        now=refresh.now,
    )


def _metastock_files(refresh: Refresh) -> Path | None:
    """The MetaStock folder; without one, the simulator's files, generated on first use."""
    settings, folder = refresh.settings, metastock_folder(refresh.settings)
    if folder is not None and settings.metastock_dir is None and not folder.is_dir():
        write_metastock_files(
            Market(settings.simulator_seed, clock=refresh.clock),
            folder,
            first=DEFAULT_FIRST,
            last=default_last(refresh.now),
            progress=refresh.progress("generating MetaStock files"),
        )
    return folder


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        step.__name__: step
        for step in (
            trading_calendar,
            accounts,
            universe,
            symbols,
            implied_volatility,
            earnings,
            quotes,
            expiration_series,
            daily_candles,
            eod_snapshot,
            returns_stddev,
            volatility,
            volatility_cone,
        )
    }
)
"""By dataset. A step is given the upstream tables that it names; the asset passes all that its declaration names."""
