# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A universe that gains or loses symbols: what is fetched, what is kept, and what is stored of an index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline_tests.support.older_tables import SERIES_WITH_TEXTS, with_texts
from ttapi_pipeline_tests.support.worlds import SYMBOLS, World

FETCHED = ("universe", "symbols", "implied_volatility", "expiration_series", "daily_candles")
CHAINS = "GET /option-chains/{symbol}/nested"
METRICS = "GET /market-metrics"
NEW = ("SPX", "VIX")


def table(world: World, name: str) -> pl.DataFrame:
    return pl.read_parquet(world.data / f"{name}.parquet")


def choose(world: World, symbols: Iterable[str], tmp_path: Path) -> None:
    """Have another file of symbols as the universe."""
    file = tmp_path / "chosen.txt"
    file.write_text("\n".join(symbols))
    world.settings = replace(world.settings, universe=str(file))


@pytest.fixture
def grown(world: World, tmp_path: Path) -> World:
    """Two indices joined five minutes after everything was fetched."""
    world.advance(timedelta(minutes=4))
    choose(world, (*SYMBOLS, *NEW), tmp_path)
    assert world.run().success
    return world


def test_symbols_that_join_are_fetched_and_no_other_one(grown: World) -> None:
    requests, events = grown.exchange.requests(), grown.exchange.events()
    assert (requests[CHAINS], requests[METRICS], requests["GET /instruments/equities"]) == (2, 2, 1)
    assert events["dxlink.snapshots"] == len(NEW)
    kept = {name: set(table(grown, name)["symbol"].to_list()) for name in FETCHED}
    assert set(map(frozenset, kept.values())) == {frozenset({*SYMBOLS, *NEW})}


def test_rows_that_stay_keep_their_age(grown: World) -> None:
    for name in FETCHED:
        assert grown.manifest(name).provenance.fetched_at == grown.clock.now() - timedelta(minutes=4), name
        ages = table(grown, name).group_by("symbol").agg(pl.col("fetched_at").max())
        since = {symbol: grown.clock.now() - at for symbol, at in ages.iter_rows()}
        assert {symbol: since[symbol] for symbol in NEW} == dict.fromkeys(NEW, timedelta(0)), name
        assert {since[symbol] for symbol in SYMBOLS} == {timedelta(minutes=4)}, name
    statuses = read_statuses(grown.settings, now=grown.clock.now())
    assert {name for name, each in statuses.items() if not each.verdict.is_hit} == set()


def test_symbols_that_leave_cost_no_request(world: World, tmp_path: Path) -> None:
    before = {name: table(world, name) for name in FETCHED}
    choose(world, SYMBOLS[:4], tmp_path)
    assert world.run(*FETCHED).success
    assert world.exchange.requests() == {}
    for name in FETCHED[1:]:
        assert table(world, name).equals(before[name].filter(pl.col("symbol").is_in(SYMBOLS[:4]))), name


def test_a_symbol_that_did_not_come_is_asked_for_again(grown: World, tmp_path: Path) -> None:
    choose(grown, (*SYMBOLS, *NEW, "NOSUCH"), tmp_path)
    assert grown.run("universe").success
    grown.exchange.reset()
    choose(grown, (*SYMBOLS, *NEW, "NOSUCH", "XSP"), tmp_path)
    assert grown.run("universe").success
    assert set(grown.manifest("universe").provenance.missing) == {"NOSUCH"}
    assert grown.exchange.requests()["GET /instruments/equities"] == 1


def test_what_is_due_by_its_age_is_fetched_for_all(world: World, tmp_path: Path) -> None:
    world.advance(timedelta(hours=25))
    choose(world, (*SYMBOLS, *NEW), tmp_path)
    assert world.run("universe", "symbols").success
    assert world.manifest("symbols").provenance.fetched_at == world.clock.now()
    assert set(table(world, "symbols")["fetched_at"].to_list()) == {world.clock.now()}


def test_a_forced_refresh_fetches_all(grown: World) -> None:
    grown.exchange.reset()
    assert grown.run("expiration_series", force=True).success
    assert grown.exchange.requests()[CHAINS] == len(SYMBOLS) + len(NEW)


def test_a_closure_moves_the_expirations_of_the_day_without_a_request(world: World) -> None:
    series, calendar = table(world, "expiration_series"), table(world, "trading_calendar")
    day = series.filter(pl.col("is_expiration_on_session"))["expiration_date"].min()
    before = calendar.filter(pl.col("session") < day)["session"].max()
    made = world.manifest("trading_calendar").provenance
    publish(calendar.filter(pl.col("session") != day), DATASETS["trading_calendar"].schema, world.data, made)
    assert world.run("expiration_series").success
    moved = table(world, "expiration_series").filter(expiration_date=day)
    assert moved.height > 0
    assert set(moved["expiration_session"].to_list()) == {before}
    assert world.exchange.requests() == {}


def test_an_index_has_what_an_index_has_and_null_for_the_rest(grown: World) -> None:
    facts = table(grown, "universe").filter(pl.col("symbol").is_in(NEW))
    assert facts["is_index"].to_list() == [True, True]
    metrics = table(grown, "symbols").filter(pl.col("symbol").is_in(NEW))
    for name in ("market_cap", "earnings_per_share", "dividend_ex_date", "earnings_date"):
        assert metrics[name].null_count() == 2, name
    assert metrics["implied_volatility_index"].null_count() == 0
    assert table(grown, "earnings").filter(pl.col("symbol").is_in(NEW)).is_empty()
    settlements = (
        table(grown, "expiration_series").filter(symbol="SPX").select("root_symbol", "settlement_type").unique()
    )
    assert set(settlements.iter_rows()) == {("SPX", "AM"), ("SPXW", "PM")}
    for name in ("quotes", "eod_snapshot", "returns_stddev", "volatility", "variance_premium", "volatility_cone"):
        assert set(NEW) <= set(table(grown, name)["symbol"].to_list()), name


def test_an_upgrade_from_strikes_in_texts_fetches_nothing(world: World) -> None:
    series = table(world, "expiration_series")
    made = replace(world.manifest("expiration_series").provenance, code_version="1.1")
    publish(with_texts(series), SERIES_WITH_TEXTS, world.data, made)
    world.advance(timedelta(minutes=4))
    assert world.run().success
    assert world.exchange.requests() == {}
    assert table(world, "expiration_series").equals(series)
    assert series.schema["strikes"] == pl.List(pl.Float64)
    after = world.manifest("expiration_series").provenance
    assert (after.code_version, after.fetched_at) == ("2", made.fetched_at)
