# SPDX-License-Identifier: MIT
"""Dagster's freshness badge, as near to the verdict as its policies can say."""

from datetime import timedelta

import dagster as dg

from ttapi_pipeline.core.declaration import Declaration
from ttapi_pipeline.core.settings import Settings

SHORTEST_WINDOW = timedelta(seconds=60)
"""Dagster accepts no shorter window."""

DEADLINE_CRON = "0 21 * * 1-5"
"""An hour after a regular session's bars are final, New York time."""

EARLIEST = timedelta(hours=4)
"""Before the deadline: 17:00, when the bars of a half day are final."""


def freshness_policy(declaration: Declaration, settings: Settings) -> dg.FreshnessPolicy:
    """The policy of a dataset.

    A window of its TTL; for end-of-day data a deadline on weekdays, so that the badge stays green over the weekend as
    the verdict does. Dagster knows no exchange holidays: there, the badge of end-of-day data turns red in the evening
    and the verdict stays a hit.
    """
    ttl = settings.ttls[declaration.name]
    if declaration.follows_sessions and settings.calendar_aware_ttl and ttl <= timedelta(days=1):
        return dg.FreshnessPolicy.cron(
            deadline_cron=DEADLINE_CRON, lower_bound_delta=EARLIEST, timezone="America/New_York"
        )
    return dg.FreshnessPolicy.time_window(fail_window=max(ttl, SHORTEST_WINDOW))
