# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Partitions by buckets of symbols: off they change nothing, on the tables have the rows that they have without."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.execution.backfill import PartitionBackfill

from ttapi_pipeline import open_dataset
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.instances import memory_instance
from ttapi_pipeline_tests.support.worlds import SYMBOLS, World

TABLES = ("returns_stddev", "volatility", "volatility_cone")
"""Those that are due when there is another number of sessions per year."""
UNSHAPED = "variance_premium"
PARTS = [dg.AssetKey(f"{name}_parts") for name in (*TABLES, UNSHAPED)]
KEYS = [f"{number:02}-of-16" for number in range(16)]


def parts_of(definitions: dg.Definitions) -> list[dg.AssetKey]:
    return [key for key in definitions.resolve_asset_graph().get_all_asset_keys() if key in PARTS]


def fill(world: World, keys: list[str]) -> list[dg.ExecuteInProcessResult]:
    """Compute some partitions as a back-fill does, each in a run of its own."""
    job = world.definitions().resolve_job_def("parts")
    with memory_instance() as instance:
        return [job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False) for key in keys]


def versions(world: World) -> dict[str, str]:
    return {name: world.manifest(name).data_version for name in TABLES}


def taken(world: World) -> list[object]:
    return [world.manifest(name).provenance.statistics.get("buckets_taken") for name in TABLES]


@pytest.fixture
def due(world: World) -> World:
    """A world in which both tables are due, since they were computed with another number of sessions per year."""
    world.settings = replace(world.settings, annualization_sessions=260)
    return world


def test_by_default_there_is_nothing_of_them(tmp_path: Path) -> None:
    definitions = build_definitions(Settings(data_dir=str(tmp_path)))
    assert parts_of(definitions) == []
    graph = definitions.resolve_asset_graph()
    for name in TABLES:
        assert not graph.get(dg.AssetKey(name)).parent_keys & set(PARTS)


def test_with_them_each_table_is_one_asset_without_partitions_below_its_parts(tmp_path: Path) -> None:
    definitions = build_definitions(Settings(data_dir=str(tmp_path), partitions=16))
    graph = definitions.resolve_asset_graph()
    assert set(parts_of(definitions)) == set(PARTS)
    for name, parts in zip((*TABLES, UNSHAPED), PARTS, strict=True):
        table, of_parts = graph.get(dg.AssetKey(name)), graph.get(parts)
        assert table.partitions_def is None
        assert table.parent_keys >= {parts}
        assert of_parts.partitions_def == dg.StaticPartitionsDefinition(KEYS)
        assert of_parts.backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=4)
        # Everything else that the table is made from, its parts are made from.
        assert of_parts.parent_keys == table.parent_keys - {parts}
    # The jobs of everything ask for no partition.
    assert not set(definitions.resolve_job_def(REFRESH_JOB).asset_layer.selected_asset_keys) & set(PARTS)


def test_the_tables_are_the_same_with_parts_without_and_with_some(due: World) -> None:
    assert due.run(*TABLES).success
    expected = versions(due)
    assert taken(due) == [None] * 3
    whole = {name: open_dataset(name, due.data).collect() for name in TABLES}

    due.settings = replace(due.settings, partitions=16, annualization_sessions=261)
    assert due.run(*TABLES).success
    assert taken(due) == [0] * 3

    due.settings = replace(due.settings, annualization_sessions=260)
    assert all(run.success for run in fill(due, KEYS))
    assert due.run(*TABLES).success
    assert taken(due) == [16] * 3
    assert versions(due) == expected
    for name, table in whole.items():
        assert (
            open_dataset(name, due.data)
            .collect()
            .drop("fetched_at", strict=False)
            .equals(table.drop("fetched_at", strict=False))
        )
    # What is taken over was computed by the parts: without three of them, these are computed again.
    due.settings = replace(due.settings, annualization_sessions=261)
    assert due.run(*TABLES).success
    for name in TABLES:
        for key in ("02-of-16", "05-of-16", "13-of-16"):
            (due.data / ".state" / "parts" / name / f"{key}.part").unlink()
    due.settings = replace(due.settings, annualization_sessions=260)
    assert due.run(*TABLES).success
    assert taken(due) == [13] * 3
    assert versions(due) == expected


def test_a_table_that_no_setting_shapes_takes_its_parts_over_when_it_is_lost(world: World) -> None:
    expected = world.manifest(UNSHAPED).data_version
    world.settings = replace(world.settings, partitions=2)
    assert all(run.success for run in fill(world, ["00-of-2", "01-of-2"]))
    for path in world.data.glob(f"{UNSHAPED}.*"):
        path.unlink()
    assert world.run(UNSHAPED).success
    manifest = world.manifest(UNSHAPED)
    assert manifest.provenance.statistics["buckets_taken"] == 2
    assert manifest.data_version == expected


