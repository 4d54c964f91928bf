# SPDX-License-Identifier: MIT
"""Returns, horizons, volatility and implied volatility as functions over frames; imports nothing of this project.

Put here: a formula of the field that takes and returns Polars frames or NumPy arrays. Not here: reading or writing
files, settings, the columns of a stored dataset.
"""
