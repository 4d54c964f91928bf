# SPDX-License-Identifier: MIT
"""The dataset `accounts`: `table` says what it is, `build` makes it."""
