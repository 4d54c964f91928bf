# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The application of Celery's workers: ``celery -A ttapi_pipeline.defs.celery_worker worker --queues dagster``.

It executes the steps of runs under TT_EXECUTOR=celery. Its queue is that of the settings, as it is for the runs.
"""

import importlib
from typing import Any

from ttapi_pipeline.core.engines import Engine, check_engine
from ttapi_pipeline.core.logs import configure_logging
from ttapi_pipeline.core.places import find_home
from ttapi_pipeline.core.settings import VARIABLES, Settings
from ttapi_pipeline.datasets.registry import load_settings_of
from ttapi_pipeline.defs.operations.engines import celery_options, engine_package


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
    importlib.import_module("dagster_celery.tasks").create_task(application)
    return application


def _application() -> Any:
    settings = load_settings_of(find_home())
    configure_logging(settings)
    return make_application(settings)


app = _application()
