# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The web server and the daemon that `tt ui` starts, each in a process of its own that ends with the one above it.

Dagster tells them to end when it ends itself. When it is killed it cannot, and both would stay, with the port.
"""

import logging
import os
import signal
import threading
import time
from typing import Any, Final

import dagster as dg

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.dagster_internals import cancel_launched_runs, run_daemon_command
from ttapi_pipeline.defs.operations.instance_errors import instance_errors, log_database_errors_in_a_sentence
from ttapi_pipeline.defs.web_graph import GraphAddress
from ttapi_pipeline.defs.web_guard import Guard
from ttapi_pipeline.storage.databases import dagster_home

_LOOK_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 60.0
"""For ending in peace, after which the process is killed. Dagster gives its services as long."""

_LOGGER = logging.getLogger(__name__)


def run_web_server(parent: int) -> None:
    """Be Dagster's web server, by the arguments of this program, behind our guard, as long as the parent process is."""
    # Only the web server needs them.
    from dagster_webserver import cli  # noqa: PLC0415
    from dagster_webserver.webserver import DagsterWebserver  # noqa: PLC0415
    from starlette.middleware import Middleware  # noqa: PLC0415

    # The server builds its application itself, and has no setting for a middleware.
    server: Any = DagsterWebserver
    build = server.build_middleware
    groups = sorted({dataset.group for dataset in DATASETS.values()})
    ours = [Middleware(Guard), Middleware(GraphAddress, groups=groups)]
    server.build_middleware = lambda self: [*ours, *build(self)]
    run: Any = cli.main
    log_database_errors_in_a_sentence(dagster_home())
    _end_with(parent)
    run()


def run_daemon(parent: int) -> None:
    """Be Dagster's daemon, by the arguments of this program, as long as the parent process is.

    The runs that it has launched are cancelled at its end: nothing would look after them.
    """
    log_database_errors_in_a_sentence(dagster_home())
    _end_with(parent)
    try:
        run_daemon_command()
    finally:
        _cancel_runs()


def _cancel_runs() -> None:
    try:
        with dg.DagsterInstance.get() as instance, instance_errors(instance.root_directory):
            for run_id in cancel_launched_runs(instance):
                _LOGGER.warning("run %s is cancelled, since the daemon ends", run_id)
    except TTError as error:
        _LOGGER.warning("runs that are under way were not cancelled: %s", error)


def _end_with(parent: int) -> None:
    """Have SIGTERM end this process when its parent has ended, and SIGKILL if that does not."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()
