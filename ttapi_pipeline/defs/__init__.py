# SPDX-License-Identifier: MIT
"""Dagster definitions: assets, checks, resources, caching, automation. Nothing below this package knows Dagster.

Two halves, since every `dagster` command loads the definitions and few of them run anything. What describes the
pipeline imports Dagster, Polars for the schemas, and what of ours needs no more than the two. What a run does
(`cached`, `building`, `compaction`, `interrupts`, `steps`, `refresh`, `api`, `io_manager`, `charts`, `light`) imports
the client, the feed, the files and dagster-polars, and is itself imported inside of functions that a run alone calls;
`building`, `interrupts` and `api` on a miss alone.
"""
