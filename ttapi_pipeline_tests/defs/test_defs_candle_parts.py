# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Buckets of `daily_candles`, fetched ahead: one at a time, taken over by the table, which asks for everything else."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL, REFRESH_JOB
from ttapi_pipeline.defs.dagster_internals import pool_state
from ttapi_pipeline.defs.failures import error_and_sentence
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.instances import memory_instance
from ttapi_pipeline_tests.support.worlds import SYMBOLS, World

PARTS = dg.AssetKey("daily_candles_parts")
KEYS = ("00-of-2", "01-of-2")
EVEN = ("BRK/B", "KO", "SPY")
"""The symbols of the first bucket: `printf KO | xxhsum -H3` ends in 6, of the others in 5, 9 and d."""


@pytest.fixture
def emptied(world: World) -> World:
    """A world with two buckets, in which `daily_candles` is to be fetched for the first time."""
    world.settings = replace(world.settings, partitions=2)
    for suffix in ("parquet", "json", "csv"):
        (world.data / f"daily_candles.{suffix}").unlink()
    return world


def bucket(world: World, key: str, *, instance: dg.DagsterInstance, force: bool = False) -> dg.ExecuteInProcessResult:
    job = world.definitions().resolve_job_def("candle_parts")
    config = {"resources": {"cache": {"config": {"force": force}}}}
    return job.execute_in_process(instance=instance, partition_key=key, run_config=config, raise_on_error=False)


def fill(world: World, *keys: str, force: bool = False) -> list[bool]:
    """Fetch some buckets, each in a run of its own; which of them succeeded."""
    with memory_instance() as instance:
        return [bucket(world, key, instance=instance, force=force).success for key in keys or KEYS]


