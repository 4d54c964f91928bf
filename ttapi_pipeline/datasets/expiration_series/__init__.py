# SPDX-License-Identifier: MIT
"""The dataset `expiration_series`: `table` says what it is, `build` makes it."""
