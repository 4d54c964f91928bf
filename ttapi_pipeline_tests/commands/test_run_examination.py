# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `tt doctor` says of runs and of the queue for the broker, and what `--repair` does about it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.commands.examination import Finding
from ttapi_pipeline.commands.run_examination import examine_runs
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.dagster_internals import claim_slot, pool_state
from ttapi_pipeline.defs.operations.held_runs import process_of, process_tags
from ttapi_pipeline_tests.support.held import holder, lock_file, started_run


@pytest.fixture(autouse=True)
def home(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    monkeypatch.setenv("DAGSTER_HOME", str(project))
    return project


def test_an_instance_that_was_never_used_is_not_made(home: Path) -> None:
    before = sorted(home.rglob("*"))
    assert list(examine_runs(is_repairing=True)) == [Finding("runs", "there was none yet", is_good=True)]
    assert sorted(home.rglob("*")) == before


def test_lost_runs_and_the_queue_are_named_and_repaired(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        dead, living, waiting = (started_run(instance, **process_tags()) for _ in range(3))
        lock_file(instance, dead.run_id).touch()
        assert claim_slot(instance, BROKER_POOL, dead.run_id, "accounts")
        assert not claim_slot(instance, BROKER_POOL, waiting.run_id, "symbols")
        with holder(lock_file(instance, living.run_id)), holder(lock_file(instance, waiting.run_id)):
            found = list(examine_runs(is_repairing=False))
            assert pool_state(instance, BROKER_POOL).run_ids == {dead.run_id, waiting.run_id}
            assert [(each.subject, each.is_good) for each in found] == [
                ("runs", False),
                ("broker's queue", True),
                ("broker's queue", True),
            ]
            why = f"run {dead.run_id}: its process is gone: {process_of(dead)}"
            assert found[0].text.startswith(f"{why}; `tt doctor --repair` ends it")
            assert found[1].text == f"its turn: run {dead.run_id[:8]}, which fetches accounts ({process_of(dead)})"
            assert "symbols" in found[2].text
            repaired = list(examine_runs(is_repairing=True))
            assert repaired[0] == Finding("runs", f"{why} (ended)", is_good=True)
            again = list(examine_runs(is_repairing=False))
            assert again[0] == Finding("runs", "none has lost its process", is_good=True)
            assert again[1].text.startswith("waits for ")
            assert claim_slot(instance, BROKER_POOL, waiting.run_id, "symbols")
        for run, expected in ((dead, dg.DagsterRunStatus.FAILURE), (living, dg.DagsterRunStatus.STARTED)):
            now = instance.get_run_by_id(run.run_id)
            assert now is not None
            assert now.status is expected


def test_a_damaged_instance_is_one_sentence_with_a_way_out(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = started_run(instance)
        database = lock_file(instance, run.run_id).with_name("index.db")
    database.write_bytes(b"no database " * 1000)
    (finding,) = examine_runs(is_repairing=False)
    assert not finding.is_good
    assert finding.text.startswith(f"Dagster's database in {home}: ")
    assert "file is not a database; " in finding.text
    assert "\n" not in finding.text
