# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The fixtures of the tests of the definitions; see `support.worlds`."""

from __future__ import annotations

from ttapi_pipeline_tests.support.instances import databases_opened_quickly
from ttapi_pipeline_tests.support.worlds import exchange, exchange_process, first_run, world

__all__ = ["databases_opened_quickly", "exchange", "exchange_process", "first_run", "world"]
