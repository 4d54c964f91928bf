# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`quote_history` in Dagster: an external, partitioned asset, and the job and sensor that compact ended sessions.

Put here: partitions, runs and events of the history. Not here: compaction itself (`quote_recorder.compaction`).
"""
