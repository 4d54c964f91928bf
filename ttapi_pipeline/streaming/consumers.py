# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Buffers between a feed and its readers. Each is bounded, by a policy that it declares."""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.streaming.market_data import Sales

MOST_ROWS: Final = 250_000
"""The most sales that wait for a consumer: about 20 MB."""

_LOGGER: Final = logging.getLogger(__name__)


class Policy(StrEnum):
    """The fate of events that a consumer has not taken when further events come.

    CONFLATE: the newest event of a symbol replaces the older one. The number of symbols bounds the buffer, and nothing
        is dropped.
    KEEP: every event waits until it is taken. The reader of the socket never waits for a consumer, so once the bound is
        reached, new events are dropped and counted.
    """

    CONFLATE = "conflate"
    KEEP = "keep"


class QuoteConsumer:
    """The positions that changed since the last `take`; their values are on the board."""

    policy: Final = Policy.CONFLATE

    def __init__(self) -> None:
        self._is_changed = np.zeros(0, dtype=np.bool_)
        self._has_news = asyncio.Event()

    def mark(self, touched: NDArray[np.intp]) -> None:
        """Take note of positions that had an event, ascending."""
        if not len(touched):
            return
        if touched[-1] >= len(self._is_changed):
            # The board has grown. Room for twice as many, so that growing symbol by symbol does not copy every time.
            more = 2 * int(touched[-1]) + 1 - len(self._is_changed)
            self._is_changed = np.concatenate([self._is_changed, np.zeros(more, dtype=np.bool_)])
        self._is_changed[touched] = True
        self._has_news.set()

    def take(self) -> NDArray[np.intp]:
        """The positions that had an event since the last call, ascending, each once; possibly no position."""
        self._has_news.clear()
        changed = np.flatnonzero(self._is_changed)
        self._is_changed[changed] = False
        return changed

    async def wait(self) -> None:
        """Return as soon as there is something to take."""
        await self._has_news.wait()


class SaleConsumer:
    """Every sale since the last `take`.

    Attributes:
        dropped: Sales so far that came while the buffer was full.
    """

    policy: Final = Policy.KEEP

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        """A consumer with room for `most_rows` sales."""
        self.dropped = 0
        self._most_rows = most_rows
        self._batches: list[Sales] = []
        self._rows = 0
        self._dropped_in_a_row = 0
        self._has_news = asyncio.Event()

    def put(self, sales: Sales) -> None:
        """Add sales, or as many of them as there is room for."""
        room = self._most_rows - self._rows
        if len(sales) > room:
            if not self._dropped_in_a_row:
                _LOGGER.warning("sales: %d rows wait to be taken; further ones are dropped", self._rows)
            self.dropped += len(sales) - room
            self._dropped_in_a_row += len(sales) - room
            sales = sales[:room]
        if len(sales):
            self._batches.append(sales)
            self._rows += len(sales)
            self._has_news.set()

    def take(self) -> Sales:
        """The sales since the last call, in the order in which they came; possibly no sale."""
        self._has_news.clear()
        if self._dropped_in_a_row:
            _LOGGER.warning("sales: %d rows were dropped before the others were taken", self._dropped_in_a_row)
            self._dropped_in_a_row = 0
        batches, self._batches, self._rows = self._batches, [], 0
        return Sales.concatenate(batches)

    async def wait(self) -> None:
        """Return as soon as there is something to take."""
        await self._has_news.wait()
