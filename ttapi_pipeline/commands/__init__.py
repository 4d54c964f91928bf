# SPDX-License-Identifier: MIT
"""The commands of `tt`, a module each; `cli` dispatches.

Put here: what a command does with its arguments, and its exit code. Not here: tables and screens (`terminal`), what is
due (`datasets.status`), what Dagster runs (`defs`).
"""