def test_a_part_of_other_inputs_or_with_turned_bits_is_not_taken(due: World) -> None:
    due.settings = replace(due.settings, partitions=2)
    keys = ["00-of-2", "01-of-2"]
    assert all(run.success for run in fill(due, keys))
    # Parts of settings that no longer hold.
    due.settings = replace(due.settings, annualization_sessions=300)
    assert due.run(*TABLES).success
    assert taken(due) == [0] * 3
    due.settings = replace(due.settings, annualization_sessions=260)
    path = due.data / ".state" / "parts" / "volatility" / "01-of-2.part"
    flip_bit(path, path.stat().st_size // 3, 0)
    assert due.run(*TABLES).success
    assert taken(due) == [2, 1, 2]


def test_a_part_that_is_there_is_not_computed_again(due: World) -> None:
    due.settings = replace(due.settings, partitions=2)
    folder = due.data / ".state" / "parts" / "returns_stddev"
    (first,) = fill(due, ["00-of-2"])
    assert first.success
    written = (folder / "00-of-2.part").stat()
    (again,) = fill(due, ["00-of-2"])
    assert again.success
    assert (folder / "00-of-2.part").stat().st_ino == written.st_ino
    assert sorted(path.name for path in folder.iterdir()) == ["00-of-2.part"]
    # A bucket has the symbols of its name and no others.
    # The file is Parquet behind 16 bytes.
    rows = pl.read_parquet(io.BytesIO((folder / "00-of-2.part").read_bytes()[16:]))
    symbols = rows["symbol"].unique().to_list()
    assert set(symbols) < set(SYMBOLS)


def test_a_bucket_that_fails_costs_itself_and_the_table_computes_it(due: World) -> None:
    due.settings = replace(due.settings, partitions=2)
    folder = due.data / ".state" / "parts" / "volatility"
    # Nothing can be written there.
    (folder / "00-of-2.part" / "in the way").mkdir(parents=True)
    definitions, both = due.definitions(), {"dagster/asset_partition_range_start": "00-of-2"}
    both["dagster/asset_partition_range_end"] = "01-of-2"
    with memory_instance() as instance:
        # As a back-fill starts it: several buckets in a run.
        run = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[PARTS[1]], tags=both, raise_on_error=False
        )
        assert not run.success
        (said,) = [str(event.step_failure_data.user_failure_data) for event in run.all_events if event.is_step_failure]
        assert "00-of-2.part" in said
        assert "01-of-2.part" not in said
        assert instance.get_materialized_partitions(PARTS[1]) == {"01-of-2"}
    assert due.run("volatility").success
    manifest = due.manifest("volatility")
    assert (manifest.provenance.statistics["buckets_taken"], manifest.provenance.missing) == (1, {})
    assert set(open_dataset("volatility", due.data).collect()["symbol"]) >= set(SYMBOLS)


@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources` is deprecated:DeprecationWarning")
def test_the_table_waits_for_a_back_fill_of_its_parts_that_is_under_way(due: World) -> None:
    due.settings = replace(due.settings, partitions=16)
    definitions = due.definitions()

    def requested(instance: dg.DagsterInstance) -> set[dg.AssetKey]:
        result = dg.evaluate_automation_conditions(
            definitions, instance, asset_selection=dg.AssetSelection.assets(*TABLES)
        )
        return {key for key in map(dg.AssetKey, TABLES) if result.get_num_requested(key)}

    with due.instance() as instance:
        assert requested(instance) == set(map(dg.AssetKey, TABLES))
        backfill = PartitionBackfill.from_asset_partitions(
            "waited-for",
            definitions.resolve_asset_graph(),
            partition_names=KEYS,
            asset_selection=[PARTS[1]],
            backfill_timestamp=due.clock.now().timestamp(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
        instance.add_backfill(backfill)
        assert requested(instance) == set(map(dg.AssetKey, TABLES)) - {dg.AssetKey("volatility")}


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_everything_but_the_parts_can_be_selected(tmp_path: Path) -> None:
    graph = build_definitions(Settings(data_dir=str(tmp_path), partitions=16)).resolve_asset_graph()
    # As `dagster asset materialize --select` reads it.
    chosen = dg.AssetSelection.from_string("not group:parts").resolve(graph)
    assert chosen == set(map(dg.AssetKey, DATASETS))
