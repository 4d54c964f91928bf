# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Buckets of `eod_snapshot`, merged ahead: taken over while files, candles and settings are those of then."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.eod_snapshot.merging import SnapshotMerge
from ttapi_pipeline.datasets.eod_snapshot.survey import RangeSurvey
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.metastock import limits
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.instances import memory_instance
from ttapi_pipeline_tests.support.worlds import World

PARTS = dg.AssetKey("eod_snapshot_parts")
KEYS = ("00-of-2", "01-of-2")
RANGES = 6
"""One begins with nothing and has AAPL, each of the other symbols begins one. By `xxhsum -H3`, the hashes of nothing,
BRK/B, KO and SPY are even, those of IBM and MSFT are odd."""


@pytest.fixture(autouse=True)
def a_range_per_symbol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RANGE_SYMBOLS", 1)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many ranges were surveyed and merged in this process."""
    counted = Counter[str]()
    look, merged = SnapshotMerge._look, SnapshotMerge.merged

    def counted_look(self: SnapshotMerge, position: int) -> RangeSurvey:
        counted["surveyed"] += 1
        return look(self, position)

    def counted_merged(self: SnapshotMerge, position: int, comparison: pl.DataFrame) -> pl.DataFrame:
        counted["merged"] += 1
        return merged(self, position, comparison)

    monkeypatch.setattr(SnapshotMerge, "_look", counted_look)
    monkeypatch.setattr(SnapshotMerge, "merged", counted_merged)
    return counted


@pytest.fixture
def parted(world: World) -> World:
    """A world with two buckets, in which `eod_snapshot` is to be made for the first time."""
    world.settings = replace(world.settings, partitions=2)
    lose(world)
    return world


def lose(world: World) -> None:
    """Forget the snapshot, and what this machine remembers of how it was made."""
    for suffix in ("parquet", "json", "csv"):
        (world.data / f"eod_snapshot.{suffix}").unlink()
    for note in (world.data / ".state").rglob("*survey.sealed"):
        note.unlink()


def fill(world: World, *keys: str, force: bool = False) -> list[bool]:
    """Merge some buckets, each in a run of its own; which of them succeeded."""
    job = world.definitions().resolve_job_def("snapshot_parts")
    config = {"resources": {"cache": {"config": {"force": force}}}}
    with memory_instance() as instance:
        return [
            job.execute_in_process(
                instance=instance, partition_key=key, run_config=config, raise_on_error=False
            ).success
            for key in keys or KEYS
        ]


def part(world: World, key: str) -> Path:
    return world.data / ".state" / "parts" / "eod_snapshot" / f"{key}.part"


def taken(world: World) -> tuple[object, object]:
    statistics = world.manifest("eod_snapshot").provenance.statistics
    return statistics.get("buckets_taken"), statistics.get("ranges_taken")


def told(world: World) -> tuple[object, ...]:
    """What there is besides how it came about."""
    manifest = world.manifest("eod_snapshot")
    told_in_numbers = {
        name: value
        for name, value in manifest.provenance.statistics.items()
        if name != "metastock_files_read" and not name.startswith(("buckets", "ranges"))
    }
    reports = [world.manifest(name).data_version for name in ("eod_overlaps", "eod_splits", "eod_notices")]
    made = manifest.provenance
    return manifest.data_version, told_in_numbers, dict(made.sources), dict(made.missing), reports


def test_the_table_is_the_same_with_parts_without_and_with_some(world: World, work: Counter[str]) -> None:
    rows = pl.read_parquet(world.data / "eod_snapshot.parquet")
    lose(world)
    assert world.run("eod_snapshot").success
    expected = told(world)
    assert taken(world) == (None, None)
    world.settings = replace(world.settings, partitions=2)
    for keys, buckets, ranges in ((KEYS, 2, RANGES), ([KEYS[1]], 1, 2), ([], 0, 0)):
        lose(world)
        assert not keys or all(fill(world, *keys))
        work.clear()
        assert world.run("eod_snapshot").success
        assert taken(world) == (buckets, ranges)
        assert work == Counter({"surveyed": RANGES - ranges, "merged": RANGES - ranges})
        assert told(world) == expected
        assert pl.read_parquet(world.data / "eod_snapshot.parquet").equals(rows)
        # What is published takes no room twice.
        assert {path.stat().st_size for path in part(world, KEYS[0]).parent.glob("*.part")} <= {0}


