# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Puts the definitions together for one set of settings.

A new asset, check, job, sensor or schedule is named here; how each is made stands in the rooms beside this module.
"""

import warnings

import dagster as dg

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assets.datasets import build_assets
from ttapi_pipeline.defs.automation.alerts import alert_sensor
from ttapi_pipeline.defs.automation.conditions import refresh_sensor
from ttapi_pipeline.defs.automation.jobs import END_OF_DAY_JOB, build_jobs
from ttapi_pipeline.defs.automation.schedules import end_of_day_schedule
from ttapi_pipeline.defs.automation.sensors import failure_sensor, metastock_sensor
from ttapi_pipeline.defs.checks import build_checks
from ttapi_pipeline.defs.operations.engines import run_executor
from ttapi_pipeline.defs.operations.lost_runs import lost_runs_sensor
from ttapi_pipeline.defs.operations.retention import build_retention
from ttapi_pipeline.defs.parts.asset import PARTS_GROUP, parts_assets, parts_jobs
from ttapi_pipeline.defs.quote_history.asset import quote_history_asset
from ttapi_pipeline.defs.quote_history.job import quote_history_job, quote_history_sensor
from ttapi_pipeline.defs.resources import CacheResource, api_resource, storage_resource
from ttapi_pipeline.defs.session_histories.asset import history_assets
from ttapi_pipeline.defs.session_histories.checks import history_checks
from ttapi_pipeline.defs.session_histories.job import histories_job, histories_sensor
from ttapi_pipeline.storage.layout import open_folder


def build_definitions(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.Definitions:
    """Assets, checks, resources, jobs, and the sensors and schedules that keep everything fresh."""
    with warnings.catch_warnings():
        # Observable sources and custom conditions are in beta. The tests watch them; users need no warning.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _definitions(settings, clock)


def _definitions(settings: Settings, clock: Clock) -> dg.Definitions:
    jobs = build_jobs(without=PARTS_GROUP if settings.partitions else None)
    prune_job, prune_schedule = build_retention(settings, clock=clock)
    return dg.Definitions(
        assets=[
            *build_assets(settings, clock=clock),
            *parts_assets(settings),
            quote_history_asset(settings),
            *history_assets(settings),
        ],
        asset_checks=[*build_checks(settings, clock=clock), *history_checks()],
        resources={
            "io_manager": storage_resource(
                open_folder(settings.data_dir), keep_versions=settings.keep_versions, keep_bytes=settings.keep_bytes
            ),
            "cache": CacheResource(),
            "api": api_resource(settings, clock=clock),
        },
        jobs=[
            *jobs.values(),
            *parts_jobs(settings),
            quote_history_job(settings),
            histories_job(settings, clock=clock),
            prune_job,
        ],
        schedules=[end_of_day_schedule(settings, jobs[END_OF_DAY_JOB]), prune_schedule],
        sensors=[
            refresh_sensor(),
            metastock_sensor(settings),
            quote_history_sensor(settings, clock=clock),
            histories_sensor(settings, clock=clock),
            failure_sensor(settings, clock=clock),
            alert_sensor(settings, clock=clock),
            lost_runs_sensor(),
        ],
        executor=run_executor(settings),
    )
