# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The job that makes a session of the histories again, and the sensor that records sessions that are over.

The work itself, which only a run and a tick import: see `recording`.
"""

from datetime import date, timedelta

import dagster as dg
from pydantic import Field

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.automation.jobs import RUN_TAGS
from ttapi_pipeline.defs.failures import failure, skipped
from ttapi_pipeline.defs.operations.executor import RUN_EXECUTOR
from ttapi_pipeline.defs.operations.retention import KEPT_DAYS
from ttapi_pipeline.defs.session_histories.asset import HISTORIES_JOB, SENSOR, history_sessions
from ttapi_pipeline.storage.layout import open_folder


class SessionConfig(dg.Config):
    """What to do with a session."""

    again: bool = Field(default=True, description="Make its rows again; otherwise record and check what is stored.")


def histories_job(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.JobDefinition:
    """The job of one session: it makes the rows of every history again, and records and checks them."""

    @dg.op(name="make_session", description="Make a session of every history again, from what is kept; record it.")
    def make(context: dg.OpExecutionContext, config: SessionConfig) -> None:
        from ttapi_pipeline.defs.session_histories.recording import events_of, make_again, record  # noqa: PLC0415 - see `defs`

        folder = open_folder(settings.data_dir)
        try:
            session = date.fromisoformat(context.partition_key)
            made = make_again(folder, [session], settings, now=clock.now()) if config.again else {}
            for name, parts in made.items():
                if not parts:
                    context.log.warning("%s: nothing is kept of session %s", name, session)
            record(context, events_of(folder, session))
        except TTError as error:
            raise failure(HISTORIES_JOB, error) from error

    @dg.job(
        name=HISTORIES_JOB,
        description="Makes a session of every history again, from what is kept of their datasets; fetches nothing.",
        partitions_def=history_sessions,
        executor_def=RUN_EXECUTOR,
        tags=RUN_TAGS,
    )
    def session_histories() -> None:
        make()

    return session_histories


def histories_sensor(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.SensorDefinition:
    """The sensor that records each session that is over; on by default. Its cursor is the last one that it recorded.

    It records the materialisations itself: those of a run would be deleted with it. The results of checks, of which an
    instance takes one for a partition outside of runs, come with a run that only records.
    """

    @dg.sensor(
        name=SENSOR,
        job_name=HISTORIES_JOB,
        description="Records each session that is over as a partition of every history, and what became of it.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def finished_sessions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from ttapi_pipeline.defs.session_histories.recording import due_sessions, materializations  # noqa: PLC0415

        folder, now = open_folder(settings.data_dir), clock.now()
        try:
            recorded = None if context.cursor is None else date.fromisoformat(context.cursor)
            sessions = due_sessions(folder, recorded, settings, now=now)
            events = [event for session in sessions for event in materializations(folder, session)]
        except TTError as error:
            return skipped(error)
        if not sessions:
            return dg.SkipReason("every session that is over is recorded")
        keys = [session.isoformat() for session in sessions]
        return dg.SensorResult(
            asset_events=events,
            run_requests=[
                # Dagster starts one run per key. A session that is told anew is checked again in another hour.
                dg.RunRequest(
                    run_key=f"{HISTORIES_JOB} {key} {now:%Y-%m-%dT%H}",
                    partition_key=key,
                    run_config={"ops": {"make_session": {"config": {"again": False}}}},
                    tags={**RUN_TAGS, "session": key},
                )
                for key in keys
                if now.date() - date.fromisoformat(key) <= timedelta(days=KEPT_DAYS)
            ],
            dynamic_partitions_requests=[history_sessions.build_add_request(keys)],
            # A session that is told anew may lie before the last one that was recorded.
            cursor=max(keys[-1], context.cursor or ""),
        )

    return finished_sessions
