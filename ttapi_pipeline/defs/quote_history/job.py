# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The job that makes an ended session of the quote log a partition, and the sensor that asks for its runs.

The work itself, which only a run and a tick import: see `compaction`.
"""

import dagster as dg

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.automation.jobs import RUN_TAGS
from ttapi_pipeline.defs.failures import skipped
from ttapi_pipeline.defs.operations.executor import RUN_EXECUTOR
from ttapi_pipeline.defs.quote_history.asset import QUOTE_HISTORY, QUOTE_HISTORY_JOB, quote_sessions
from ttapi_pipeline.storage.places import quotes_folder


def quote_history_job(settings: Settings) -> dg.JobDefinition:
    """The job of one session. It compacts the session if no `tt stream` has, and records the materialisation."""

    @dg.op(name="compact_session", description="Make the history of a session, if it is not there, and record it.")
    def compact(context: dg.OpExecutionContext) -> None:
        from ttapi_pipeline.defs.quote_history.compaction import compact_and_record  # noqa: PLC0415 - see `defs`

        compact_and_record(context, settings)

    @dg.job(
        name=QUOTE_HISTORY_JOB,
        description="Makes a session of the quote log a partition of quote_history; the second run changes nothing.",
        partitions_def=quote_sessions,
        executor_def=RUN_EXECUTOR,
        tags=RUN_TAGS,
    )
    def compact_quotes() -> None:
        compact()

    return compact_quotes


def quote_history_sensor(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.SensorDefinition:
    """The sensor that asks for a run per session that has ended and is not recorded; on by default."""

    @dg.sensor(
        name="finished_quote_sessions",
        job_name=QUOTE_HISTORY_JOB,
        description="Makes each session of the quote log that has ended a partition of quote_history.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def finished_quote_sessions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from ttapi_pipeline.defs.quote_history.compaction import NO_QUOTE_LOG, due_sessions  # noqa: PLC0415 - see `defs`

        try:
            due = due_sessions(settings, context.instance, now=clock.now())
        except TTError as error:
            return skipped(error)
        if quotes_folder(settings) is None:
            return dg.SkipReason(NO_QUOTE_LOG)
        if not due:
            return dg.SkipReason("no session of the quote log has ended that is not recorded")
        keys = [session.isoformat() for session in due]
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    # Dagster starts one run per key. With the hour in it, a run that has failed is asked for again.
                    run_key=f"{QUOTE_HISTORY} {key} {clock.now():%Y-%m-%dT%H}",
                    partition_key=key,
                    tags={**RUN_TAGS, "session": key},
                )
                for key in keys
            ],
            dynamic_partitions_requests=[quote_sessions.build_add_request(keys)],
        )

    return finished_quote_sessions
