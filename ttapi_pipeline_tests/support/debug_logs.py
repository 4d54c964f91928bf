# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Everything that any logger says at debug level, in both forms in which it leaves a process."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ttapi_pipeline.core.logs import JsonFormatter, TextFormatter


@contextmanager
def logged_at_debug() -> Iterator[Callable[[], str]]:
    """Everything that any logger says, as text and as JSON."""
    root, written = logging.getLogger(), io.StringIO()
    handlers = []
    for formatter in (TextFormatter(), JsonFormatter()):
        handler = logging.StreamHandler(written)
        handler.setFormatter(formatter)
        handlers.append(handler)
        root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    logging.getLogger("ttapi_pipeline").setLevel(logging.DEBUG)
    try:
        yield written.getvalue
    finally:
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
