# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The histories in Dagster: external assets with a partition per session, their checks, and what records them.

Put here: partitions, events, checks and the job. Not here: how the rows of a session are made
(`datasets.history_updates`). The step that publishes a dataset makes its history and records the present session;
the sensor records sessions that are over; the job makes sessions again.
"""
