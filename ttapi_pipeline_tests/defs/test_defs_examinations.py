# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a check has found in a file is used again while the file is the same, and says when it was examined."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.worlds import SATURDAY, World

RULE = "low_is_at_most_open_close_is_at_most_high"
OF_BYTES = ("unique_keys", RULE, "accounts_for_every_row", "files_are_understood")
"""Checks of the snapshot whose result depends on its files alone."""


def checks_of(result: dg.ExecuteInProcessResult, name: str) -> Mapping[str, dg.AssetCheckEvaluation]:
    found = result.get_asset_check_evaluations()
    return {each.check_name: each for each in found if each.asset_key == dg.AssetKey(name)}


def examined_at(checks: Mapping[str, dg.AssetCheckEvaluation], name: str) -> datetime:
    value = checks[name].metadata["examined_at"]
    assert isinstance(value, dg.TimestampMetadataValue)
    return datetime.fromtimestamp(value.value, SATURDAY.tzinfo)


def times(checks: Mapping[str, dg.AssetCheckEvaluation]) -> set[datetime]:
    return {examined_at(checks, name) for name in OF_BYTES}


def run_checks_alone(world: World, instance: dg.DagsterInstance, name: str) -> dg.ExecuteInProcessResult:
    job = dg.define_asset_job("alone", selection=dg.AssetSelection.checks_for_assets(dg.AssetKey(name)))
    all_of_it = dg.Definitions.merge(world.definitions(), dg.Definitions(jobs=[job]))
    return all_of_it.resolve_job_def("alone").execute_in_process(instance=instance)


def test_a_hit_has_the_results_that_were_found_in_the_same_files(world: World) -> None:
    with world.instance() as instance:
        world.advance(timedelta(hours=1))
        first = world.run("eod_snapshot", instance=instance)
        world.advance(timedelta(hours=1))
        second = world.run("eod_snapshot", instance=instance)
    for result in (first, second):
        checks = checks_of(result, "eod_snapshot")
        assert times(checks) == {SATURDAY}
        assert all(each.passed for each in checks.values())
        # What it costs nothing to look at, or depends on more than the files, is looked at every time.
        assert all("examined" not in checks[name].metadata for name in ("schema", "coverage", "csv"))


def test_what_was_found_is_recorded_as_it_was(world: World) -> None:
    with world.instance() as instance:
        world.advance(timedelta(hours=1))
        again = checks_of(world.run("eod_snapshot", instance=instance), "eod_snapshot")
    with world.instance() as instance:
        anew = checks_of(run_checks_alone(world, instance, "eod_snapshot"), "eod_snapshot")
    for name in OF_BYTES:
        told = [(each.passed, each.severity, each.description) for each in (again[name], anew[name])]
        assert told[0] == told[1]
        assert {**again[name].metadata, "examined_at": 0} == {**anew[name].metadata, "examined_at": 0}


def test_a_person_who_runs_the_checks_alone_has_the_rows_examined(world: World) -> None:
    with world.instance() as instance:
        world.advance(timedelta(hours=1))
        assert times(checks_of(run_checks_alone(world, instance, "eod_snapshot"), "eod_snapshot")) == {world.clock.at}


def test_the_agreement_with_the_broker_is_examined_once_per_publication(world: World) -> None:
    with world.instance() as instance:
        world.advance(timedelta(hours=1))
        reused = checks_of(world.run("volatility", instance=instance), "volatility")
        assert examined_at(reused, "agrees_with_broker") == SATURDAY
        forced = checks_of(world.run("volatility", force=True, instance=instance), "volatility")
        assert examined_at(forced, "agrees_with_broker") == world.clock.at


def test_the_reach_of_the_calendar_which_the_clock_decides_is_looked_at_every_time(world: World) -> None:
    with world.instance() as instance:
        checks = checks_of(world.run("trading_calendar", instance=instance), "trading_calendar")
    assert "examined" not in checks["reaches_the_present"].metadata
    assert "examined_at" not in checks["reaches_the_present"].metadata


def test_what_took_the_place_of_a_damaged_file_is_examined(world: World) -> None:
    path = world.data / "eod_snapshot.parquet"
    flip_bit(path, path.stat().st_size // 10, 2)
    with world.instance() as instance:
        world.advance(timedelta(hours=1))
        checks = checks_of(world.run("eod_snapshot", instance=instance), "eod_snapshot")
    assert {examined_at(checks, name) for name in ("unique_keys", RULE)} == {world.clock.at}


def test_another_file_in_the_place_of_the_one_that_was_examined_is_examined(world: World) -> None:
    files = DatasetFiles.of(world.data, "daily_candles")
    rows = pl.read_parquet(files.parquet)
    with world.instance() as instance:
        # Put there by hand, without a manifest: nothing vouches for it.
        files.manifest.unlink()
        rows.with_columns(high=pl.col("low") - 1).write_parquet(files.parquet)
        checks = checks_of(run_checks_alone(world, instance, "daily_candles"), "daily_candles")
    assert not checks[RULE].passed
    assert "examined" not in checks[RULE].metadata


@pytest.mark.parametrize("name", ["volatility_cone", "returns_stddev"])
def test_a_new_instance_has_nothing_to_use_again(world: World, name: str) -> None:
    world.advance(timedelta(hours=1))
    assert examined_at(checks_of(world.run(name), name), "unique_keys") == world.clock.at
