# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The sensor that looks for datasets that are not well, and has TT_ALERT_URLS told. What is told: see `alerts.look`."""

from datetime import datetime

import dagster as dg

from ttapi_pipeline.alerts.look import Lookout, Seen
from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.failures import skipped
from ttapi_pipeline.defs.operations.step_outcomes import seen_since

ALERTS_SENSOR = "alerts"


def alert_sensor(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.SensorDefinition:
    """The sensor, on by default where TT_ALERT_URLS is set.

    It looks twice a minute, so that what happens is told within a minute. It starts no run, and none waits for it.
    """
    lookout = Lookout(settings)

    @dg.sensor(
        name=ALERTS_SENSOR,
        description="Tells TT_ALERT_URLS when a dataset fails, is overdue or lost coverage, and when it is well again.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if settings.alert_urls else dg.DefaultSensorStatus.STOPPED,
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if not settings.alert_urls:
            return dg.SkipReason("TT_ALERT_URLS is not set: nobody is told")
        now = clock.now()

        def seen(since: datetime) -> Seen:
            return seen_since(context.instance, since, secrets=settings.secrets, now=now)

        try:
            return dg.SkipReason(str(lookout.look(seen, now=now)))
        except TTError as error:
            return skipped(error)

    return alerts
