# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The memory of sales that have come before: no sale is counted twice, whatever a server repeats."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.streaming.market_data import Sales, SaleType

BUCKETS: Final = 1 << 14
WAYS: Final = 16

_MIX: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFTS: Final = (np.uint64(30), np.uint64(27), np.uint64(31))


class SeenSales:
    """Remembers the keys of the latest sales, in a table of fixed size.

    The key of a new sale is its symbol, time and sequence. The key of a correction or cancel also has its price and
    size. Keys are kept as 64-bit hashes, so two sales are taken for one with odds of about one in 10^13. A full bucket
    forgets its oldest key, so the table remembers about the last hundred thousand sales.
    """

    def __init__(self, buckets: int = BUCKETS, ways: int = WAYS) -> None:
        """A table for `buckets` (a power of two) times `ways` keys, 8 bytes each: 2 MB by default."""
        self._keys = np.zeros((buckets, ways), dtype=np.uint64)
        self._next = np.zeros(buckets, dtype=np.intp)
        self._mask = np.uint64(buckets - 1)
        self._ways = ways

    def fresh(self, sales: Sales) -> Sales:
        """The sales that are new, each once, in their order. From here on they have come before."""
        keys = _hashes(sales)
        buckets = (keys & self._mask).astype(np.intp)
        is_fresh = ~(self._keys[buckets] == keys[:, None]).any(axis=1)
        first = np.zeros(len(keys), dtype=np.bool_)
        first[np.unique(keys, return_index=True)[1]] = True
        is_fresh &= first
        self._remember(keys[is_fresh], buckets[is_fresh])
        return sales if is_fresh.all() else sales[is_fresh]

    def _remember(self, keys: NDArray[np.uint64], buckets: NDArray[np.intp]) -> None:
        while len(keys):
            # One key per bucket at a time: of several keys for one bucket, an assignment would keep only the last.
            _, rows = np.unique(buckets, return_index=True)
            here = buckets[rows]
            self._keys[here, self._next[here]] = keys[rows]
            self._next[here] = (self._next[here] + 1) % self._ways
            if len(rows) == len(keys):
                return
            keys, buckets = np.delete(keys, rows), np.delete(buckets, rows)


def _hashes(sales: Sales) -> NDArray[np.uint64]:
    hashes = np.zeros(len(sales), dtype=np.uint64)
    for column in (sales.position, sales.time_ms, sales.sequence, sales.type):
        hashes = _mixed(hashes, column.astype(np.uint64))
    changed = np.flatnonzero(sales.type != SaleType.NEW.value)
    for numbers in (sales.price, sales.size):
        hashes[changed] = _mixed(hashes[changed], numbers[changed].view(np.uint64))
    return hashes


def _mixed(hashes: NDArray[np.uint64], column: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The hashes with one more column mixed in, by SplitMix64."""
    hashes = (hashes ^ column) + _STEP
    hashes = (hashes ^ (hashes >> _SHIFTS[0])) * _MIX[0]
    hashes = (hashes ^ (hashes >> _SHIFTS[1])) * _MIX[1]
    return hashes ^ (hashes >> _SHIFTS[2])
