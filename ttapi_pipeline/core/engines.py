# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Where the steps of a run are executed, as TT_EXECUTOR says. The executors themselves: see `defs.operations`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ttapi_pipeline.core.errors import ConfigError


class Engine(StrEnum):
    """What executes the steps of a run."""

    IN_PROCESS = "in_process"
    """The process of the run, one step after the other."""
    MULTIPROCESS = "multiprocess"
    """A process per step, on the machine of the run."""
    CELERY = "celery"
    """The workers of Celery."""
    K8S = "k8s"
    """A pod of Kubernetes per step."""


def check_engine(engine: Engine, broker: str | None, *, named_by: Mapping[str, str]) -> None:
    """Check that an engine has what it needs.

    Args:
        engine: What is chosen.
        broker: URL of the broker of Celery; None where it is not set.
        named_by: The names of the variables, by attribute of `settings.Settings`.

    Raises:
        ConfigError: Celery is chosen, and has no broker.
    """
    if engine is Engine.CELERY and broker is None:
        raise ConfigError(
            f"{named_by['executor']} is {engine}, which needs {named_by['celery_broker']}: the URL of the queue that"
            " the workers listen to, such as redis://host:6379/0 or amqp://user:password@host//"
        )
