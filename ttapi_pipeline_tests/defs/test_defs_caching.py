# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The verdict through Dagster: what a run fetches, writes and records, and what it leaves alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.repository_definition.repository_definition import RepositoryDefinition
from dagster._core.loader import LoadingContextForTest

from ttapi_pipeline.datasets import registry as declarations
from ttapi_pipeline.datasets import status
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assets import datasets as assets
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.publish import publish, write_manifest
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline_tests.support.instances import memory_instance
from ttapi_pipeline_tests.support.worlds import SYMBOLS, FirstRun, World, materialised, observed

ALL = sorted(DATASETS)


def rebuilt(world: World, run: Callable[[], dg.ExecuteInProcessResult]) -> set[str]:
    """The datasets that a successful run wrote, by their files."""
    before = world.writes()
    result = run()
    assert result.success
    after = world.writes()
    return {name for name in after if after[name] != before.get(name)}


def republish(world: World, name: str, frame: pl.DataFrame) -> None:
    """Store other rows of a dataset, as another run would have."""
    publish(frame, DATASETS[name].schema, world.data, world.manifest(name).provenance)


def materialisations(first_run: FirstRun) -> Iterator[dg.DagsterEvent]:
    """The materialisations of datasets; those of histories come with them."""
    for event in first_run.dagster_events:
        if event.is_step_materialization and event.asset_key and event.asset_key.path[-1] in DATASETS:
            yield event


