# SPDX-License-Identifier: MIT
"""The dataset `earnings`: `table` says what it is, `build` makes it."""
