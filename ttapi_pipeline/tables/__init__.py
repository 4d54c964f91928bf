# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a table is: its columns with their types and units, and what its rows must satisfy.

Put here: what holds for a frame whichever dataset it belongs to. Not here: the columns of one dataset (`datasets`),
files and manifests (`storage`), formulas (`analytics`).
"""
