# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Lost runs and turns at the broker on an instance in Postgres, where there are no locks beside the events."""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Timer

import dagster as dg
import pytest
import sqlalchemy
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value

pytest.importorskip("dagster_postgres", reason="the packages of a deployment are installed by `make distributed`")

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.processes import ProcessIdentity, this_process
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL
from ttapi_pipeline.defs.dagster_internals import claim_slot, fail_run, pool_state, queue_alone, write_note
from ttapi_pipeline.defs.operations.database_outages import database_outages_outlasted
from ttapi_pipeline.defs.operations.database_server import bound_connections
from ttapi_pipeline.defs.operations.held_runs import process_tags, why_lost
from ttapi_pipeline.defs.operations.lost_runs import end_lost_runs
from ttapi_pipeline.defs.operations.pools import broker_turn, free_orphaned_slots
from ttapi_pipeline.defs.operations.signs_of_life import (
    SILENT_FOR,
    give_signs,
    signs_by_run,
    signs_of,
    signs_of_step,
    stop_signs,
)
from ttapi_pipeline_tests.support.held import started_run
from ttapi_pipeline_tests.support.postgres import PASSWORD, Postgres, postgres_server
from ttapi_pipeline_tests.support.servers import wait_until

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]

ELSEWHERE = replace(this_process(), host="another-machine")
"""The identity of a process that cannot be seen from here."""

WAITING = """
import os, sys
import dagster as dg
from ttapi_pipeline.defs.operations.pools import broker_turn

def say(words):
    print(words, flush=True)

with dg.DagsterInstance.get() as instance:
    try:
        with broker_turn(instance, sys.argv[1], "symbols", say):
            print("its turn", flush=True)
    except dg.DagsterExecutionInterruptedError:
        print("interrupted", flush=True)
"""


