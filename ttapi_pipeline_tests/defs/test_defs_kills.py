# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A whole run of `tt refresh` is killed at a random moment, with a reader beside it.

After the kill the next run succeeds without help. No slot is held, no process is left over, no stored row is lost. A
thousand of them, in rounds: see `test_defs_kill_rounds`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.dagster_internals import pool_state
from ttapi_pipeline.defs.operations.lost_runs import lost_runs
from ttapi_pipeline.defs.operations.pools import free_orphaned_slots
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.repair import check
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline_tests.support.projects import environment_of_users, make_project

SEED = int(os.environ.get("KILL_SEED", "20261128"))

_GROWING = ("daily_candles", "eod_snapshot", "earnings", "trading_calendar")
"""Tables that never lose a row from one refresh to the next."""


class Trial:
    """A project folder, and the commands in it."""

    def __init__(self, project: Path, url: str) -> None:
        self.project = project
        self.environment = {
            **environment_of_users(),
            "TT_ENV": "simulator",
            "TT_API_URL": url,
            "DAGSTER_HOME": str(project),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`tt` in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "ttapi_pipeline.cli", *arguments],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> str:
        """The output of `tt`, which has to succeed."""
        process = self.start(*arguments)
        out, _ = process.communicate(timeout=170)
        assert process.returncode == 0, out
        return out

    def rows(self) -> dict[str, pl.DataFrame]:
        """The keys of the tables that only grow."""
        folder = open_folder(str(self.project / "data"))
        found = {}
        for name in _GROWING:
            if (self.project / "data" / f"{name}.json").exists():
                schema = DATASETS[name].schema
                found[name] = scan(folder, schema).select(schema.key).collect()
        return found

    def check(self, names: Collection[str]) -> None:
        """Nothing is held, nobody is left over, everything stored is whole."""
        with dg.DagsterInstance.from_config(str(self.project)) as instance:
            assert pool_state(instance, BROKER_POOL).run_ids == set()
            assert lost_runs(instance) == {}
        folder = open_folder(str(self.project / "data"))
        assert [name for name in names if list(check(folder, DATASETS[name].schema))] == []


@contextmanager
def others(trial: Trial, chance: random.Random, count: int, only: list[str]) -> Iterator[None]:
    """Writers, each a forced refresh of one dataset, and readers, which read what is stored again and again."""
    over = threading.Event()
    torn: list[str] = []

    def read() -> None:
        while not over.wait(0.05):
            try:
                trial.rows()
            except Exception as error:  # noqa: BLE001 - any is a finding
                torn.append(repr(error))

    fetched = [name for name in only if DATASETS[name].is_fetched]
    writers = [trial.start("refresh", chance.choice(fetched), "--force") for _ in range(count // 2)]
    readers = [threading.Thread(target=read) for _ in range(count - count // 2)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        for writer in writers:
            out, _ = writer.communicate(timeout=170)
            assert writer.returncode in {0, 3}, out
        over.set()
        for reader in readers:
            reader.join()
    assert torn == []


def has_processes(group: int) -> bool:
    """Whether a process group has a process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def kill_one(trial: Trial, chance: random.Random, names: list[str], *, within: float, count: int) -> float:
    """Kill a forced refresh at a random moment, then have the next one succeed; the seconds that it took."""
    before = trial.rows()
    with others(trial, chance, count, names):
        victim = trial.start("refresh", *names, "--force")
        time.sleep(chance.uniform(0, within))
        victim.kill()
        victim.communicate()
        deadline = time.monotonic() + 30
        while has_processes(victim.pid):
            assert time.monotonic() < deadline, "a process of the killed run is left"
            time.sleep(0.1)
    began = time.monotonic()
    # It fetches, whatever is due: a hit would stand in no queue.
    trial.run("refresh", chance.choice([name for name in names if DATASETS[name].is_fetched]), "--force")
    took = time.monotonic() - began
    document = json.loads(trial.run("refresh", *names, "--json"))
    assert {row["verdict"] for row in document["datasets"] if row["dataset"] in names} == {"hit"}
    trial.check(names)
    after = trial.rows()
    for name, keys in before.items():
        lost = keys.join(after[name], on=list(keys.columns), how="anti", nulls_equal=True)
        assert lost.is_empty(), (name, lost)
    return took


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with SimulatorProcess(seed=7) as exchange:
        yield Trial(make_project(tmp_path_factory.mktemp("killed")), exchange.url)


@pytest.fixture(autouse=True)
def in_the_project(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of an instance is relative to the current one."""
    monkeypatch.chdir(trial.project)


def test_after_a_kill_at_a_random_moment_the_next_run_succeeds(trial: Trial) -> None:
    kill_one(trial, random.Random(SEED), ["accounts"], within=4, count=1)


_TWO_STEPS = """
import time
from pathlib import Path
import dagster as dg
from ttapi_pipeline.defs.operations.executor import holding
from ttapi_pipeline.defs.operations.pools import broker_turn

def step(name):
    @dg.asset(name=name)
    def fetched(context: dg.AssetExecutionContext) -> None:
        with broker_turn(context.instance, context.run.run_id, name, context.log.info):
            Path(f"{name}.started").touch()
            time.sleep(4)
    return fetched

defs = dg.Definitions(assets=[step("one"), step("two")], executor=holding(dg.multiprocess_executor))
"""


@pytest.mark.soak
def test_a_run_with_a_process_per_step_lives_until_the_last_of_them_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    monkeypatch.chdir(project)
    (project / "two_steps.py").write_text(_TWO_STEPS)
    environment = {**environment_of_users(), "DAGSTER_HOME": str(project)}
    environment["PYTHONPATH"] = f"{project}:{environment['PYTHONPATH']}"
    with dg.DagsterInstance.from_config(str(project)) as instance:
        command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "two_steps", "--select", "*"]
        parent = subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True)
        assert parent.stderr is not None
        # One of the two waits for the other one, and says so.
        assert any("waiting for run" in line for line in parent.stderr)
        parent.kill()
        parent.wait()
        parent.stderr.close()
        # Its children work on, and give the slot back.
        assert lost_runs(instance) == {}
        deadline = time.monotonic() + 60
        while not lost_runs(instance) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(lost_runs(instance)) == 1
        assert list(project.glob("*.started"))
        free_orphaned_slots(instance)
        assert pool_state(instance, BROKER_POOL).run_ids == set()