class TestFirstRun:
    def test_every_dataset_is_materialised_and_none_is_reused(self, first_run: FirstRun) -> None:
        events = first_run.dagster_events
        assert dg.DagsterEventType.RUN_SUCCESS in {event.event_type for event in events}
        assert materialised(events) == ALL
        assert observed(events) == ["metastock_files"]

    def test_iv_rank_and_percentile_of_the_candles_are_the_brokers_own(self, first_run: FirstRun) -> None:
        # The metrics are of Friday's close, at which the last candle ends.
        rows = pl.read_parquet(first_run.world.data / "volatility.parquet").drop_nulls("implied_volatility_rank")
        assert rows.height == len(SYMBOLS)
        assert rows.select(pl.col("iv_rank_difference", "iv_percentile_difference").abs().max()).row(0) <= (5e-7, 5e-7)
        assert rows["iv_values_used"].to_list() == [252] * rows.height

    def test_each_dataset_has_its_three_files_and_the_csv_has_its_rows(self, first_run: FirstRun) -> None:
        for name in DATASETS:
            manifest = read_manifest(first_run.world.data, name)
            assert manifest is not None
            assert manifest.csv is not None
            assert manifest.provenance.is_simulated
            frame = pl.read_parquet(first_run.world.data / f"{name}.parquet")
            assert frame.height == manifest.rows > 0
            text = pl.read_csv(first_run.world.data / f"{name}.csv", infer_schema=False)
            assert (text.height, text.columns) == (frame.height, frame.columns)

    def test_the_universe_is_whole_and_the_snapshot_has_both_sources(self, first_run: FirstRun) -> None:
        data = first_run.world.data
        assert pl.read_parquet(data / "symbols.parquet")["symbol"].to_list() == sorted(SYMBOLS)
        snapshot = pl.read_parquet(data / "eod_snapshot.parquet")
        per_source = {source: set(rows["symbol"].to_list()) for (source,), rows in snapshot.group_by("source")}
        assert per_source == {"metastock": set(SYMBOLS) - {"SPY"}, "dxlink": set(SYMBOLS)}
        assert pl.read_parquet(data / "expiration_series.parquet")["symbol"].n_unique() == len(SYMBOLS)
        stddev = pl.read_parquet(data / "returns_stddev.parquet")
        assert stddev["returns_stddev"].null_count() < stddev.height / 2

    def test_every_check_passes(self, first_run: FirstRun) -> None:
        events, evaluated = first_run.dagster_events, dg.DagsterEventType.ASSET_CHECK_EVALUATION
        checks = [each.asset_check_evaluation_data for each in events if each.event_type is evaluated]
        assert len(checks) >= 4 * len(DATASETS) + sum(len(each.rules) for each in DATASETS.values())
        assert {(check.asset_key.to_user_string(), check.check_name) for check in checks if not check.passed} == set()

    def test_the_materialisation_says_what_was_stored(self, first_run: FirstRun) -> None:
        (event,) = (
            each
            for each in first_run.dagster_events
            if each.is_step_materialization and each.asset_key == dg.AssetKey("universe")
        )
        materialization = event.step_materialization_data.materialization
        metadata: Mapping[str, Any] = materialization.metadata
        manifest = first_run.world.manifest("universe")
        assert metadata["dagster/row_count"].value == manifest.rows
        assert metadata["data_version"].value == manifest.data_version
        assert metadata["is_simulated"].value is True
        assert metadata["verdict"].value == "miss: nothing stored yet"
        assert metadata["age_seconds"].value < 60
        assert metadata["circuit_breakers"].value == "all closed"
        assert metadata["api_attempts"].value >= 1
        # What the web UI plots over time are plain numbers.
        for name in ("dagster/row_count", "age_seconds", "coverage", "fetch_seconds"):
            assert isinstance(metadata[name], dg.IntMetadataValue | dg.FloatMetadataValue)
        assert metadata["coverage"].value == 1.0
        assert (materialization.tags or {})["dagster/data_version"] == manifest.data_version

    def test_what_one_looks_at_comes_first_in_an_event_and_requests_only_where_there_can_be_some(
        self, first_run: FirstRun
    ) -> None:
        for event in materialisations(first_run):
            dataset = DATASETS[event.asset_key.path[-1] if event.asset_key else ""]
            keys = list(event.step_materialization_data.materialization.metadata)
            shown = [*(["charts"] if dataset.charts else []), *([] if dataset.is_private else ["preview"]), "verdict"]
            assert keys[: len(shown)] == shown
            assert ("api_attempts" in keys) is dataset.is_fetched
            # A longer one would cover its value, at 1,280 pixels.
            assert max(map(len, keys)) <= 32

    def test_an_event_names_the_absolute_path_of_the_file(self, first_run: FirstRun) -> None:
        for event in materialisations(first_run):
            uri = str(event.step_materialization_data.materialization.metadata["dagster/uri"].value)
            assert Path(uri).is_absolute()
            assert Path(uri).name == f"{event.step_key}.parquet"


class TestSecondRun:
    def test_it_observes_everything_and_fetches_and_writes_nothing(self, world: World) -> None:
        before = world.files()
        world.advance(timedelta(minutes=5))
        with world.instance() as instance:
            result = world.run(instance=instance)
        assert result.success
        assert observed(result.all_events) == ALL
        assert materialised(result.all_events) == []
        assert world.exchange.requests() == {}
        assert world.files() == before

    def test_an_observation_says_age_and_ttl(self, world: World) -> None:
        world.advance(timedelta(minutes=5))
        with world.instance() as instance:
            result = world.run("accounts", instance=instance)
        (event,) = result.get_asset_observation_events()
        observation = event.asset_observation_data.asset_observation
        assert observation.description == "reused: 5m old, TTL 1h"
        assert observation.metadata["age_seconds"].value == 300
        assert observation.metadata["rule"].value == "fresh"

    @pytest.mark.parametrize("is_adopted", [False, True])
    def test_the_newest_event_has_the_charts_and_rows_that_the_first_one_had(
        self, world: World, first_run: FirstRun, is_adopted: bool
    ) -> None:
        (made,) = (
            each.step_materialization_data.materialization.metadata
            for each in first_run.dagster_events
            if each.is_step_materialization and each.step_key == "volatility_cone"
        )
        with memory_instance() if is_adopted else world.instance() as instance:
            result = world.run("volatility_cone", instance=instance)
        events = [each for each in result.get_asset_observation_events() if each.step_key == "volatility_cone"]
        metadata = events[-1].asset_observation_data.asset_observation.metadata
        assert metadata["preview"] == made["preview"]
        pictures = [str(each["charts"].value).split("\n\n")[0] for each in (metadata, made)]
        assert pictures[0] == pictures[1]

    def test_dagster_sees_nothing_stale_before_and_after_the_folder_was_observed(self, world: World) -> None:
        with world.instance() as instance:
            assert set(stale_statuses(world, instance).values()) == {StaleStatus.FRESH}
            source = world.definitions().resolve_assets_def("metastock_files")
            assert dg.materialize([source], instance=instance, selection="metastock_files").success
            assert set(stale_statuses(world, instance).values()) == {StaleStatus.FRESH}


