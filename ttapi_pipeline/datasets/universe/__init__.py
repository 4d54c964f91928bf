# SPDX-License-Identifier: MIT
"""The dataset `universe`: `table` says what it is, `build` makes it."""
