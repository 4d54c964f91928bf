# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The application of Celery's workers: ``celery -A ttapi_pipeline.defs.celery_worker worker --queues dagster``.

It executes the steps of runs under TT_EXECUTOR=celery. Its queue is that of the settings, as it is for the runs.
"""

import functools
import importlib
import sys
from typing import Any, Final

from ttapi_pipeline.core.engines import Engine, check_engine
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.logs import configure_logging
from ttapi_pipeline.core.places import find_home
from ttapi_pipeline.core.settings import VARIABLES, Settings
from ttapi_pipeline.datasets.registry import load_settings_of
from ttapi_pipeline.defs.dagster_internals import step_of_task
from ttapi_pipeline.defs.operations.database_outages import database_outages_outlasted
from ttapi_pipeline.defs.operations.engines import celery_options, engine_package
from ttapi_pipeline.defs.operations.signs_of_life import signs_of_step

_WRONG_USAGE: Final = 2
"""As `tt` ends with wrong settings."""


def make_application(settings: Settings) -> Any:
    """The application, with the tasks that Dagster has workers do.

    Raises:
        ConfigError: Celery is not installed, or TT_CELERY_BROKER is not set.
    """
    named_by = {name: variable.name for name, variable in VARIABLES.items()}
    check_engine(Engine.CELERY, settings.celery_broker, named_by=named_by)
    engine_package(Engine.CELERY)
    # `dagster_celery.app` is the same, and takes its queue from a module of the user's instead.
    application = importlib.import_module("dagster_celery.make_app").make_app(dict(celery_options(settings)))
    task = importlib.import_module("dagster_celery.tasks").create_task(application)
    _give_signs(task)
    return application


def _give_signs(task: Any) -> None:
    """Have the worker give signs of life for each step that it executes: nobody else knows which worker has which."""
    execute = task.run

    @functools.wraps(execute)
    def run(execute_step_args_packed: Any, executable_dict: Any) -> Any:
        # The worker opens the instance for each step, and may do so while its database is away.
        with (
            database_outages_outlasted(),
            step_of_task(execute_step_args_packed) as (instance, run_id, step),
            signs_of_step(instance, run_id, step),
        ):
            return execute(execute_step_args_packed, executable_dict)

    task.run = run


def _application() -> Any:
    try:
        settings = load_settings_of(find_home())
        configure_logging(settings)
        return make_application(settings)
    except TTError as error:
        # Celery shows the stack of whatever else its application raises.
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(_WRONG_USAGE) from None


app = _application()