def test_a_range_whose_files_have_changed_since_is_merged_with_the_table(parted: World, work: Counter[str]) -> None:
    assert fill(parted) == [True, True]
    path = next(path for path in sorted(parted.metastock.rglob("*")) if "KO" in path.name)
    text = path.read_text()
    path.write_text(text.replace(text.splitlines()[-1], "").rstrip() + "\n")
    work.clear()
    assert parted.run("eod_snapshot").success
    assert taken(parted) == (2, RANGES - 1)
    assert work == Counter({"surveyed": 1, "merged": 1})
    expected = told(parted)
    lose(parted)
    parted.settings = replace(parted.settings, partitions=0)
    assert parted.run("eod_snapshot").success
    assert told(parted) == expected


def test_damaged_parts_and_those_of_other_settings_are_not_taken(parted: World) -> None:
    assert fill(parted) == [True, True]
    path = part(parted, KEYS[0])
    flip_bit(path, path.stat().st_size // 3, 0)
    assert parted.run("eod_snapshot").success
    assert taken(parted) == (1, 2)
    lose(parted)
    assert fill(parted) == [True, True]
    parted.settings = replace(parted.settings, rescale_candles=True)
    assert parted.run("eod_snapshot").success
    assert taken(parted) == (0, 0)


def test_a_forced_refresh_takes_nothing(parted: World, work: Counter[str]) -> None:
    assert fill(parted) == [True, True]
    work.clear()
    assert parted.run("eod_snapshot", force=True).success
    assert taken(parted) == (None, None)
    assert work["merged"] == RANGES


def test_a_part_that_is_there_is_merged_again_by_force_alone(parted: World, work: Counter[str]) -> None:
    assert fill(parted, KEYS[1]) == [True]
    with zipfile.ZipFile(io.BytesIO(part(parted, KEYS[1]).read_bytes()[16:])) as archive:
        rows = pl.concat([pl.read_parquet(archive.read(name)) for name in archive.namelist() if name != "survey"])
    assert sorted(rows["symbol"].unique()) == ["IBM", "MSFT"]
    work.clear()
    before = part(parted, KEYS[1]).read_bytes()
    assert fill(parted, KEYS[1]) == [True]
    assert work["merged"] == 0
    assert fill(parted, KEYS[1], force=True) == [True]
    assert work["merged"] == 2
    assert part(parted, KEYS[1]).read_bytes() == before


def test_a_bucket_that_cannot_be_stored_costs_itself_and_the_table_merges_it(parted: World) -> None:
    (part(parted, KEYS[0]) / "in the way").mkdir(parents=True)
    span = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[1]}
    job = parted.definitions().resolve_implicit_global_asset_job_def()
    with memory_instance() as instance:
        run = job.execute_in_process(instance=instance, asset_selection=[PARTS], tags=span, raise_on_error=False)
        assert not run.success
        assert instance.get_materialized_partitions(PARTS) == {KEYS[1]}
    assert parted.run("eod_snapshot").success
    assert taken(parted) == (1, 2)


def test_it_has_a_job_of_its_own_and_no_place_in_the_pool_of_the_broker(tmp_path: Path) -> None:
    definitions = build_definitions(Settings(data_dir=str(tmp_path), partitions=16))
    graph = definitions.resolve_asset_graph()
    node, table = graph.get(PARTS), graph.get(dg.AssetKey("eod_snapshot"))
    assert "pool" not in node.metadata
    assert node.parent_keys == table.parent_keys - {PARTS}
    assert node.backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=4)
    assert set(definitions.resolve_job_def("snapshot_parts").asset_layer.selected_asset_keys) == {PARTS}
    assert PARTS not in definitions.resolve_job_def("parts").asset_layer.selected_asset_keys
