# SPDX-License-Identifier: MIT
"""The dataset `trading_calendar`: `table` says what it is, `build` makes it."""
