# SPDX-License-Identifier: MIT
"""Log records that would be written across a grid: held until it is gone. What is logged is up to its writer."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HELD_RECORDS: Final = 1_000
"""The newest ones are kept."""


class HeldLogs(logging.Handler):
    """Keeps records instead of writing them."""

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[logging.LogRecord] = deque(maxlen=HELD_RECORDS)

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def latest(self) -> str:
        """The newest message from warnings on; empty when there was none."""
        warnings = (record for record in reversed(tuple(self._records)) if record.levelno >= logging.WARNING)
        return next((record.getMessage() for record in warnings), "")

    def take(self) -> list[logging.LogRecord]:
        """The records, the oldest first; they are no longer held."""
        records = list(self._records)
        self._records.clear()
        return records


@contextmanager
def holding_logs() -> Iterator[HeldLogs]:
    """Hold what goes to the root logger's handlers for the length of the block; they get it afterwards."""
    root, held = logging.getLogger(), HeldLogs()
    handlers = root.handlers[:]
    root.handlers[:] = [held]
    try:
        yield held
    finally:
        root.handlers[:] = handlers
        for record in held.take():
            root.handle(record)
