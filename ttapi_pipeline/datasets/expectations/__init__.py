# SPDX-License-Identifier: MIT
"""The dataset `expectations`: `table` says what it is, `build` makes it."""
