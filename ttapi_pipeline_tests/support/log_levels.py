# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every test begins with the log levels and handlers that Python starts with.

A command that runs in the test's process configures logging as a program does, and would keep the records of later
tests from them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

_ROOT = logging.getLogger()
_OURS = logging.getLogger("ttapi_pipeline")


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    levels = {logger: logger.level for logger in (_ROOT, _OURS)}
    handlers = list(_ROOT.handlers)
    yield
    for logger, level in levels.items():
        logger.setLevel(level)
    for handler in [each for each in _ROOT.handlers if each not in handlers]:
        _ROOT.removeHandler(handler)
