# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Policies for Dagster's freshness badge, as near to the verdict as they can express.

The badge is for people who look at the web UI. Whether a dataset is refreshed is the verdict: see `core.verdict`.
"""

from datetime import timedelta
from functools import cache

import dagster as dg

from ttapi_pipeline.core.declaration import Changes, Declaration
from ttapi_pipeline.core.settings import Settings

SHORTEST_WINDOW = timedelta(seconds=60)
"""Dagster accepts no shorter window."""

DEADLINE_CRON = "0 21 * * 1-5"
"""An hour after a regular session's bars are final, New York time."""

EARLIEST = timedelta(hours=4)
"""Before the deadline: 17:00, when the bars of a half day are final."""

OPEN_HOURS = "10-15"
"""Hours in New York whose deadlines fall into a regular session."""

DEADLINE_MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
"""Divisors of an hour: what a cron expression can repeat evenly."""


def freshness_policy(declaration: Declaration, settings: Settings) -> dg.FreshnessPolicy:
    """The policy of a dataset.

    It is a window of the TTL for data that can change at any time. Data that changes only with sessions has deadlines
    on weekdays, so that the badge stays green over nights and weekends, as the verdict does. End-of-day data has one
    deadline in the evening. Quotes have one per TTL between 10:00 and 16:00.

    Badge and verdict differ on holidays and half days, which Dagster does not know, and in the first half hour of a
    session. Quotes have no deadline then, because cron would put one at 9:00 as well, before the open.
    """
    ttl = settings.ttl(declaration)
    if settings.calendar_aware_ttl:
        match declaration.changes:
            case Changes.ONCE_SETTLED if ttl <= timedelta(days=1):
                return _deadlines(DEADLINE_CRON, EARLIEST)
            case Changes.WHILE_OPEN if ttl <= timedelta(hours=1):
                every = next(minutes for minutes in DEADLINE_MINUTES if ttl <= timedelta(minutes=minutes))
                minute = "0" if every == 60 else f"*/{every}"
                return _deadlines(f"{minute} {OPEN_HOURS} * * 1-5", timedelta(minutes=every))
            case _:
                pass
    return dg.FreshnessPolicy.time_window(fail_window=max(ttl, SHORTEST_WINDOW))


@cache
def _deadlines(cron: str, earliest: timedelta) -> dg.FreshnessPolicy:
    """The policy, made once per expression: to check the bound, Dagster walks through a thousand ticks of the cron."""
    return dg.FreshnessPolicy.cron(deadline_cron=cron, lower_bound_delta=earliest, timezone="America/New_York")
