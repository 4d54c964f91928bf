# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The dataset `volatility`: `table` says what it is, `build` makes it."""
