# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Errors, value types, settings, the clock, sessions, symbology, manifest and verdict; no third-party framework.

Put here: what several rooms need and what needs none of them. Not here: anything that imports Polars, Dagster or a
network library. The one exception is python-dotenv, which reads a file format.
"""
