# SPDX-License-Identifier: MIT
"""The fixtures of the tests of the definitions; see `support.worlds`."""

from __future__ import annotations

from ttapi_pipeline_tests.support.instances import migrations_read_once
from ttapi_pipeline_tests.support.worlds import exchange, exchange_process, first_run, world

__all__ = ["exchange", "exchange_process", "first_run", "migrations_read_once", "world"]
