# SPDX-License-Identifier: MIT
"""What a table is: its columns, the types and units they have, what its rows must satisfy, and its data version.

Put here: what holds for a frame whichever dataset it belongs to. Not here: the columns of one dataset (`datasets`),
files and manifests (`storage`), formulas (`analytics`).
"""
