# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Answers of one connection that wait to be sent, and the wish to end it after them.

Market data does not wait here: `market_data` makes it when there is room for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ttapi_pipeline.simulator.dxlink.messages import encode


@dataclass(frozen=True, slots=True)
class Closing:
    """The wish to end the connection once all answers are sent. Code 1006 means: without a close frame."""

    code: int
    reason: str


class Outbox:
    """Messages in the order in which they are sent.

    Attributes:
        closing: Set when the connection is to end after them.
    """

    def __init__(self, count: Callable[[str, int], None]) -> None:
        self._count = count
        self._messages: deque[bytes] = deque()
        self.closing: Closing | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def answer(self, kind: str, channel: int, **content: object) -> None:
        """Add a message of this type."""
        self._messages.append(encode(kind, channel, **content))

    def error(self, error: str, message: str, channel: int = 0) -> None:
        """Add an ERROR message, and count it."""
        self._count("dxlink.errors", 1)
        self.answer("ERROR", channel, error=error, message=message)

    def repeat(self, message: bytes) -> None:
        """Add a message that was sent already, to be sent again."""
        self._messages.append(message)

    def pop(self) -> bytes | None:
        """Take the oldest message; None when there is none."""
        return self._messages.popleft() if self._messages else None
