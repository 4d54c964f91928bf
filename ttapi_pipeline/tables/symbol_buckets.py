# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Buckets of symbols by a hash of their names, for work that several processes share. Ranges: see `symbol_ranges`.

The hash is XXH3 with 64 bits, which is published and never changes: `printf AAPL | xxhsum -H3` prints the same. So a
symbol is in the same bucket on every machine, in every process and with every version of Polars and Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xxhash import xxh3_64_intdigest


def bucket_of(symbol: str, buckets: int) -> int:
    """The bucket of a symbol, from 0 to `buckets` - 1."""
    return xxh3_64_intdigest(symbol.encode()) % buckets


def bucket_keys(buckets: int) -> Sequence[str]:
    """The names of all buckets, in order. Another number of buckets has other names."""
    return [f"{number:02}-of-{buckets}" for number in range(buckets)]


def in_buckets(symbols: Iterable[str], buckets: int) -> Mapping[str, Sequence[str]]:
    """The symbols of each bucket, sorted, by its name; a bucket may have none."""
    keys = bucket_keys(buckets)
    found: dict[str, list[str]] = {key: [] for key in keys}
    for symbol in sorted(symbols):
        found[keys[bucket_of(symbol, buckets)]].append(symbol)
    return found
