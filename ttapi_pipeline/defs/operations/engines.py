# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The executor of the jobs over assets, as TT_EXECUTOR says. Each is held: see `executor`.

The packages of Celery and Kubernetes are imported where their executor is chosen. The worker's side: `celery_worker`.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final, cast

import dagster as dg

from ttapi_pipeline.core.engines import Engine
from ttapi_pipeline.core.errors import ConfigError, StorageError, TTError
from ttapi_pipeline.core.lines import shortened
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.operations.executor import RUN_EXECUTOR, holding

LATE: Final[Mapping[str, str]] = {"dagster/priority": "-5", "dagster-celery/priority": "1"}
"""Tags of a step that goes after the others where both could begin. Celery counts from 0 to 10; 5 is its default."""

LAST: Final[Mapping[str, str]] = {"dagster/priority": "-10", "dagster-celery/priority": "0"}
"""Tags of a step that goes after those, too."""

_UNSEEN_SECONDS: Final = 60
"""Redis gives a task to another worker when the first one has not taken it up within this time."""


def run_executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor that the settings choose.

    Raises:
        ConfigError: The package that it needs is not installed.
    """
    match settings.executor:
        case Engine.IN_PROCESS:
            return RUN_EXECUTOR
        case Engine.MULTIPROCESS:
            return holding(dg.multiprocess_executor)
        case Engine.CELERY:
            found = cast("dg.ExecutorDefinition", engine_package(settings.executor).celery_executor)
            return holding(found, config=celery_options(settings), explain=_why_no_queue)
        case Engine.K8S:
            made = cast("dg.ExecutorDefinition", engine_package(settings.executor).k8s_job_executor)
            return holding(made, explain=_why_no_cluster)


def _why_no_queue(error: Exception) -> TTError | None:
    """What is said of a queue that cannot be reached; None for another error. Celery's own words hold no password."""
    # Where the place for results is away, Celery raises a RuntimeError after twenty attempts.
    if not type(error).__module__.startswith("kombu.") and "Celery result store" not in str(error):
        return None
    said = shortened(" ".join(str(error).split()), 200) or type(error).__name__
    return StorageError(
        "the queue of TT_CELERY_BROKER, or what TT_CELERY_BACKEND names, does not answer: "
        f"{said.rstrip('.')}; start it, or correct it"
    )


def _why_no_cluster(error: Exception) -> TTError | None:
    if type(error).__module__ != "kubernetes.config.config_exception":
        return None
    return ConfigError(
        f"TT_EXECUTOR is {Engine.K8S}, which works within a pod of Kubernetes, and this is no pod ({error});"
        f" run it there, or set TT_EXECUTOR to {Engine.IN_PROCESS}"
    )


def engine_package(engine: Engine) -> ModuleType:
    """The package of Dagster for an engine.

    Raises:
        ConfigError: It is not installed.
    """
    name = f"dagster_{engine}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"TT_EXECUTOR is {engine}, which needs the package {(error.name or name).replace('_', '-')}: "
            f"pip install 'ttapi-pipeline[{engine}]'"
        ) from error


def celery_options(settings: Settings) -> Mapping[str, Any]:
    """The options of Celery's application, alike for runs and for workers."""
    broker = settings.celery_broker or ""
    is_redis = broker.startswith(("redis://", "rediss://"))
    shared = {"broker_connection_retry_on_startup": True, "result_expires": 3600}
    # A worker takes a task up when it is free for it, so that one that is killed has no further ones with it.
    of_redis = {
        "worker_disable_prefetch": True,
        "broker_transport_options": {"visibility_timeout": _UNSEEN_SECONDS, "socket_keepalive": True},
    }
    return {
        "broker": broker,
        "backend": settings.celery_backend or (broker if is_redis else "rpc://"),
        "config_source": shared | (of_redis if is_redis else {}),
    }
