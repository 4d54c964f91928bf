# SPDX-License-Identifier: MIT
"""The dataset `variance_premium`: `table` says what it is, `build` makes it."""
