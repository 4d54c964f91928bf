# SPDX-License-Identifier: MIT
"""Publishing a big table by copying what did not change: row groups of its Parquet file, lines of its CSV.

Put here: what compares, copies or encodes a part of a stored file. Not here: the order in which files are put in place
(`storage.publish`).
"""
