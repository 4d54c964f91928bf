# SPDX-License-Identifier: MIT
"""Which sales have come before: no sale is counted twice, whatever a server repeats."""

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

    A new sale is known by symbol, time and sequence, a correction or cancel also by its price and size. Keys are kept
    as 64-bit hashes, so that two sales are taken for one with odds of about one in 10^13. A bucket forgets its oldest
    key when it is full: what came within the last hundred thousand sales is remembered, give or take.
    """

    def __init__(self, buckets: int = BUCKETS, ways: int = WAYS) -> None:
        """A table for `buckets` (a power of two) times `ways` keys of 8 bytes."""
        self._keys = np.zeros((buckets, ways), dtype=np.uint64)
        self._next = np.zeros(buckets, dtype=np.intp)
        self._mask = np.uint64(buckets - 1)
        self._ways = ways

    def fresh(self, sales: Sales) -> Sales:
        """The sales that have not come before, nor earlier in these; from here on they have."""
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
            # One key per bucket at a time: an assignment would keep the last of several only.
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
    """SplitMix64 of hashes that a further column goes into."""
    hashes = (hashes ^ column) + _STEP
    hashes = (hashes ^ (hashes >> _SHIFTS[0])) * _MIX[0]
    hashes = (hashes ^ (hashes >> _SHIFTS[1])) * _MIX[1]
    return hashes ^ (hashes >> _SHIFTS[2])
