# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The fixtures of the tests of commands; see `support.projects`."""

from __future__ import annotations

from ttapi_pipeline_tests.support.filled_projects import exchange, filled, first
from ttapi_pipeline_tests.support.instances import databases_opened_quickly
from ttapi_pipeline_tests.support.projects import project, tt

__all__ = ["databases_opened_quickly", "exchange", "filled", "first", "project", "tt"]
