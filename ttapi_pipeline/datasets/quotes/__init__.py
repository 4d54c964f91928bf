# SPDX-License-Identifier: MIT
"""The dataset `quotes`: `table` says what it is, `build` makes it."""
