# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Bits at rest: what is damaged reaches no other table, is named, and is made anew by the next run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.reading import open_dataset
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.publish import write_manifest
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.worlds import World

BARS = ("eod_snapshot", "returns_stddev", "volatility", "volatility_cone")


def statuses(world: World) -> Mapping[str, DatasetStatus]:
    return read_statuses(world.settings, now=world.clock.now())


def rows(world: World, name: str) -> pl.DataFrame:
    return open_dataset(name, world.data).collect()


def versions(world: World) -> Mapping[str, str]:
    return {name: world.manifest(name).data_version for name in DATASETS}


def damage(world: World, file: str) -> None:
    """Damage a file in its first tenth: in a Parquet file, in its rows."""
    path = world.data / file
    flip_bit(path, path.stat().st_size // 10, 2)


def edit(world: World, manifest: Manifest) -> None:
    write_manifest(DatasetFiles.of(world.data, manifest.provenance.dataset), manifest)


def sentence(result: dg.ExecuteInProcessResult, step: str) -> str:
    failed = {event.step_key: event.step_failure_data for event in result.all_events if event.is_step_failure}
    data = failed[step]
    assert data is not None
    return str(data.error)


def assert_sound(world: World) -> None:
    """Every file is as its manifest says, and no damage is noted."""
    for schema in (*(dataset.schema for dataset in DATASETS.values()), *REPORTS.values()):
        assert check(world.data, schema) == []
    assert {name for name, status in statuses(world).items() if status.damage} == set()


def test_damaged_rows_reach_no_other_table_and_are_mended_by_the_next_run(world: World) -> None:
    before, bars, good = world.writes(), rows(world, "eod_snapshot"), versions(world)
    damage(world, "eod_snapshot.parquet")
    with pytest.raises(CorruptFileError, match=r"eod_snapshot\.parquet is damaged: its bytes hash to"):
        rows(world, "eod_snapshot")
    forced = world.run("volatility", force=True)
    assert not forced.success
    assert "eod_snapshot.parquet is damaged" in sentence(forced, "volatility")
    assert world.writes() == before
    status = statuses(world)["eod_snapshot"]
    assert (status.verdict.is_hit, status.verdict.rule) == (False, Rule.DAMAGED)
    assert status.damage is not None
    assert world.run(*BARS).success
    assert versions(world) == good
    assert_frame_equal(rows(world, "eod_snapshot"), bars)
    # Nothing was built from the damaged file.
    after = world.writes()
    assert {name for name in after if after[name] != before[name]} == {"eod_snapshot"}
    assert world.exchange.requests() == {}
    assert_sound(world)


def test_what_was_built_from_the_damaged_file_is_built_again(world: World) -> None:
    damage(world, "eod_snapshot.parquet")
    with pytest.raises(CorruptFileError):
        rows(world, "eod_snapshot")
    seen = statuses(world)["eod_snapshot"].stored.damage["eod_snapshot.parquet"].seen
    # As if two tables were made while nothing was verified: one notes the damaged bytes, the other, older one, none.
    for name, files in (("volatility", {"eod_snapshot": seen}), ("volatility_cone", {})):
        manifest = world.manifest(name)
        edit(world, replace(manifest, provenance=replace(manifest.provenance, input_files=files)))
    before = world.writes()
    assert world.run(*BARS).success
    after = world.writes()
    assert {name for name in after if after[name] != before[name]} == {"eod_snapshot", "volatility", "volatility_cone"}
    assert world.manifest("eod_snapshot").provenance.damaged_files == (seen,)
    # Once is enough.
    assert world.run(*BARS).success
    assert world.writes() == after
    assert_sound(world)


def test_a_table_whose_csv_is_damaged_too_is_fetched_again_without_its_damaged_rows(world: World) -> None:
    good = rows(world, "symbols").drop("fetched_at")
    damage(world, "symbols.parquet")
    damage(world, "symbols.csv")
    assert world.run("symbols").success
    assert_frame_equal(rows(world, "symbols").drop("fetched_at"), good)
    assert world.exchange.requests() != {}
    assert len(world.manifest("symbols").provenance.damaged_files) == 1
    assert_sound(world)


@pytest.mark.parametrize("force", [False, True])
def test_rows_of_symbols_that_do_not_come_are_not_carried_over_from_a_damaged_table(world: World, force: bool) -> None:
    world.exchange.fault("status", "/market-metrics", count=None, parameters={"status": 503})
    damage(world, "symbols.parquet")
    damage(world, "symbols.csv")
    result = world.run("symbols", force=force)
    # There is nothing to carry over, and too little came: what is there stays as it is, and is not called whole.
    assert not result.success
    assert statuses(world)["symbols"].verdict.rule is Rule.DAMAGED
    world.exchange.reset()
    assert world.run("symbols", force=force).success
    assert_sound(world)


@pytest.mark.parametrize("name", ["universe", "earnings", "eod_snapshot", "daily_candles"])
@pytest.mark.parametrize("place", ["footer", "csv", "manifest"])
def test_a_footer_a_csv_or_a_manifest_alone_is_mended_without_a_request(world: World, name: str, place: str) -> None:
    good, before = versions(world), rows(world, name)
    path = world.data / f"{name}.{ {'footer': 'parquet', 'csv': 'csv', 'manifest': 'json'}[place] }"
    flip_bit(path, -100 if place == "footer" else path.stat().st_size // 2, 0)
    assert world.run(name).success
    assert versions(world) == good
    assert_frame_equal(rows(world, name), before)
    assert world.exchange.requests() == {}
    assert_sound(world)


def test_a_table_beside_a_dataset_is_mended_with_it(world: World) -> None:
    damage(world, "eod_rejects.parquet")
    with pytest.raises(CorruptFileError):
        rows(world, "eod_rejects")
    assert "eod_rejects.parquet is damaged" in str(statuses(world)["eod_snapshot"].damage)
    assert world.run("eod_snapshot").success
    assert_sound(world)


def test_a_table_beside_a_dataset_is_named_although_the_dataset_is_damaged_too(world: World) -> None:
    damaged = ("eod_rejects", "eod_snapshot")
    for name in damaged:
        damage(world, f"{name}.parquet")
        with pytest.raises(CorruptFileError):
            rows(world, name)
    said = str(statuses(world)["eod_snapshot"].damage)
    assert [f"{name}.parquet is damaged" in said for name in damaged] == [True, True]


# The tester selects with a parameter that is in beta.
@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
def test_the_daemon_asks_for_what_a_reader_found_damaged(world: World) -> None:
    damage(world, "volatility.parquet")
    definitions = world.definitions()

    def asked(instance: dg.DagsterInstance) -> set[str]:
        world.advance(timedelta(minutes=1))
        result = dg.evaluate_automation_conditions(definitions, instance, evaluation_time=world.clock.now())
        return {each for each in DATASETS if result.get_num_requested(dg.AssetKey(each))}

    with world.instance() as instance:
        assert asked(instance) == set()
        with pytest.raises(CorruptFileError):
            rows(world, "volatility")
        assert asked(instance) == {"volatility"}
        assert world.run("volatility", instance=instance).success
        assert asked(instance) == set()
