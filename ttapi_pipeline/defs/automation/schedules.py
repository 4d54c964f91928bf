# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The schedule after the market close: end-of-day data on session days, once their bars are final.

Which datasets are due at any other time: see `conditions`.
"""

from datetime import date, datetime
from typing import Any

import dagster as dg
import polars as pl

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.sessions import NEW_YORK, SETTLING_TIME, is_session, session_hours
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.defs.automation.jobs import END_OF_DAY, END_OF_DAY_JOB, RUN_TAGS
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.store import open_store

CLOSE_CRON = "15 17,20 * * 1-5"
"""A quarter of an hour after extended trading: it ends at 17:00 New York time on a half day, else at 20:00."""


def end_of_day_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    """The schedule, on by default.

    Args:
        settings: Where the data is.
        job: The job of END_OF_DAY.
    """

    @dg.schedule(
        name="after_the_close",
        job=job,
        cron_schedule=CLOSE_CRON,
        execution_timezone="America/New_York",
        description="Fetches bars and metrics of the day and computes what rests on them; silent on closed days.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def after_the_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return close_request(settings, context.scheduled_execution_time)

    return after_the_close


def close_request(settings: Settings, now: datetime) -> dg.RunRequest | dg.SkipReason:
    """The outcome of a tick of the schedule.

    Args:
        settings: Where the data is.
        now: The time of the tick, aware.

    Returns:
        A run of the end-of-day data that is older than the last trade of the session, else the reason for none. The run
        is forced: yesterday's bars are within their TTL until tomorrow, and the schedule exists to be earlier than
        that. Of a history it fetches what is new.
    """
    day = now.astimezone(NEW_YORK).date()
    try:
        closes_at = stored_close(settings, day)
    except TTError as error:
        return dg.SkipReason(f"the trading calendar cannot be read: {error}")
    if closes_at is None:
        return dg.SkipReason(f"{day} is not a session")
    settles_at = closes_at + SETTLING_TIME
    if now < settles_at:
        return dg.SkipReason(f"session {day} settles at {settles_at.astimezone(NEW_YORK):%H:%M} New York time")
    statuses = read_statuses(settings, now=now)
    behind = [
        name
        for name in END_OF_DAY
        if (manifest := statuses[name].manifest) is None or manifest.provenance.fetched_at < settles_at
    ]
    if not behind:
        return dg.SkipReason(f"everything is from after session {day} settled")
    return dg.RunRequest(
        run_key=f"{END_OF_DAY_JOB} {day}",
        asset_selection=[dg.AssetKey(name) for name in behind],
        run_config={"resources": {"cache": {"config": {"force": True, "history": False}}}},
        tags={**RUN_TAGS, "session": day.isoformat()},
    )


def stored_close(settings: Settings, day: date) -> datetime | None:
    """When the session of a day closes; None for a day that is not a session.

    Decided by the stored calendar. Where no calendar is stored that reaches the day, by the packaged table.

    Raises:
        TTError: The stored calendar cannot be read.
    """
    from ttapi_pipeline.storage.scan import scan  # noqa: PLC0415 - see `defs`

    folder = open_folder(settings.data_dir)
    if open_store(folder).has_rows(TRADING_CALENDAR.name):
        calendar = scan(folder, TRADING_CALENDAR).select("session", "closes_at").filter(pl.col("session") >= day)
        sessions = dict(calendar.collect().iter_rows())
        if sessions:
            found = sessions.get(day)
            return found if isinstance(found, datetime) else None
    return session_hours(day).closes_at if is_session(day) else None
