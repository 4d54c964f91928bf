# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Another TT_CSV through Dagster: the CSVs are made anew or go, and nothing is fetched or built."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses
from ttapi_pipeline_tests.support.worlds import World, materialised


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    return {each.check_name for each in result.get_asset_check_evaluations() if not each.passed}


def test_without_csvs_nothing_is_fetched_and_with_them_again_they_are_as_they_were(world: World) -> None:
    tables = [*DATASETS, *REPORTS]
    before = {name: (world.data / f"{name}.csv").read_bytes() for name in tables}
    writes = world.writes()
    world.settings = replace(world.settings, csv=CsvChoice.OFF)
    with world.instance() as instance:
        result = world.run(instance=instance)
        assert (result.success, materialised(result.all_events), failed_checks(result)) == (True, [], set())
        assert not list(world.data.glob("*.csv"))
        assert not any(each.stored.is_lagging for each in statuses(world))
        world.settings = replace(world.settings, csv=CsvChoice.FULL)
        assert all(each.stored.is_lagging for each in statuses(world))
        result = world.run(instance=instance)
    assert (result.success, materialised(result.all_events), failed_checks(result)) == (True, [], set())
    assert {name: (world.data / f"{name}.csv").read_bytes() for name in tables} == before
    assert world.writes() == writes
    assert world.exchange.requests() == {}


def test_a_forced_refresh_without_csvs_writes_none(world: World) -> None:
    world.settings = replace(world.settings, csv=CsvChoice.OFF)
    result = world.run("universe", force=True)
    assert (result.success, failed_checks(result)) == (True, set())
    assert not (world.data / "universe.csv").exists()
    assert world.manifest("universe").csv_choice is CsvChoice.OFF


def statuses(world: World) -> list[DatasetStatus]:
    return list(read_statuses(world.settings, now=world.clock.now()).values())
