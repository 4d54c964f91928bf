# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The dataset `earnings`: `table` says what it is, `build` makes it."""