@dg.job
def nothing() -> None:
    """A job without a step."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres_server() as found:
        yield found


@pytest.fixture(scope="module")
def home(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    storage = {"postgres": {"postgres_url": server.url}}
    settings = {"storage": storage, "telemetry": {"enabled": False}}
    # JSON is YAML.
    (folder / "dagster.yaml").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as found:
        yield found


def note(instance: dg.DagsterInstance, run_id: str, step: str, process: ProcessIdentity, *, ago: timedelta) -> None:
    """What a process noted some time ago."""
    sign = {"process": process.to_json(), "at": (datetime.now(UTC) - ago).isoformat()}
    write_note(instance, f"ttapi_pipeline/alive/{run_id}/{step}", json.dumps(sign))


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


class TestSigns:
    def test_a_process_gives_signs_for_its_run_and_a_worker_for_its_step(self, instance: dg.DagsterInstance) -> None:
        run = started_run(instance, **process_tags())
        give_signs(instance, run.run_id)
        with signs_of_step(instance, run.run_id, "accounts"):
            assert [sign.step for sign in signs_of(instance, run.run_id)] == ["", "accounts"]
            assert {sign.process for sign in signs_of(instance, run.run_id)} != {None}
        assert [sign.step for sign in signs_of(instance, run.run_id)] == [""]
        assert why_lost(instance, run) is None
        stop_signs(run.run_id)
        assert signs_of(instance, run.run_id) == []

    @pytest.mark.parametrize(("step", "whose"), [("", "its process"), ("accounts", "the worker of its step accounts")])
    def test_a_run_whose_process_or_worker_is_silent_fails_and_frees_its_slot(
        self, instance: dg.DagsterInstance, step: str, whose: str
    ) -> None:
        run = started_run(instance, **process_tags(ELSEWHERE))
        assert claim_slot(instance, BROKER_POOL, run.run_id, "accounts")
        note(instance, run.run_id, "", ELSEWHERE, ago=timedelta(0))
        assert end_lost_runs(instance) == []
        note(instance, run.run_id, step, ELSEWHERE, ago=SILENT_FOR + timedelta(seconds=5))
        assert end_lost_runs(instance) == [run.run_id]
        assert status(instance, run) is dg.DagsterRunStatus.FAILURE
        (entry,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert entry.message.startswith(f"{whose} has given no sign for 6")
        assert "another-machine" in entry.message
        assert not pool_state(instance, BROKER_POOL).run_ids
        end_lost_runs(instance)
        assert run.run_id not in signs_by_run(instance)

    def test_a_run_of_another_project_is_left_alone(self, instance: dg.DagsterInstance) -> None:
        run = started_run(instance)
        assert why_lost(instance, run) is None


class TestTurns:
    def test_the_first_claims_of_a_new_instance_at_the_same_instant_are_one(self, instance: dg.DagsterInstance) -> None:
        together = Barrier(6)

        def claim(pool: str, number: int) -> bool:
            together.wait()
            with queue_alone(instance, pool):
                return claim_slot(instance, pool, f"run {number}", "accounts")

        with ThreadPoolExecutor(6) as threads:
            for pool in (f"new-{number}" for number in range(20)):
                claimed = list(threads.map(claim, [pool] * 6, range(6)))
                assert claimed.count(True) == 1
                assert pool_state(instance, pool).limit == 1
                assert len(pool_state(instance, pool).run_ids) == 6

    def test_a_waiting_step_sleeps_says_for_what_and_obeys_ctrl_c(self, instance: dg.DagsterInstance) -> None:
        ahead, behind = started_run(instance, **process_tags()), started_run(instance, **process_tags())
        with broker_turn(instance, ahead.run_id, "accounts", lambda _: None):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            program = [sys.executable, "-c", WAITING, behind.run_id]
            environment = {**os.environ, "DAGSTER_HOME": instance.root_directory}
            with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as waiting:
                assert waiting.stdout is not None
                said = waiting.stdout.readline()
                assert said.startswith(f"waiting for run {ahead.run_id[:8]}, which fetches accounts (process ")
                later = waiting.stdout.readline()
                assert re.search(r"for [1-9]\ds now$", later), later
                waiting.send_signal(signal.SIGINT)
                assert waiting.communicate(timeout=60)[0] == "interrupted\n"
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # It waited for 15 s and more, and needed its imports; before, Dagster's executor burnt a core.
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 12
        assert not pool_state(instance, BROKER_POOL).run_ids

    def test_a_slot_of_a_run_that_was_ended_stays_while_a_worker_still_fetches(
        self, instance: dg.DagsterInstance
    ) -> None:
        run = started_run(instance, **process_tags(ELSEWHERE))
        assert claim_slot(instance, BROKER_POOL, run.run_id, "accounts")
        note(instance, run.run_id, "accounts", ELSEWHERE, ago=timedelta(0))
        fail_run(instance, run, "its process was killed")
        assert free_orphaned_slots(instance) == []
        note(instance, run.run_id, "accounts", ELSEWHERE, ago=SILENT_FOR + timedelta(seconds=5))
        assert free_orphaned_slots(instance) == [run.run_id]

    def test_a_slot_of_a_run_that_is_silent_goes_to_the_next_in_the_queue(self, instance: dg.DagsterInstance) -> None:
        lost, next_one = started_run(instance, **process_tags(ELSEWHERE)), started_run(instance, **process_tags())
        assert claim_slot(instance, BROKER_POOL, lost.run_id, "accounts")
        note(instance, lost.run_id, "", ELSEWHERE, ago=SILENT_FOR + timedelta(seconds=5))
        assert not claim_slot(instance, BROKER_POOL, next_one.run_id, "accounts")
        assert free_orphaned_slots(instance) == [lost.run_id]
        assert status(instance, lost) is dg.DagsterRunStatus.FAILURE
        with broker_turn(instance, next_one.run_id, "accounts", lambda _: None):
            assert pool_state(instance, BROKER_POOL).claimed == ((next_one.run_id, "accounts"),)


class TestOutages:
    def test_a_turn_is_given_back_to_a_database_that_was_away_when_it_ended(
        self, instance: dg.DagsterInstance, server: Postgres, caplog: pytest.LogCaptureFixture
    ) -> None:
        run = started_run(instance, **process_tags())
        give_signs(instance, run.run_id)
        with broker_turn(instance, run.run_id, "accounts", lambda _: None):
            server.stop()
            # Dagster gives up after some ten seconds.
            later = Timer(20, server.start)
            later.start()
        later.join()
        assert not pool_state(instance, BROKER_POOL).run_ids
        assert (
            "Dagster's database does not answer, and is waited for, 90 s at most: connection to server" in caplog.text
        )
        assert "Dagster's database answers again, after " in caplog.text
        # What comes from the thread of the signs of life, and from Dagster itself, waits as well.
        assert [sign.step for sign in signs_of(instance, run.run_id)] == [""]
        stop_signs(run.run_id)

    def test_a_worker_that_takes_a_step_up_while_the_database_is_away_waits_for_it(
        self, instance: dg.DagsterInstance, server: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TT_CELERY_BROKER", "memory://queue")
        task = importlib.import_module("ttapi_pipeline.defs.celery_worker").app.tasks["execute_plan"]
        run = started_run(instance, **process_tags())
        origin = dg.reconstructable(nothing).get_python_origin()
        given = ExecuteStepArgs(origin, run.run_id, ["accounts"], instance_ref=instance.get_ref())
        server.stop()
        # Dagster gives up after some ten seconds.
        later = Timer(20, server.start)
        later.start()
        try:
            # It comes as far as the plan of the job, which has no such step.
            with pytest.raises(dg.DagsterError, match="unknown step: accounts"):
                task.run(pack_value(given), dg.reconstructable(nothing).to_dict())
        finally:
            later.join()
        assert signs_of(instance, run.run_id) == []

    def test_a_password_that_is_wrong_is_said_at_once(self, server: Postgres, caplog: pytest.LogCaptureFixture) -> None:
        engine = sqlalchemy.create_engine(server.url.replace(PASSWORD, "wrong"))
        # Of an error of SQLAlchemy's Dagster would try again for ten seconds.
        said = "password authentication failed .*; correct the user and the password"
        with database_outages_outlasted(), pytest.raises(StorageError, match=said), engine.connect():
            pass
        assert "waited for" not in caplog.text

    def test_a_claim_that_is_under_way_when_the_server_ends_is_made_once_more(
        self, instance: dg.DagsterInstance, server: Postgres, caplog: pytest.LogCaptureFixture
    ) -> None:
        run = started_run(instance, **process_tags())
        give_signs(instance, run.run_id)

        def is_claiming() -> bool:
            return "1" in server.run("psql", "-At", "-c", "SELECT count(*) FROM pg_locks WHERE NOT granted")

        def restart() -> None:
            wait_until(is_claiming, seconds=60, what="a claim waits for the queue")
            server.stop()
            server.start()

        engine = sqlalchemy.create_engine(server.url, poolclass=sqlalchemy.pool.NullPool)
        with suppress(sqlalchemy.exc.OperationalError), engine.connect() as connection, ThreadPoolExecutor(1) as others:
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock(hashtext('ttapi_pipeline {BROKER_POOL}'))"))
            restarted = others.submit(restart)
            with broker_turn(instance, run.run_id, "accounts", lambda _: None):
                assert pool_state(instance, BROKER_POOL).claimed == ((run.run_id, "accounts"),)
            restarted.result()
        assert "accounts: the queue of the broker is asked once more: Dagster's database: " in caplog.text
        assert not pool_state(instance, BROKER_POOL).run_ids
        stop_signs(run.run_id)

    def test_ctrl_c_ends_a_refresh_whose_database_is_away(
        self, instance: dg.DagsterInstance, server: Postgres, tmp_path: Path
    ) -> None:
        ahead = started_run(instance, **process_tags())
        program = [sys.executable, "-m", "ttapi_pipeline.cli", "refresh", "accounts"]
        given = {
            "DAGSTER_HOME": instance.root_directory,
            "TT_DATA_DIR": str(tmp_path / "data"),
            "TT_ENV": "simulator",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore:Found version mismatch:UserWarning",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TT_")} | given
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with (
            broker_turn(instance, ahead.run_id, "quotes", lambda _: None),
            subprocess.Popen(program, cwd=tmp_path, env=environment, **pipes) as refresh,  # type: ignore[call-overload]
        ):
            assert refresh.stdout is not None
            said: list[str] = []
            while not said or "waiting for run" not in said[-1]:
                said.append(refresh.stdout.readline())
                assert said[-1], said
            server.stop()
            while "is waited for, 90 s at most" not in said[-1]:
                said.append(refresh.stdout.readline())
                assert said[-1], said
            refresh.send_signal(signal.SIGINT)
            rest = refresh.communicate(timeout=60)[0]
            server.start()
        assert refresh.returncode == 130, rest
        assert rest.endswith("interrupted; stored data is as it was\n")
        assert "was ended by a signal, which cannot be recorded: Dagster's database: connection to server" in rest
        assert "Traceback" not in rest
        assert "answers again" not in rest

    def test_a_server_that_is_frozen_is_not_waited_for_without_an_end(self, server: Postgres) -> None:
        engine = sqlalchemy.create_engine(server.url)
        bound_connections()
        with server.frozen(), pytest.raises(sqlalchemy.exc.OperationalError, match="timeout expired"), engine.connect():
            pass
        with engine.connect() as connection:
            found = connection.connection.dbapi_connection.info.dsn_parameters  # type: ignore[union-attr]
        assert (found["connect_timeout"], found["tcp_user_timeout"], found["keepalives_idle"]) == ("10", "30000", "30")
        theirs = sqlalchemy.create_engine(f"{server.url}?connect_timeout=3")
        with theirs.connect() as connection:
            found = connection.connection.dbapi_connection.info.dsn_parameters  # type: ignore[union-attr]
        assert found["connect_timeout"] == "3"
