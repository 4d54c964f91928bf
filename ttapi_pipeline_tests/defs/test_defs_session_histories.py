# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Histories in Dagster: a partition per session, with its checks, made by the step that publishes the dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._serdes import serialize_value

from ttapi_pipeline import open_dataset
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.defs.session_histories.examining import examine
from ttapi_pipeline.storage.session_table import session_table
from ttapi_pipeline_tests.support.flips import flip_bit
from ttapi_pipeline_tests.support.worlds import FirstRun, World

FRIDAY, MONDAY = "2026-11-20", "2026-11-23"
CHECKS = {"as_written", "coverage", "as_many_rows"}
MONDAY_NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)
TUESDAY_NOON = MONDAY_NOON + timedelta(days=1)


def recorded(instance: dg.DagsterInstance, name: str) -> dict[str, Any]:
    """The metadata of the latest record of each partition."""
    records = instance.fetch_materializations(dg.AssetKey(name), limit=100).records
    found: dict[str, Any] = {}
    for record in records:
        event = record.asset_materialization
        assert event is not None
        assert event.partition is not None
        found.setdefault(event.partition, {key: value.value for key, value in event.metadata.items()})
    return found


def checked(instance: dg.DagsterInstance, name: str) -> Sequence[tuple[str, str | None, str]]:
    """Check, partition and status of every result, the oldest first."""
    history = instance.event_log_storage.get_asset_check_execution_history
    return [
        (check, record.partition, record.status.value)
        for check in sorted(CHECKS)
        for record in history(dg.AssetCheckKey(dg.AssetKey(name), check), limit=100)
    ]


