# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Holds log records that would be written across a grid, until the grid is gone.

How records are written in the end: see `core.logs`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HELD_RECORDS: Final = 1_000
"""As many of the newest records are held; older ones are lost."""


class HeldLogs(logging.Handler):
    """A log handler that keeps records instead of writing them. Any thread may log."""

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[logging.LogRecord] = deque(maxlen=HELD_RECORDS)

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def latest(self) -> str:
        """The newest message of level warning or above; empty when there is none."""
        warnings = (record for record in reversed(tuple(self._records)) if record.levelno >= logging.WARNING)
        return next((record.getMessage() for record in warnings), "")

    def take(self) -> list[logging.LogRecord]:
        """The held records, the oldest first; they are no longer held afterwards."""
        records = list(self._records)
        self._records.clear()
        return records


@contextmanager
def holding_logs() -> Iterator[HeldLogs]:
    """Hold the records of the root logger for the length of the block; its handlers get them afterwards."""
    root, held = logging.getLogger(), HeldLogs()
    handlers = root.handlers[:]
    root.handlers[:] = [held]
    try:
        yield held
    finally:
        root.handlers[:] = handlers
        for record in held.take():
            root.handle(record)
