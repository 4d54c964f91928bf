# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""TT_EXECUTOR: which executor the jobs get, and what is said without its package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import replace

import dagster as dg
import pytest

from ttapi_pipeline.core.engines import Engine
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.operations.engines import celery_options, run_executor

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


def test_results_go_where_the_queue_is_in_redis_and_back_to_the_run_elsewhere() -> None:
    assert celery_options(OF_RUNS)["backend"] == BROKER
    assert celery_options(replace(OF_RUNS, celery_broker="amqp://queue//"))["backend"] == "rpc://"
    assert celery_options(replace(OF_RUNS, celery_backend="redis://other/1"))["backend"] == "redis://other/1"