def tick(world: World, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    """One tick of the sensor, with what the daemon does with its result."""
    sensor = world.definitions().get_repository_def().get_sensor_def("finished_sessions")
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result: Any = sensor(context)
    if isinstance(result, dg.SkipReason):
        return result
    for request in result.dynamic_partitions_requests or ():
        instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    job = world.definitions().resolve_job_def("session_histories")
    for request in result.run_requests:
        config, key = request.run_config, request.partition_key
        assert job.execute_in_process(instance=instance, run_config=config, partition_key=key).success
    return result


def test_the_first_run_makes_and_records_the_session_of_every_history(first_run: FirstRun) -> None:
    world = first_run.world
    with world.instance() as instance:
        assert instance.get_dynamic_partitions("history_sessions") == [FRIDAY]
        for name in HISTORIES:
            (facts,) = recorded(instance, name).values()
            rows = open_dataset(name, world.data).collect()
            assert facts["dagster/partition_row_count"] == rows.height > 0
            assert facts["is_simulated"] is True
            assert checked(instance, name) == [(check, FRIDAY, "SUCCEEDED") for check in sorted(CHECKS)]
    symbols = open_dataset("symbols_history", world.data).select("symbol", "session").collect()
    assert symbols["symbol"].to_list() == pl.read_parquet(world.data / "symbols.parquet")["symbol"].to_list()
    assert symbols["session"].unique().to_list() == [datetime(2026, 11, 20, tzinfo=UTC).date()]


def test_the_next_session_is_another_partition_and_the_one_before_stays_as_it_was(world: World) -> None:
    before = open_dataset("symbols_history", world.data).collect()
    world.clock.at = MONDAY_NOON
    with world.instance() as instance:
        for _ in range(2):
            assert world.run("symbols", instance=instance, force=True).success
        assert list(recorded(instance, "symbols_history")) == [MONDAY, FRIDAY]
        assert list(recorded(instance, "balances_history")) == [FRIDAY]
        assert len(instance.fetch_materializations(dg.AssetKey("symbols_history"), limit=9).records) == 3
    after = open_dataset("symbols_history", world.data).collect()
    assert after.filter(session=before["session"][0]).equals(before)
    assert after.height == 2 * before.height


def test_a_history_that_fails_fails_no_dataset_and_is_made_up_for(world: World) -> None:
    folder = world.data / "symbols_history"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("in the way")
    world.clock.at = MONDAY_NOON
    with world.instance() as instance:
        result = world.run("symbols", instance=instance, force=True)
        assert result.success
        said = [entry.user_message for entry in instance.all_logs(result.run_id)]
        assert [text for text in said if text.startswith("symbols_history is as it was: ")]
        assert list(recorded(instance, "symbols_history")) == [FRIDAY]
        folder.unlink()
        assert world.run("symbols", instance=instance, force=True).success
        assert list(recorded(instance, "symbols_history")) == [MONDAY, FRIDAY]
    sessions = open_dataset("symbols_history", world.data).select(pl.col("session").unique().sort()).collect()
    assert [str(session) for session in sessions["session"]] == [FRIDAY, MONDAY]


def test_a_session_that_is_over_is_recorded_for_good_and_once(world: World) -> None:
    with world.instance() as instance:
        assert isinstance(tick(world, instance), dg.SkipReason), "Friday lasts until Monday opens"
        world.clock.at = MONDAY_NOON
        result = tick(world, instance)
        assert result.cursor == FRIDAY
        assert isinstance(tick(world, instance, FRIDAY), dg.SkipReason)
        records = instance.fetch_materializations(dg.AssetKey("symbols_history"), limit=9).records
        # Of the first run, of the sensor for good, and of the run that has checked it.
        assert [bool(record.run_id) for record in records] == [True, False, True]


def test_a_new_instance_over_stored_histories_gets_their_partitions_and_checks(world: World) -> None:
    world.clock.at = MONDAY_NOON
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(world, instance)
        assert result.cursor == FRIDAY
        for name in HISTORIES:
            assert list(recorded(instance, name)) == [FRIDAY]
            assert {check for check, _, status in checked(instance, name) if status == "SUCCEEDED"} == CHECKS


def test_a_session_in_which_nothing_came_is_a_partition_of_the_quality_table_alone(world: World) -> None:
    world.clock.at = TUESDAY_NOON
    with world.instance() as instance:
        result = tick(world, instance)
        assert result.cursor == MONDAY
        assert instance.get_dynamic_partitions("history_sessions") == [FRIDAY, MONDAY]
        facts = recorded(instance, "session_quality")
        assert set(facts) == {FRIDAY, MONDAY}
        assert facts[FRIDAY]["missing"] == 0
        # The calendar and the series stay fresh for a week, and Monday's bars can still be fetched.
        assert (facts[MONDAY]["available"], facts[MONDAY]["pending"]) == (2, 2)
        assert facts[MONDAY]["missing"] == len(DATASETS) - 4
        assert list(recorded(instance, "symbols_history")) == [FRIDAY]
        key = dg.AssetCheckKey(dg.AssetKey("session_quality"), "nothing_missing")
        results = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
        assert {each.partition: each.status.value for each in results} == {FRIDAY: "SUCCEEDED", MONDAY: "FAILED"}
        # A tick that was cut short is done again.
        assert tick(world, instance).cursor == MONDAY
        # The bars of Monday come on Tuesday, and Monday is told anew.
        assert world.run("daily_candles", "eod_snapshot", instance=instance, force=True).success
        again = tick(world, instance, result.cursor)
        assert again.cursor == MONDAY
        assert recorded(instance, "session_quality")[MONDAY]["pending"] == 0
        assert isinstance(tick(world, instance, again.cursor), dg.SkipReason)


def test_the_job_makes_a_session_again_and_records_it(world: World) -> None:
    table = session_table(world.data, HISTORIES["symbols_history"].schema)
    (part,) = table.parts().values()
    (world.data / "symbols_history" / part.file).unlink()
    with world.instance() as instance:
        job = world.definitions().resolve_job_def("session_histories")
        result = job.execute_in_process(instance=instance, partition_key=FRIDAY, raise_on_error=False)
        assert result.success
        assert len(instance.fetch_materializations(dg.AssetKey("symbols_history"), limit=9).records) == 2
        assert len(checked(instance, "symbols_history")) == 2 * len(CHECKS)
    (again,) = table.parts().values()
    assert (again.data_version, again.is_simulated) == (part.data_version, True)
    assert table.is_there(again)


def test_the_checks_find_a_damaged_file_and_a_session_that_lost_rows(world: World) -> None:
    world.clock.at = MONDAY_NOON
    symbols = sorted(pl.read_parquet(world.data / "symbols.parquet")["symbol"])
    universe = world.data.parent / "two.txt"
    universe.write_text("\n".join(symbols[:2]))
    world.settings = replace(world.settings, universe=str(universe))
    with world.instance() as instance:
        assert world.run("universe", "symbols", instance=instance, force=True).success
        results = {(check, day): status for check, day, status in checked(instance, "symbols_history")}
    assert results["as_many_rows", MONDAY] == "FAILED", "two symbols after six"
    assert results["as_written", MONDAY] == results["coverage", MONDAY] == "SUCCEEDED"
    table = session_table(world.data, HISTORIES["symbols_history"].schema)
    part = table.parts()[MONDAY_NOON.date()]
    flip_bit(world.data / "symbols_history" / part.file, 60, 1)
    found = {each.check: each for each in examine(table, part.session)}
    assert not found["as_written"].is_good
    assert "is damaged" in found["as_written"].said


def test_the_checks_of_a_partition_can_be_executed_by_themselves(world: World) -> None:
    key = dg.AssetKey("symbols_history")
    job = world.definitions().resolve_implicit_global_asset_job_def()
    wanted = {dg.AssetCheckKey(key, check) for check in CHECKS}
    checks = job.get_subset(asset_selection=frozenset(), asset_check_selection=wanted)
    with world.instance() as instance:
        for day, status in ((FRIDAY, "SUCCEEDED"), (MONDAY, "FAILED")):
            instance.add_dynamic_partitions("history_sessions", [day])
            # As the web UI starts it: by the tag of the partition.
            result = checks.execute_in_process(instance=instance, tags={"dagster/partition": day})
            assert result.success
            latest = {check: (of, found) for check, of, found in reversed(checked(instance, "symbols_history"))}
            assert latest == dict.fromkeys(CHECKS, (day, status))


def test_no_account_number_and_no_balance_is_in_an_event(world: World) -> None:
    world.clock.at = MONDAY_NOON
    stored = open_dataset("balances_history", world.data).collect()
    with world.instance() as instance:
        result = world.run("accounts", instance=instance, force=True)
        assert result.success
        world.clock.at = TUESDAY_NOON
        ticked = tick(world, instance, None)
        runs = [run.run_id for run in instance.get_runs()]
        assert len(runs) > 2
        texts = [serialize_value(entry) for run_id in runs for entry in instance.all_logs(run_id)]
        texts += [json.dumps(str(event)) for event in ticked.asset_events]
    amounts = stored.select("net_liquidating_value", "cash_balance", "equity_buying_power").drop_nulls()
    secrets = {*stored["account_number"], *(f"{value:.6g}" for row in amounts.rows() for value in row if value)}
    assert len(secrets) > 3
    assert [secret for secret in secrets for text in texts if secret in text] == []


def test_the_quality_table_stands_below_every_dataset(first_run: FirstRun) -> None:
    graph = first_run.world.definitions().resolve_asset_graph()
    node = graph.get(dg.AssetKey("session_quality"))
    assert {parent.to_user_string() for parent in node.parent_keys} == set(DATASETS)
    checks = {check.name for check in graph.asset_check_keys if check.asset_key == node.key}
    assert checks == {"nothing_missing", "nothing_degraded"}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_stands_below_its_dataset_and_no_run_of_everything_asks_for_a_partition(
    first_run: FirstRun, name: str
) -> None:
    definitions, key = first_run.world.definitions(), dg.AssetKey(name)
    for job in (definitions.resolve_job_def("refresh_all"), definitions.resolve_implicit_global_asset_job_def()):
        assert job.partitions_def is None
        assert key not in job.asset_layer.executable_asset_keys
    graph = definitions.resolve_asset_graph()
    node = graph.get(key)
    assert {parent.to_user_string() for parent in node.parent_keys} == {HISTORIES[name].of}
    assert node.partitions_def is not None
    columns = [column.name for column in node.metadata["dagster/column_schema"].columns]
    assert columns == [column.name for column in HISTORIES[name].schema.columns]
    (link,) = node.metadata["dagster/code_references"].code_references
    assert f"datasets/{HISTORIES[name].of}/history.py" in link.file_path
    assert {check.name for check in graph.asset_check_keys if check.asset_key == key} == CHECKS
