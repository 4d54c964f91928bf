# SPDX-License-Identifier: MIT
"""Keeping an instance in order for months: old runs, lost runs, slots of the pool, and the run of `tt refresh`.

Put here: work on runs, whatever the runs make. Not here: what is due (`automation`).
"""
