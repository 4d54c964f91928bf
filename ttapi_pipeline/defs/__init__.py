# SPDX-License-Identifier: MIT
"""Dagster definitions: assets, checks, resources, caching, automation. Nothing below this package knows Dagster.

Two halves, since every `dagster` command loads the definitions and few of them run anything. What describes the
pipeline imports Dagster, Polars for the schemas, and what of ours needs no more than the two. What a run does
(`execution`, `compaction`, `interrupts`, `io_manager`, `charts`, `without_pandas`) imports the files and
dagster-polars, on a miss the client and the feed as well. It is itself imported inside of functions that a run alone
calls.
"""
