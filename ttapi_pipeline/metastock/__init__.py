# SPDX-License-Identifier: MIT
"""MetaStock ASCII files in, bars out. Merging them with other sources is done in `datasets`."""
