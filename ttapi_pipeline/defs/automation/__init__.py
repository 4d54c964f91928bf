# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""When Dagster refreshes by itself: conditions, freshness policies, schedules, sensors and the jobs that they start.

Put here: decisions to start a run. Not here: the work of the run (`assets`), cleaning up (`operations`).
"""
