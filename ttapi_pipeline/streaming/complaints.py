# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The log of a server's ERROR messages. What they mean for a subscription is decided where they are received."""

from __future__ import annotations

import logging
from typing import Final

from ttapi_pipeline.streaming.events import ErrorReceived

MOST_COMPLAINTS: Final = 20
"""The most kinds that are logged."""

_LOGGER: Final = logging.getLogger(__name__)


class Complaints:
    """Logs each kind of complaint once, and MOST_COMPLAINTS kinds: a flood of messages is no flood of lines."""

    def __init__(self, name: str) -> None:
        """Complaints of the link of that name."""
        self._name = name
        self._kinds: set[tuple[int, str]] = set()

    def note(self, error: ErrorReceived) -> None:
        """Log it, unless that was done, or often enough."""
        kind = (error.channel, error.error)
        if kind in self._kinds or len(self._kinds) >= MOST_COMPLAINTS:
            return
        self._kinds.add(kind)
        _LOGGER.warning(
            "%s: the server said %s on channel %d: %s", self._name, error.error, error.channel, error.message
        )
