# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Each session of the quote log that has ended becomes a partition, once, and disturbs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.quote_recorder.compaction import compact_session
from ttapi_pipeline.quote_recorder.history import read_history
from ttapi_pipeline.quote_recorder.log import Origin
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.quote_recorder.schemas import QUOTES
from ttapi_pipeline_tests.support.clocks import FakeClock

FRIDAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
END = datetime(2026, 11, 21, 1, tzinfo=UTC)
"""Friday, 20:00 in New York: the end of extended trading."""
KEY = dg.AssetKey("quote_history")


class Desk:
    """A data folder with a log, a Dagster instance, and the definitions over both."""

    def __init__(self, data: Path, instance: dg.DagsterInstance) -> None:
        self.data = data
        self.instance = instance
        self.clock = FakeClock(END + timedelta(minutes=15))
        self.settings = replace(Settings(), data_dir=str(data))
        self.definitions = build_definitions(self.settings, clock=self.clock)

    def record(self, at: datetime) -> None:
        """Have a row received then."""
        row = pl.DataFrame(schema=QUOTES).clear(1).with_columns(symbol=pl.lit("AAPL"), received_at=pl.lit(at))
        with LogWriter(self.data, Origin("simulator seed 7", is_simulated=True), now=at) as log:
            log.add("quotes", row.match_to_schema(QUOTES))
            log.write()

    def tick(self) -> Any:
        """What the sensor asks for."""
        sensor = self.definitions.get_repository_def().get_sensor_def("finished_quote_sessions")
        with dg.build_sensor_context(instance=self.instance) as context:
            result = sensor(context)
        for request in getattr(result, "dynamic_partitions_requests", None) or ():
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        return result

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_job_def("compact_quotes")
        return job.execute_in_process(instance=self.instance, partition_key=request.partition_key, raise_on_error=False)

    def requests(self) -> list[dg.RunRequest]:
        result = self.tick()
        return [] if isinstance(result, dg.SkipReason) else list(result.run_requests or [])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(tmp_path, instance)


def metadata(event: Any) -> dict[str, Any]:
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_session_that_has_ended_becomes_a_partition_once(desk: Desk) -> None:
    desk.record(NOON)
    (request,) = desk.requests()
    assert request.partition_key == "2026-11-20"
    assert desk.run(request).success
    event = desk.instance.get_latest_materialization_event(KEY)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition == "2026-11-20"
    facts = metadata(event)
    assert (facts["quotes_rows"], facts["trades_rows"], facts["dagster/partition_row_count"]) == (1, 0, 1)
    assert (facts["symbols"], facts["gaps"], facts["is_simulated"]) == (1, 2, True)
    # From Thursday 20:00 to noon, and from then to Friday 20:00.
    assert facts["gap_seconds"] == 24 * 3600
    assert "nothing recorded until the end of the session" in facts["gap_list"]
    assert facts["first_at"] == facts["last_at"] == NOON.timestamp()
    history = read_history(desk.data, FRIDAY)
    assert history is not None
    assert event.asset_materialization.tags is not None
    assert event.asset_materialization.tags["dagster/data_version"] == history.data_version
    assert isinstance(desk.tick(), dg.SkipReason)


def test_a_session_that_the_service_has_compacted_is_recorded_as_it_is(desk: Desk) -> None:
    desk.record(NOON)
    desk.clock.at = END
    before = compact_session(desk.data, FRIDAY, is_recorded_to_the_end=True)
    (request,) = desk.requests()
    assert desk.run(request).success
    assert read_history(desk.data, FRIDAY) == before
    assert desk.requests() == []


def test_a_session_that_goes_on_or_has_just_ended_is_left_to_the_service(desk: Desk) -> None:
    desk.record(NOON)
    for at in (NOON, END - timedelta(seconds=1), END, END + timedelta(minutes=14)):
        desk.clock.at = at
        assert desk.requests() == []
    desk.clock.at = END + timedelta(minutes=15)
    assert len(desk.requests()) == 1


def test_a_run_that_failed_is_asked_for_again_in_another_hour(desk: Desk) -> None:
    desk.record(NOON)
    (first,) = desk.requests()
    (origin,) = desk.data.rglob("origin.json")
    text = origin.read_text()
    origin.unlink()
    result = desk.run(first)
    assert not result.success
    assert "does not say where it comes from" in str(result.all_events)
    (again,) = desk.requests()
    assert again.run_key == first.run_key, "in the same hour, Dagster drops it"
    origin.write_text(text)
    desk.clock.at += timedelta(hours=1)
    (later,) = desk.requests()
    assert later.run_key != first.run_key
    assert desk.run(later).success
    assert desk.requests() == []


def test_old_partitions_whose_runs_were_deleted_are_not_asked_for_again(desk: Desk) -> None:
    desk.record(NOON)
    (request,) = desk.requests()
    run = desk.run(request)
    desk.instance.delete_run(run.run_id)
    assert len(desk.requests()) == 1, "a new one is recorded again"
    desk.clock.at += timedelta(days=31)
    assert desk.requests() == []


def test_nothing_recorded_and_no_local_folder_are_silent(desk: Desk) -> None:
    assert isinstance(desk.tick(), dg.SkipReason)
    remote = Desk(desk.data, desk.instance)
    elsewhere = replace(desk.settings, data_dir="s3://bucket")
    remote.definitions = build_definitions(elsewhere, clock=desk.clock)
    assert remote.requests() == []


def test_quotes_of_data_in_an_object_store_are_in_a_folder_of_their_own(desk: Desk) -> None:
    elsewhere = replace(desk.settings, data_dir="s3://bucket", quote_log_dir=desk.data)
    remote = Desk(desk.data, desk.instance)
    remote.definitions = build_definitions(elsewhere, clock=desk.clock)
    desk.record(NOON)
    assert [each.partition_key for each in remote.requests()] == ["2026-11-20"]


def test_a_run_of_everything_asks_for_no_partition(desk: Desk) -> None:
    for job in (
        desk.definitions.resolve_job_def("refresh_all"),
        desk.definitions.resolve_implicit_global_asset_job_def(),
    ):
        assert job.partitions_def is None
        assert KEY not in job.asset_layer.executable_asset_keys
    graph = desk.definitions.resolve_asset_graph()
    assert KEY not in dg.AssetSelection.all().resolve(graph)
    assert graph.get(KEY).partitions_def is not None
