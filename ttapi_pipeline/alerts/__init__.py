# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Alerts: what is wrong with the datasets now, what of it is news, in which words, and to whom it goes.

Put here: decisions over plain values, and the sending. Not here: the sensor that looks twice a minute
(`defs.automation.alerts`), how steps ended by Dagster's records (`defs.operations.step_outcomes`), the command
(`commands.alert`).
"""
