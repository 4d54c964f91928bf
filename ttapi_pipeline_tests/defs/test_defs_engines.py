# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""TT_EXECUTOR: which executor the jobs get, and what is said without its package."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ttapi_pipeline.core.engines import Engine
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.operations.engines import celery_options, run_executor
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.servers import free_port

BROKER = "redis://:s3cr3t@queue.example.test:6379/0"
OF_RUNS = Settings(executor=Engine.CELERY, celery_broker=BROKER)


def has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@pytest.mark.parametrize("engine", [Engine.IN_PROCESS, Engine.MULTIPROCESS])
def test_the_executors_of_dagster_itself_need_no_package(engine: Engine) -> None:
    settings = Settings(executor=engine)
    job = build_definitions(settings).resolve_job_def("refresh_all")
    assert (run_executor(settings).name, job.executor_def.name) == (engine, engine)


@pytest.mark.parametrize("engine", [Engine.CELERY, Engine.K8S])
def test_an_executor_whose_package_is_missing_says_what_to_install(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"dagster_{engine}", None)
    with pytest.raises(ConfigError) as caught:
        run_executor(replace(OF_RUNS, executor=engine))
    assert str(caught.value) == (
        f"TT_EXECUTOR is {engine}, which needs the package dagster-{engine}: pip install 'ttapi-pipeline[{engine}]'"
    )


@pytest.mark.skipif(not has("dagster_celery"), reason="dagster-celery is installed by `make distributed` alone")
def test_the_address_of_the_queue_is_in_nothing_that_dagster_stores() -> None:
    job = build_definitions(OF_RUNS).resolve_job_def("refresh_all")
    assert job.executor_def.name == "celery"
    assert "s3cr3t" not in dg.serialize_value(job.get_job_snapshot())
    quotes = job.graph.node_named("quotes").tags
    assert (quotes["dagster/priority"], quotes["dagster-celery/priority"]) == ("-5", "1")
    # Dagster warns in each run of a step that has the one and not the other.
    for node in job.graph.node_dict.values():
        assert ("dagster/priority" in node.tags) == ("dagster-celery/priority" in node.tags), node.name


@pytest.mark.skipif(not has("dagster_k8s"), reason="dagster-k8s is installed by `make distributed` alone")
def test_the_executor_of_kubernetes_can_be_chosen() -> None:
    job = build_definitions(Settings(executor=Engine.K8S)).resolve_job_def("refresh_all")
    assert job.executor_def.name == "k8s"


@pytest.mark.skipif(not has("dagster_celery"), reason="dagster-celery is installed by `make distributed` alone")
def test_a_worker_reads_the_queue_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TT_CELERY_BROKER", BROKER)
    application = importlib.import_module("ttapi_pipeline.defs.celery_worker").app
    assert (application.conf.broker_url, application.conf.result_backend) == (BROKER, BROKER)
    assert "execute_plan" in application.tasks
    assert application.conf.worker_disable_prefetch is True


@pytest.mark.skipif(not has("dagster_k8s"), reason="dagster-k8s is installed by `make distributed` alone")
def test_the_executor_of_kubernetes_says_where_there_is_no_cluster(tmp_path: Path) -> None:
    said = materialize(tmp_path, TT_EXECUTOR="k8s")
    assert (
        "ConfigError: TT_EXECUTOR is k8s, which works within a pod of Kubernetes, and this is no pod (Service "
        "host/port is not set.); run it there, or set TT_EXECUTOR to in_process"
    ) in said
    assert "incluster_config.py" not in said


@pytest.mark.skipif(not has("dagster_celery"), reason="dagster-celery is installed by `make distributed` alone")
def test_a_queue_that_nobody_listens_at_is_named_by_its_variable(tmp_path: Path) -> None:
    said = materialize(tmp_path, TT_EXECUTOR="celery", TT_CELERY_BROKER=f"redis://:s3cr3t@127.0.0.1:{free_port()}/0")
    assert "StorageError: the queue of TT_CELERY_BROKER, or what TT_CELERY_BACKEND names, does not answer: " in said
    assert "; start it, or correct it" in said
    # dagster-celery itself records the stack of the library of Redis before; the reason of the failure is a sentence.
    assert "s3cr3t" not in said


@pytest.mark.skipif(not has("dagster_celery"), reason="dagster-celery is installed by `make distributed` alone")
def test_a_worker_with_wrong_settings_ends_with_a_sentence(tmp_path: Path) -> None:
    done = call(tmp_path, "celery", "-A", "ttapi_pipeline.defs.celery_worker", "worker")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(
        "error: TT_EXECUTOR is celery, which needs TT_CELERY_BROKER: the URL"
    )
    assert "Traceback" not in done.stderr


def materialize(folder: Path, **given: str) -> str:
    """What Dagster says of a run of one asset, which fails."""
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    done = call(
        folder, "dagster", "asset", "materialize", "-m", "ttapi_pipeline.definitions", "--select", "accounts", **given
    )
    assert done.returncode == 1, done.stderr
    return done.stdout + done.stderr


def call(folder: Path, *module: str, **given: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TT_", "KUBERNETES"))}
    ours = {"DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **given}
    program = [sys.executable, "-m", *module]
    return subprocess.run(
        program, cwd=folder, env=kept | ours, capture_output=True, text=True, check=False, timeout=200
    )


def test_results_go_where_the_queue_is_in_redis_and_back_to_the_run_elsewhere() -> None:
    assert celery_options(OF_RUNS)["backend"] == BROKER
    assert celery_options(replace(OF_RUNS, celery_broker="amqp://queue//"))["backend"] == "rpc://"
    assert celery_options(replace(OF_RUNS, celery_backend="redis://other/1"))["backend"] == "redis://other/1"
