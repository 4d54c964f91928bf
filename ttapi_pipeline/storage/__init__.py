# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is stored: Parquet, CSV and manifest of each dataset, written whole, read as written, mended after a crash.

Put here: whatever knows where a file lies or in which order files are written. Not here: what a column means (`tables`,
`datasets`), when a dataset is due (`core.verdict`), formulas (`analytics`).

This module imports nothing, because `tt status` imports `layout` and `stored` and must answer at once.
"""
