# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Quotes through Dagster, against the simulator: where they come from, when they are fresh, what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.quotes import build as quotes_module
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.defs.dagster_internals import failed_steps
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.quote_collection import collect_quotes
from ttapi_pipeline_tests.support.worlds import SYMBOLS, FirstRun, World

MONDAY_OPENS = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline and delays that tests can wait for."""
    quick = partial(collect_quotes, deadline_seconds=3.0, backoff=Backoff(first_seconds=0.001))
    monkeypatch.setattr(quotes_module, "collect_quotes", quick)


def stored(world: World) -> pl.DataFrame:
    return pl.read_parquet(world.data / "quotes.parquet")


def rule(world: World) -> Rule:
    return read_statuses(world.settings, now=world.clock.now())["quotes"].verdict.rule


def test_the_first_run_takes_every_symbol_from_the_feed(world: World) -> None:
    frame, manifest = stored(world), world.manifest("quotes")
    assert frame["symbol"].to_list() == sorted(SYMBOLS)
    assert frame["source"].unique().to_list() == ["dxlink"]
    assert manifest.provenance.sources == {"dxlink": len(SYMBOLS)}
    assert manifest.provenance.missing == {}
    # On a Saturday they are Friday's closing ones, last traded at 16:00 in New York.
    assert frame["last_trade_at"].unique().to_list() == [datetime(2026, 11, 20, 21, 0, tzinfo=UTC)]
    candles = pl.read_parquet(world.data / "daily_candles.parquet").group_by("symbol").agg(pl.col("close").last())
    joined = frame.join(candles, on="symbol")
    assert joined.filter((pl.col("last_price") - pl.col("close")).abs() > 0.005).is_empty()
    assert (joined["day_close"] == joined["last_price"]).all()


def test_they_are_the_last_of_a_run_since_they_are_the_first_to_be_old(first_run: FirstRun) -> None:
    started = [
        event.step_key for event in first_run.dagster_events if event.event_type is dg.DagsterEventType.STEP_START
    ]
    assert [step for step in started if step in DATASETS][-1] == "quotes"


def test_they_stay_over_the_weekend_and_expire_when_monday_opens(world: World) -> None:
    world.advance(timedelta(hours=5))
    assert rule(world) is Rule.MARKET_CLOSED
    world.clock.at = MONDAY_OPENS - timedelta(seconds=1)
    before = world.writes()
    assert world.run("quotes").success
    assert (world.writes(), world.exchange.requests()) == (before, {})
    world.clock.at = MONDAY_OPENS
    assert rule(world) is Rule.EXPIRED


def test_the_same_quotes_again_are_the_same_data_and_restart_their_clock(world: World) -> None:
    version = world.manifest("quotes").data_version
    world.clock.at = MONDAY_OPENS
    before = world.writes()
    assert world.run("quotes").success
    assert {name for name, write in world.writes().items() if write != before[name]} == {"quotes"}
    assert world.manifest("quotes").data_version == version
    assert rule(world) is Rule.FRESH
    assert set(world.exchange.requests()) == {"POST /oauth/token", "GET /api-quote-tokens"}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"kind": "dx-upgrade"}, "no WebSocket, HTTP 502"),
        ({"kind": "status", "route": "/api-quote-tokens", "parameters": {"status": 403}}, "HTTP 403"),
        ({"kind": "dx-freeze"}, "no Quote, Summary"),
    ],
)
def test_without_the_socket_they_come_by_rest_and_say_so(
    world: World, caplog: pytest.LogCaptureFixture, fault: Any, why: str
) -> None:
    before = stored(world)
    world.exchange.fault(**fault)
    world.advance(timedelta(minutes=1))
    with world.instance() as instance:
        result = world.run("quotes", force=True, instance=instance)
    assert result.success
    frame, provenance = stored(world), world.manifest("quotes").provenance
    assert frame["source"].unique().to_list() == ["rest"]
    assert provenance.sources == {"rest": len(SYMBOLS)}
    assert provenance.statistics["symbols_asked_by_rest"] == len(SYMBOLS)
    assert why in str(provenance.statistics["asked_by_rest_because"])
    assert "not from DXLink but by REST" in caplog.text
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["sources"].value == {"rest": len(SYMBOLS)}
    # The market stands still: what both sources have is the same.
    shared = ["symbol", "bid_price", "ask_price", "mid_price", "last_price", "day_high", "previous_close"]
    assert frame.select(shared).equals(before.select(shared))
    assert (frame["last_size"].null_count(), frame["last_trade_at"].null_count()) == (len(SYMBOLS), len(SYMBOLS))


def test_fields_that_a_snapshot_lost_are_counted_and_placeholders_are_null(world: World) -> None:
    before = stored(world)
    world.exchange.fault("dx-upgrade")
    row = "data.items[symbol=AAPL]"
    for name, value in {"bid": '"NaN"', "ask-size": '"N/A"', "last": "0", "open": '"-1"', "volume": "1e30"}.items():
        parameters = {"path": f"{row}.{name}", "value": value}
        world.exchange.fault("replace-field", "/market-data/by-type", parameters=parameters)
    result = world.run("quotes", force=True)
    assert result.success
    assert world.manifest("quotes").provenance.lost == {"ask-size": 1, "bid": 1, "volume": 1}
    after = stored(world)
    (aapl,) = after.filter(symbol="AAPL").to_dicts()
    gone = ["bid_price", "bid_size", "ask_size", "mid_price", "spread", "last_price", "day_open", "day_volume"]
    assert [aapl[name] for name in gone] == [None] * len(gone)
    shared = ["symbol", "ask_price", "day_high", "day_low", "previous_close"]
    assert after.select(shared).equals(before.select(shared))


def test_without_both_what_was_stored_stays(world: World) -> None:
    before = world.files()
    world.exchange.fault("dx-upgrade")
    world.exchange.fault("status", "/market-data/by-type", parameters={"status": 403})
    result = world.run("quotes", force=True)
    assert not result.success
    said = failed_steps(result)["quotes"].description
    assert said is not None
    assert "quotes: 6 of 6 are missing" in said
    assert "DXLink: no Quote, Summary because the link failed" in said
    assert "HTTP 403" in said
    assert {name: content for name, content in world.files().items() if name.startswith("quotes")} == {
        name: content for name, content in before.items() if name.startswith("quotes")
    }


def test_a_universe_that_changed_brings_them_anew_and_what_nobody_knows_is_named(world: World) -> None:
    universe = pl.read_parquet(world.data / "universe.parquet")
    unknown = universe.head(1).with_columns(symbol=pl.lit("NOSUCH"), streamer_symbol=pl.lit("NOSUCH"))
    publish(
        pl.concat([universe, unknown]), DATASETS["universe"].schema, world.data, world.manifest("universe").provenance
    )
    assert rule(world) is Rule.UPSTREAM
    result = world.run("quotes")
    assert result.success
    missing = world.manifest("quotes").provenance.missing
    assert list(missing) == ["NOSUCH"]
    assert missing["NOSUCH"].startswith("DXLink: no Quote, Summary within 3 s; REST: GET /market-data/by-type: ")
    assert stored(world)["source"].unique().to_list() == ["dxlink"]
    (coverage,) = (each for each in result.get_asset_check_evaluations() if each.check_name == "coverage")
    assert (coverage.passed, coverage.severity) == (False, dg.AssetCheckSeverity.WARN)
