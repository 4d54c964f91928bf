# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Partitions, where TT_PARTITIONS wants them: what a bucket of symbols has in a table, as a partition of an asset.

Put here: the partitioned assets, and one execution of a bucket. Not here: what a part is and how a table is put
together from parts (`datasets.parts`); the asset of the table itself, which has no partitions (`assets.datasets`).
"""
