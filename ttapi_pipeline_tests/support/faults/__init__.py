# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Faults of the file system at every point of a write: kills, torn writes, errors, loss of power.

`shim.c` stands between a process and the C library, `library` builds and arms it. `server` forks a warm process per
fault, `trials` runs a writer under every fault and judges what it left, `power` replays its events as a disk that lost
power would have kept them. What the writers do is in `storage_writers` and its neighbours.
"""
