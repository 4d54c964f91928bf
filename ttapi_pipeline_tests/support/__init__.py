# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What several folders of tests need: clocks, a simulator under control, Dagster instances, rows of a small table."""
