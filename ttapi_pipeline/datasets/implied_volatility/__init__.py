# SPDX-License-Identifier: MIT
"""The dataset `implied_volatility`: `table` says what it is, `build` makes it."""
