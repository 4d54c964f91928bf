# SPDX-License-Identifier: MIT
"""When Dagster refreshes by itself: conditions, freshness policies, schedules, sensors and the jobs that they start.

Put here: what decides that a run is started. Not here: what the run does (`assets`), cleaning up (`operations`).
"""
