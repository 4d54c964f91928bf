# SPDX-License-Identifier: MIT
"""The dataset `volatility_cone`: `table` says what it is, `build` makes it."""
