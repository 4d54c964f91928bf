# SPDX-License-Identifier: MIT
"""The dataset `returns_stddev`: `table` says what it is, `build` makes it."""
