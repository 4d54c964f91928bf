# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The pipeline on several machines: Postgres, Redis, two workers of Celery, and data in an object store.

The tests build upon one another, as the hours of one deployment do: first the sensor fills it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import dagster as dg
import pytest

pytest.importorskip("dagster_celery", reason="the packages of a deployment are installed by `make distributed`")

from ttapi_pipeline.core.engines import Engine
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import BROKER_POOL, REFRESH_JOB
from ttapi_pipeline.defs.dagster_internals import pool_state
from ttapi_pipeline.defs.operations.held_runs import process_of
from ttapi_pipeline.defs.operations.signs_of_life import Sign, signs_by_run, signs_of
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.store import VersionedManifest, open_store
from ttapi_pipeline_tests.support.cluster import Cluster, cluster
from ttapi_pipeline_tests.support.servers import wait_until

pytestmark = [pytest.mark.distributed, pytest.mark.timeout(600)]

WITHIN_SECONDS: Final = 180
"""A run that was hit has ended or was repeated, by when whatever it was is over."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch, cluster(tmp_path_factory.mktemp("cluster")) as found:
        for name, value in found.variables.items():
            if name.startswith(("AWS_", "DAGSTER")):
                patch.setenv(name, value)
        yield found


@pytest.fixture
def whole(running: Cluster) -> Iterator[Cluster]:
    """The cluster without faults; after the test, nothing holds the pool, and no manifest was lost."""
    before = fixed(running.settings.data_dir)
    yield running
    running.exchange.reset()
    with running.instance() as instance:
        wait_until(
            lambda: not pool_state(instance, BROKER_POOL).run_ids,
            seconds=WITHIN_SECONDS,
            what="the slot of the pool is free",
        )
    assert fixed(running.settings.data_dir) == before
    assert set(versions(running.settings.data_dir)) == set(DATASETS)


def versions(data_dir: str) -> Mapping[str, str]:
    """The data version of each dataset that is stored."""
    found = open_store(open_folder(data_dir)).read_manifests(list(DATASETS))
    return {name: each.manifest.data_version for name, each in found.items() if isinstance(each, VersionedManifest)}


def fixed(data_dir: str) -> Mapping[str, str]:
    """The same without that of balances, which say when the exchange looked at them."""
    return {name: version for name, version in versions(data_dir).items() if name != "accounts"}


def fetching(found: Cluster) -> tuple[str, Sign]:
    """A run that waits for the broker's answer about accounts, and the sign of life of the worker that does."""
    found.exchange.fault("latency", "/customers/me/accounts", parameters={"seconds": 15.0})
    run_id = found.submit(REFRESH_JOB, select=["accounts"])
    signs: list[Sign] = []

    def is_fetching() -> bool:
        with found.instance() as instance:
            signs[:] = [sign for sign in signs_of(instance, run_id) if sign.step == "accounts"]
            has_turn = bool(signs) and (run_id, "accounts") in pool_state(instance, BROKER_POOL).claimed
        return has_turn and found.exchange.requests_in_flight() > 0

    wait_until(is_fetching, seconds=120, what="the run fetches")
    # What is asked from now on is asked again.
    found.exchange.call("POST", "/counters/reset")
    return run_id, signs[0]


def kill_worker(found: Cluster, run_id: str, sign: Sign) -> None:
    assert sign.process is not None
    group = os.getpgid(sign.process.pid)
    (worker,) = (each for each in found.programs.values() if each.process and each.process.pid == group)
    assert worker.name.startswith("worker")
    worker.kill()


def kill_run(found: Cluster, run_id: str, sign: Sign) -> None:
    with found.instance() as instance:
        run = instance.get_run_by_id(run_id)
    process = None if run is None else process_of(run)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


def kill_code_server(found: Cluster, run_id: str, sign: Sign) -> None:
    # The run is a child of it, and is killed with it.
    found.programs["code"].kill()


def stop_postgres(found: Cluster, run_id: str, sign: Sign) -> None:
    found.database.stop()
    time.sleep(20)
    found.database.start()


def stop_store(found: Cluster, run_id: str, sign: Sign) -> None:
    found.store.is_down = True
    time.sleep(20)
    found.store.is_down = False


Harm = Callable[[Cluster, str, Sign], None]


class TestCluster:
    def test_the_sensor_fills_every_dataset_from_nothing(self, running: Cluster) -> None:
        wait_until(
            lambda: set(versions(running.settings.data_dir)) == set(DATASETS),
            seconds=500,
            every=2,
            what="every dataset is stored",
        )

    def test_the_data_is_that_of_a_refresh_on_one_machine(self, running: Cluster, tmp_path: Path) -> None:
        settings = replace(running.settings, data_dir=str(tmp_path / "data"), executor=Engine.IN_PROCESS)
        job = build_definitions(settings, clock=running.clock).resolve_job_def(REFRESH_JOB)
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(instance=instance).success
        assert fixed(settings.data_dir) == fixed(running.settings.data_dir)

    def test_ten_forced_runs_two_at_a_time_all_succeed(self, whole: Cluster) -> None:
        runs = [whole.submit(REFRESH_JOB, select=["accounts", "universe"]) for _ in range(10)]
        ended = whole.wait_for_runs(runs, seconds=500)
        assert set(ended.values()) == {dg.DagsterRunStatus.SUCCESS}
        with whole.instance() as instance:
            # They fetched one at a time, although nothing in dagster.yaml says so.
            assert pool_state(instance, BROKER_POOL).limit == 1

    def test_twenty_runs_of_two_machines_on_a_refused_grant_ask_at_most_twice(self, whole: Cluster) -> None:
        whole.exchange.fault("refuse-grant", "/oauth/token")
        program = [sys.executable, "-m", "ttapi_pipeline_tests.support.refused_runs"]
        elsewhere = {**whole.variables, "TT_DATA_DIR": f"{whole.settings.data_dir}-refused"}
        both = [
            subprocess.Popen(program, cwd=whole.folder, env=elsewhere, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        refused = [each.communicate(timeout=300)[0].strip() for each in both]
        assert refused == ["10", "10"]
        assert 1 <= whole.exchange.requests()["POST /oauth/token"] <= 2

    @pytest.mark.parametrize(
        "harm", [kill_worker, kill_run, kill_code_server, stop_postgres, stop_store], ids=lambda each: each.__name__
    )
    def test_a_run_is_finished_or_repeated_whatever_is_lost(self, whole: Cluster, harm: Harm) -> None:
        run_id, sign = fetching(whole)
        harm(whole, run_id, sign)
        whole.outcome(run_id, seconds=WITHIN_SECONDS)
        # What was lost is asked for once more. A run that goes on asks for nothing again.
        asked = whole.exchange.requests().get("GET /customers/me/accounts", 0)
        assert asked <= (1 if harm in {stop_postgres, stop_store} else 2)

    def test_nothing_is_kept_of_runs_that_are_over(self, whole: Cluster) -> None:
        def is_forgotten() -> bool:
            with suppress(dg.DagsterError), whole.instance() as instance:
                return not signs_by_run(instance)
            return False

        wait_until(is_forgotten, seconds=120, what="the signs of life are deleted")
