# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The number of requests in flight: as many as the user allows, and fewer while the server answers fewer.

Additive increase, multiplicative decrease, as TCP does it: a request that the server could not serve (429, 503, no
answer in time) halves the number, each answer raises it a little.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Final

_SHRINK: Final = 0.5


class Load(Enum):
    """What a request that the server could not serve says of the number of requests in flight."""

    FINE = auto()
    """It was alone, so that the number is not the reason."""
    TOO_MUCH = auto()
    """There were too many, and now there are half as many."""
    TOO_MUCH_BEFORE = auto()
    """It was sent when there were more than now: nothing new."""


class Slots:
    """Slots of requests, given in the order in which they were asked for. For one event loop.

    Args:
        most: The most requests in flight; the number begins there.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._numbers = 0
        self._first_after = 0
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now, at least 1."""
        return math.floor(self._limit)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[int]:
        """Wait for a slot, and have it inside the block; gives the number of the request, for `overloaded`."""
        if self.in_flight >= self.limit or self._waiting:
            await self._turn()
        else:
            self.in_flight += 1
        self._numbers += 1
        try:
            yield self._numbers
        finally:
            self.in_flight -= 1
            self._admit()

    def answered(self) -> None:
        """Allow a little more, because the server has answered: one more request after a round of answers."""
        if self._limit < self._most:
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
            self._admit()

    def overloaded(self, number: int) -> Load:
        """Allow half as many, because the server could not serve a request.

        Args:
            number: Of the request. Those that were sent before the last decrease tell nothing new.
        """
        if number < self._first_after:
            return Load.TOO_MUCH_BEFORE
        if self.in_flight <= 1:
            return Load.FINE
        self._limit = max(1.0, min(self._limit, self.in_flight) * _SHRINK)
        self._first_after = self._numbers + 1
        return Load.TOO_MUCH

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The slot was given and will not be used.
                self.in_flight -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)
