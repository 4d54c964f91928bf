# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Settings of every test."""

from __future__ import annotations

pytest_plugins = [
    "ttapi_pipeline_tests.support.budget",
    "ttapi_pipeline_tests.support.examples",
    "ttapi_pipeline_tests.support.faults.fixture",
    "ttapi_pipeline_tests.support.log_levels",
    "ttapi_pipeline_tests.support.marks",
    "ttapi_pipeline_tests.support.object_store",
    "ttapi_pipeline_tests.support.postgres",
    "ttapi_pipeline_tests.support.thorough",
    "ttapi_pipeline_tests.support.virtual_time",
]