def both_at_once(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Fetch both buckets in a run, as a back-fill starts it."""
    span = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[1]}
    job = world.definitions().resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, asset_selection=[PARTS], tags=span, raise_on_error=False)


def part(world: World, key: str) -> Path:
    return world.data / ".state" / "parts" / "daily_candles" / f"{key}.part"


def histories(world: World, key: str) -> list[str]:
    """The files in a part, which is a ZIP behind 16 bytes."""
    with zipfile.ZipFile(io.BytesIO(part(world, key).read_bytes()[16:])) as archive:
        return archive.namelist()


def asked(world: World) -> int:
    """How many candles have been subscribed."""
    return world.exchange.events().get("dxlink.subscriptions", 0)


def taken(world: World) -> Mapping[str, object]:
    statistics = world.manifest("daily_candles").provenance.statistics
    return {name: statistics.get(name) for name in ("buckets", "buckets_taken", "histories_taken")}


def candles(world: World) -> pl.DataFrame:
    return pl.read_parquet(world.data / "daily_candles.parquet")


def test_the_table_has_the_rows_that_it_has_without_and_asks_for_none_that_is_there(world: World) -> None:
    expected, whole = world.manifest("daily_candles").data_version, candles(world).drop("fetched_at")
    world.settings = replace(world.settings, partitions=2)
    for suffix in ("parquet", "json", "csv"):
        (world.data / f"daily_candles.{suffix}").unlink()
    assert fill(world) == [True, True]
    assert asked(world) == len(SYMBOLS)
    fetched_at = world.clock.at
    world.advance(timedelta(hours=2))
    assert world.run("daily_candles").success
    assert asked(world) == len(SYMBOLS)
    manifest = world.manifest("daily_candles")
    assert taken(world) == {"buckets": 2, "buckets_taken": 2, "histories_taken": 6}
    assert manifest.data_version == expected
    assert candles(world).drop("fetched_at").equals(whole)
    # What is published takes no room twice.
    assert [part(world, key).read_bytes() for key in KEYS] == [b"", b""]
    # The rows are as old as they are.
    assert set(candles(world)["fetched_at"]) == {fetched_at}
    assert manifest.provenance.fetched_at == fetched_at


def test_with_partitions_and_without_a_part_it_asks_for_everything(emptied: World) -> None:
    assert emptied.run("daily_candles").success
    assert taken(emptied) == {"buckets": 2, "buckets_taken": 0, "histories_taken": 0}
    assert asked(emptied) == len(SYMBOLS)


def test_what_is_there_is_not_fetched_again_but_by_force(emptied: World) -> None:
    assert fill(emptied, KEYS[0], KEYS[0]) == [True, True]
    assert asked(emptied) == len(EVEN)
    assert fill(emptied, KEYS[0], force=True) == [True]
    assert asked(emptied) == 2 * len(EVEN)
    assert len(histories(emptied, KEYS[0])) == len(EVEN)


def test_a_forced_refresh_takes_nothing(emptied: World) -> None:
    assert fill(emptied) == [True, True]
    assert emptied.run("daily_candles", force=True).success
    assert taken(emptied) == {"buckets": 2, "buckets_taken": 0, "histories_taken": 0}
    assert asked(emptied) == 2 * len(SYMBOLS)


def test_a_part_with_turned_bits_and_one_of_another_session_are_not_taken(emptied: World) -> None:
    assert fill(emptied) == [True, True]
    path = part(emptied, KEYS[1])
    flip_bit(path, path.stat().st_size // 3, 0)
    assert emptied.run("daily_candles").success
    assert taken(emptied) == {"buckets": 2, "buckets_taken": 1, "histories_taken": 3}
    # On Monday, whose bar the feed of that day has and the part has not.
    for suffix in ("parquet", "json", "csv"):
        (emptied.data / f"daily_candles.{suffix}").unlink()
    emptied.advance(timedelta(days=2))
    assert emptied.run("daily_candles").success
    assert taken(emptied)["histories_taken"] == 0


def test_a_bucket_of_which_too_little_comes_fails_and_keeps_what_came(emptied: World) -> None:
    emptied.exchange.fault("dx-drop", "Candle/KO")
    with memory_instance() as instance:
        run = both_at_once(emptied, instance)
        assert not run.success
        (event,) = [event for event in run.all_events if event.is_step_failure]
        error, sentence = error_and_sentence(event)
        assert error == "CoverageError"
        assert "bucket 00-of-2 of daily_candles: 1 of 3 are missing: KO" in sentence
        # The other one of the run is there.
        assert instance.get_materialized_partitions(PARTS) == {KEYS[1]}
    assert sorted(histories(emptied, KEYS[0])) == ["BRK%2FB~2025-01-02.sealed", "SPY~2025-01-02.sealed"]
    emptied.exchange.reset()
    assert emptied.run("daily_candles").success
    assert taken(emptied) == {"buckets": 2, "buckets_taken": 2, "histories_taken": 5}
    assert (asked(emptied), emptied.manifest("daily_candles").provenance.missing) == (1, {})


def test_what_came_of_a_bucket_is_completed_by_the_next_run(emptied: World) -> None:
    emptied.exchange.fault("dx-drop", "Candle/KO")
    assert fill(emptied, KEYS[0]) == [False]
    emptied.exchange.reset()
    assert fill(emptied, KEYS[0]) == [True]
    assert asked(emptied) == 1
    assert len(histories(emptied, KEYS[0])) == 3


def test_refused_credentials_end_a_run_at_its_first_bucket_and_close_the_gate_for_the_third_run(emptied: World) -> None:
    emptied.exchange.fault("refuse-grant", "/oauth/token", parameters={"code": "invalid_client"})
    with memory_instance() as instance:
        for requests in (1, 2, 2):
            run = both_at_once(emptied, instance)
            assert not run.success
            (event,) = [event for event in run.all_events if event.is_step_failure]
            assert error_and_sentence(event)[0] == "AuthError"
            assert emptied.exchange.requests() == {"POST /oauth/token": requests}
        assert instance.get_materialized_partitions(PARTS) == set()
        assert pool_state(instance, BROKER_POOL).run_ids == set()


def test_fetches_of_a_back_fill_never_overlap_one_another_nor_another_fetch(emptied: World, tmp_path: Path) -> None:
    """Runs with connections of their own to an instance in files, as the processes of workers have them."""
    emptied.settings = replace(emptied.settings, partitions=4)
    keys = ["00-of-4", "01-of-4", "02-of-4", "03-of-4"]
    succeeded: list[bool] = []
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:

        def work(job: dg.JobDefinition, options: Any) -> None:
            with dg.DagsterInstance.from_ref(instance.get_ref()) as own:
                succeeded.append(job.execute_in_process(instance=own, raise_on_error=False, **options).success)

        definitions = emptied.definitions()
        forced = {"resources": {"cache": {"config": {"force": True}}}}
        quotes: dict[str, Any] = {"asset_selection": [dg.AssetKey("quotes")], "run_config": forced}
        candles = definitions.resolve_job_def("candle_parts")
        works = [
            (definitions.resolve_job_def(REFRESH_JOB), quotes),
            *((candles, {"partition_key": key}) for key in keys),
        ]
        threads = [threading.Thread(target=work, args=each) for each in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert succeeded == [True] * 5
        # The fourth bucket has no symbol, and is there without a file.
        assert instance.get_materialized_partitions(PARTS) == set(keys)
        assert pool_state(instance, BROKER_POOL).run_ids == set()
    assert emptied.exchange.counters()["in-flight"]["dxlink.connections"]["max"] == 1
    assert emptied.run("daily_candles").success
    assert taken(emptied) == {"buckets": 4, "buckets_taken": 3, "histories_taken": 6}


def test_its_step_stands_in_the_pool_of_the_broker_and_in_a_job_of_its_own(tmp_path: Path) -> None:
    definitions = build_definitions(Settings(data_dir=str(tmp_path), partitions=16))
    node = definitions.resolve_asset_graph().get(PARTS)
    assert node.metadata["pool"] == BROKER_POOL
    assert node.backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=4)
    assert set(definitions.resolve_job_def("candle_parts").asset_layer.selected_asset_keys) == {PARTS}
    # What is computed from bars has nothing to ask the broker.
    assert PARTS not in definitions.resolve_job_def("parts").asset_layer.selected_asset_keys
