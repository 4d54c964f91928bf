# SPDX-License-Identifier: MIT
"""What stands between the feed and those who read it: bounded, each by a declared policy."""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.streaming.market_data import Sales

MOST_ROWS: Final = 250_000
"""Sales that wait for a consumer, about 20 MB."""

_LOGGER: Final = logging.getLogger(__name__)


class Policy(StrEnum):
    """What happens to events that a consumer has not taken when further ones come.

    CONFLATE: the newest replaces the older; what waits is bounded by the number of symbols, and nothing is dropped.
    KEEP: every one waits until it is taken. The reader of the socket never waits for a consumer, so the newest are
        dropped and counted once the bound is reached.
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
        """Positions had an event."""
        if not len(touched):
            return
        if touched[-1] >= len(self._is_changed):
            # The board has grown: room for twice as many, so that growing one by one costs no copy each.
            more = 2 * int(touched[-1]) + 1 - len(self._is_changed)
            self._is_changed = np.concatenate([self._is_changed, np.zeros(more, dtype=np.bool_)])
        self._is_changed[touched] = True
        self._has_news.set()

    def take(self) -> NDArray[np.intp]:
        """The positions that had an event since the last call, ascending, each once; there may be none."""
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
        dropped: Sales so far that came while `most_rows` waited.
    """

    policy: Final = Policy.KEEP

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        """A consumer for which at most that many sales wait."""
        self.dropped = 0
        self._most_rows = most_rows
        self._parts: list[Sales] = []
        self._rows = 0
        self._dropped_in_a_row = 0
        self._has_news = asyncio.Event()

    def put(self, sales: Sales) -> None:
        """Sales came."""
        room = self._most_rows - self._rows
        if len(sales) > room:
            if not self._dropped_in_a_row:
                _LOGGER.warning("sales: %d rows wait to be taken; further ones are dropped", self._rows)
            self.dropped += len(sales) - room
            self._dropped_in_a_row += len(sales) - room
            sales = sales[:room]
        if len(sales):
            self._parts.append(sales)
            self._rows += len(sales)
            self._has_news.set()

    def take(self) -> Sales:
        """The sales since the last call, in the order in which they came; there may be none."""
        self._has_news.clear()
        if self._dropped_in_a_row:
            _LOGGER.warning("sales: %d rows were dropped before the others were taken", self._dropped_in_a_row)
            self._dropped_in_a_row = 0
        parts, self._parts, self._rows = self._parts, [], 0
        return Sales.concatenate(parts)

    async def wait(self) -> None:
        """Return as soon as there is something to take."""
        await self._has_news.wait()
