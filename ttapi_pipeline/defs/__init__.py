# SPDX-License-Identifier: MIT
"""Dagster only: assets, checks, resources, IO manager, caching and automation over what `datasets` does."""
