# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Keeping an instance in order for months: old runs, lost runs, and slots of the pool that nothing gives back.

Put here: work on runs, whatever the runs make. Not here: what is due (`automation`).
"""