class TestInvalidation:
    def test_a_ttl_that_is_over_refreshes_its_dataset_and_nothing_below(self, world: World) -> None:
        world.advance(timedelta(hours=1))
        assert rebuilt(world, world.run) == {"accounts"}

    def test_a_calendar_that_changed_rebuilds_the_series_and_below_only_on_change(self, world: World) -> None:
        calendar = pl.read_parquet(world.data / "trading_calendar.parquet")
        # The last session is years away from any expiration: the series come out as they were.
        republish(world, "trading_calendar", calendar.filter(pl.col("session") != calendar["session"].max()))
        version = world.manifest("expiration_series").data_version
        assert rebuilt(world, world.run) == {"expiration_series"}
        assert world.manifest("expiration_series").data_version == version

    def test_the_same_content_fetched_again_rebuilds_nothing_below(self, world: World) -> None:
        version = world.manifest("universe").data_version
        world.advance(timedelta(hours=24))
        # Friday's data does not expire over the weekend; what follows the clock does.
        assert rebuilt(world, lambda: world.run("universe", "expiration_series", "daily_candles")) == {"universe"}
        assert world.manifest("universe").data_version == version
        assert world.manifest("universe").provenance.fetched_at == world.clock.now()

    def test_a_new_metastock_file_rebuilds_the_snapshot_and_what_is_computed_from_it(self, world: World) -> None:
        last = max(world.metastock.rglob("*.txt"))
        (world.metastock / "ZZZ.txt").write_bytes(last.read_bytes().replace(last.stem.encode(), b"ZZZ"))
        assert rebuilt(world, world.run) == {
            "eod_snapshot",
            *(name for name, each in DATASETS.items() if "eod_snapshot" in each.upstream),
        }
        assert world.exchange.requests() == {}

    def test_a_code_version_rebuilds_its_dataset(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        changed = {**DATASETS, "symbols": replace(DATASETS["symbols"], code_version="2")}
        for module in (declarations, assets, status):
            monkeypatch.setattr(module, "DATASETS", MappingProxyType(changed))
        assert rebuilt(world, lambda: world.run("universe", "symbols")) == {"symbols"}

    def test_force_refreshes_what_is_selected(self, world: World) -> None:
        assert rebuilt(world, lambda: world.run("universe", "accounts", force=True)) == {"universe", "accounts"}

    def test_lost_rows_are_made_again(self, world: World) -> None:
        lose_rows(world, "accounts")
        assert rebuilt(world, lambda: world.run("accounts")) == {"accounts"}

    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_a_file_for_people_is_put_back_without_a_request(self, world: World, suffix: str) -> None:
        path = world.data / f"accounts.{suffix}"
        content = path.read_bytes()
        path.unlink()
        (gone,) = [each for each in statuses(world) if not each.verdict.is_hit]
        assert gone.verdict.reason == f"{path.name} is gone"
        result = world.run("accounts")
        assert result.success
        assert path.read_bytes() == content
        assert world.exchange.requests() == {}
        (said,) = [event.asset_observation_data for event in result.get_asset_observation_events()]
        assert f"made again without a request: {path.name}" in str(said.asset_observation.metadata)

    @pytest.mark.parametrize("is_history_there", [True, False])
    def test_a_folder_of_an_earlier_version_is_taken_over_without_a_request(
        self, world: World, is_history_there: bool
    ) -> None:
        own = {name: world.data / name / f"{world.manifest(name).write_id}.parquet" for name in DATASETS}
        for path in own.values():
            if is_history_there:
                path.unlink()
            else:
                shutil.rmtree(path.parent)
        before = tables(world)
        assert all(each.verdict.is_hit and not each.stored.is_lagging for each in statuses(world))
        assert rebuilt(world, world.run) == set()
        assert world.exchange.requests() == {}
        assert tables(world) == before
        # Without a log, the next publication is the first one of which versions are kept.
        assert all(path.exists() == is_history_there for path in own.values())

    def test_a_manifest_that_lags_is_mended_without_a_request(self, world: World) -> None:
        write_manifest(DatasetFiles.of(world.data, "accounts"), replace(world.manifest("accounts"), csv=None))
        assert world.run("accounts").success
        assert world.manifest("accounts").csv is not None
        assert world.exchange.requests() == {}


def statuses(world: World) -> Sequence[status.DatasetStatus]:
    """What `tt status` would say."""
    return [*status.read_statuses(world.settings, now=world.clock.now()).values()]


def tables(world: World) -> Mapping[str, tuple[int, bytes]]:
    """The files without locks, which say who took them last."""
    return {name: file for name, file in world.files().items() if not name.endswith(".lock")}


def lose_rows(world: World, dataset: str) -> None:
    """Remove the rows of a dataset under both of their names."""
    (world.data / f"{dataset}.parquet").unlink()
    (world.data / dataset / f"{world.manifest(dataset).write_id}.parquet").unlink()


class TestReuse:
    def test_a_hit_lets_a_miss_below_it_run(self, world: World) -> None:
        """Needs Dagster's private events: when a release changes them, this is the test that says so."""
        lose_rows(world, "symbols")
        with world.instance() as instance:
            result = world.run("universe", "symbols", instance=instance)
        assert result.success
        assert observed(result.all_events) == ["universe"]
        assert materialised(result.all_events) == ["symbols"]

    def test_a_new_instance_adopts_what_is_stored(self, world: World) -> None:
        before = world.files()
        with dg.DagsterInstance.ephemeral() as instance:
            result = world.run(instance=instance)
            assert materialised(result.all_events) == ALL
            # The folder is no dataset: its fingerprint is what the snapshot was built from.
            assert observed(result.all_events) == sorted([*ALL, "metastock_files"])
            assert set(stale_statuses(world, instance).values()) == {StaleStatus.FRESH}
            again = world.run(instance=instance)
            assert materialised(again.all_events) == []
        assert world.files() == before

    def test_dagster_agrees_that_a_changed_upstream_makes_stale(self, world: World) -> None:
        with world.instance() as instance:
            world.run("universe", force=True, instance=instance)
            universe = pl.read_parquet(world.data / "universe.parquet")
            republish(world, "universe", universe.with_columns(description=pl.lit("renamed")))
            world.run("universe", instance=instance)
            statuses = stale_statuses(world, instance)
        stale = {name for name, status in statuses.items() if status is StaleStatus.STALE}
        assert stale >= {"symbols", "implied_volatility", "expiration_series", "daily_candles"}
        assert statuses["accounts"] is StaleStatus.FRESH


def stale_statuses(world: World, instance: dg.DagsterInstance) -> dict[str, StaleStatus]:
    """Dagster's own opinion of every dataset: the one behind the label "unsynced"."""
    repository: RepositoryDefinition = world.definitions().get_repository_def()
    resolver = CachingStaleStatusResolver(instance, repository.asset_graph, LoadingContextForTest(instance))
    return {name: resolver.get_status(dg.AssetKey(name)) for name in DATASETS}
