# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How steps ended, by the records of a real instance in files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.alerts.look import Seen
from ttapi_pipeline.core.errors import TransportError
from ttapi_pipeline.defs.dagster_internals import fail_run
from ttapi_pipeline.defs.failures import failure
from ttapi_pipeline.defs.operations.step_outcomes import seen_by_home, seen_since
from ttapi_pipeline_tests.support.held import started_run


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as made:
        yield made


def seen(instance: dg.DagsterInstance, *, hours: float = 1.0, later: timedelta = timedelta(0)) -> Seen:
    now = datetime.now(UTC) + later
    return seen_since(instance, now - timedelta(hours=hours), secrets=["canary-4711"], now=now)


@dg.asset
def universe() -> int:
    raise failure("universe", TransportError("no answer from canary-4711"))


@dg.asset
def symbols(universe: int) -> int:
    return universe


@dg.asset
def accounts() -> int:
    return 1


def test_steps_end_well_or_with_the_class_and_the_words_of_the_error(instance: dg.DagsterInstance) -> None:
    dg.materialize([universe, symbols, accounts], instance=instance, raise_on_error=False)
    found = {each.step: (each.error, each.sentence) for each in seen(instance).outcomes}
    # `symbols` did not begin, and says nothing.
    assert found == {
        "universe": ("TransportError", "universe: no answer from ***"),
        "accounts": ("", ""),
    }
    assert seen(instance).under_way == frozenset()


def test_runs_that_ended_before_are_not_looked_at(instance: dg.DagsterInstance) -> None:
    dg.materialize([accounts], instance=instance)
    assert seen(instance, later=timedelta(hours=2)).outcomes == []


def test_a_step_whose_process_was_killed_has_failed(instance: dg.DagsterInstance) -> None:
    run = started_run(instance)
    began = dg.DagsterEvent(dg.DagsterEventType.STEP_START.value, "a job", step_key="quotes")
    instance.report_dagster_event(began, run.run_id)
    assert seen(instance).outcomes == []
    fail_run(instance, run, "its process is gone")
    (outcome,) = seen(instance).outcomes
    assert (outcome.step, outcome.error, outcome.sentence) == ("quotes", "RunFailure", "its process is gone")


def test_a_run_under_way_has_what_it_has_not_dealt_with_for_two_hours(instance: dg.DagsterInstance) -> None:
    run = started_run(instance)
    skipped = dg.DagsterEvent(dg.DagsterEventType.STEP_SKIPPED.value, "a job", step_key="quotes")
    instance.report_dagster_event(skipped, run.run_id)
    under_way = seen(instance).under_way
    assert "symbols" in under_way
    assert "quotes" not in under_way
    assert seen(instance, later=timedelta(hours=3)).under_way == frozenset()


def test_a_folder_without_an_instance_has_nothing_to_say_and_gets_none(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    assert seen_by_home(tmp_path, now, secrets=[], now=now) == Seen()
    assert list(tmp_path.iterdir()) == []
